package cli

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/config"
	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

var update = flag.Bool("update", false, "write golden files and the schema")

func TestMain(m *testing.M) {
	// A goroutine of sarama's metrics never ends, there is one in a process; that of the
	// stock subscriber for Redis sleeps half a second after its Close.
	ignore := []goleak.Option{goleak.IgnoreTopFunction("github.com/rcrowley/go-metrics.(*meterArbiter).tick"),
		goleak.IgnoreAnyFunction("github.com/ThreeDotsLabs/watermill-redisstream/pkg/redisstream.(*Subscriber).read")}
	goleak.VerifyTestMain(pipelinetest.Unhurried{M: m, Ignore: ignore}, ignore...)
}

// answer is what a command line gave.
type answer struct {
	code        int
	out, errOut string
}

// penstock runs a command line in this process.
func penstock(t *testing.T, args ...string) answer {
	t.Helper()
	var out, errOut output
	code := BuiltIn().run(t.Context(), args, strings.NewReader(""), &out, &errOut)
	return answer{code, out.String(), errOut.String()}
}

// output may be read while somebody writes.
type output struct {
	mu     sync.Mutex
	buffer bytes.Buffer
	wrote  func(string) // told all that was written so far
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	n, err := o.buffer.Write(p)
	text := o.buffer.String()
	o.mu.Unlock()
	if o.wrote != nil {
		o.wrote(text)
	}
	return n, err
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buffer.String()
}

// file writes a pipeline file and gives its name.
func file(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "pipeline.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// golden holds a text against testdata/NAME.golden.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; run the test with -update and look at the difference:\n%s", path, got)
	}
}

func TestExitCodes(t *testing.T) {
	unreachable := &pipeline.Error{Class: pipeline.Unreachable, What: "nobody answers"}
	permanent := &pipeline.Error{Class: pipeline.Permanent, What: "it will not do"}
	for _, tc := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{errors.New("something"), 1},
		{permanent, 1},
		{&pipeline.Error{Class: pipeline.Gap, What: "gap", Err: unreachable}, 1},
		{invalid{permanent}, 2},
		{config.Errors{{What: "wrong"}}, 2},
		{reported{config.Errors{{What: "wrong"}}}, 2},
		{unreachable, 3},
		{reported{fmt.Errorf("pipeline a: %w", unreachable)}, 3},
		{errors.Join(unreachable, unreachable), 3},
		{errors.Join(unreachable, reported{permanent}), 1},
		{errors.Join(invalid{permanent}, invalid{unreachable}), 2},
	} {
		if got := exitCode(tc.err); got != tc.want {
			t.Errorf("exit code of %#v is %d, want %d", tc.err, got, tc.want)
		}
	}
}

// TestMistakesInTheCommandLine: each is told on stderr, in one line, with exit
// code 2, and nothing on stdout.
func TestMistakesInTheCommandLine(t *testing.T) {
	for _, tc := range []struct{ args, want string }{
		{"rum", `there is no command "rum"; did you mean run?`},
		{"frobnicate", `there is no command "frobnicate"; see penstock --help`},
		{"run", "something is missing; write penstock run FILE…"},
		{"run --nix x.yaml", "unknown flag: --nix; see penstock run --help"},
		{"run --patience soon x.yaml", `invalid argument "soon" for "--patience" flag: time: invalid duration "soon"; see penstock run --help`},
		{"run nowhere.yaml", "open nowhere.yaml: no such file or directory"},
		{"validate --json nowhere.yaml", "open nowhere.yaml: no such file or directory"},
		{"explain", "something is missing; write penstock explain FILE…"},
		{"schema x", `"x" is too much; write penstock schema`},
		{"components redis_lst", `there is no component called "redis_lst"; write redis_list`},
		{"demo x", `"x" is too much; write penstock demo`},
		{"run --metrics-listen :9090 x.yaml", "--metrics-listen :9090 can be reached from other machines; write 127.0.0.1:9090, or add --metrics-remote"},
		{"run --metrics-listen 10.0.0.1:9090 x.yaml", "--metrics-listen 10.0.0.1:9090 can be reached from other machines; write 127.0.0.1:9090, or add --metrics-remote"},
		{"run --metrics-listen 9090 x.yaml", "--metrics-listen 9090 is not an address; write host:port, like 127.0.0.1:9090"},
		{"run --shutdown -2s --patience -1s x.yaml", "--patience -1s is less than nothing; write a duration like 30s\n--shutdown -2s is less than nothing; write a duration like 30s"},
		{"run --pprof x.yaml", "--pprof and --metrics-remote need an address; add --metrics-listen 127.0.0.1:9090"},
	} {
		got := penstock(t, strings.Fields(tc.args)...)
		if got != (answer{2, "", tc.want + "\n"}) {
			t.Errorf("penstock %s gave %+v, want exit code 2 and %q", tc.args, got, tc.want)
		}
	}
}

func TestHelp(t *testing.T) {
	for name, args := range map[string][]string{"help": {}, "help-run": {"run", "--help"}, "help-explain": {"help", "explain"}, "help-test": {"test", "--help"}, "help-replay": {"dead-letters", "replay", "--help"}, "help-preview": {"preview", "--help"}, "help-new": {"new", "--help"}} {
		got := penstock(t, args...)
		if got.code != 0 || got.errOut != "" {
			t.Errorf("%v: %+v", args, got)
		}
		golden(t, name, got.out)
	}
}

func TestCompletion(t *testing.T) {
	got := penstock(t, "completion", "bash")
	if got.code != 0 || !strings.Contains(got.out, "bash completion V2 for penstock") {
		t.Errorf("completion bash: code %d, %d bytes", got.code, len(got.out))
	}
	got = penstock(t, "__complete", "components", "")
	if got.code != 0 || !strings.Contains(got.out, "redis_stream\n") {
		t.Errorf("completing components: %+v", got)
	}
}
