//go:build unix

package pipelinetest

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Command is a program under test. It is killed when the test ends, and the end
// of its log is shown where the test failed. Its methods are called by the
// test's goroutine.
type Command struct {
	tb   testing.TB
	cmd  *exec.Cmd
	log  string
	out  string
	done chan struct{} // closed when it has ended
}

// StartCommand starts a program with variables added to the environment. Its
// standard input is empty.
func StartCommand(tb testing.TB, env []string, name string, args ...string) *Command {
	tb.Helper()
	dir := tb.TempDir()
	c := &Command{tb: tb, cmd: exec.Command(name, args...), done: make(chan struct{}),
		log: filepath.Join(dir, "stderr"), out: filepath.Join(dir, "stdout")}
	c.cmd.Env = append(os.Environ(), env...)
	c.cmd.SysProcAttr = tied()
	stderr, err := os.Create(c.log)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = stderr.Close() }() // the program has its own copy
	stdout, err := os.Create(c.out)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = stdout.Close() }() // as above
	c.cmd.Stdout, c.cmd.Stderr = stdout, stderr
	if err := c.cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	go func() {
		_ = c.cmd.Wait() // ProcessState says it all
		close(c.done)
	}()
	tb.Cleanup(c.end)
	return c
}

// end kills what still runs.
func (c *Command) end() {
	if c.Running() {
		_ = syscall.Kill(c.cmd.Process.Pid, syscall.SIGCONT)
	}
	c.Kill()
	if log := c.Log(); log != "" && c.tb.Failed() {
		c.tb.Logf("%s logged, in the end:\n%s", c.cmd.Path, tailOf(log, 15))
	}
}

// PID gives the id of the process.
func (c *Command) PID() int { return c.cmd.Process.Pid }

// Done is closed when the program has ended.
func (c *Command) Done() <-chan struct{} { return c.done }

// Running tells whether the program has not ended yet.
func (c *Command) Running() bool {
	select {
	case <-c.done:
		return false
	default:
		return true
	}
}

// Kill ends the program with SIGKILL and returns when it has ended. It is true
// where the signal ended it, false where it had ended by itself.
func (c *Command) Kill() bool {
	_ = c.cmd.Process.Kill() // an error: it has ended
	<-c.done
	return c.Killed()
}

// Killed tells of a program that has ended whether SIGKILL did it.
func (c *Command) Killed() bool {
	status, ok := c.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// Signal sends a signal. Nothing happens where the program has ended.
func (c *Command) Signal(s syscall.Signal) {
	c.tb.Helper()
	if err := c.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		c.tb.Fatalf("%v to %s: %v", s, c.cmd.Path, err)
	}
}

// Exit waits for the end of the program and gives its exit code, -1 where a
// signal ended it. One that runs for longer than within fails the test.
func (c *Command) Exit(within time.Duration) int {
	c.tb.Helper()
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-c.done:
		return c.cmd.ProcessState.ExitCode()
	case <-timer.C:
		c.tb.Fatalf("%s %v still runs after %v", filepath.Base(c.cmd.Path), c.cmd.Args[1:], within)
		return -1
	}
}

// Await waits until the log holds the text.
func (c *Command) Await(within time.Duration, text string) {
	c.tb.Helper()
	Eventually(c.tb, within, "the log holds "+text, func() bool {
		running := c.Running()
		if strings.Contains(c.Log(), text) {
			return true
		}
		if !running {
			c.tb.Fatalf("%s ended with code %d, and its log does not hold %q", c.cmd.Path, c.cmd.ProcessState.ExitCode(), text)
		}
		return false
	})
}

// Log gives what the program has written to standard error.
func (c *Command) Log() string { return c.read(c.log) }

// Output gives what the program has written to standard output.
func (c *Command) Output() string { return c.read(c.out) }

func (c *Command) read(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		c.tb.Fatal(err)
	}
	return string(bytes.TrimSpace(text))
}

// Eventually waits until ok is true, and fails the test when that takes longer
// than within.
func Eventually(tb testing.TB, within time.Duration, what string, ok func() bool) {
	tb.Helper()
	limit := time.NewTimer(within)
	defer limit.Stop()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-limit.C:
			tb.Fatalf("not within %v: %s", within, what)
		}
	}
}

// tailOf gives the last lines of a text.
func tailOf(text string, lines int) string {
	all := strings.Split(text, "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
