//go:build unix

package kafka

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/penstock-io/penstock/pipeline"
)

// TestRack: who reads tells the brokers where it runs, and tells nothing where the
// settings say nothing.
func TestRack(t *testing.T) {
	const here = "eu-west-1a"
	for name, read := range map[string]func(k *sourceTest, rack string){
		"a source": func(k *sourceTest, rack string) {
			k.wantRead(k.open(k.source(func(s *SourceSettings) { s.Rack = rack }), pipeline.OpenRequest{}), "a")
		},
		"a Subscriber": func(k *sourceTest, rack string) {
			(<-k.subscribe(k.subscriber(func(c *SubscriberConfig) { c.Rack = rack }))).Ack()
		},
	} {
		for _, rack := range []string{here, ""} {
			t.Run(name+" at "+rack, func(t *testing.T) {
				on, cluster := fake(t)
				k := &sourceTest{kafkaTest: on}
				k.produce(&kgo.Record{Topic: k.topic, Value: []byte("a")})
				fetches := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Observe: true, Count: -1, When: func(r kmsg.Request) bool {
					return r.(*kmsg.FetchRequest).Rack == rack
				}})
				others := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Observe: true, Count: -1, When: func(r kmsg.Request) bool {
					return r.(*kmsg.FetchRequest).Rack != rack
				}})
				read(k, rack)
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				must(t, fetches.Wait(ctx, 1))
				if n := others.Hits(); n > 0 {
					t.Errorf("%d requests tell another place", n)
				}
			})
		}
	}
}
