//go:build e2e && unix

package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock-io/penstock/connectors/local"
	connector "github.com/penstock-io/penstock/connectors/redis"
	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// soon bounds what should take a second or two, on a slow and busy machine.
const soon = time.Minute

// binary builds penstock with the points that tests kill it at, once.
var binary = sync.OnceValues(func() (string, error) { return buildBinary("penstock-points") })

func buildBinary(name string, flags ...string) (string, error) {
	path, err := filepath.Abs(filepath.Join("..", "..", "..", ".cache", "e2e", name))
	if err != nil {
		return "", err
	}
	out, err := exec.Command("go", slices.Concat([]string{"build", "-tags", "points", "-o", path}, flags, []string{".."})...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w:\n%s", err, out)
	}
	return path, nil
}

// job is a pipeline on real servers, with names of its own.
type job struct {
	tb     testing.TB
	name   string // of the pipeline, and of its topic
	bin    string
	path   string // of a file that exists; empty: one is written
	redis  string // host:port
	login  string // to Redis, "user:password@"; empty: none
	url    string // of Redis, where it is not a server alone
	kafka  string
	source string // redis_list or redis_stream
	keys   []string
	glob   string   // what the file says in place of keys; empty: keys
	more   []string // lines of the source
	format string   // of the source; empty: none is said
	key    string   // of the sink; empty: none
	sink   []string // lines of the sink
	rest   []string // lines of the pipeline
	env    []string
	basket int // events of an item, as a list; 0: an item is an event
}

// newJob gives a job on the shared servers that moves one list or stream of shop
// events to a topic of 4 partitions.
func newJob(tb testing.TB, source string) *job {
	tb.Helper()
	bin, err := binary()
	if err != nil {
		tb.Fatal(err)
	}
	name := strings.ToLower(strings.ReplaceAll(pipelinetest.Name(tb), "_", "-"))
	j := &job{tb: tb, name: name, bin: bin, source: source, keys: []string{name + "-key"}, format: "json", key: "value.user_id",
		redis: pipelinetest.SharedRedis(tb).Addr(), kafka: pipelinetest.SharedKafka(tb).Addr()}
	if source == "redis_stream" {
		j.more = []string{"value_field: payload", "trim: after_commit"}
	}
	tb.Cleanup(j.forget)
	return j
}

// forget removes the job's keys from Redis, where it still runs.
func (j *job) forget() {
	client := redis.NewClient(&redis.Options{Addr: j.redis, MaxRetries: -1})
	defer client.Close()
	for _, key := range j.keys {
		client.Del(context.Background(), key, "penstock:{"+key+"}")
	}
	client.Del(context.Background(), connector.LeaseKey(j.name))
}

// file writes the pipeline's file, unless it has one.
func (j *job) file() string {
	j.tb.Helper()
	if j.path != "" {
		return j.path
	}
	var s strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&s, format+"\n", args...) }
	keys, err := json.Marshal(j.keys)
	must(j.tb, err)
	if j.glob != "" {
		keys = []byte(`["` + j.glob + `"]`)
	}
	line("name: %s\nsource:\n  %s:\n    url: %s\n    keys: %s", j.name, j.source, cmp.Or(j.url, "redis://"+j.login+j.redis+"/0"), keys)
	for _, more := range j.more {
		line("    %s", more)
	}
	if j.format != "" {
		line("  format: %s", j.format)
	}
	line("sink:\n  kafka:\n    brokers: [%q]\n    topic: %s\n    create_topic: {partitions: 4, replicas: 1}", j.kafka, j.name)
	if j.key != "" {
		line("    key: %s", j.key)
	}
	for _, more := range j.sink {
		line("    %s", more)
	}
	for _, more := range j.rest {
		line("%s", more)
	}
	path := filepath.Join(j.tb.TempDir(), "pipeline.yaml")
	must(j.tb, os.WriteFile(path, []byte(s.String()), 0o600))
	return path
}

// start runs the pipeline in a process.
func (j *job) start(flags ...string) *pipelinetest.Command {
	j.tb.Helper()
	return pipelinetest.StartCommand(j.tb, j.env, j.bin, append([]string{"run", j.file()}, flags...)...)
}

// drain runs the pipeline until it has drained its sources.
func (j *job) drain() {
	j.tb.Helper()
	if code := j.start("--until-drained").Exit(2 * soon); code != exitDone {
		j.tb.Fatalf("run --until-drained ended with code %d", code)
	}
}

// refused runs the pipeline, which must end with the code and name the words, and
// gives its log.
func (j *job) refused(code int, words ...string) string {
	j.tb.Helper()
	c := j.start()
	if got := c.Exit(soon); got != code {
		j.tb.Errorf("ended with code %d, want %d", got, code)
	}
	log := c.Log()
	wantIn(j.tb, log, words...)
	return log
}

