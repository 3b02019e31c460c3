//go:build unix

package pipelinetest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"
)

// RedisOptions says how to start a Redis. The zero value is a fresh one on a
// free port that forgets everything when it ends.
type RedisOptions struct {
	Args []string // added to the command line: "--maxmemory", "10mb"
	Dir  string   // for its files; empty: a temporary one, removed by Stop
	Port int      // zero: a free one
	// Durable keeps every write over Kill and Restart: an append-only file,
	// synced at each write.
	Durable bool
}

// Redis is a real Redis server. Its methods are called one at a time.
type Redis struct {
	addr string
	proc *process // nil: shared, and started by somebody else
}

// errShared is the answer of a server that others use too.
var errShared = errors.New("this server is shared with other tests; start one of your own with StartRedis or StartKafka")

// StartRedis starts redis-server and returns when it answers. ctx bounds the
// starting, which takes no longer than a minute. The caller calls Stop.
func StartRedis(ctx context.Context, o RedisOptions) (*Redis, error) {
	bin, err := program("redis-server", "redis-server")
	if err != nil {
		return nil, err
	}
	proc, port, err := place("redis-server", o.Dir, o.Port)
	if err != nil {
		return nil, err
	}
	r := &Redis{addr: loopback(port), proc: proc}
	r.proc.argv = append([]string{bin, "--port", strconv.Itoa(port), "--bind", "127.0.0.1",
		"--dir", r.proc.dir, "--save", ""}, append(durability(o.Durable), o.Args...)...)
	if err := r.proc.start(ctx, r.ready); err != nil {
		return nil, errors.Join(err, r.proc.stop())
	}
	return r, nil
}

func durability(durable bool) []string {
	if durable {
		return []string{"--appendonly", "yes", "--appendfsync", "always"}
	}
	return []string{"--appendonly", "no"}
}

// ready returns nil when the server answers a PING, if only by asking for a
// password; while it loads its files it is not ready.
func (r *Redis) ready(ctx context.Context) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", r.addr)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if at, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(at); err != nil {
			return err
		}
	}
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return err
	}
	if strings.HasPrefix(line, "+PONG") || strings.HasPrefix(line, "-NOAUTH") {
		return nil
	}
	return fmt.Errorf("PING: %s", strings.TrimSpace(line))
}

// Addr gives "127.0.0.1:port".
func (r *Redis) Addr() string { return r.addr }

// URL gives "redis://127.0.0.1:port/0".
func (r *Redis) URL() string { return "redis://" + r.addr + "/0" }

// PID gives the id of the server's process; 0: it does not run, or is shared.
func (r *Redis) PID() int { return pid(r.proc) }

// Log gives the path of what the server says; it is there until Stop. Empty: the server is
// shared.
func (r *Redis) Log() string {
	if r.proc == nil {
		return ""
	}
	return r.proc.log()
}

// Kill ends the server with SIGKILL and returns when it has ended.
func (r *Redis) Kill() error { return kill(r.proc) }

// Restart kills the server if it runs, starts it again on the same port and
// directory, and returns when it answers.
func (r *Redis) Restart(ctx context.Context) error { return restart(ctx, r.proc, r.ready) }

// Pause stops the server's process where it stands (SIGSTOP); connections stay.
func (r *Redis) Pause() error { return signal(r.proc, syscall.SIGSTOP) }

// Resume lets a paused server go on (SIGCONT).
func (r *Redis) Resume() error { return signal(r.proc, syscall.SIGCONT) }

// Stop ends the server and removes its temporary directory. It may be called
// more than once.
func (r *Redis) Stop() error { return stop(r.proc) }

func pid(p *process) int {
	if p == nil || p.gone() {
		return 0
	}
	return p.pid
}

func kill(p *process) error {
	if p == nil {
		return errShared
	}
	p.kill()
	return nil
}

func restart(ctx context.Context, p *process, ready func(context.Context) error) error {
	if p == nil {
		return errShared
	}
	p.kill()
	return p.start(ctx, ready)
}

func signal(p *process, s syscall.Signal) error {
	if p == nil {
		return errShared
	}
	return p.signal(s)
}

func stop(p *process) error {
	if p == nil {
		return errShared
	}
	return p.stop()
}
