//go:build unix

package pipelinetest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Watched is what Sentinels call the servers of a RedisSentinels.
const Watched = "watched"

// RedisSentinels are two real Redis servers, the second a replica of the first, watched by
// a real Sentinel. Its methods are called one at a time.
type RedisSentinels struct {
	Servers  [2]*Redis
	sentinel *Redis
}

// StartRedisSentinels starts them, and returns when the replica follows and the Sentinel
// knows it. ctx bounds the starting. The caller calls Stop.
func StartRedisSentinels(ctx context.Context) (_ *RedisSentinels, err error) {
	s := &RedisSentinels{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Stop())
		}
	}()
	for i := range s.Servers {
		if s.Servers[i], err = StartRedis(ctx, RedisOptions{Args: []string{"--repl-diskless-sync-delay", "0"}}); err != nil {
			return nil, err
		}
	}
	if err := s.Follow(ctx, 1, 0); err != nil {
		return nil, err
	}
	if s.sentinel, err = startSentinel(ctx, s.Servers[0].Addr()); err != nil {
		return nil, err
	}
	return s, until(ctx, "the Sentinel knows the replica", func() (bool, error) {
		info, err := s.ask(ctx, s.sentinel, "INFO", "sentinel")
		return strings.Contains(info, "status=ok") && strings.Contains(info, "slaves=1"), err
	})
}

// startSentinel starts a Sentinel that alone decides, soon.
func startSentinel(ctx context.Context, master string) (*Redis, error) {
	bin, err := program("redis-server", "redis-server")
	if err != nil {
		return nil, err
	}
	proc, port, err := place("redis-sentinel", "", 0)
	if err != nil {
		return nil, err
	}
	host, masterPort, err := net.SplitHostPort(master)
	if err != nil {
		return nil, err
	}
	config := filepath.Join(proc.dir, "sentinel.conf")
	text := fmt.Sprintf("port %d\nbind 127.0.0.1\nsentinel monitor %[2]s %[3]s %[4]s 1\nsentinel down-after-milliseconds %[2]s 1000\nsentinel failover-timeout %[2]s 5000\n",
		port, Watched, host, masterPort)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, errors.Join(err, proc.stop())
	}
	s := &Redis{addr: loopback(port), proc: proc}
	proc.argv = []string{bin, config, "--sentinel"}
	if err := proc.start(ctx, s.ready); err != nil {
		return nil, errors.Join(err, proc.stop())
	}
	return s, nil
}

// ask sends a command to one of the servers and gives the answer as text.
func (s *RedisSentinels) ask(ctx context.Context, at *Redis, args ...any) (string, error) {
	client := redis.NewClient(&redis.Options{Addr: at.Addr(), Protocol: 2, DisableIdentity: true})
	answer, err := client.Do(ctx, args...).Result()
	return fmt.Sprint(answer), errors.Join(err, client.Close())
}

// Follow makes one server a replica of another, and returns when it has all it has.
func (s *RedisSentinels) Follow(ctx context.Context, replica, master int) error {
	host, port, err := net.SplitHostPort(s.Servers[master].Addr())
	if err != nil {
		return err
	}
	if _, err := s.ask(ctx, s.Servers[replica], "REPLICAOF", host, port); err != nil {
		return err
	}
	return until(ctx, "the replica follows", func() (bool, error) {
		info, err := s.ask(ctx, s.Servers[replica], "INFO", "replication")
		return strings.Contains(info, "master_link_status:up"), err
	})
}

// Rejoin starts a server that was killed, as a replica of the other one from its first
// moment on, and returns when it has all that one has. What a server that starts as a
// master takes from clients that still know it as theirs is lost when it follows.
func (s *RedisSentinels) Rejoin(ctx context.Context, replica, master int) error {
	host, port, err := net.SplitHostPort(s.Servers[master].Addr())
	if err != nil {
		return err
	}
	const option = "--replicaof"
	if proc := s.Servers[replica].proc; !slices.Contains(proc.argv, option) { // there is one other
		proc.argv = append(proc.argv, option, host, port)
	}
	if err := s.Servers[replica].Restart(ctx); err != nil {
		return err
	}
	return s.Follow(ctx, replica, master)
}

// Cut makes the second server lose touch with the first one, and the Sentinel take it for
// the master: the first one goes on as if nothing had happened.
func (s *RedisSentinels) Cut(ctx context.Context) error {
	if _, err := s.ask(ctx, s.Servers[1], "REPLICAOF", "NO", "ONE"); err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(s.Servers[1].Addr())
	if err != nil {
		return err
	}
	for _, command := range [][]any{{"SENTINEL", "REMOVE", Watched}, {"SENTINEL", "MONITOR", Watched, host, port, 1}} {
		if _, err := s.ask(ctx, s.sentinel, command...); err != nil {
			return err
		}
	}
	return nil
}

// Patience says after how many milliseconds without an answer the Sentinel takes a server
// for dead; it begins with 1000.
func (s *RedisSentinels) Patience(ctx context.Context, milliseconds int) error {
	_, err := s.ask(ctx, s.sentinel, "SENTINEL", "SET", Watched, "down-after-milliseconds", milliseconds)
	return err
}

// Master gives the number of the server that the Sentinel names.
func (s *RedisSentinels) Master(ctx context.Context) (int, error) {
	answer, err := s.ask(ctx, s.sentinel, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", Watched)
	for i, server := range s.Servers {
		_, port, _ := net.SplitHostPort(server.Addr())
		if n, _ := strconv.Atoi(port); strings.Contains(answer, strconv.Itoa(n)) {
			return i, err
		}
	}
	return 0, errors.Join(fmt.Errorf("the Sentinel names %s", answer), err)
}

// Logs gives the paths of what the servers and the Sentinel say, which are there until Stop.
func (s *RedisSentinels) Logs() []string {
	return []string{s.Servers[0].Log(), s.Servers[1].Log(), s.sentinel.Log()}
}

// URL names the Sentinel, in the form that pipelines take.
func (s *RedisSentinels) URL() string { return "redis+sentinel://" + s.sentinel.Addr() + "/" + Watched }

// Stop ends all and removes their directories. It may be called more than once.
func (s *RedisSentinels) Stop() error {
	var all []error
	for _, server := range append(s.Servers[:], s.sentinel) {
		if server != nil {
			all = append(all, server.Stop())
		}
	}
	return errors.Join(all...)
}
