//go:build unix

package pipelinetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Ports below those that the system gives to outgoing connections, so that a
// server that is restarted finds its own port free.
const (
	firstPort = 20000
	lastPort  = 31999
)

// freePort gives a port on which nobody listens on 127.0.0.1.
func freePort() (int, error) {
	var err error
	for range 100 {
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		var l net.Listener
		if l, err = net.Listen("tcp", loopback(port)); err == nil {
			return port, l.Close()
		}
	}
	return 0, fmt.Errorf("no free port among %d to %d on 127.0.0.1: %w", firstPort, lastPort, err)
}

func loopback(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }

// place gives a program that is to be started a directory and a port: those that
// are asked for, or temporary and free ones.
func place(what, dir string, port int) (*process, int, error) {
	p := &process{what: what, dir: dir}
	var err error
	if port == 0 {
		if port, err = freePort(); err != nil {
			return nil, 0, err
		}
	}
	if dir == "" {
		if p.dir, err = tempDir(what); err != nil {
			return nil, 0, err
		}
		p.own = true
	}
	return p, port, nil
}

// dirPrefix begins the names of the servers' directories; the id of the process
// that made one follows.
const dirPrefix = "penstock-"

// tempDir makes a directory for a server, and removes those of processes that
// have ended without doing so.
func tempDir(what string) (string, error) {
	sweep(os.TempDir())
	return os.MkdirTemp("", fmt.Sprintf("%s%d-%s-", dirPrefix, os.Getpid(), what))
}

func sweep(root string) {
	left, _ := filepath.Glob(filepath.Join(root, dirPrefix+"*-*-*"))
	for _, dir := range left {
		id, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), dirPrefix), "-")
		pid, err := strconv.Atoi(id)
		if err == nil && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			_ = os.RemoveAll(dir)
		}
	}
}

// program finds a program, or says which package has it.
func program(name, pkg string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%w; install the package %s, or run: make servers", err, pkg)
	}
	return path, nil
}
