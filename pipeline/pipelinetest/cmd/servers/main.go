//go:build unix

// Command servers starts a real Redis and a real Kafka, runs a command with
// their addresses in its environment, and stops them when it ends:
//
//	servers [-limit 15m] COMMAND [ARGUMENT…]
//
// It exits as the command does. On Ctrl-C, SIGTERM and at the limit it stops the
// command, with all that the command has started, and then the servers.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// grace is how long a command may go on after it was asked to end.
const grace = 5 * time.Second

func main() {
	limit := flag.Duration("limit", 0, "stop the command after this time (0: never)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	code, err := serve(ctx, *limit, flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "servers:", err)
	}
	os.Exit(code) //nolint:gocritic // stop has nothing left to do
}

// serve gives the exit code of the command, or 1 and an error.
func serve(ctx context.Context, limit time.Duration, command []string) (code int, err error) {
	if len(command) == 0 {
		return 2, errors.New("no command; write: servers go test -tags e2e ./…")
	}
	redis, err := pipelinetest.StartRedis(ctx, pipelinetest.RedisOptions{})
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, redis.Stop()) }()
	kafka, err := pipelinetest.StartKafka(ctx, pipelinetest.KafkaOptions{})
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, kafka.Stop()) }()

	env := append(os.Environ(),
		pipelinetest.RedisEnv+"="+redis.Addr(),
		pipelinetest.KafkaEnv+"="+kafka.Addr())
	return run(ctx, limit, command, env)
}

// run runs the command in a process group of its own, and ends the whole group
// when ctx or the limit does.
func run(ctx context.Context, limit time.Duration, command, env []string) (int, error) {
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, limit, fmt.Errorf("the limit of %s is over", limit))
		defer cancel()
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env, cmd.Stdout, cmd.Stderr = env, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = grace
	err := cmd.Run()
	if ctx.Err() != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // whoever did not listen
		return 1, fmt.Errorf("%s was stopped: %w", command[0], context.Cause(ctx))
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return max(exit.ExitCode(), 1), nil // -1: ended by a signal
	}
	if err != nil {
		return 1, err
	}
	return 0, nil
}