func wantIn(tb testing.TB, text string, words ...string) {
	tb.Helper()
	for _, word := range words {
		if !strings.Contains(text, word) {
			tb.Errorf("it does not say %q:\n%s", word, text)
		}
	}
}

// push gives a producer of n shop events, of 1000 users, to the job's keys.
func (j *job) push(shop *local.Shop, n, rate int) pipelinetest.Push {
	how := "rpush"
	if j.source == "redis_stream" {
		how = "xadd"
	}
	var events pipelinetest.Events = shop
	if j.basket > 0 {
		events = baskets{shop, j.basket}
	}
	return pipelinetest.Push{Addr: j.redis, Keys: j.keys, How: how, Events: events, N: n, Rate: rate}
}

// baskets are lists of some events of a shop.
type baskets struct {
	shop *local.Shop
	of   int
}

func (b baskets) Append(dst []byte) ([]byte, string) {
	dst = append(dst, '[')
	for i := range b.of {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst, _ = b.shop.Append(dst)
	}
	return append(dst, ']'), ""
}

func newShop() *local.Shop { return local.NewShop(1, 1000) }

// report judges the topic against what the shop made.
func (j *job) report(shop *local.Shop) pipelinetest.Report {
	j.tb.Helper()
	ctx, cancel := context.WithTimeout(j.tb.Context(), 2*soon)
	defer cancel()
	report, err := pipelinetest.Check(ctx, []string{j.kafka}, j.name, shop.Counts())
	if err != nil {
		j.tb.Fatal(err)
	}
	return report
}

// check wants each of the shop's events once, whole and in order.
func (j *job) check(shop *local.Shop) {
	j.tb.Helper()
	if report := j.report(shop); !report.OK() {
		j.tb.Errorf("%s", report)
	} else {
		j.tb.Logf("%s", report)
	}
}

// client speaks to the job's Redis.
func (j *job) client() *redis.Client {
	client := redis.NewClient(&redis.Options{Addr: j.redis})
	j.tb.Cleanup(func() { _ = client.Close() })
	return client
}

// arrived waits until the topic holds n committed records, and gives those
// there are, by partition and offset.
func (j *job) arrived(topic string, n int) []*kgo.Record {
	j.tb.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(j.kafka), kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.MetadataMinAge(100*time.Millisecond), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		j.tb.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(j.tb.Context(), soon)
	defer cancel()
	var all []*kgo.Record
	for len(all) < n {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			j.tb.Fatalf("topic %s has %d records, want %d", topic, len(all), n)
		}
		all = append(all, fetches.Records()...)
	}
	slices.SortFunc(all, func(a, b *kgo.Record) int {
		return int(a.Partition-b.Partition)*1e9 + int(a.Offset-b.Offset)
	})
	return all
}

// redisOf starts a Redis of the test's own.
func redisOf(tb testing.TB, o pipelinetest.RedisOptions) *pipelinetest.Redis {
	tb.Helper()
	r, err := pipelinetest.StartRedis(tb.Context(), o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { must(tb, r.Stop()) })
	return r
}

// kafkaOf starts a Kafka of the test's own, which aborts stale transactions
// soon.
func kafkaOf(tb testing.TB) *pipelinetest.Kafka {
	tb.Helper()
	k, err := pipelinetest.StartKafka(tb.Context(), pipelinetest.KafkaOptions{Heap: "512m", Properties: map[string]string{
		"transaction.abort.timed.out.transaction.cleanup.interval.ms": "500",
	}})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { must(tb, k.Stop()) })
	return k
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// emptied waits until everything is delivered and cleaned up: no list holds an
// item, no trimmed stream more than the anchor.
func (j *job) emptied(within time.Duration) {
	j.tb.Helper()
	client := j.client()
	pipelinetest.Eventually(j.tb, within, "everything is delivered and cleaned up", func() bool {
		for _, key := range j.keys {
			n, most := client.LLen(j.tb.Context(), key), int64(0)
			if j.source == "redis_stream" {
				n, most = client.XLen(j.tb.Context(), key), 1
			}
			if left, err := n.Result(); err != nil || left > most {
				return false
			}
		}
		return true
	})
}

// stopped asks a process to stop, which it does well.
func stopped(tb testing.TB, c *pipelinetest.Command) {
	tb.Helper()
	if !c.Running() {
		tb.Error("it ended before it was asked to")
	}
	c.Signal(syscall.SIGTERM)
	if code := c.Exit(soon); code != exitDone {
		tb.Errorf("after SIGTERM it ended with code %d", code)
	}
}
