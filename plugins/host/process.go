package host

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"unicode"

	"golang.org/x/time/rate"
)

const (
	// maxLine bounds a line of a plugin that is read or logged, in bytes.
	maxLine = 4 << 10
	// lineRate is how many lines of a plugin are logged in a second, and lineBurst how
	// many at once.
	lineRate, lineBurst = 100, 200
)

// errNoCertificate: the plugin speaks no TLS, and was to.
var errNoCertificate = errors.New("the plugin offers no certificate")

// process is the process of a plugin, as go-plugin's runner.Runner. It is the leader of a
// group of its own, and has no standard input.
type process struct {
	cmd     *exec.Cmd
	log     *slog.Logger
	wantTLS bool

	starting context.Context // it is killed when that ends, until
	goesOn   func() bool     // is called

	limits func() *cgroup // makes the group below
	group  *cgroup        // nil: nothing is limited

	in, out     *os.File // ends of the pipes that the plugin writes to
	errIn, errW *os.File
	line        *io.PipeReader // the first line of its standard output, for go-plugin
	lineW       *io.PipeWriter
	empty       io.ReadCloser // what go-plugin sees of its standard error

	exited  chan struct{} // closed when the process is gone, and nobody reads its pipes
	status  error         // of its end; valid once exited is closed
	plain   bool          // it has no certificate; valid once exited is closed
	silent  bool          // it has written no line; valid once exited is closed
	starved bool          // it was killed for want of memory; valid once exited is closed
	last    string        // the last line of its standard error; valid once exited is closed
}

// newProcess makes a process that has not started yet. It is killed when ctx ends before
// goesOn is called.
func newProcess(ctx context.Context, cmd *exec.Cmd, log *slog.Logger, wantTLS bool, limits func() *cgroup) (*process, error) {
	p := &process{starting: ctx, goesOn: func() bool { return true }, cmd: cmd, log: log, wantTLS: wantTLS, limits: limits, exited: make(chan struct{}), empty: io.NopCloser(strings.NewReader(""))}
	var err error
	if p.in, p.out, err = os.Pipe(); err != nil {
		return nil, err
	}
	if p.errIn, p.errW, err = os.Pipe(); err != nil {
		return nil, errors.Join(err, p.in.Close(), p.out.Close())
	}
	p.line, p.lineW = io.Pipe()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = nil, p.out, p.errW
	cmd.SysProcAttr = ownGroup()
	return p, nil
}

// Start starts the process.
func (p *process) Start(context.Context) error {
	p.group = p.limits()
	err := p.cmd.Start()
	p.out.Close()  //nolint:errcheck // the process has its own
	p.errW.Close() //nolint:errcheck // as above
	if err != nil {
		p.in.Close()    //nolint:errcheck // nothing was written
		p.errIn.Close() //nolint:errcheck // as above
		p.lineW.Close() //nolint:errcheck // never fails
		p.leaveGroup()
		close(p.exited)
		return err
	}
	if p.group != nil {
		if err := p.group.add(uint64(p.cmd.Process.Pid)); err != nil { //nolint:gosec // a number that the kernel gives
			p.log.Warn("the memory and CPU of the plugin are not limited", "why", err)
		}
	}
	p.goesOn = context.AfterFunc(p.starting, func() {
		if !p.gone() {
			p.killGroup()
		}
	})
	said, logged := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(said)
		p.handshake()
	}()
	go func() {
		defer close(logged)
		p.logLines()
	}()
	go func() {
		p.status = p.cmd.Wait()
		p.killGroup() // what it has started goes with it
		p.leaveGroup()
		p.in.Close()    //nolint:errcheck // who still writes there is no plugin any more
		p.errIn.Close() //nolint:errcheck // as above
		<-said
		<-logged
		close(p.exited)
	}()
	return nil
}

// leaveGroup ends all that is left where memory and CPU are limited.
func (p *process) leaveGroup() {
	if p.group == nil {
		return
	}
	p.starved = p.group.starved()
	if err := p.group.close(); err != nil {
		p.log.Warn("the cgroup of the plugin stays", "why", err)
	}
}

