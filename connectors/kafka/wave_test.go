//go:build unix

package kafka

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// TestWavesGather: what comes while little is under way goes at once; the rest waits,
// and goes together, in order, when a wave is over.
func TestWavesGather(t *testing.T) {
	w := &waves{}
	join := func(texts ...string) []sending {
		records := make([]*kgo.Record, len(texts))
		for i, text := range texts {
			records[i] = kgo.StringRecord(text)
		}
		return w.join(records, nil)
	}
	want := func(got []sending, texts ...string) {
		t.Helper()
		values := make([]string, len(got))
		for i, s := range got {
			values[i] = string(s.record.Value)
		}
		if fmt.Sprint(values) != fmt.Sprint(texts) {
			t.Errorf("got the wave %v, want %v", values, texts)
		}
	}
	for i := range wavesUnderWay {
		text := fmt.Sprint("at once ", i)
		want(join(text), text)
	}
	want(join())
	want(join("a", "b"))
	want(join("c"))
	want(w.next(), "a", "b", "c")
	for range wavesUnderWay {
		want(w.next())
	}
	want(join())
	want(join("again"), "again")
	if w.underWay != 1 {
		t.Errorf("%d waves are under way, want 1", w.underWay)
	}
}

// TestWavesPass: while a topic has no leader, messages of other topics are published,
// however many wait for it; when it has one, so are those.
func TestWavesPass(t *testing.T) {
	e := pipelinetest.Embedded(t)
	k := on(t, e.Kafka.ListenAddrs()[0])
	k.topic = pipelinetest.Name(t)
	k.create(k.topic, 1, nil)
	stuck := k.topic + "-stuck"
	k.create(stuck, 1, nil)
	var led atomic.Bool
	e.Kafka.ControlKey(int16(kmsg.Metadata), func(req kmsg.Request) (kmsg.Response, error, bool) {
		e.Kafka.KeepControl()
		for _, topic := range req.(*kmsg.MetadataRequest).Topics {
			if topic.Topic != nil && *topic.Topic == stuck && !led.Load() {
				return leaderless(req, stuck), nil, true
			}
		}
		return nil, nil, false
	})
	pub := k.publisher()
	k.publish(pub, "first") // its leader is known from here
	var waiting, passing sync.WaitGroup
	var arrived atomic.Int32
	publish := func(topic string, i int) {
		if err := pub.Publish(topic, message.NewMessage(fmt.Sprint(i), nil)); err != nil {
			t.Error(err)
		}
	}
	const callers = 10 * wavesUnderWay
	for i := range callers {
		waiting.Go(func() { publish(stuck, i); arrived.Add(1) })
	}
	for i := range callers {
		passing.Go(func() { publish(k.topic, i) })
	}
	passing.Wait()
	if n := arrived.Load(); n > 0 {
		t.Errorf("%d messages arrived where nobody leads", n)
	}
	led.Store(true)
	waiting.Wait()
	if n := len(k.committed(stuck)); n != callers {
		t.Errorf("%d messages arrived, want %d", n, callers)
	}
}

// leaderless says of a topic that nobody leads it
// (https://kafka.apache.org/protocol#protocol_error_codes).
func leaderless(req kmsg.Request, topic string) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.MetadataResponse)
	one := kmsg.NewMetadataResponseTopic()
	one.Topic, one.ErrorCode = &topic, kerr.LeaderNotAvailable.Code
	resp.Topics = []kmsg.MetadataResponseTopic{one}
	return resp
}
