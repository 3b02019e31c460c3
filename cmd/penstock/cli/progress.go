package cli

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/penstock-io/penstock/pipeline/engine"
)

// statusLine is a line at the bottom of a terminal that is written again and
// again. What is written to it otherwise, logs, goes above the line.
type statusLine struct {
	to io.Writer

	mu    sync.Mutex
	shown string
}

const clearLine = "\r\x1b[K"

// Write writes above the line.
func (l *statusLine) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shown == "" {
		return l.to.Write(p)
	}
	if _, err := l.to.Write([]byte(clearLine + string(p) + l.shown)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// show replaces the line; with an empty text there is none.
func (l *statusLine) show(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f, ok := l.to.(*os.File); ok {
		text = cut(text, f)
	}
	l.shown = text
	io.WriteString(l.to, clearLine+text) //nolint:errcheck // nobody is looking then
}

// cut shortens a text to a line of the terminal.
func cut(text string, f *os.File) string {
	width, _, err := term.GetSize(int(f.Fd())) //nolint:gosec // a file descriptor is small
	if runes := []rune(text); err == nil && width > 1 && len(runes) >= width {
		return string(runes[:width-1])
	}
	return text
}

// follow shows the progress of pipelines about every second. The function it
// gives ends that, and removes the line.
func (l *statusLine) follow(running []*built) (stop func()) {
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		p := progress{last: time.Now()}
		for {
			select {
			case now := <-ticker.C:
				l.show(p.text(now, running))
			case <-end:
				l.show("")
				return
			}
		}
	}()
	return func() {
		close(end)
		<-ended
	}
}

// progress knows how far pipelines were when they were last looked at.
type progress struct {
	last time.Time
	read uint64
}

// text tells in a line how far pipelines are: all of them together, and the
// worst of their states.
func (p *progress) text(now time.Time, running []*built) string {
	var counts engine.Counts
	var lag int64
	state := engine.State{Name: engine.Stopped}
	for _, b := range running {
		s := b.engine.Stats().Snapshot()
		counts.Read += s.Read
		counts.Written += s.Written
		counts.DeadLettered += s.DeadLettered
		for _, shard := range s.Shards {
			lag += max(shard.Lag, 0)
		}
		if own := b.engine.State(); gravity(own.Name) > gravity(state.Name) {
			state = own
		}
	}
	rate := float64(counts.Read-p.read) / max(now.Sub(p.last).Seconds(), .001)
	p.last, p.read = now, counts.Read
	name := fmt.Sprintf("%d pipelines", len(running))
	if len(running) == 1 {
		name = running[0].name
	}
	parts := []string{name, string(state.Name), grouped(uint64(rate)) + "/s", grouped(counts.Read) + " read",
		grouped(counts.Written) + " written", grouped(uint64(lag)) + " waiting"} //nolint:gosec // not negative
	if counts.DeadLettered > 0 {
		parts = append(parts, grouped(counts.DeadLettered)+" dead letters")
	}
	if state.Reason != "" {
		parts = append(parts, state.Reason)
	}
	return strings.Join(parts, "  ")
}

// gravity orders states by how much they want to be looked at.
func gravity(state engine.StateName) int {
	return slices.Index([]engine.StateName{engine.Stopped, engine.Standby, engine.Running, engine.Starting, engine.Degraded, engine.Failed}, state)
}

// grouped writes 1234567 as 1,234,567.
func grouped(n uint64) string {
	digits := fmt.Sprint(n)
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}
