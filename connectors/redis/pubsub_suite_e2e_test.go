//go:build e2e && unix

package redis

import (
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/tests"

	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// universal runs Watermill's own tests of Pub/Subs.
func universal(t *testing.T, p place, features tests.Features, config SubscriberConfig) {
	t.Helper()
	features.Persistent, features.ForceShort = true, raceDetector
	shared := config.Group
	inGroup := func(t *testing.T, group string) (message.Publisher, message.Subscriber) {
		config := config
		config.Group, config.ClaimIdle = group, 2*time.Second
		return p.pubSub(t, config)
	}
	tests.TestPubSub(t, features, func(t *testing.T) (message.Publisher, message.Subscriber) { return inGroup(t, shared) }, inGroup)
}

// TestUniversal is Watermill's own suite, on a real Redis (miniredis reads streams too
// slowly for it), in full without the race detector, and with its
// fewer messages and subscribers (ForceShort) under it. The Pub/Subs of a test share a
// group, so that what one of them leaves is left to the others. TestReconnect counts
// a message wrongly that comes before Publish has returned: TestPubSubWhenConnectionsAreCut
// takes its place.
func TestUniversal(t *testing.T) {
	each(t, func(t *testing.T, p place) {
		t.Run("group", func(t *testing.T) {
			universal(t, p, tests.Features{ConsumerGroups: true, GuaranteedOrder: true, GuaranteedOrderWithSingleSubscriber: true},
				SubscriberConfig{Group: pipelinetest.Name(t)})
		})
		t.Run("group, many in flight", func(t *testing.T) {
			universal(t, p, tests.Features{ConsumerGroups: true}, SubscriberConfig{Group: pipelinetest.Name(t), MaxInFlight: 100})
		})
		t.Run("fan-out", func(t *testing.T) {
			universal(t, p, tests.Features{GuaranteedOrder: true, NewSubscriberReceivesOldMessages: true}, SubscriberConfig{Start: "oldest"})
		})
	})
}
