package demo

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
)

// lastNotes is how many lines of the log are remembered.
const lastNotes = 4

// Notes is a log that remembers its last few lines, for a view that has the screen
// to itself.
type Notes struct {
	kept  *keptNotes
	attrs string
}

type keptNotes struct {
	mu    sync.Mutex
	lines []string
}

var _ slog.Handler = (*Notes)(nil)

// NewNotes makes an empty log.
func NewNotes() *Notes { return &Notes{kept: &keptNotes{}} }

// Lines gives the last few lines, oldest first.
func (n *Notes) Lines() []string {
	n.kept.mu.Lock()
	defer n.kept.mu.Unlock()
	return slices.Clone(n.kept.lines)
}

// Enabled says that what is worth knowing is kept.
func (n *Notes) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

// Handle keeps a line.
func (n *Notes) Handle(_ context.Context, r slog.Record) error {
	var s strings.Builder
	s.WriteString(r.Message)
	s.WriteString(n.attrs)
	r.Attrs(func(a slog.Attr) bool {
		s.WriteString(text(a))
		return true
	})
	n.kept.mu.Lock()
	defer n.kept.mu.Unlock()
	n.kept.lines = append(n.kept.lines, s.String())
	if len(n.kept.lines) > lastNotes {
		n.kept.lines = n.kept.lines[1:]
	}
	return nil
}

// WithAttrs gives a log that begins each line's attributes with these. The name of
// the pipeline is left out: there is one.
func (n *Notes) WithAttrs(attrs []slog.Attr) slog.Handler {
	var more strings.Builder
	more.WriteString(n.attrs)
	for _, a := range attrs {
		if a.Key != "pipeline" {
			more.WriteString(text(a))
		}
	}
	return &Notes{kept: n.kept, attrs: more.String()}
}

// WithGroup gives the same log: names of groups help no reader here.
func (n *Notes) WithGroup(string) slog.Handler { return n }

func text(a slog.Attr) string { return fmt.Sprintf("  %s: %v", a.Key, a.Value) }
