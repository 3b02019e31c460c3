package measure

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"
)

// TestRatesOfAPubSub: all is published, by any number of callers, and received once.
func TestRatesOfAPubSub(t *testing.T) {
	both := gochannel.NewGoChannel(gochannel.Config{Persistent: true, OutputChannelBuffer: 1000}, watermill.NopLogger{})
	defer both.Close()
	const n = 100
	for _, callers := range []int{1, 7} {
		if rate, err := PublishRate(both, "topic", n, callers); err != nil || rate <= 0 {
			t.Errorf("%d callers: %v, %v", callers, rate, err)
		}
	}
	if err := PublishAll(both, "topic", n); err != nil {
		t.Fatal(err)
	}
	const published = 3*n + 2 // each rate begins with one for the connections
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if rate, err := ReceiveRate(ctx, both, "topic", published); err != nil || rate <= 0 {
		t.Errorf("%v, %v", rate, err)
	}
	short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := ReceiveRate(short, both, "topic", published+1); err == nil || !strings.Contains(err.Error(), "received 302 of 303 messages") {
		t.Errorf("one more than there are: %v", err)
	}
}
