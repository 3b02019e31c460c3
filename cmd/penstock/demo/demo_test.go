package demo

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/engine"
)

var update = flag.Bool("update", false, "write golden files")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// example gives figures with something of everything.
func example() Figures {
	return Figures{
		Pipeline: "user-behavior", List: "user_behavior", Topic: "user_behavior_topic",
		Servers: &Servers{EmbeddedRedis: true}, Elapsed: 61 * time.Second,
		State: engine.State{Name: engine.Running},
		Engine: engine.Snapshot{
			Counts:  engine.Counts{Read: 12340, Written: 12340, Transactions: 1700},
			Shards:  map[string]engine.ShardStats{"user_behavior": {Committed: pipeline.Position{Offset: pipeline.Offset{Minor: 12340}}}},
			Latency: engine.Histogram{Bounds: []float64{.001, .002, .004}, Counts: []uint64{40, 50, 9, 1}},
		},
		Pushed: 12345, Arrived: 12340,
		Last: []Arrival{
			{3, 1022, "u000007", `{"event_id":"u000007-20","user_id":"u000007"}`},
			{11, 998, "u000008", "a\x1b[2Jb\u009bc" + strings.Repeat("long", 50)},
		},
		Notes: []string{"this Redis lacks a capability  capability: CONFIG GET"},
	}
}

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

func TestScreen(t *testing.T) {
	now := example()
	s := newScreen(func() Figures { return now })
	s.Update(tea.WindowSizeMsg{Width: 90, Height: 30})
	s.Update(drawn{})
	now.Elapsed += time.Second
	now.Pushed, now.Arrived = now.Pushed+200, now.Arrived+205
	s.Update(drawn{})
	text := s.View().Content
	golden(t, "screen", ansi.Strip(text)+"\n")
	if strings.Contains(text, "\x1b[2J") || strings.Contains(text, "\u009b") {
		t.Error("what a record holds reaches the terminal as a command")
	}
	for line := range strings.Lines(text) {
		if width := ansi.StringWidth(strings.TrimSuffix(line, "\n")); width > 90 {
			t.Errorf("a line is %d wide: %q", width, line)
		}
	}
}

