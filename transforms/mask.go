package transforms

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"unicode/utf8"

	"github.com/penstock-io/penstock/pipeline"
)

// MaskSettings are the settings of mask.
type MaskSettings struct {
	Fields []string        `yaml:"fields" required:"true" path:"true" example:"[value.email, headers.cookie]" doc:"The parts of the record to mask: fields of the value, headers.name or key. What is missing, and null, stays."`
	With   string          `yaml:"with" example:"'***'" doc:"The text that takes their place."`
	Hash   pipeline.Secret `yaml:"hash" example:"${MASK_KEY}" doc:"A secret of 16 bytes or more: their HMAC-SHA-256 with it, in hex, takes their place. The same text gives the same hash, so that records can still be told apart and joined."`
	Keep   int             `yaml:"keep" min:"1" example:"4" doc:"So many of the last characters stay, the others become * each; of a text that is not at least twice as long nothing stays."`
}

// minSecret is how many bytes a key of hash has at least: those of a short one can be
// guessed, and with it what was masked.
const minSecret = 16

// Validate finds what cannot be masked, or not in a way that is named.
func (s MaskSettings) Validate() []pipeline.Problem {
	targets, problems := parseTargets(s.Fields, nowhere)
	problems = append(problems, collisions(targets, nowhere)...)
	for _, t := range targets {
		if t.part == topicPart || t.part == valuePart && len(t.names) == 0 {
			problems = append(problems, pipeline.Problem{Field: "fields", What: t.text + " cannot be masked", Do: "write value.name, headers.name or key"})
		}
	}
	named := 0
	for _, is := range []bool{s.With != "", s.Hash != "", s.Keep != 0} {
		if is {
			named++
		}
	}
	if named != 1 {
		problems = append(problems, pipeline.Problem{What: "one of with, hash and keep says what takes their place", Do: "write one of them, like with: '***'"})
	}
	if s.Hash != "" && len(s.Hash.Reveal()) < minSecret {
		problems = append(problems, pipeline.Problem{Field: "hash", What: "the secret is too short, and could be guessed", Do: "write one of 16 bytes or more"})
	}
	return problems
}

// Mask hides what stands in parts of records.
type Mask struct {
	targets []target
	hide    func(dst, text []byte) []byte
}

// NewMask makes a mask. The error is the first that Validate finds.
func NewMask(s MaskSettings) (*Mask, error) {
	if err := firstOf(s.Validate()); err != nil {
		return nil, err
	}
	m := &Mask{}
	m.targets, _ = parseTargets(s.Fields, nowhere)
	switch {
	case s.With != "":
		m.hide = func(dst, _ []byte) []byte { return append(dst, s.With...) }
	case s.Hash != "":
		secret := []byte(s.Hash.Reveal())
		m.hide = func(dst, text []byte) []byte {
			sum := hmac.New(sha256.New, secret)
			sum.Write(text)
			return hex.AppendEncode(dst, sum.Sum(nil))
		}
	default:
		m.hide = func(dst, text []byte) []byte { return keepLast(dst, text, s.Keep) }
	}
	return m, nil
}

// keepLast appends a text of which only the last characters are shown.
func keepLast(dst, text []byte, keep int) []byte {
	all := utf8.RuneCount(text)
	if all < 2*keep {
		keep = 0
	}
	hidden := 0
	for len(text) > 0 {
		_, size := utf8.DecodeRune(text)
		if hidden < all-keep {
			dst = append(dst, '*')
		} else {
			dst = append(dst, text[:size]...)
		}
		hidden++
		text = text[size:]
	}
	return dst
}

// Apply masks. A field of any type becomes a string; of an object or array its JSON is
// masked as a whole.
func (m *Mask) Apply(_ context.Context, b *pipeline.Batch) error {
	for r := range b.Live {
		for i := range m.targets {
			if err := m.apply(b, r, &m.targets[i]); err != nil {
				r.Fail(err)
				break
			}
		}
	}
	return nil
}

func (m *Mask) apply(b *pipeline.Batch, r *pipeline.Record, t *target) error {
	switch t.part {
	case keyPart:
		if r.Key != nil {
			r.Key = m.hide(nil, r.Key)
		}
	case headerPart:
		if hasHeader(r.Headers, t.names[0]) {
			r.Headers = slices.Clone(r.Headers)
			for i := range r.Headers {
				if h := &r.Headers[i]; h.Key == t.names[0] {
					h.Value = m.hide(nil, h.Value)
				}
			}
		}
	default:
		node, ok := r.Value.Get(t.names...)
		if !ok || node.Type() == pipeline.JSONNull {
			return nil
		}
		hidden := m.hide(nil, []byte(node.Text()))
		return r.Value.Set(b, t.names, pipeline.AppendString(b.Arena.Alloc(len(hidden)+2), hidden))
	}
	return nil
}
