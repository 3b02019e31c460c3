//go:build e2e && unix

package kafka

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// A key goes where Java's producer sends it, from the sink and from the Publisher.
func TestKeysGoWhereJavaSendsThem(t *testing.T) {
	k := on(t, pipelinetest.SharedKafka(t).Addr())
	k.topic = pipelinetest.Name(t)
	k.create(k.topic, 7, nil)
	var records [][2]string
	b := &pipeline.Batch{Shard: "list"}
	pub := k.publisher(func(c *PublisherConfig) {
		c.Key = func(_ string, m *message.Message) (string, error) { return m.Metadata["key"], nil }
	})
	var messages []*message.Message
	for i := range 300 {
		key := fmt.Sprintf("user-%d", i*i)
		if i%3 == 0 {
			key = strings.Repeat("\u00fc\u4e16", i%11) + key
		}
		records = append(records, [2]string{key, "java"})
		r := b.Add()
		r.Key, r.Value, r.Offset = []byte(key), pipeline.RawValue([]byte("sink")), pipeline.Offset{Minor: uint64(i + 1)}
		m := message.NewMessage("", []byte("publisher"))
		m.Metadata.Set("key", key)
		messages = append(messages, m)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	must(t, pipelinetest.ProduceByConsole(ctx, k.addr, k.topic, records))
	lane, _ := k.open(k.sink(), "first")
	must(t, lane.Write(t.Context(), b))
	must(t, lane.Commit(t.Context(), map[string]pipeline.Position{"list": at(300)}))
	must(t, pub.Publish(k.topic, messages...))
	where := map[string]map[string]int32{}
	used := map[int32]bool{}
	pipelinetest.Eventually(t, 10*time.Second, "all is there", func() bool {
		found := k.committed(k.topic)
		for _, r := range found {
			if where[string(r.Key)] == nil {
				where[string(r.Key)] = map[string]int32{}
			}
			where[string(r.Key)][string(r.Value)] = r.Partition
			used[r.Partition] = true
		}
		return len(found) == 900
	})
	for key, by := range where {
		if len(by) != 3 || by["sink"] != by["java"] || by["publisher"] != by["java"] {
			t.Errorf("key %q: partitions %v", key, by)
		}
	}
	if len(used) != 7 {
		t.Errorf("%d partitions of 7 were used", len(used))
	}
}