func TestScreenTellsOfTrouble(t *testing.T) {
	now := example()
	now.State = engine.State{Name: engine.Degraded, Reason: "Kafka at localhost:9092 cannot be used; " + strings.Repeat("and so on ", 10) + "until it is back"}
	text := ansi.Strip(newScreen(func() Figures { return now }).text())
	for _, want := range []string{"user-behavior is degraded", "Kafka at localhost:9092 cannot be used", "and so on until it is"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
}

func TestKeysThatEnd(t *testing.T) {
	for key, ends := range map[tea.Key]bool{
		{Code: 'c', Mod: tea.ModCtrl}: true,
		{Code: 'q', Text: "q"}:        true,
		{Code: 'x', Text: "x"}:        false,
	} {
		_, cmd := newScreen(example).Update(tea.KeyPressMsg(key))
		quits := false
		if cmd != nil {
			_, quits = cmd().(tea.QuitMsg)
		}
		if quits != ends {
			t.Errorf("%v ends: %v, want %v", key, quits, ends)
		}
	}
}

// TestViewEnds: by a key, and with its context.
func TestViewEnds(t *testing.T) {
	var out bytes.Buffer
	if err := View(t.Context(), strings.NewReader("q"), &out, example); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	figures := func() Figures {
		if calls++; calls > 2 {
			cancel()
		}
		return example()
	}
	if err := View(ctx, strings.NewReader(""), &out, figures); err != nil {
		t.Error(err)
	}
}

func TestPlain(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var out bytes.Buffer
	now := example()
	lines := 0
	err := Plain(ctx, &out, time.Millisecond, func() Figures {
		if lines++; lines == 2 {
			now.State = engine.State{Name: engine.Degraded, Reason: "waiting for Redis"}
			cancel()
		}
		return now
	})
	if err != nil {
		t.Error(err)
	}
	want := "  61s  running  pushed 12345  in Kafka 12340  202/s  waiting 5  position 12340  last: partition 11 offset 998 key u000008\n" +
		"  61s  degraded  pushed 12345  in Kafka 12340  202/s  waiting 5  position 12340  waiting for Redis\n"
	if !strings.HasPrefix(out.String(), want) {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

func TestSummary(t *testing.T) {
	want := "12,345 pushed to Redis, 12,340 moved in 1,700 transactions, 12,340 seen in Kafka, in 61.0 s; latency: half within 2ms, 99 % within 4ms"
	if got := example().Summary(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := (Figures{}).Summary(); !strings.HasSuffix(got, "latency: -") {
		t.Errorf("got %s", got)
	}
}

func TestQuantile(t *testing.T) {
	h := engine.Histogram{Bounds: []float64{1, 2, 4}, Counts: []uint64{5, 0, 4, 1}}
	for share, want := range map[float64]float64{0.1: 1, 0.5: 1, 0.51: 4, 0.9: 4} {
		if got, ok := quantile(h, share); !ok || got != want {
			t.Errorf("quantile %v is %v, %v; want %v", share, got, ok, want)
		}
	}
	if got, ok := quantile(h, .99); ok {
		t.Errorf("above the last bound nothing is known, got %v", got)
	}
}

func TestMeter(t *testing.T) {
	var m meter
	for _, tc := range []struct {
		at    time.Duration
		count uint64
		want  float64
	}{
		{0, 0, 0},
		{time.Second, 100, 100},
		{2 * time.Second, 200, 100},
		{3 * time.Second, 200, 50}, // over the last two seconds
		{4 * time.Second, 200, 0},
	} {
		if got := m.rate(tc.at, tc.count); got != tc.want {
			t.Errorf("at %v: %v, want %v", tc.at, got, tc.want)
		}
	}
	if len(m.samples) > 4 {
		t.Errorf("%d samples are kept", len(m.samples))
	}
}

func TestSparkline(t *testing.T) {
	if got := sparkline([]float64{0, 50, 100, 25}); got != "▁▄█▂" {
		t.Errorf("got %s", got)
	}
	if got := sparkline([]float64{0, 0}); got != "▁▁" {
		t.Errorf("got %s", got)
	}
}

// TestVisitors: about 200 events a second in the long run, never the same for long.
func TestVisitors(t *testing.T) {
	total, fewest, most := 0, 1000, 0
	for at := time.Duration(0); at < 2*shopTide; at += shopTick {
		n := visitors(at, .5)
		total, fewest, most = total+n, min(fewest, n), max(most, n)
	}
	if rate := float64(total) / (2 * shopTide).Seconds(); rate < 180 || rate > 220 {
		t.Errorf("%v events a second", rate)
	}
	if fewest < 1 || most < 3*fewest {
		t.Errorf("from %d to %d in %v: business should come and go", fewest, most, shopTick)
	}
}

func TestNotes(t *testing.T) {
	notes := NewNotes()
	log := slog.New(notes).With("pipeline", "user-behavior", "shard", "a").WithGroup("g")
	log.Debug("not worth it")
	for _, message := range []string{"one", "two", "three", "four"} {
		log.Info(message)
	}
	log.Warn("five", "reason", "it broke")
	want := []string{"two  shard: a", "three  shard: a", "four  shard: a", "five  shard: a  reason: it broke"}
	if got := notes.Lines(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestShopPushes: what the shop pushes is in Redis, and the addresses of
// embedded servers are ones to connect to.
func TestShopPushes(t *testing.T) {
	s, err := StartServers("", "")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if !s.EmbeddedRedis || !s.EmbeddedKafka || !strings.HasPrefix(s.RedisURL, "redis://127.0.0.1:") || !strings.HasPrefix(s.Brokers, "127.0.0.1:") {
		t.Errorf("got %+v", s)
	}
	shop, err := NewShop(s.RedisURL, "events", 1)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	go func() {
		defer cancel()
		ticker := time.NewTicker(time.Millisecond)
		defer ticker.Stop()
		for shop.Pushed() < 20 && ctx.Err() == nil {
			<-ticker.C
		}
	}()
	shop.Run(ctx)
	list, err := s.redis.List("events")
	if err != nil || uint64(len(list)) != shop.Pushed() || len(list) < 20 || !strings.HasPrefix(list[0], `{"event_id":"u000001-1"`) {
		t.Errorf("%d events in the list, %d pushed, %v", len(list), shop.Pushed(), err)
	}
}

// TestArrivals: records of before are left out, in a topic that is there already
// and in one that is not, and none of those after is missed.
func TestArrivals(t *testing.T) {
	s, err := StartServers("redis://redis.example/0", "")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	producer, err := kgo.NewClient(kgo.SeedBrokers(s.Brokers), kgo.AllowAutoTopicCreation())
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	send := func(topic, value string) {
		if _, err := kadm.NewClient(producer).CreateTopic(t.Context(), 3, 1, nil, topic); err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
			t.Fatal(err)
		}
		if err := producer.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Key: []byte("k"), Value: []byte(value)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	send("old", "before")
	for _, topic := range []string{"old", "new"} {
		arrivals, err := NewArrivals(t.Context(), []string{s.Brokers}, topic)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		for i := range lastArrivals + 2 {
			send(topic, fmt.Sprint(i))
		}
		ended := make(chan struct{})
		go func() { defer close(ended); arrivals.Run(ctx) }()
		ticker := time.NewTicker(time.Millisecond)
		for arrivals.Count() < lastArrivals+2 && ctx.Err() == nil {
			<-ticker.C
		}
		cancel()
		<-ended
		last := arrivals.Last()
		if arrivals.Count() != lastArrivals+2 || len(last) != lastArrivals || last[0].Value != "2" || last[lastArrivals-1].Value != "9" || last[0].Key != "k" {
			t.Errorf("%s: %d arrived, the last are %+v", topic, arrivals.Count(), last)
		}
	}
}

func TestServersOfTheUser(t *testing.T) {
	s, err := StartServers("redis://redis.example/0", "kafka.example:9092")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.EmbeddedRedis || s.EmbeddedKafka || s.RedisURL != "redis://redis.example/0" || s.Brokers != "kafka.example:9092" {
		t.Errorf("got %+v", s)
	}
}
