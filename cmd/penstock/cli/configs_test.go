//go:build unix

package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock-io/penstock/configs"
	"github.com/penstock-io/penstock/connectors/local"
	"github.com/penstock-io/penstock/pipeline/config"
	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// shipped gives the pipeline files that come with Penstock.
func shipped(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob("../../../configs/*.yaml")
	names = slices.DeleteFunc(names, config.HoldsTests)
	if err != nil || len(names) < 4 {
		t.Fatalf("%v, %v", names, err)
	}
	return names
}

// TestConfigsAreValid without any environment, for the parser and for editors.
func TestConfigsAreValid(t *testing.T) {
	schema := compiledSchema(t, BuiltIn())
	for _, name := range shipped(t) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := BuiltIn().parseFiles(nil, config.File{Name: name, Data: text}); err != nil {
			t.Errorf("%v", err)
		}
		if err := schema.Validate(asJSON(t, string(text))); err != nil {
			t.Errorf("%s: the schema refuses it: %v", name, err)
		}
		if !bytes.HasPrefix(text, []byte("# yaml-language-server: $schema=./penstock.schema.json\n")) {
			t.Errorf("%s does not name its schema in the first line", name)
		}
	}
}

func TestEmbeddedConfig(t *testing.T) {
	text, err := os.ReadFile("../../../" + demoFile)
	if err != nil || !bytes.Equal(text, configs.UserBehavior) {
		t.Errorf("%s is not what is embedded (%v)", demoFile, err)
	}
}

const configEvents = 3000

// servers starts embedded servers, and puts them into the environment.
func servers(t *testing.T) *pipelinetest.EmbeddedServers {
	t.Helper()
	e := pipelinetest.Embedded(t)
	t.Setenv("REDIS_URL", "redis://"+e.RedisAddr+"/0")
	t.Setenv("KAFKA_BROKERS", e.KafkaAddr)
	return e
}

// fill hands the shop's events to push, and gives the shop.
func fill(t *testing.T, push func(user string, event string) error) *local.Shop {
	t.Helper()
	shop := local.NewShop(1, 50)
	for range configEvents {
		event, user := shop.Append(nil)
		if err := push(user, string(event)); err != nil {
			t.Fatal(err)
		}
	}
	return shop
}

// drain runs a config until it is drained, twice: the second time there is
// nothing to do.
func drain(t *testing.T, name string) {
	t.Helper()
	for _, want := range []uint64{configEvents, 0} {
		got := penstock(t, "run", "--until-drained", "../../../configs/"+name)
		if got.code != 0 {
			t.Fatalf("%+v", got)
		}
		if n := number(t, ended(t, got.errOut), "read"); n != want {
			t.Errorf("read %d, want %d: %s", n, want, got.errOut)
		}
	}
}

// judge wants each event of the shop once in a topic, whole and in order.
func judge(t *testing.T, e *pipelinetest.EmbeddedServers, topic string, shop *local.Shop) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	report, err := pipelinetest.Check(ctx, []string{e.KafkaAddr}, topic, shop.Counts())
	if err != nil || !report.OK() || report.Records != configEvents {
		t.Errorf("%v, %v", report, err)
	}
}

func TestUserBehavior(t *testing.T) {
	e := servers(t)
	shop := fill(t, func(_, event string) error { _, err := e.Redis.Push("user_behavior", event); return err })
	drain(t, "user-behavior.yaml")
	judge(t, e, "user_behavior_topic", shop)
	if e.Redis.Exists("user_behavior") {
		t.Error("what was moved is still in the list")
	}
}

func TestUserBehaviorStream(t *testing.T) {
	e := servers(t)
	shop := fill(t, func(_, event string) error {
		_, err := e.Redis.XAdd("user_behavior_stream", "*", []string{"payload", event})
		return err
	})
	drain(t, "user-behavior-stream.yaml")
	judge(t, e, "user_behavior_stream_topic", shop)
	if left, err := e.Redis.Stream("user_behavior_stream"); err != nil || len(left) > 1 {
		t.Errorf("%d entries are still in the stream, %v", len(left), err)
	}
}

func TestUserBehaviorSharded(t *testing.T) {
	e := servers(t)
	shop := fill(t, func(user, event string) error {
		_, err := e.Redis.Push(fmt.Sprintf("user_behavior:%d", user[len(user)-1]%8), event)
		return err
	})
	drain(t, "user-behavior-sharded.yaml")
	judge(t, e, "user_behavior_sharded_topic", shop)
}

