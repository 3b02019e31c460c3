//go:build unix

package redis

import "testing"

// pubSub gives a pair on a client of the test's own.
func (p place) pubSub(t testing.TB, config SubscriberConfig) (*Publisher, *Subscriber) {
	t.Helper()
	config.Client = p.client(t)
	pub, err := NewPublisher(PublisherConfig{Client: config.Client})
	must(t, err)
	sub, err := NewSubscriber(config)
	must(t, err)
	t.Cleanup(func() { must(t, sub.Close()) })
	return pub, sub
}
