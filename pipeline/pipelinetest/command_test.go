//go:build unix

package pipelinetest

import (
	"strings"
	"syscall"
	"testing"
	"time"
)

// failing is a testing.TB that notes a failure in place of ending the test.
type failing struct {
	testing.TB
	said string
}

func (f *failing) Fatalf(format string, _ ...any) { f.said = format }

func script(tb testing.TB, text string) *Command {
	return StartCommand(tb, []string{"GREETING=hello"}, "/bin/sh", "-c", text)
}

func TestCommandEndsByItself(t *testing.T) {
	c := script(t, "echo result; echo $GREETING >&2; exit 3")
	if code := c.Exit(10 * time.Second); code != 3 {
		t.Errorf("code %d", code)
	}
	if c.Output() != "result" || c.Log() != "hello" || c.Running() {
		t.Errorf("output %q, log %q, running %v", c.Output(), c.Log(), c.Running())
	}
	if c.Kill() || c.Killed() {
		t.Error("it ended by itself, and counts as killed")
	}
}

func TestCommandIsKilled(t *testing.T) {
	c := script(t, "echo up >&2; exec sleep 600")
	c.Await(10*time.Second, "up")
	if !c.Running() || !c.Kill() || !c.Killed() || c.Running() {
		t.Error("it was running, and SIGKILL did not end it")
	}
	if code := c.Exit(time.Second); code != -1 {
		t.Errorf("code %d after a signal", code)
	}
}

func TestCommandTakesSignals(t *testing.T) {
	c := script(t, `trap 'echo asked >&2; exit 7' TERM; echo up >&2; while :; do sleep 0.01; done`)
	c.Await(10*time.Second, "up")
	c.Signal(syscall.SIGTERM)
	if code := c.Exit(10 * time.Second); code != 7 || !strings.Contains(c.Log(), "asked") {
		t.Errorf("code %d, log %q", code, c.Log())
	}
	c.Signal(syscall.SIGTERM) // it has ended
}

func TestEventually(t *testing.T) {
	n := 0
	Eventually(t, 10*time.Second, "three", func() bool { n++; return n == 3 })
	f := &failing{TB: t}
	fails := 0
	Eventually(f, time.Nanosecond, "never", func() bool { fails++; return f.said != "" })
	if n != 3 || f.said == "" {
		t.Errorf("looked %d times; and said %q of what never comes", n, f.said)
	}
}

func TestTailOf(t *testing.T) {
	for text, want := range map[string]string{"": "", "a": "a", "a\nb": "a\nb", "a\nb\nc": "b\nc"} {
		if got := tailOf(text, 2); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