// handshake gives go-plugin the first line of standard output, and lets the rest go by: a
// plugin that prints would block otherwise.
func (p *process) handshake() {
	in := bufio.NewReaderSize(p.in, 64<<10)
	line, _ := in.ReadSlice('\n')
	p.silent = len(line) == 0
	if p.wantTLS && isHandshake(line) && !hasCertificate(line) {
		p.plain = true
		p.lineW.CloseWithError(errNoCertificate)
		p.killGroup()
	} else {
		if len(line) > maxLine {
			line = append(bytes.Clone(line[:maxLine]), '\n')
		}
		p.lineW.Write(line) //nolint:errcheck // go-plugin reads it, or has given up
	}
	io.Copy(io.Discard, in) //nolint:errcheck // it ends with the process
	p.lineW.Close()         //nolint:errcheck // never fails
}

// isHandshake tells whether a line is one of go-plugin: 1|1|unix|/path|grpc|certificate.
func isHandshake(line []byte) bool { return bytes.Count(line, []byte("|")) >= 3 }

func hasCertificate(line []byte) bool {
	parts := bytes.Split(bytes.TrimSpace(line), []byte("|"))
	return len(parts) >= 6 && len(parts[5]) > 50
}

// logLines logs standard error, some lines a second.
func (p *process) logLines() {
	limit, left := rate.NewLimiter(lineRate, lineBurst), 0
	in := bufio.NewReaderSize(p.errIn, maxLine)
	for {
		line, more, err := in.ReadLine()
		if err != nil {
			break
		}
		for more && err == nil { // the rest of a line that is too long
			_, more, err = in.ReadLine()
		}
		text := printable(line)
		if text == "" {
			continue
		}
		p.last = text
		if !limit.Allow() {
			left++
			continue
		}
		if left > 0 {
			p.log.Warn("lines of the plugin were left out: it writes too many", "lines", left)
			left = 0
		}
		p.log.Log(context.Background(), level(text), text)
	}
	if left > 0 {
		p.log.Warn("lines of the plugin were left out: it writes too many", "lines", left)
	}
}

// level goes by the word that a line begins with.
func level(line string) slog.Level {
	for word, level := range map[string]slog.Level{"[DEBUG]": slog.LevelDebug, "[TRACE]": slog.LevelDebug, "[WARN]": slog.LevelWarn, "[ERROR]": slog.LevelError, "panic:": slog.LevelError, "fatal error:": slog.LevelError} {
		if strings.HasPrefix(line, word) {
			return level
		}
	}
	return slog.LevelInfo
}

// printable makes a line what can be shown on a terminal.
func printable(line []byte) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) && r != ' ' {
			return '·'
		}
		return r
	}, string(line)))
}

// killGroup kills the process and what it has started.
func (p *process) killGroup() {
	syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) //nolint:errcheck // it is gone, then
}

// Kill kills the process, and returns when it is gone.
func (p *process) Kill(context.Context) error {
	if !p.gone() { // else its number may be somebody else's by now
		p.killGroup()
	}
	<-p.exited
	return nil
}

// Wait returns when the process is gone.
func (p *process) Wait(context.Context) error {
	<-p.exited
	return p.status
}

// gone tells whether the process is gone.
func (p *process) gone() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// killed tells, once the process is gone, whether somebody has killed it (SIGKILL), for
// other reasons than that it took too much memory.
func (p *process) killed() bool {
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL && !p.starved
}

// why tells of the end of the process, once it is gone.
func (p *process) why() string {
	text := p.ending()
	if p.last != "" {
		text += "; its last words: " + p.last
	}
	return text
}

// ending tells how the process ended, once it is gone.
func (p *process) ending() string {
	switch {
	case p.starved:
		return "it was killed by the system: it took more memory than its setting memory allows"
	case p.status == nil:
		return "it has ended"
	}
	return "it has ended: " + p.status.Error()
}

// Stdout gives the line of the handshake.
func (p *process) Stdout() io.ReadCloser { return p.line }

// Stderr is empty: this package logs it.
func (p *process) Stderr() io.ReadCloser { return p.empty }

// Name names the program.
func (p *process) Name() string { return p.cmd.Path }

// ID is the process's number.
func (p *process) ID() string {
	if p.cmd.Process == nil {
		return ""
	}
	return fmt.Sprint(p.cmd.Process.Pid)
}

// Diagnose has nothing to add.
func (p *process) Diagnose(context.Context) string { return "" }

// PluginToHost lets nobody be reached by TCP without TLS: any user of the machine could.
func (p *process) PluginToHost(network, address string) (string, string, error) {
	if network != "unix" && !p.wantTLS {
		return "", "", errors.New("the plugin listens on " + network + " without TLS; it is to listen on a unix socket in $PLUGIN_UNIX_SOCKET_DIR")
	}
	return network, address, nil
}

// HostToPlugin leaves addresses as they are.
func (p *process) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}
