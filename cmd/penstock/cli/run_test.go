package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/connectors/local"
	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/engine"
)

const generated = `name: generated
source:
  generate: {events: 5000}
  format: json
transforms:
  - filter: value.action != "view"
  - dedupe: {key: value.session, within: 1h}
sink:
  drop: {}
delivery: at_least_once
`

// ended gives what the last log line of a pipeline says.
func ended(t *testing.T, errOut string) map[string]any {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(errOut), "\n")
	var line map[string]any
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &line); err != nil {
		t.Fatalf("%v in %q", err, errOut)
	}
	return line
}

func number(t *testing.T, line map[string]any, name string) uint64 {
	t.Helper()
	n, ok := line[name].(float64)
	if !ok {
		t.Fatalf("no %s in %v", name, line)
	}
	return uint64(n)
}

func TestRunEndsWithASummary(t *testing.T) {
	got := penstock(t, "run", file(t, generated))
	if got.code != 0 || got.out != "" || strings.Contains(got.errOut, "\x1b") {
		t.Fatalf("%+v", got)
	}
	if want := `"msg":"pipeline starts","pipeline":"generated","route":"generate → drop","instance":"`; !strings.Contains(got.errOut, want) {
		t.Errorf("%s is missing in %s", want, got.errOut)
	}
	line := ended(t, got.errOut)
	if line["msg"] != "pipeline ended" || line["pipeline"] != "generated" || number(t, line, "read") != 5000 {
		t.Errorf("got %v", line)
	}
	sum := uint64(0)
	for _, name := range []string{"written", "filtered", "duplicates", "dropped", "dead_lettered"} {
		sum += number(t, line, name)
	}
	if sum != 5000 || number(t, line, "filtered") == 0 || number(t, line, "duplicates") == 0 || number(t, line, "written") == 0 {
		t.Errorf("the figures do not reconcile: %v", line)
	}
}

func TestRunMovesLines(t *testing.T) {
	name := file(t, "name: lines\nsource:\n  stdin: {}\n  format: json\ntransforms:\n  - filter: value.n > 1\n  - set: {value.seen: true}\nsink:\n  stdout: {}\ndelivery: at_most_once\n")
	var out, errOut output
	code := BuiltIn().run(t.Context(), []string{"run", name}, strings.NewReader("{\"n\":1}\n{\"n\":2.50}\n{\"n\":3}\n"), &out, &errOut)
	if want := "{\"n\":2.50,\"seen\":true}\n{\"n\":3,\"seen\":true}\n"; code != 0 || out.String() != want {
		t.Errorf("code %d, out %q, want %q; %s", code, out.String(), want, errOut.String())
	}
}

