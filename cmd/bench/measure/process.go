package measure

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// sampleEvery is how often a process's memory is looked at.
	sampleEvery = 20 * time.Millisecond
	// stderrKept is how much of what a process said last is kept for errors.
	stderrKept = 4 << 10
)

// Usage is what a process took.
type Usage struct {
	Wall time.Duration // exec to exit
	CPU  time.Duration // user and system, of the process alone
	// PeakRSS is the most resident memory the process ever had (VmHWM), MeanRSS
	// the mean of samples (VmRSS), both in bytes; 0 where /proc does not tell.
	PeakRSS, MeanRSS int64
}

// Process is a running program that is watched from outside.
type Process struct {
	cmd     *exec.Cmd
	started time.Time
	stderr  tail
	exited  chan struct{}
	usage   Usage
	err     error
}

// Start runs a program. Its standard output is thrown away. The caller waits for
// it with Wait, always.
func Start(name string, args ...string) (*Process, error) {
	p := &Process{cmd: exec.Command(name, args...), exited: make(chan struct{})}
	p.cmd.Stderr = &p.stderr
	p.started = time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go p.watch()
	return p, nil
}

// Started is the time just before exec.
func (p *Process) Started() time.Time { return p.started }

// Exited is closed when the process has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Wait returns when the process has ended; it is killed when ctx ends first. A
// status other than 0 is an error that holds the last lines of its stderr.
func (p *Process) Wait(ctx context.Context) (Usage, error) {
	select {
	case <-p.exited:
		return p.usage, p.err
	case <-ctx.Done():
		err := p.cmd.Process.Kill()
		<-p.exited
		return p.usage, errors.Join(ctx.Err(), ignoreDone(err), p.err)
	}
}

// Stop asks the process to end (SIGTERM) and waits like Wait.
func (p *Process) Stop(ctx context.Context) (Usage, error) {
	if err := ignoreDone(p.cmd.Process.Signal(syscall.SIGTERM)); err != nil {
		return Usage{}, err
	}
	return p.Wait(ctx)
}

// CPU is what the process has used so far; an error where /proc does not tell.
func (p *Process) CPU() (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	return cpuOf(stat)
}

// Memory is the resident memory of the process now, in bytes (proc(5), VmRSS).
func (p *Process) Memory() (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	return statusBytes(status, "VmRSS:"), err
}

// cpuOf reads utime and stime, in ticks of 10 ms, out of /proc/PID/stat.
func cpuOf(stat []byte) (time.Duration, error) {
	name := bytes.LastIndexByte(stat, ')') // the end of the name, which may hold anything
	fields := strings.Fields(string(stat[name+1:]))
	if len(fields) < 13 {
		return 0, errors.New("/proc/PID/stat is too short")
	}
	user, errUser := strconv.ParseInt(fields[11], 10, 64)
	system, errSystem := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond, errors.Join(errUser, errSystem)
}

// watch samples until the process has ended, and keeps what it has taken.
func (p *Process) watch() {
	defer close(p.exited)
	var sampling sync.WaitGroup
	stop := make(chan struct{})
	var peak, mean int64
	sampling.Go(func() { peak, mean = p.sample(stop) })
	err := p.cmd.Wait()
	wall := time.Since(p.started)
	close(stop)
	sampling.Wait()
	state := p.cmd.ProcessState
	p.usage = Usage{Wall: wall, CPU: state.UserTime() + state.SystemTime(), PeakRSS: peak, MeanRSS: mean}
	if err != nil {
		p.err = fmt.Errorf("%s: %w: %s", p.cmd.Path, err, p.stderr.String())
	}
}

func (p *Process) sample(stop <-chan struct{}) (peak, mean int64) {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	file := fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid)
	var sum, n int64
	for {
		status, err := os.ReadFile(file)
		if rss := statusBytes(status, "VmRSS:"); err == nil && rss > 0 {
			sum, n = sum+rss, n+1
			peak = max(peak, statusBytes(status, "VmHWM:"))
		}
		select {
		case <-tick.C:
		case <-stop:
			return peak, sum / max(n, 1)
		}
	}
}

// statusBytes reads one line, "VmRSS:   1234 kB", out of /proc/PID/status.
func statusBytes(status []byte, name string) int64 {
	_, rest, found := bytes.Cut(status, []byte(name))
	if !found {
		return 0
	}
	line, _, _ := bytes.Cut(rest, []byte{'\n'})
	number, _, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
	kb, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return 0
	}
	return kb << 10
}

// ignoreDone makes nothing of a signal that came too late.
func ignoreDone(err error) error {
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	kept []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, b...)
	if extra := len(t.kept) - stderrKept; extra > 0 {
		t.kept = append(t.kept[:0], t.kept[extra:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.kept))
}
