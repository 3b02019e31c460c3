//go:build unix

package cli

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill-redisstream/pkg/redisstream"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/redis/go-redis/v9"

	"github.com/penstock-io/penstock/connectors/local"
	"github.com/penstock-io/penstock/connectors/watermill"
	"github.com/penstock-io/penstock/pipeline/config"
	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// TestUntilDrainedOfWatermill is refused before anything is connected to.
func TestUntilDrainedOfWatermill(t *testing.T) {
	for _, source := range []string{"watermill_redisstream: {topics: [a], consumer_group: g}", `watermill_kafka: {brokers: ["localhost:1"], topics: [a], consumer_group: g}`} {
		got := penstock(t, "run", "--until-drained", file(t, "name: a\nsource:\n  "+source+"\nsink:\n  drop: {}\ndelivery: at_least_once\n"))
		if got.code != exitInvalid || !strings.Contains(got.errOut, "3:3: a Watermill subscriber does not tell where its topic ends") {
			t.Errorf("%+v", got)
		}
	}
}

// TestWatermillMistakes are found before a run.
func TestWatermillMistakes(t *testing.T) {
	const good = "name: a\nsource:\n  redis_stream: {keys: [a]}\nsink:\n  drop: {}\ndelivery: at_least_once\n"
	for _, c := range []struct{ old, with, want string }{
		{"redis_stream: {keys: [a]}", `watermill_redisstream: {topics: ["", b, b], consumer_group: "", claim_idle: 1ms, url: "redis://:hunter2@h:0"}`, "topics[0]: an empty topic\ntopics[2]: the same topic twice\nconsumer_group is empty\nclaim_idle: less than a second\nurl: its port"},
		{"redis_stream: {keys: [a]}", `watermill_kafka: {brokers: ["a:1,b"], topics: [t], consumer_group: g}`, "brokers[0]: not an address"},
		{"drop: {}", `watermill_kafka: {brokers: ["a:1,b:2"], topic: "", key_metadata: _watermill_message_uuid}`, "topic is empty\nkey_metadata: no name that keys can have"},
		{"drop: {}", `watermill_redisstream: {topic: t, max_length: -1, tls: {}}`, "max_length: less than nothing\ntls: the url is not one of TLS"},
		{"delivery: at_least_once\n", "", "the sink drop keeps at_least_once at best"},
		{"drop: {}\n", "watermill_redisstream: {topic: t}\non_error: {then: dead_letter, dead_letter: {kafka: {topic: d}}}\n", "dead letters go to Kafka"},
		{"drop: {}\n", "watermill_kafka: {brokers: [\"a:1\"], topic: t}\non_error: {then: dead_letter, dead_letter: {kafka: {topic: t}}}\n", "among the records that are well"},
		{"drop: {}\n", "watermill_kafka: {brokers: [\"a:1\"], topic: t}\non_error: {then: dead_letter, dead_letter: {kafka: {topic: d}}}\n", ""},
	} {
		got := penstock(t, "validate", file(t, strings.Replace(good, c.old, c.with, 1)))
		for want := range strings.Lines(c.want) {
			if !strings.Contains(got.errOut+got.out, strings.TrimSpace(want)) {
				t.Errorf("%s: it does not say %q: %+v", c.with, want, got)
			}
		}
		if (c.want == "") != (got.code == exitDone) || strings.Contains(got.errOut+got.out, "hunter2") {
			t.Errorf("%s: %+v", c.with, got)
		}
	}
}

// TestSettingsOfWatermill: brokers between commas are several.
func TestSettingsOfWatermill(t *testing.T) {
	text := "name: a\nsource:\n  watermill_kafka: {brokers: [\"a:1, b:2\"], topics: [t], consumer_group: g}\nsink:\n  drop: {}\ndelivery: at_least_once\n"
	all, err := BuiltIn().parseFiles(nil, config.File{Name: "a.yaml", Data: []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	if got := all[0].Source.Settings.(*watermill.KafkaSourceSettings).Brokers; len(got) != 2 || got[1] != "b:2" {
		t.Errorf("brokers are %q", got)
	}
}

// TestMiddlewares: a file's middlewares act, and all arrives.
func TestMiddlewares(t *testing.T) {
	e := servers(t)
	shop := fill(t, func(_, event string) error { _, err := e.Redis.Push("user_behavior", event); return err })
	text, err := os.ReadFile("../../../configs/user-behavior.yaml")
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	name := file(t, strings.Replace(string(text), "  format: json\n", "  format: json\n  batch: {records: 300}\nmiddleware:\n  - throttle: {batches: 10}\n  - circuit_breaker: {failures: 3}\n  - timeout: 5s\n", 1))
	if got := penstock(t, "run", "--until-drained", name); got.code != exitDone {
		t.Fatalf("%+v", got)
	}
	if took := time.Since(began); took < configEvents/300*100*time.Millisecond {
		t.Errorf("throttled to 10 batches a second, %d batches took %v", configEvents/300, took)
	}
	judge(t, e, "user_behavior_topic", shop)
}

// TestRunWatermill moves what the stock publisher has written, on embedded servers.
func TestRunWatermill(t *testing.T) {
	e := servers(t)
	publisher, err := redisstream.NewPublisher(redisstream.PublisherConfig{Client: redis.NewClient(&redis.Options{Addr: e.RedisAddr})}, nil)
	if err != nil {
		t.Fatal(err)
	}
	published(t, publisher, "in", local.NewShop(1, 50), 50)
	var errOut output
	stop := start(t, &errOut, "run", file(t, "name: a\nsource:\n  watermill_redisstream: {url: \""+os.Getenv("REDIS_URL")+"\", topics: [in], consumer_group: g}\nsink:\n  watermill_redisstream: {url: \""+os.Getenv("REDIS_URL")+"\", topic: out}\ndelivery: at_least_once\n"))
	pipelinetest.Eventually(t, time.Minute, "all is there", func() bool { entries, err := e.Redis.Stream("out"); return err == nil && len(entries) == 50 })
	if code := stop(); code != exitDone {
		t.Errorf("%d: %s", code, errOut.String())
	}
	client := redis.NewClient(&redis.Options{Addr: e.RedisAddr})
	defer client.Close()
	if pending, err := client.XPending(t.Context(), "in", "g").Result(); err != nil || pending.Count > 0 {
		t.Errorf("pending after the stop: %+v, %v", pending, err)
	}
}

// published publishes n events of the shop, with metadata, and closes the publisher.
func published(tb testing.TB, to message.Publisher, topic string, shop *local.Shop, n int) {
	tb.Helper()
	for n := range n {
		event, user := shop.Append(nil)
		m := message.NewMessage(fmt.Sprintf("%036d", n), event)
		m.Metadata.Set("user", user)
		if err := to.Publish(topic, m); err != nil {
			tb.Fatal(err)
		}
	}
	if err := to.Close(); err != nil {
		tb.Fatal(err)
	}
}
