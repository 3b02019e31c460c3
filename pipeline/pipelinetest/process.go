//go:build unix

package pipelinetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	startLimit = 60 * time.Second      // for a server to answer
	stopLimit  = 10 * time.Second      // for a server to end by itself
	pollEvery  = 20 * time.Millisecond // between two looks at a condition
)

// process is one server program. It has no goroutine of its own, so that tests
// which look for leaked ones may share it.
type process struct {
	what string // "redis-server", for errors
	argv []string
	dir  string // working directory; holds the log
	own  bool   // dir is ours to remove
	pid  int    // 0: not running
}

// start starts the program and returns when ready says nil. A program that
// ends before that is an error that holds the end of its log.
func (p *process) start(ctx context.Context, ready func(context.Context) error) error {
	if p.pid != 0 {
		return fmt.Errorf("%s is already running as process %d", p.what, p.pid)
	}
	out, err := os.OpenFile(p.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("the log of %s: %w", p.what, err)
	}
	defer func() { _ = out.Close() }() // the program has its own copy
	cmd := exec.Command(p.argv[0], p.argv[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = p.dir, out, out
	cmd.SysProcAttr = tied()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%s does not start: %w", p.what, err)
	}
	p.pid = cmd.Process.Pid
	_ = cmd.Process.Release() // end and gone wait for it by its id
	if err := p.await(ctx, ready); err != nil {
		p.kill()
		return err
	}
	return nil
}

func (p *process) await(ctx context.Context, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		if p.gone() {
			return fmt.Errorf("%s ended while it was starting; its log ends with:\n%s", p.what, p.logEnd())
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w (%w); its log ends with:\n%s", p.what, ctx.Err(), err, p.logEnd())
		}
	}
}

// gone tells whether the program has ended, and reaps it then.
func (p *process) gone() bool {
	if p.pid == 0 {
		return true
	}
	pid, err := syscall.Wait4(p.pid, nil, syscall.WNOHANG, nil)
	if pid == p.pid || errors.Is(err, syscall.ECHILD) {
		p.pid = 0
	}
	return p.pid == 0
}

// kill ends the program with SIGKILL, which works on a paused one too, and
// returns when it has ended.
func (p *process) kill() {
	if p.gone() {
		return
	}
	_ = syscall.Kill(p.pid, syscall.SIGKILL)
	for {
		_, err := syscall.Wait4(p.pid, nil, 0, nil)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	p.pid = 0
}

// stop asks the program to end, kills it where it does not, and removes its
// directory where it was made for it.
func (p *process) stop() error {
	if !p.gone() {
		_ = syscall.Kill(p.pid, syscall.SIGCONT)
		_ = syscall.Kill(p.pid, syscall.SIGTERM)
	}
	limit := time.NewTimer(stopLimit)
	defer limit.Stop()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for !p.gone() {
		select {
		case <-tick.C:
		case <-limit.C:
			p.kill()
		}
	}
	if !p.own {
		return nil
	}
	return os.RemoveAll(p.dir)
}

func (p *process) signal(s syscall.Signal) error {
	if p.gone() {
		return fmt.Errorf("%s is not running", p.what)
	}
	return syscall.Kill(p.pid, s)
}

func (p *process) log() string { return filepath.Join(p.dir, p.what+".log") }

// logEnd gives the last lines of the log.
func (p *process) logEnd() string {
	const lines = 20
	text, err := os.ReadFile(p.log())
	if err != nil {
		return err.Error()
	}
	all := strings.Split(string(bytes.TrimSpace(text)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
