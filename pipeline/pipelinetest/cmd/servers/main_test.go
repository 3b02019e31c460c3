//go:build unix

package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestRunExitsAsTheCommandDoes(t *testing.T) {
	for _, c := range []struct {
		script string
		want   int
	}{
		{"exit 0", 0},
		{"exit 7", 7},
		{"kill -9 $$", 1},
		{`test "$GREETING" = hello`, 0},
	} {
		got, err := run(t.Context(), 0, []string{"sh", "-c", c.script}, []string{"GREETING=hello"})
		if got != c.want || err != nil {
			t.Errorf("%s: exit %d, %v; want %d", c.script, got, err, c.want)
		}
	}
}

func TestRunNamesACommandThatIsNotThere(t *testing.T) {
	code, err := run(t.Context(), 0, []string{"/no/such/command"}, nil)
	if code != 1 || err == nil || !strings.Contains(err.Error(), "/no/such/command") {
		t.Errorf("exit %d, %v", code, err)
	}
}

func TestServeWantsACommand(t *testing.T) {
	code, err := serve(t.Context(), 0, nil)
	if code != 2 || err == nil {
		t.Errorf("exit %d, %v; want 2 and an error", code, err)
	}
}

// The grandchild ignores SIGTERM, as a test binary under `go test` may.
const stubborn = `sh -c 'trap "" TERM; echo $$ >"$0.new"; mv "$0.new" "$0"; exec sleep 1000' "$1" & wait`

func TestLimitEndsTheWholeGroup(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	code, err := run(t.Context(), time.Second, []string{"sh", "-c", stubborn, "sh", file}, os.Environ())
	if code != 1 || err == nil || !strings.Contains(err.Error(), "limit of 1s") {
		t.Errorf("exit %d, %v", code, err)
	}
	awaitEnd(t, file)
}

func TestCancelEndsTheWholeGroup(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		await(t, func() bool { _, err := os.Stat(file); return err == nil })
		cancel(errors.New("interrupted"))
	}()
	code, err := run(ctx, 0, []string{"sh", "-c", stubborn, "sh", file}, os.Environ())
	if code != 1 || err == nil || !strings.Contains(err.Error(), "interrupted") {
		t.Errorf("exit %d, %v", code, err)
	}
	awaitEnd(t, file)
}

// awaitEnd returns when the process with the id in file is gone or a zombie.
func awaitEnd(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	await(t, func() bool {
		stat, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) || strings.Contains(string(stat), ") Z ")
	})
}

func await(t *testing.T, done func() bool) {
	t.Helper()
	limit, tick := time.After(20*time.Second), time.NewTicker(10*time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-limit:
			t.Error("it never came")
			return
		}
	}
}