// TestFailedPipelineLeavesOthersAlone: it says why on stderr, once, and the exit
// code tells.
func TestFailedPipelineLeavesOthersAlone(t *testing.T) {
	lines := filepath.Join(t.TempDir(), "in.jsonl")
	if err := os.WriteFile(lines, []byte("{}\nsecret nonsense\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	bad := fmt.Sprintf("name: bad\nsource:\n  file: {path: %q}\n  format: json\nsink:\n  drop: {}\ndelivery: at_least_once\n", lines)
	got := penstock(t, "run", file(t, bad), file(t, generated))
	if got.code != 1 || strings.Contains(got.errOut, "nonsense") || strings.Count(got.errOut, "source.format refused the record") != 1 {
		t.Errorf("%+v", got)
	}
	for _, want := range []string{`"level":"ERROR","msg":"pipeline failed","pipeline":"bad"`, `"msg":"pipeline ended","pipeline":"generated","read":5000`} {
		if !strings.Contains(got.errOut, want) {
			t.Errorf("%s is missing in %s", want, got.errOut)
		}
	}
}

func TestNothingRunsWhenOneFileIsWrong(t *testing.T) {
	noCertificate := file(t, "name: a\nsource:\n  redis_list: {url: \"rediss://localhost:1\", tls: {ca_file: /nowhere.pem}, keys: [a]}\nsink:\n  kafka: {brokers: [\"localhost:1\"], topic: a}\n")
	got := penstock(t, "run", file(t, generated), noCertificate)
	if got.code != 2 || strings.Contains(got.errOut, "pipeline ended") || !strings.Contains(got.errOut, "/nowhere.pem") {
		t.Errorf("%+v", got)
	}
}

// TestServersAway: a drain ends with exit code 3 when its patience is over.
func TestServersAway(t *testing.T) {
	away := file(t, "name: away\nsource:\n  redis_list: {url: \"redis://127.0.0.1:1\", keys: [a]}\nsink:\n  kafka: {brokers: [\"127.0.0.1:1\"], topic: a}\n")
	got := penstock(t, "run", "--until-drained", "--patience", "100ms", away)
	if got.code != 3 || !strings.Contains(got.errOut, "127.0.0.1:1") || !strings.Contains(got.errOut, "--patience") {
		t.Errorf("%+v", got)
	}
}

// start runs a command line until stop is called.
func start(t *testing.T, errOut *output, args ...string) (stop func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	code := make(chan int, 1)
	go func() { code <- BuiltIn().run(ctx, args, strings.NewReader(""), io.Discard, errOut) }()
	return func() int {
		cancel()
		return <-code
	}
}

var metricsURL = regexp.MustCompile(`"url":"(http://[^"]*)/metrics"`)

// startWithMetrics runs a pipeline without end, and gives the address of its
// metrics.
func startWithMetrics(t *testing.T, flags ...string) (url string, stop func() int) {
	t.Helper()
	name := file(t, strings.Replace(generated, "events: 5000", "rate: 2000", 1))
	url, _, stop = startWatched(t, append([]string{"run", "--metrics-listen", "127.0.0.1:0", name}, flags...)...)
	return url, stop
}

// startWatched runs a command line that serves metrics, and gives their address and the
// log too.
func startWatched(t *testing.T, args ...string) (url string, errOut *output, stop func() int) {
	t.Helper()
	urls := make(chan string, 1)
	errOut = &output{wrote: func(text string) {
		if m := metricsURL.FindStringSubmatch(text); m != nil {
			select {
			case urls <- m[1]:
			default:
			}
		}
	}}
	stop = start(t, errOut, args...)
	select {
	case url = <-urls:
	case <-time.After(10 * time.Second):
		t.Fatalf("no metrics: %s", errOut.String())
	}
	return url, errOut, stop
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

// TestMetricsReconcile reads the figures while they change.
func TestMetricsReconcile(t *testing.T) {
	url, stop := startWithMetrics(t)
	figure := regexp.MustCompile(`(?m)^penstock_records_(read_)?total\{.*\} ([0-9.e+]+)$`)
	read := 0.0
	for deadline := time.Now().Add(20 * time.Second); read < 500 && time.Now().Before(deadline); {
		code, body := get(t, url+"/metrics")
		if code != http.StatusOK {
			t.Fatalf("%d: %s", code, body)
		}
		sum := 0.0
		for _, m := range figure.FindAllStringSubmatch(body, -1) {
			var n float64
			fmt.Sscan(m[2], &n) //nolint:errcheck // the pattern has seen to it
			if m[1] == "" {
				sum += n
			} else {
				read = n
			}
		}
		if sum != read {
			t.Fatalf("read %v, and %v became something:\n%s", read, sum, body)
		}
		for _, want := range []string{"go_goroutines", "process_resident_memory_bytes",
			`penstock_dedupe_keys{pipeline="generated",transform="transforms[1].dedupe"} `, `penstock_dedupe_evicted_total{pipeline="generated",transform="transforms[1].dedupe"} 0`,
			`penstock_latency_seconds_bucket{pipeline="generated",le="0.001"}`} {
			if !strings.Contains(body, want) {
				t.Fatalf("%s is missing", want)
			}
		}
	}
	if read < 500 {
		t.Errorf("only %v records were read", read)
	}
	if code, _ := get(t, url+"/debug/pprof/"); code != http.StatusNotFound {
		t.Errorf("profiles without --pprof: %d", code)
	}
	if code := stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestProfiles(t *testing.T) {
	url, stop := startWithMetrics(t, "--pprof")
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap?debug=1", "/debug/pprof/cmdline", "/debug/pprof/symbol"} {
		if code, _ := get(t, url+path); code != http.StatusOK {
			t.Errorf("%s: %d", path, code)
		}
	}
	if code := stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestMetricsAddressTaken(t *testing.T) {
	url, stop := startWithMetrics(t)
	defer stop()
	got := penstock(t, "run", "--metrics-listen", strings.TrimPrefix(url, "http://"), file(t, generated))
	if got.code != 1 || !strings.Contains(got.errOut, "--metrics-listen: ") {
		t.Errorf("%+v", got)
	}
}

// stuck is a source that does not listen.
type stuck struct {
	pipeline.Source
	asked, free chan struct{}
}

func (s stuck) Shards(context.Context) ([]string, error) {
	close(s.asked)
	<-s.free
	return nil, errors.New("free")
}

func (s stuck) Close() error { return nil }

// TestHardStop: a pipeline that does not end is left behind, when the time for a
// stop is over.
func TestHardStop(t *testing.T) {
	source := stuck{asked: make(chan struct{}), free: make(chan struct{})}
	sink := local.NewDrop(local.DropSettings{})
	ended := make(chan struct{})
	b := &built{name: "stuck", source: source, sink: sink, engine: engine.New(engine.Config{
		Name: "stuck", Source: source, Sink: sink, Log: quiet(), Batch: pipeline.Limit{Records: 1, Bytes: 1},
		Window: engine.Window{Batches: 1, Bytes: 1}, CommitEvery: time.Second, CommitRecords: 1,
	})}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-source.asked
		cancel()
	}()
	go func() {
		defer close(ended)
		err := runAll(ctx, []*built{b}, time.Millisecond, quiet())
		if exitCode(err) != 1 || !strings.Contains(err.Error(), "longer than 1ms") {
			t.Errorf("got %v", err)
		}
	}()
	<-ended
	close(source.free)
}

func TestProgressLine(t *testing.T) {
	b, err := BuiltIn().build(parsed(t, generated), Environment{Log: quiet(), Clock: time.Now}, runSettings{shutdown: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	p := progress{last: time.Unix(0, 0)}
	if got, want := p.text(time.Unix(1, 0), []*built{b}), "generated  starting  0/s  0 read  0 written  0 waiting"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if err := b.engine.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	written := grouped(b.engine.Stats().Snapshot().Written)
	if got, want := p.text(time.Unix(3, 0), []*built{b}), "generated  stopped  2,500/s  5,000 read  "+written+" written  0 waiting"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := p.text(time.Unix(4, 0), []*built{b, b}), "2 pipelines  stopped  5,000/s  10,000 read"; !strings.HasPrefix(got, want) {
		t.Errorf("got %q, want %q first", got, want)
	}
}

// TestLogsGoAboveTheLine: what is logged while a line is shown does not mix with it.
func TestLogsGoAboveTheLine(t *testing.T) {
	var to bytes.Buffer
	l := &statusLine{to: &to}
	write := func(text string) {
		if n, err := l.Write([]byte(text)); err != nil || n != len(text) {
			t.Errorf("wrote %d bytes, %v", n, err)
		}
	}
	write("before\n")
	l.show("1 of 2")
	write("between\n")
	l.show("2 of 2")
	l.show("")
	write("after\n")
	if got, want := to.String(), "before\n\r\x1b[K1 of 2\r\x1b[Kbetween\n1 of 2\r\x1b[K2 of 2\r\x1b[Kafter\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestFollowEnds(t *testing.T) {
	var to output
	l := &statusLine{to: &to}
	l.follow(nil)()
	if got := to.String(); got != clearLine {
		t.Errorf("got %q", got)
	}
}

func TestGrouped(t *testing.T) {
	var got []string
	for _, n := range []uint64{0, 999, 1000, 12345, 1234567} {
		got = append(got, grouped(n))
	}
	if want := []string{"0", "999", "1,000", "12,345", "1,234,567"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
