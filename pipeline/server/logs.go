package server

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"sync"
)

// keptLines is how many lines of each pipeline's log are kept for who asks later.
const keptLines = 50

// Logs is a slog.Handler that passes all on to another one, and keeps the newest lines of
// each pipeline, as JSON: those that have an attribute "pipeline".
type Logs struct {
	next     slog.Handler
	lines    slog.Handler // writes to shared.line
	shared   *sharedLogs
	pipeline string
}

// sharedLogs is what the handlers of one log have in common.
type sharedLogs struct {
	mu   sync.Mutex
	line bytes.Buffer
	kept map[string][][]byte
	outs map[string][]chan<- []byte
}

// NewLogs makes a handler before another one.
func NewLogs(next slog.Handler) *Logs {
	shared := &sharedLogs{kept: map[string][][]byte{}, outs: map[string][]chan<- []byte{}}
	return &Logs{next: next, lines: slog.NewJSONHandler(&shared.line, &slog.HandlerOptions{Level: slog.LevelDebug}), shared: shared}
}

// Enabled asks the other one.
func (l *Logs) Enabled(ctx context.Context, level slog.Level) bool {
	return l.next.Enabled(ctx, level)
}

// Handle passes a line on, and keeps it where it is a pipeline's.
func (l *Logs) Handle(ctx context.Context, r slog.Record) error {
	pipeline := l.pipeline
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "pipeline" {
			pipeline = a.Value.String()
		}
		return true
	})
	if pipeline != "" {
		l.keep(ctx, pipeline, r)
	}
	return l.next.Handle(ctx, r)
}

func (l *Logs) keep(ctx context.Context, pipeline string, r slog.Record) {
	s := l.shared
	s.mu.Lock()
	defer s.mu.Unlock()
	s.line.Reset()
	if l.lines.Handle(ctx, r) != nil {
		return // the other one says it
	}
	line := bytes.TrimSpace(bytes.Clone(s.line.Bytes()))
	s.kept[pipeline] = append(s.kept[pipeline], line)
	if kept := s.kept[pipeline]; len(kept) > keptLines {
		s.kept[pipeline] = slices.Delete(kept, 0, len(kept)-keptLines)
	}
	for _, out := range s.outs[pipeline] {
		select {
		case out <- line:
		default: // who looks is too slow for it
		}
	}
}

// WithAttrs gives a handler of lines with attributes.
func (l *Logs) WithAttrs(attrs []slog.Attr) slog.Handler {
	out := &Logs{next: l.next.WithAttrs(attrs), lines: l.lines.WithAttrs(attrs), shared: l.shared, pipeline: l.pipeline}
	for _, a := range attrs {
		if a.Key == "pipeline" {
			out.pipeline = a.Value.String()
		}
	}
	return out
}

// WithGroup gives a handler of lines whose attributes stand in a group.
func (l *Logs) WithGroup(name string) slog.Handler {
	return &Logs{next: l.next.WithGroup(name), lines: l.lines.WithGroup(name), shared: l.shared, pipeline: l.pipeline}
}

// follow gives the newest lines of a pipeline, and sends those that come until stop is called.
func (l *Logs) follow(pipeline string, out chan<- []byte) (newest [][]byte, stop func()) {
	s := l.shared
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outs[pipeline] = append(s.outs[pipeline], out)
	return slices.Clone(s.kept[pipeline]), func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.outs[pipeline] = slices.DeleteFunc(s.outs[pipeline], func(o chan<- []byte) bool { return o == out })
		if len(s.outs[pipeline]) == 0 {
			delete(s.outs, pipeline)
		}
	}
}

// forget drops the lines of a pipeline that is gone.
func (l *Logs) forget(pipeline string) {
	l.shared.mu.Lock()
	defer l.shared.mu.Unlock()
	delete(l.shared.kept, pipeline)
}
