package conform

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/penstock-io/penstock/pipeline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A flaw of a part, and the subtests that must fail because of it; others may.
type flaws map[string][]string

var sourceFlaws = flaws{
	"turns records round":          {"reads all in order"},
	"ignores the limit":            {"reads all in order"},
	"says too much":                {"reads all in order"},
	"ignores the position":         {"continues after any position", "settles"},
	"does not rewind":              {"rewinds to any position", "settles"},
	"removes what is read":         {"removes nothing before Settle", "continues after any position"},
	"removes more than is settled": {"settles", "keeps its position"},
	"forgets its own position":     {"keeps its position"},
	"knows no tail":                {"knows its tail"},
	"is always behind":             {"knows its tail"},
	"goes on after Close":          {"says no more after Close"},
	"does not notice Close":        {"Close ends what waits"},
	"does not notice a context":    {"a context ends what waits"},
	"closes once":                  {"closes twice, and opens nothing then"},
	"opens when it is closed":      {"closes twice, and opens nothing then"},
	"leaves a goroutine":           {"leaves no goroutine"},
}

var sinkFlaws = flaws{
	"turns records round":            {"delivers at Commit, in order"},
	"delivers at Write":              {"delivers at Commit, in order", "Close gives up what is not committed"},
	"ignores fates":                  {"delivers by fate"},
	"refuses an empty commit":        {"commits nothing"},
	"keeps the last positions only":  {"stores positions"},
	"commits after Close":            {"Close gives up what is not committed"},
	"does not fence":                 {"a new lane ends the earlier one"},
	"ends its own number only":       {"another instance ends all earlier lanes"},
	"ends lanes beyond its own only": {"another instance ends all earlier lanes"},
	"ends lanes among its own only":  {"another instance ends all earlier lanes"},
	"has positions in memory only":   {"positions outlive the sink"},
	"knows one lane":                 {"lanes leave each other alone"},
	"shares positions":               {"pipelines do not share positions"},
	"Check waits":                    {"Check is called beside everything"},
	"Commit does not notice Close":   {"Close beside Commit: both return"},
	"closes once":                    {"closes twice"},
	"keeps batches":                  {"batches are used again after a Commit"},
	"leaves a goroutine":             {"leaves no goroutine"},
}

var transformFlaws = flaws{
	"takes records out":         {"leaves every record in the batch"},
	"turns records round":       {"leaves every record in the batch"},
	"moves the position":        {"leaves every record in the batch"},
	"dead-letters by itself":    {"leaves every record in the batch"},
	"shows what it refuses":     {"leaves every record in the batch"},
	"changes decided records":   {"leaves decided records alone"},
	"makes records":             {"takes an empty batch"},
	"keeps keys":                {"keeps no bytes of a batch"},
	"mixes shards":              {"takes shards at once"},
	"does not notice a context": {"returns when its context has ended"},
	"forgets nothing":           {"takes again what was given up"},
	"leaves a goroutine":        {"leaves no goroutine"},
}

func TestBrokenSourcesFail(t *testing.T) {
	tests(t, sourceFlaws, sourceTests(), func(t *testing.T, flaw string, release chan struct{}) {
		values := numbered(12)
		Source(t, SourceCase{Values: values, Fresh: func(*testing.T) pipeline.Source {
			return &tape{flaw: flaw, values: values, release: release}
		}})
	})
}

func TestBrokenSinksFail(t *testing.T) {
	tests(t, sinkFlaws, sinkTests(), func(t *testing.T, flaw string, release chan struct{}) {
		Sink(t, SinkCase{Positions: true, Fresh: func(*testing.T) (pipeline.Sink, func(*testing.T) []string) {
			s := &ledger{flaw: flaw, release: release, vault: newVault()}
			return s, func(*testing.T) []string {
				s.mu.Lock()
				defer s.mu.Unlock()
				return slices.Clone(s.delivered)
			}
		}, Reopen: func(_ *testing.T, sink pipeline.Sink) pipeline.Sink { return sink.(*ledger).another() }})
	})
}

func TestBrokenTransformsFail(t *testing.T) {
	tests(t, transformFlaws, transformTests(), func(t *testing.T, flaw string, release chan struct{}) {
		Transform(t, TransformCase{
			Fresh: func(*testing.T) pipeline.Transform {
				return &once{flaw: flaw, release: release, seen: map[string]string{}, under: map[string][]string{}}
			},
			Fill: func(b *pipeline.Batch) {
				for _, v := range []string{"first value", "second value", "first value", "refused, as it is"} {
					b.Add().Value = pipeline.RawValue(b.Arena.Copy([]byte(v)))
				}
			},
		})
	})
}

