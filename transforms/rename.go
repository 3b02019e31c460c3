package transforms

import (
	"context"
	"maps"
	"slices"

	"github.com/penstock-io/penstock/pipeline"
)

// RenameSettings are the settings of rename.
type RenameSettings struct {
	Paths map[string]string `yaml:",whole" required:"true" path:"true" example:"{value.uid: value.user_id}" doc:"New paths by old ones, of fields of the value or of headers. A field keeps its place when only its name changes. What is missing is no error; what is at the new path already is replaced."`
}

// Validate finds paths that cannot be moved.
func (s RenameSettings) Validate() []pipeline.Problem {
	_, problems := s.moves()
	return problems
}

type move struct{ from, to target }

func (s RenameSettings) moves() ([]move, []pipeline.Problem) {
	targets, problems := parseTargets(slices.Collect(maps.Keys(s.Paths)), itself)
	var moves []move
	all := targets
	for _, from := range targets {
		to, err := parseTarget(s.Paths[from.text])
		if err != nil {
			problems = append(problems, pipeline.Problem{Field: from.text, What: s.Paths[from.text] + " " + err.Error(), Do: targetForms})
			continue
		}
		if from.part != to.part || from.part != valuePart && from.part != headerPart || len(from.names) == 0 || len(to.names) == 0 {
			problems = append(problems, pipeline.Problem{Field: from.text, What: "cannot become " + to.text,
				Do: "rename a field to a field or a header to a header; else use compute and drop"})
			continue
		}
		moves, all = append(moves, move{from, to}), append(all, to)
	}
	place := func(text string) string {
		if _, ok := s.Paths[text]; ok {
			return text
		}
		return ""
	}
	return moves, append(problems, collisions(all, place)...)
}

// Rename moves parts of records to other paths.
type Rename struct {
	moves []move
}

// NewRename makes a rename. The error is the first that Validate finds.
func NewRename(s RenameSettings) (*Rename, error) {
	moves, problems := s.moves()
	if err := firstOf(problems); err != nil {
		return nil, err
	}
	return &Rename{moves}, nil
}

// Apply moves the parts. A field below something that is no object is an error
// of the record.
func (t *Rename) Apply(_ context.Context, b *pipeline.Batch) error {
	for r := range b.Live {
		for i := range t.moves {
			if err := t.moves[i].apply(r); err != nil {
				r.Fail(err)
				break
			}
		}
	}
	return nil
}

func (m *move) apply(r *pipeline.Record) error {
	if m.from.part == valuePart {
		_, err := r.Value.Rename(m.from.names, m.to.names)
		return err
	}
	from, to := m.from.names[0], m.to.names[0]
	if !hasHeader(r.Headers, from) {
		return nil
	}
	headers := withHeader(r.Headers, to, nil, false)
	for i := range headers {
		if headers[i].Key == from {
			headers[i].Key = to
		}
	}
	r.Headers = headers
	return nil
}

func hasHeader(headers []pipeline.Header, name string) bool {
	return slices.ContainsFunc(headers, func(h pipeline.Header) bool { return h.Key == name })
}
