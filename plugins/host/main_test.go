//go:build unix

package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-plugin"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/plugins/sdk"
	"github.com/penstock-io/penstock/plugins/wire"
)

// TestMain is also the main of the plugins that tests run: the test's own program, with
// the name of one as its first argument.
func TestMain(m *testing.M) {
	if os.Getenv(wire.CookieName) == wire.CookieValue {
		play(os.Args[1])
		return
	}
	if len(os.Args) > 1 && os.Args[1] == "--debug" {
		play("good")
		return
	}
	os.Setenv("GORACE", "atexit_sleep_ms=0") //nolint:errcheck // the plugins end a second later where it does not work
	goleak.VerifyTestMain(m)
}

// settings are those of the plugin that does what values say.
type settings struct {
	Suffix string   `yaml:"suffix" default:"!" doc:"What values end with."`
	Limit  int      `yaml:"limit" min:"1" default:"5"`
	List   []string `yaml:"list"`
}

// play is a plugin.
func play(name string) {
	switch name {
	case "exits":
		fmt.Fprintln(os.Stderr, "I cannot find my shoes")
		os.Exit(3)
	case "garbage":
		fmt.Println(strings.Repeat("\x1b[31mno handshake", 10_000))
		time.Sleep(time.Hour) //nolint:forbidigo // it is to be killed
	case "mute":
		time.Sleep(time.Hour) //nolint:forbidigo // it is to be killed
	case "old":
		fmt.Printf("1|0|unix|/none|grpc\n")
		time.Sleep(time.Hour) //nolint:forbidigo // it is to be killed
	case "rpc":
		fmt.Printf("1|1|unix|/none|netrpc\n")
		time.Sleep(time.Hour) //nolint:forbidigo // it is to be killed
	case "loud": // before and after the handshake
		for range 100_000 {
			fmt.Fprintln(os.Stderr, `{"@message":1}`)
		}
		fmt.Fprintln(os.Stderr, strings.Repeat("x", 1<<20))
	case "gigabyte":
		plugin.Serve(&plugin.ServeConfig{
			HandshakeConfig:  plugin.HandshakeConfig{ProtocolVersion: wire.Version, MagicCookieKey: wire.CookieName, MagicCookieValue: wire.CookieValue},
			VersionedPlugins: map[int]plugin.PluginSet{wire.Version: {wire.PluginName: &vast{}}},
			GRPCServer: func(opts []grpc.ServerOption) *grpc.Server {
				return grpc.NewServer(append(opts, grpc.ForceServerCodecV2(gigabyte{encoding.GetCodecV2("proto")}))...)
			},
		})
		return
	case "deaf":
		signal.Ignore(syscall.SIGTERM, syscall.SIGINT)
	case "forks":
		child := exec.Command("sleep", "1000")
		child.Stdout, child.Stderr = os.Stdout, os.Stderr
		if err := child.Start(); err != nil {
			panic(err)
		}
		fmt.Fprintln(os.Stderr, "child", child.Process.Pid)
	}
	values := sdk.Decoded
	if name == "bytes" {
		values = sdk.Bytes
	}
	sdk.Serve(sdk.Plugin[settings]{
		Name: name, Version: "1.2.3", Doc: "Does what values say.", Values: values,
		New: func(s settings) (sdk.Transform, error) {
			if s.Suffix == "none" {
				return nil, errors.New("there has to be a suffix")
			}
			if name == "batches" {
				return sdk.BatchFunc(func(context.Context, *sdk.Batch) error { return errors.New("my server is away") }), nil
			}
			if name == "nothing" {
				return sdk.Func(func(_ context.Context, r *sdk.Record) ([]*sdk.Record, error) { return []*sdk.Record{r}, nil }), nil
			}
			return sdk.Func(func(ctx context.Context, r *sdk.Record) ([]*sdk.Record, error) { return obey(ctx, r, s) }), nil
		},
	})
}

// vast is a plugin that answers with a gigabyte.
type vast struct {
	plugin.NetRPCUnsupportedPlugin
	wire.UnimplementedTransformServer
}

func (v *vast) GRPCServer(_ *plugin.GRPCBroker, g *grpc.Server) error {
	wire.RegisterTransformServer(g, v)
	return nil
}

func (*vast) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.ErrUnsupported
}

func (*vast) Describe(context.Context, *wire.DescribeRequest) (*wire.DescribeResponse, error) {
	return &wire.DescribeResponse{Name: "vast"}, nil
}

func (*vast) Open(context.Context, *wire.OpenRequest) (*wire.OpenResponse, error) {
	return &wire.OpenResponse{}, nil
}

func (*vast) Apply(context.Context, *wire.ApplyRequest) (*wire.ApplyResponse, error) {
	return &wire.ApplyResponse{}, nil
}

// gigabyte makes an answer that long, out of one megabyte of memory.
type gigabyte struct{ encoding.CodecV2 }