func numbered(n int) []string {
	values := make([]string, n)
	for i := range values {
		values[i] = fmt.Sprint("value ", i)
	}
	return values
}

// tests runs a suite on a part without a flaw, which must pass, and on one with
// each flaw, which must fail where the table says; each subtest is in the table.
func tests[S any](t *testing.T, table flaws, subtests map[string]func(S), suite func(t *testing.T, flaw string, release chan struct{})) {
	patience := callPatience
	callPatience = 300 * time.Millisecond
	release := make(chan struct{})
	t.Cleanup(func() { close(release); callPatience = patience })
	run := func(flaw string) []string {
		return failing(t, func(t *testing.T) { suite(t, flaw, release) })
	}
	if failed := run(""); len(failed) > 0 {
		t.Fatalf("without a flaw: %q fail", failed)
	}
	missing := maps.Clone(subtests)
	for flaw, want := range table {
		failed := run(flaw)
		for _, name := range want {
			if _, known := subtests[name]; !known {
				t.Errorf("there is no subtest %q", name)
			}
			if !slices.Contains(failed, name) {
				t.Errorf("a part that %s does not fail %q; failing are %q", flaw, name, failed)
			}
			delete(missing, name)
		}
	}
	for name := range missing {
		t.Errorf("no flaw is known that makes %q fail", name)
	}
}

var failLine = regexp.MustCompile(`(?m)^ *--- FAIL: suite/(.*) \(`)

// failing runs a test beside this one and names its subtests that failed.
func failing(t *testing.T, test func(t *testing.T)) []string {
	t.Helper()
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	stdout := os.Stdout
	os.Stdout = out
	passed := testing.RunTests(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{{Name: "suite", F: test}})
	os.Stdout = stdout
	if _, err := out.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(out)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, found := range failLine.FindAllSubmatch(text, -1) {
		names = append(names, strings.ReplaceAll(string(found[1]), "_", " "))
	}
	if passed != (len(names) == 0) {
		t.Fatalf("passed: %v, and these failed: %q\n%s", passed, names, text)
	}
	return names
}

// once is a transform that lets each value pass once, writes it in quotes, refuses
// some, and keeps the rules, but for its flaw.
type once struct {
	flaw    string
	release <-chan struct{}

	mu    sync.Mutex
	seen  map[string]string // by value, the shard where it passed
	under map[string][]string
	keys  [][]byte
}

func (o *once) Apply(ctx context.Context, b *pipeline.Batch) error {
	if o.flaw == "does not notice a context" && ctx.Err() != nil {
		<-o.release
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	switch o.flaw {
	case "leaves a goroutine":
		go func() { <-o.release }()
	case "makes records":
		b.Add()
	case "changes decided records":
		for i := range b.Records {
			b.Records[i].Topic = "elsewhere"
		}
	}
	for r := range b.Live {
		o.take(r, b)
	}
	o.spoil(b)
	return ctx.Err()
}

func (o *once) take(r *pipeline.Record, b *pipeline.Batch) {
	value := r.Value.Raw()
	switch by, seen := o.seen[string(value)]; {
	case strings.HasPrefix(string(value), "refused"):
		err := fmt.Errorf("it is refused")
		if o.flaw == "shows what it refuses" {
			err = fmt.Errorf("it is refused: %s", value)
		}
		r.Fail(err)
	case seen && by == b.Shard:
		r.Fate = pipeline.Duplicate
	default:
		o.seen[string(value)] = b.Shard
		o.under[b.Shard] = append(o.under[b.Shard], string(value))
		r.Value = pipeline.RawValue(append(append(append(b.Arena.Alloc(len(value)+2), '"'), value...), '"'))
	}
	if o.flaw == "keeps keys" {
		o.keys = append(o.keys, r.Value.Raw())
		r.Topic = string(o.keys[0])
	}
}

// spoil does to the batch what is forbidden.
func (o *once) spoil(b *pipeline.Batch) {
	if len(b.Records) == 0 {
		return
	}
	switch o.flaw {
	case "takes records out":
		b.Records = b.Records[1:]
	case "turns records round":
		slices.Reverse(b.Records)
	case "moves the position":
		b.After.Offset.Minor++
	case "dead-letters by itself":
		b.Records[0].Fate = pipeline.DeadLettered
	case "mixes shards":
		if b.Shard != "shard 0" && strings.HasPrefix(b.Shard, "shard") {
			b.Records = b.Records[1:]
		}
	}
}

func (o *once) Settled(b *pipeline.Batch) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.under, b.Shard)
}

func (o *once) GivenUp(shard string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.flaw == "forgets nothing" {
		return
	}
	for _, value := range o.under[shard] {
		delete(o.seen, value)
	}
	delete(o.under, shard)
}
