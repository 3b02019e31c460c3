package host

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/plugins/wire"
)

const (
	// startPatience is how long a plugin may take to start.
	startPatience = 20 * time.Second
	// stopPatience is how long one may take to end what it does.
	stopPatience = 5 * time.Second
)

// passed are the variables that every plugin sees.
var passed = []string{"PATH", "HOME", "LANG", "TZ", "TMPDIR"}

// instance is a process of the plugin that was opened.
type instance struct {
	client  *plugin.Client   // nil: attached
	process *process         // nil: attached
	conn    *grpc.ClientConn // where attached
	rpc     wire.TransformClient
	tmp     string // a folder of its own
	decoded bool   // values are JSON
}

// launch starts a process, without opening the plugin. Errors: Permanent where the program is
// not what it should be, else Retryable.
func (p *Plugin) launch(ctx context.Context) (*instance, error) {
	if socket := p.attached(); socket != "" {
		return p.attach(socket)
	}
	i, err := p.connect(ctx, !p.plain.Load())
	if errors.Is(err, errNoCertificate) {
		p.plain.Store(true)
		i, err = p.connect(ctx, false)
	}
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		if _, classed := errors.AsType[*pipeline.Error](err); !classed {
			err = &pipeline.Error{Class: pipeline.Retryable, What: "plugin " + p.name + " cannot be started", Err: err, Do: "see what it logs; penstock plugin test " + p.name + " tries it"}
		}
		return nil, err
	}
	if ctx.Err() != nil {
		i.kill()
		return nil, ctx.Err()
	}
	return i, nil
}

// connect starts a process, and dials it. It kills the process when ctx ends before.
func (p *Plugin) connect(ctx context.Context, tls bool) (*instance, error) {
	program, err := find(p.settings, p.dir)
	if err != nil {
		return nil, err
	}
	tmp, err := os.MkdirTemp("", "penstock-plugin-")
	if err != nil {
		return nil, err
	}
	path, err := program.pinned(p.settings.SHA256, tmp)
	if err != nil {
		os.RemoveAll(tmp) //nolint:errcheck // a folder for temporary files
		return nil, err
	}
	i := &instance{tmp: tmp}
	i.client = plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  plugin.HandshakeConfig{ProtocolVersion: wire.Version, MagicCookieKey: wire.CookieName, MagicCookieValue: wire.CookieValue},
		VersionedPlugins: map[int]plugin.PluginSet{wire.Version: {wire.PluginName: &dialled{}}},
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		AutoMTLS:         tls, SkipHostEnv: true, StartTimeout: p.patience, Logger: hclog.NewNullLogger(),
		UnixSocketConfig: &plugin.UnixSocketConfig{TempDir: tmp},
		GRPCDialOptions: []grpc.DialOption{
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(wire.MaxMessage), grpc.MaxCallSendMsgSize(wire.MaxMessage)),
			grpc.WithInitialWindowSize(wire.Window), grpc.WithInitialConnWindowSize(wire.Window), grpc.WithWriteBufferSize(wire.Buffer), grpc.WithReadBufferSize(wire.Buffer),
		},
		RunnerFunc: func(_ hclog.Logger, spec *exec.Cmd, _ string) (runner.Runner, error) {
			cmd := exec.Command(path, program.args...)
			cmd.Dir, cmd.Env = p.dir, append(p.environment(), spec.Env...)
			i.process, err = newProcess(ctx, cmd, p.log, tls, p.limits)
			return i.process, err
		},
	})
	protocol, err := i.client.Client()
	if i.process != nil {
		i.process.goesOn()
	}
	if err == nil {
		var raw any
		raw, err = protocol.Dispense(wire.PluginName)
		i.rpc, _ = raw.(wire.TransformClient)
	}
	if err == nil {
		if err := program.checked(p.settings.SHA256); err != nil {
			i.kill()
			return nil, err
		}
	}
	if err != nil {
		err = i.startFault(err)
		i.kill()
		return nil, err
	}
	return i, nil
}

// startFault tells why a process could not be started.
func (i *instance) startFault(err error) error {
	if i.process == nil || i.process.cmd.Process == nil {
		return err
	}
	i.process.Kill(context.Background()) //nolint:errcheck // never fails
	if i.process.plain && i.process.wantTLS {
		return errNoCertificate
	}
	text := shortened(err.Error())
	if i.process.silent {
		text = "it has said nothing of where it listens, and " + strings.TrimPrefix(i.process.ending(), "it ")
	}
	if i.process.last != "" {
		text += "; its last words: " + i.process.last
	}
	return errors.New(text)
}

// maxReason bounds what of a plugin's text stands in an error, in bytes.
const maxReason = 1 << 10

// shortened makes a text, which may be the plugin's, what can be shown.
func shortened(text string) string {
	if len(text) > maxReason {
		text = text[:maxReason] + "…"
	}
	return printable([]byte(text))
}

// limits gives the group that a process is to run in: nil where it has no limits.
func (p *Plugin) limits() *cgroup {
	if p.settings.Memory == 0 && p.settings.CPUs == 0 {
		return nil
	}
	group, err := newCgroup(int64(p.settings.Memory), p.settings.CPUs)
	if err != nil {
		p.unlimited.Do(func() {
			p.log.Warn("the memory and CPU of the plugin are not limited: no cgroup can be made", "why", err, "do", "see What is looked at in plugins/README.md")
		})
		return nil
	}
	return group
}

// environment gives the variables that the plugin sees.
func (p *Plugin) environment() []string {
	var env []string
	for _, name := range slices.Concat(passed, p.settings.Env) {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// kill ends the process at once, and frees what it had.
func (i *instance) kill() {
	if i.conn != nil {
		i.conn.Close() //nolint:errcheck // somebody else ends the plugin
		return
	}
	if i.process != nil && i.process.cmd.Process != nil {
		i.process.Kill(context.Background()) //nolint:errcheck // never fails
	}
	i.client.Kill()
	i.removeFiles()
}

// gone tells whether the process is.
func (i *instance) gone() bool { return i.process != nil && i.process.gone() }

// fell kills a process that has failed.
func (i *instance) fell() {
	if i.process != nil {
		i.process.Kill(context.Background()) //nolint:errcheck // never fails
	}
}

// removeFiles removes the socket, and the program where it was copied: once the process is
// connected nobody needs them, and nothing is left where this process is killed.
func (i *instance) removeFiles() {
	if i.tmp == "" {
		return
	}
	os.RemoveAll(i.tmp) //nolint:errcheck // a folder for temporary files
}

// stop lets the process end what it does, and ends it.
func (i *instance) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), stopPatience)
	defer cancel()
	if i.conn == nil && !i.gone() {
		_, _ = i.rpc.Drain(ctx, &wire.DrainRequest{}) // it is ended then, whatever it says
		i.client.Kill()
	}
	i.kill()
}

// dialled is the plugin as go-plugin dials it.
type dialled struct{ plugin.NetRPCUnsupportedPlugin }

// GRPCServer is the plugin's.
func (*dialled) GRPCServer(*plugin.GRPCBroker, *grpc.Server) error {
	return errors.New("this is the host's side")
}

// GRPCClient gives a wire.TransformClient.
func (*dialled) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return wire.NewTransformClient(conn), nil
}