func (g gigabyte) Marshal(message any) (mem.BufferSlice, error) {
	if _, ok := message.(*wire.ApplyResponse); !ok {
		return g.CodecV2.Marshal(message)
	}
	return slices.Repeat(mem.BufferSlice{mem.SliceBuffer(make([]byte, 1<<20))}, 1<<10), nil
}

const burnt = 400 * time.Millisecond

// gorged is what the plugin cannot get enough of.
var gorged []byte

// obey does what the value says.
func obey(ctx context.Context, r *sdk.Record, s settings) ([]*sdk.Record, error) {
	say, _ := r.Text("do")
	switch say {
	case "change":
		return []*sdk.Record{r}, r.Set("done"+s.Suffix, "do")
	case "drop":
		return nil, nil
	case "refuse":
		return nil, errors.New("it will not do")
	case "again":
		return nil, sdk.Again(errors.New("not now"))
	case "panic":
		panic("a secret: " + string(r.Raw()))
	case "split":
		other := r.Clone()
		if err := errors.Join(r.Set(1, "part"), other.Set(2, "part")); err != nil {
			return nil, err
		}
		other.SetKey([]byte("other"))
		return []*sdk.Record{r, other, r.Clone()}, nil
	case "rekey":
		r.SetKey(nil)
		r.SetTopic("elsewhere")
		r.SetHeader("h", []byte("new"))
		r.SetHeader("i", []byte("i"))
		r.SetTime(time.UnixMilli(7))
		return []*sdk.Record{r}, nil
	case "die":
		os.Exit(1)
	case "hang":
		<-time.After(time.Hour)
	case "slow":
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	case "gorge":
		gorged = bytes.Repeat([]byte("x"), 512<<20)
	case "burn":
		var used syscall.Rusage
		for syscall.Getrusage(syscall.RUSAGE_SELF, &used) == nil && time.Duration(used.Utime.Nano()+used.Stime.Nano()) < burnt {
			gorged = bytes.Repeat([]byte("x"), 1<<10)
		}
	case "huge":
		return []*sdk.Record{r}, r.Set(strings.Repeat("x", wire.MaxMessage), "huge")
	case "print":
		fmt.Println(strings.Repeat("x", 64<<10))
	case "environment":
		return []*sdk.Record{r}, r.Set(os.Environ(), "env")
	case "bytes":
		return []*sdk.Record{r}, r.SetRaw([]byte("\xff"))
	}
	return []*sdk.Record{r}, nil
}

// lines keeps a log.
type lines struct {
	mu  sync.Mutex
	log strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.log.Write(p)
}

func (l *lines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.log.String()
}

// played gives the plugin of a name.
func played(t testing.TB, name string, change ...func(*Settings)) (*Plugin, *lines) {
	t.Helper()
	s := Settings{Command: []string{os.Args[0], name}, Timeout: 20 * time.Second, Instances: 1, Env: []string{"GORACE"}}
	for _, c := range change {
		c(&s)
	}
	log := &lines{}
	p, err := New(s, "test", t.TempDir(), slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p, log
}

// batch makes a batch of documents.
func batch(t testing.TB, values ...string) *pipeline.Batch {
	t.Helper()
	b := &pipeline.Batch{Shard: "a", Read: len(values)}
	for i, value := range values {
		r := b.Add()
		r.Key, r.Offset.Minor, r.Time = []byte("k"), uint64(i)+1, time.UnixMilli(1000)
		r.Headers = []pipeline.Header{{Key: "h", Value: []byte("1")}, {Key: "g", Value: []byte("2")}, {Key: "h", Value: []byte("3")}}
		var err error
		if r.Value, err = b.Document([]byte(value)); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// show gives all records of a batch, a line each.
func show(b *pipeline.Batch) string {
	var all []string
	for i := range b.Records {
		r := &b.Records[i]
		text := string(r.Value.Raw())
		if string(r.Key) != "k" || r.Key == nil {
			text += fmt.Sprintf(" key=%s", r.Key)
		}
		if r.Topic != "" {
			text += " topic=" + r.Topic
		}
		if r.Time.UnixMilli() != 1000 {
			text += fmt.Sprintf(" time=%d", r.Time.UnixMilli())
		}
		if len(r.Headers) != 3 || string(r.Headers[0].Value) != "1" {
			text += fmt.Sprintf(" headers=%s", r.Headers)
		}
		switch r.Fate {
		case pipeline.Filtered:
			text += " filtered"
		case pipeline.Failed:
			text += " failed: " + r.Failure.Err.Error()
		}
		all = append(all, text)
	}
	return strings.Join(all, "\n")
}

func mustApply(t testing.TB, p pipeline.Transform, b *pipeline.Batch) {
	t.Helper()
	if err := p.Apply(t.Context(), b); err != nil {
		t.Fatal(err)
	}
}
