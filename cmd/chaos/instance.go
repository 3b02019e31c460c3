package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// instance is one Penstock under a supervisor: when its process ends, for whatever
// reason, the next one starts.
type instance struct {
	job  *job
	log  string        // file; all processes write there, one after the other
	gate chan struct{} // holds a token while no process may start

	mu      sync.Mutex
	process *os.Process
	ended   chan struct{} // closed when the process has ended
	env     []string      // of the next process
	full    bool          // the next process logs to a full disk
	stops   bool          // no next one
	starts  int
	failed  []string // ends that nobody asked for
	peak    int64    // bytes of memory, as far as it was looked at
	done    chan struct{}
}

// restartAfter is how long the supervisor waits before the next process.
const restartAfter = 100 * time.Millisecond

// supervise starts the first process, and keeps one running until stop.
func (j *job) supervise(number int) (*instance, error) {
	i := &instance{job: j, log: filepath.Join(j.dir, fmt.Sprintf("%s-%d.log", j.name, number)), gate: make(chan struct{}, 1), done: make(chan struct{})}
	cmd, err := i.start()
	if err != nil {
		return nil, err
	}
	go i.run(cmd)
	return i, nil
}

// start starts a process, unless there is to be no more. It waits while they are held.
func (i *instance) start() (*exec.Cmd, error) {
	i.gate <- struct{}{}
	defer func() { <-i.gate }()
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.stops {
		return nil, nil
	}
	name := i.log
	if i.full {
		name = "/dev/full"
	}
	log, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }() // the process has its own copy
	cmd := exec.Command(i.job.binary, append([]string{"run", i.job.file}, i.job.flags...)...)
	cmd.Env = append(append(os.Environ(), i.job.env...), i.env...)
	cmd.Stderr = log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	i.env, i.process, i.ended = nil, cmd.Process, make(chan struct{})
	i.starts++
	return cmd, nil
}

// run waits for processes, and starts the next ones.
func (i *instance) run(cmd *exec.Cmd) {
	defer close(i.done)
	for cmd != nil {
		err := cmd.Wait()
		i.note(cmd, err)
		_ = wait(context.Background(), restartAfter) // it cannot fail
		if cmd, err = i.start(); err != nil {
			i.wrong(err.Error())
			return
		}
	}
}

// wrong notes what nobody asked for.
func (i *instance) wrong(what string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.failed = append(i.failed, what)
}

// hold stops the process by SIGTERM, and returns when it has ended. The next one
// starts at release.
func (i *instance) hold(ctx context.Context) error {
	i.gate <- struct{}{}
	i.mu.Lock()
	process, ended := i.process, i.ended
	i.mu.Unlock()
	_ = process.Signal(syscall.SIGTERM) // an error: it has ended
	return i.gone(ctx, ended)
}

// release lets processes start again, where they were held.
func (i *instance) release() {
	select {
	case <-i.gate:
	default:
	}
}

// look keeps the most memory that the process has had.
func (i *instance) look() {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", i.pid()))
	if err != nil {
		return // it has ended
	}
	var kib int64
	_, _ = fmt.Sscanf(field(status, "VmHWM"), "%d kB", &kib) // 0 where it does not tell
	i.mu.Lock()
	defer i.mu.Unlock()
	i.peak = max(i.peak, kib<<10)
}

// note keeps how a process has ended.
func (i *instance) note(cmd *exec.Cmd, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	status, _ := cmd.ProcessState.Sys().(syscall.WaitStatus)
	killed := status.Signaled() && status.Signal() == syscall.SIGKILL
	if err != nil && !killed {
		i.failed = append(i.failed, err.Error())
	}
	close(i.ended)
}

// signal sends a signal to the process there is.
func (i *instance) signal(s syscall.Signal) {
	i.mu.Lock()
	defer i.mu.Unlock()
	_ = i.process.Signal(s) // an error: it has ended, and the next one starts
}

// pid gives the process there is.
func (i *instance) pid() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.process.Pid
}

// kill kills the process there is, and returns when it has ended. The next one has
// more variables in its environment.
func (i *instance) kill(ctx context.Context, env ...string) error {
	i.mu.Lock()
	i.env = env
	process, ended := i.process, i.ended
	i.mu.Unlock()
	_ = process.Kill() // an error: it has ended
	return i.gone(ctx, ended)
}

// starting returns when there have been n starts.
func (i *instance) starting(ctx context.Context, n int) error {
	return eventually(ctx, time.Minute, "the supervisor starts Penstock", func() bool { return i.started() >= n })
}

func (i *instance) started() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.starts
}

func (i *instance) gone(ctx context.Context, ended <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("process %d of %s does not end: %w", i.pid(), i.job.name, ctx.Err())
	}
}

// stop ends the process by SIGTERM, by SIGKILL where it does not listen, and the
// supervisor with it.
func (i *instance) stop() {
	i.mu.Lock()
	i.stops = true
	i.mu.Unlock()
	i.release()
	limit := time.NewTimer(30 * time.Second)
	defer limit.Stop()
	i.signal(syscall.SIGCONT)
	i.signal(syscall.SIGTERM)
	for {
		select {
		case <-i.done:
			return
		case <-limit.C:
			i.wrong("it did not end within 30 s after SIGTERM")
			i.signal(syscall.SIGKILL)
		}
	}
}

// text gives the whole log.
func (i *instance) text() string {
	text, _ := os.ReadFile(i.log) // an error: empty
	return string(text)
}
