package server

import (
	"context"

	"go.yaml.in/yaml/v4"

	"github.com/penstock-io/penstock/pipeline/config"
)

// Text gives a pipeline's YAML as it may be shown, secrets masked, and its revision.
// Errors: Missing, Invalid where it cannot be read any more.
func (s *Set) Text(ctx context.Context, name string) ([]byte, uint64, error) {
	p, revision, err := s.parsed(ctx, name)
	if err != nil {
		return nil, 0, err
	}
	text, err := p.Shown()
	return text, revision, err
}

// Explain gives what there is to say of a pipeline. Errors as those of Text.
func (s *Set) Explain(ctx context.Context, name string) (any, error) {
	p, _, err := s.parsed(ctx, name)
	if err != nil {
		return nil, err
	}
	return s.maker.Explain(p)
}

func (s *Set) parsed(ctx context.Context, name string) (*config.Pipeline, uint64, error) {
	e, err := s.entryOf(name)
	if err != nil {
		return nil, 0, err
	}
	defer e.change.Unlock()
	p, err := e.parse(ctx)
	return p, e.def.Revision, err
}

// Check finds the mistakes of a text that came over the API, and gives what there is to say
// of the pipeline. Masks in it are those of the pipeline of its name. Errors: Invalid.
func (s *Set) Check(ctx context.Context, text []byte) (any, error) {
	p, err := s.unmasked(ctx, text)
	if err != nil {
		return nil, err
	}
	return s.maker.Explain(p)
}

// unmasked reads a text, whose masks are those of the pipeline of its name.
func (s *Set) unmasked(ctx context.Context, text []byte) (*config.Pipeline, error) {
	p, err := s.parseText(ctx, text)
	if err != nil {
		return nil, err
	}
	before, _, err := s.parsed(ctx, p.Name)
	if err != nil {
		return p, nil //nolint:nilerr // there is none, or it cannot be read: the text stands alone
	}
	p, _, err = s.parseOne(ctx, text, before)
	return p, err
}

// Patch changes parts of a pipeline's text: what patch names takes the place of what is
// there, and null removes it (RFC 7396). Errors as those of Replace.
func (s *Set) Patch(ctx context.Context, name string, patch []byte, revision uint64) (Status, error) {
	e := s.find(name)
	if e == nil {
		return Status{}, missing(name)
	}
	e.mu.Lock()
	text, now := e.def.Text, e.def.Revision
	e.mu.Unlock()
	if revision == 0 {
		revision = now // nobody changes it between this and the change
	}
	patched, err := merged([]byte(text), patch)
	if err != nil {
		return Status{}, err
	}
	return s.replaceAs(ctx, name, patched, revision, s.isFlat(name))
}

// merged gives a YAML text with a patch.
func merged(text, patch []byte) ([]byte, error) {
	var into, with yaml.Node
	if err := yaml.Unmarshal(text, &into); err != nil {
		return nil, &Error{Kind: Invalid, What: "the pipeline's text cannot be read", Err: err}
	}
	if err := yaml.Unmarshal(patch, &with); err != nil {
		return nil, &Error{Kind: Invalid, What: "the patch is no JSON or YAML", Err: err}
	}
	if len(into.Content) != 1 || len(with.Content) != 1 || with.Content[0].Kind != yaml.MappingNode {
		return nil, &Error{Kind: Invalid, What: "a patch is an object"}
	}
	into.Content[0] = mergedNode(into.Content[0], with.Content[0])
	return yaml.Marshal(&into)
}

func mergedNode(into, with *yaml.Node) *yaml.Node {
	if with.Kind != yaml.MappingNode {
		return with
	}
	if into == nil || into.Kind != yaml.MappingNode {
		into = &yaml.Node{Kind: yaml.MappingNode}
	}
	for i := 0; i+1 < len(with.Content); i += 2 {
		key, value := with.Content[i], with.Content[i+1]
		at := 0
		for at < len(into.Content) && into.Content[at].Value != key.Value {
			at += 2
		}
		switch {
		case value.ShortTag() == "!!null":
			if at < len(into.Content) {
				into.Content = append(into.Content[:at], into.Content[at+2:]...)
			}
		case at < len(into.Content):
			into.Content[at+1] = mergedNode(into.Content[at+1], value)
		default:
			into.Content = append(into.Content, key, mergedNode(nil, value))
		}
	}
	return into
}
