package movers

import (
	"context"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kfake"
	"go.uber.org/goleak"

	"github.com/penstock-io/penstock/cmd/bench/measure"
	"github.com/penstock-io/penstock/connectors/local"
	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// Sarama's metrics start it once and never end it.
		goleak.IgnoreAnyFunction("github.com/rcrowley/go-metrics.(*meterArbiter).tick"))
}

const testUsers = 37

// filled starts embedded servers with events in a key called source and an empty
// topic called target.
func filled(t *testing.T, shape measure.Shape, events int) (*pipelinetest.EmbeddedServers, Job) {
	t.Helper()
	servers := pipelinetest.Embedded(t, kfake.SeedTopics(4, "target"), kfake.SeedTopics(1, positionsTopic))
	client := redis.NewClient(&redis.Options{Addr: servers.RedisAddr})
	defer client.Close()
	fill := measure.Fill{Shape: shape, Key: "source", Users: testUsers, Seed: 1, Events: events}
	if err := fill.Run(t.Context(), client, nil); err != nil {
		t.Fatal(err)
	}
	return servers, Job{
		Redis: servers.RedisAddr, Brokers: []string{servers.KafkaAddr}, Key: "source", Topic: "target",
		Events: events, Compression: "snappy",
	}
}

func TestEveryMoverMovesEachEventOnceInOrder(t *testing.T) {
	tests := []struct {
		name   string
		events int // more than one transaction, and no multiple of a batch
	}{
		{"stream-step", 2_500},
		{"stream-pipelined", 2_500},
		{"stream-group", 2_500},
		{"stream-stock", 500},
		{"list-step", 45_678},
		{"list-pipelined", 45_678},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			shape, _, _ := strings.Cut(test.name, "-")
			servers, job := filled(t, measure.Shape(shape), test.events)
			mover, err := Named(test.name)
			if err != nil {
				t.Fatal(err)
			}
			if err := mover(t.Context(), job); err != nil {
				t.Fatal(err)
			}
			shop := local.NewShop(1, testUsers)
			shop.Seek(uint64(test.events))
			found, err := pipelinetest.Check(t.Context(), job.Brokers, job.Topic, shop.Counts())
			if err != nil {
				t.Fatal(err)
			}
			if !found.OK() {
				t.Error(found)
			}
			if shape == "list" && servers.Redis.Exists("source") {
				t.Error("the list was not trimmed to the end")
			}
		})
	}
}

func TestNamedListsTheNames(t *testing.T) {
	_, err := Named("stream-fast")
	want := `no mover is called "stream-fast"; there are list-pipelined, list-step, stream-group, stream-pipelined, stream-step, stream-stock`
	if err == nil || err.Error() != want {
		t.Errorf("got %v; want %s", err, want)
	}
}

func TestUnknownCompressionIsRefused(t *testing.T) {
	_, job := filled(t, measure.Stream, 1)
	job.Compression = "rar"
	if err := moveStreamByStep(t.Context(), job); err == nil || !strings.Contains(err.Error(), `"rar"`) {
		t.Errorf("got %v; want the name of the compression", err)
	}
}

// A list that another client pops is not trimmed: what is at its head now was
// not committed.
func TestTrimRefusesAListThatChanged(t *testing.T) {
	tests := []struct {
		name   string
		change func(*pipelinetest.EmbeddedServers)
		want   string
	}{
		{"popped", func(s *pipelinetest.EmbeddedServers) { _, _ = s.Redis.Lpop("source") }, "does not begin with"},
		{"emptied", func(s *pipelinetest.EmbeddedServers) { s.Redis.Del("source") }, "does not begin with"},
		{"trimmed by a rival", func(s *pipelinetest.EmbeddedServers) { s.Redis.HSet("bench:{source}", "position", "7") }, "moved the position"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			servers, job := filled(t, measure.List, 100)
			client := newRedis(job)
			defer client.Close()
			list := newListReader(client, job.Key)
			items, err := list.read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			test.change(servers)
			err = list.trim(t.Context(), spanOf(items[:50]))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v; want %q", err, test.want)
			}
		})
	}
}

func TestPipelinedStopsWithItsReader(t *testing.T) {
	servers, job := filled(t, measure.List, 10)
	servers.Redis.HSet("bench:{source}", "position", "7") // a rival's
	if err := moveListPipelined(t.Context(), job); err == nil || !strings.Contains(err.Error(), "another client reads source too") {
		t.Errorf("got %v; want what the reader found", err)
	}
}

func TestPipelinedStopsWithItsContext(t *testing.T) {
	_, job := filled(t, measure.Stream, 10)
	job.Events = 1000 // more than there are, so it waits
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- moveStreamPipelined(ctx, job) }()
	cancel()
	if err := <-ended; err == nil {
		t.Error("it ended without an error and without the events")
	}
}

func TestSpanJoins(t *testing.T) {
	var s span
	s.join(spanOf(nil))
	s.join(spanOf([]string{"a", "b"}))
	s.join(span{})
	s.join(spanOf([]string{"c"}))
	if want := (span{items: 3, first: "a", last: "c"}); s != want {
		t.Errorf("got %+v; want %+v", s, want)
	}
}

func TestUserOf(t *testing.T) {
	for event, want := range map[string]string{
		`{"event_id":"u1-1","user_id":"u1","seq":1}`: "u1",
		`{"user_id":"","seq":1}`:                     "",
		`{"seq":1}`:                                  "",
		``:                                           "",
	} {
		if got := string(userOf([]byte(event))); got != want {
			t.Errorf("%s: got %q; want %q", event, got, want)
		}
	}
}
