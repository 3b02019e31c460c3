package sdk

import (
	"context"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/penstock-io/penstock/pipeline/config"
	"github.com/penstock-io/penstock/plugins/wire"
)

// Values is how values arrive.
type Values = wire.Values

// The ways.
const (
	Decoded = wire.Values_DECODED // JSON, with fields: the default
	Bytes   = wire.Values_BYTES   // as they are
)

// Plugin is a plugin; S is the struct of its settings.
type Plugin[S any] struct {
	Name    string // redact
	Version string // 1.0.0
	Doc     string // a first line that can stand alone, then paragraphs
	Example string // settings, as YAML
	Values  Values
	// New makes the transform of a pipeline with settings that are valid as far as their
	// tags, and their method Validate() []pipeline.Problem if they have one, say. An error
	// refuses the pipeline.
	New func(settings S) (Transform, error)
}

// Serve serves the plugin to the Penstock that has started the process, and returns when
// that is done with it, or gone. To somebody who starts the program by hand it says what it
// is, and ends the process; with --debug as its first argument it waits for a Penstock
// that the line it prints is given to, so that it can run in a debugger.
func Serve[S any](p Plugin[S]) {
	if os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetGCPercent(collectAt)
	}
	if len(os.Args) > 1 && os.Args[1] == "--debug" && os.Getenv(wire.CookieName) == "" {
		debugged(p.Name, &server[S]{plugin: p})
		return
	}
	go dieWithHost(os.Getppid())
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig:  plugin.HandshakeConfig{ProtocolVersion: wire.Version, MagicCookieKey: wire.CookieName, MagicCookieValue: wire.CookieValue},
		VersionedPlugins: map[int]plugin.PluginSet{wire.Version: {wire.PluginName: &served{server: &server[S]{plugin: p}}}},
		Logger:           hclog.NewNullLogger(),
		GRPCServer: func(opts []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(opts, limits()...)...)
		},
	})
}

// limits are what every server of a plugin takes.
func limits() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.MaxRecvMsgSize(wire.MaxMessage), grpc.MaxSendMsgSize(wire.MaxMessage), grpc.InitialWindowSize(wire.Window),
		grpc.InitialConnWindowSize(wire.Window), grpc.WriteBufferSize(wire.Buffer), grpc.ReadBufferSize(wire.Buffer),
	}
}

// collectAt is how much, in percent, the heap may grow over what is in use before it is
// collected: that is a few batches, and they come and go.
const collectAt = 800

// watchHost is how often it is seen whether the host is still there.
const watchHost = time.Second

// dieWithHost ends the process when its host is gone without having said so.
func dieWithHost(host int) {
	for os.Getppid() == host {
		time.Sleep(watchHost) //nolint:forbidigo // there is nothing to wait on: POSIX tells nobody of a parent's end
	}
	os.Exit(1)
}

// served is the plugin as go-plugin serves it.
type served struct {
	plugin.NetRPCUnsupportedPlugin
	server wire.TransformServer
}

// GRPCServer registers the service.
func (s *served) GRPCServer(_ *plugin.GRPCBroker, g *grpc.Server) error {
	wire.RegisterTransformServer(g, s.server)
	return nil
}

// GRPCClient is the host's.
func (s *served) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, status.Error(codes.Unimplemented, "this is the plugin's side")
}

// server is the service of a plugin.
type server[S any] struct {
	wire.UnimplementedTransformServer
	plugin Plugin[S]

	mu        sync.RWMutex // held for reading while Apply runs
	transform Transform
	drained   bool
}

// Describe tells what the plugin is.
func (s *server[S]) Describe(context.Context, *wire.DescribeRequest) (*wire.DescribeResponse, error) {
	schema, err := config.SettingsSchema[S]()
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	values := s.plugin.Values
	if values == wire.Values_VALUES_UNSPECIFIED {
		values = Decoded
	}
	return &wire.DescribeResponse{Name: s.plugin.Name, Version: s.plugin.Version, Doc: s.plugin.Doc, Values: values, Schema: string(schema), Example: s.plugin.Example}, nil
}

// Open makes the transform.
func (s *server[S]) Open(_ context.Context, req *wire.OpenRequest) (*wire.OpenResponse, error) {
	var settings S
	answer := &wire.OpenResponse{}
	for _, p := range config.Settings(&settings, []byte(req.Settings)) {
		answer.Problems = append(answer.Problems, &wire.Problem{Field: p.Field, What: p.What, Do: p.Do})
	}
	if len(answer.Problems) > 0 {
		return answer, nil
	}
	transform, err := s.plugin.New(settings)
	if err != nil {
		answer.Problems = append(answer.Problems, &wire.Problem{What: err.Error(), Do: "see what the plugin's documentation says of its settings"})
		return answer, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.transform = transform
	return answer, nil
}

// Apply transforms a batch.
func (s *server[S]) Apply(ctx context.Context, req *wire.ApplyRequest) (*wire.ApplyResponse, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.transform == nil || s.drained {
		return nil, status.Error(codes.FailedPrecondition, "the plugin is not open")
	}
	b, err := newBatch(req.Block, int(req.Records), s.plugin.Values != Bytes)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	if err := s.transform.apply(ctx, b); err != nil {
		return nil, status.Error(codes.Aborted, err.Error())
	}
	return &wire.ApplyResponse{Block: b.answer()}, nil
}

// Drain waits for the calls that are under way.
func (s *server[S]) Drain(context.Context, *wire.DrainRequest) (*wire.DrainResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drained = true
	return &wire.DrainResponse{}, nil
}