func TestUserBehaviorShardedKeepsDeadLetters(t *testing.T) {
	e := servers(t)
	e.Redis.Push("user_behavior:0", `{"user_id":"u1"}`, `not JSON`, `{"user":"u1"}`, `{"user_id":"u1"}`) //nolint:errcheck // the run tells
	got := penstock(t, "run", "--until-drained", "../../../configs/user-behavior-sharded.yaml")
	line := ended(t, got.errOut)
	if got.code != 0 || number(t, line, "written") != 2 || number(t, line, "dead_lettered") != 2 {
		t.Fatalf("%+v", got)
	}
	stages := map[string]string{}
	for _, r := range consume(t, e, "user_behavior_sharded_dead", 2) {
		for _, h := range r.Headers {
			if h.Key == "penstock.stage" {
				stages[string(r.Value)] = string(h.Value)
			}
		}
	}
	if stages["not JSON"] != "source.format" || stages[`{"user":"u1"}`] != "sink.key" {
		t.Errorf("got %v", stages)
	}
}

// TestUserBehaviorNightly holds what arrives against what the file says, worked
// out here.
func TestUserBehaviorNightly(t *testing.T) {
	e := servers(t)
	type event struct {
		ID     string       `json:"event_id"`
		User   string       `json:"user_id"`
		Action string       `json:"action"`
		Price  float64      `json:"price"`
		Number float64      `json:"quantity"`
		UA     *string      `json:"ua"`
		Total  *json.Number `json:"total"`
	}
	var want []event
	fill(t, func(_, text string) error {
		var ev event
		if err := json.Unmarshal([]byte(text), &ev); err != nil {
			return err
		}
		if ev.Action == "cart" || ev.Action == "buy" {
			want = append(want, ev)
			if ev.Action == "buy" { // pushed twice
				e.Redis.Push("user_behavior_nightly", text) //nolint:errcheck // the next one tells
			}
		}
		_, err := e.Redis.Push("user_behavior_nightly", text)
		return err
	})
	got := penstock(t, "run", "--until-drained", "../../../configs/user-behavior-nightly.yaml")
	if line := ended(t, got.errOut); got.code != 0 || number(t, line, "written") != uint64(len(want)) || number(t, line, "duplicates") == 0 {
		t.Fatalf("%+v, want %d written", got, len(want))
	}
	arrived := map[string]event{}
	for _, r := range consume(t, e, "user_behavior_nightly_topic", len(want)) {
		var ev event
		if err := json.Unmarshal(r.Value, &ev); err != nil || string(r.Key) != ev.User || ev.UA != nil {
			t.Errorf("%v in %s with key %s", err, r.Value, r.Key)
		}
		arrived[ev.ID] = ev
	}
	for _, ev := range want {
		there, ok := arrived[ev.ID]
		switch {
		case !ok:
			t.Errorf("%s has not arrived", ev.ID)
		case ev.Action == "cart" && there.Total != nil:
			t.Errorf("%s, a cart, has a total", ev.ID)
		case ev.Action == "buy":
			if there.Total == nil {
				t.Errorf("%s has no total", ev.ID)
			} else if total, err := there.Total.Float64(); err != nil || total != ev.Price*ev.Number {
				t.Errorf("%s: the total is %v, want %v", ev.ID, there.Total, ev.Price*ev.Number)
			}
		}
	}
}

// TestNightlySchedule: the time of the drain is understood as it is meant.
func TestNightlySchedule(t *testing.T) {
	pipelines, err := BuiltIn().parse([]string{"../../../configs/user-behavior-nightly.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	text, err := config.Effective(pipelines[0])
	if err != nil || !strings.Contains(string(text), "cron: 30 4 * * *") || !strings.Contains(string(text), "time_zone: Europe/Berlin") {
		t.Errorf("%v: %s", err, text)
	}
}

// consume reads n records of a topic.
func consume(t *testing.T, e *pipelinetest.EmbeddedServers, topic string, n int) []*kgo.Record {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(e.KafkaAddr), kgo.ConsumeTopics(topic),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var records []*kgo.Record
	for len(records) < n {
		fetches := client.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			t.Fatalf("%d of %d records in %s: %v", len(records), n, topic, err)
		}
		records = append(records, fetches.Records()...)
	}
	return records
}
