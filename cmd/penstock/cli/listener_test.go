package cli

import (
	"net"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestListenerAddresses(t *testing.T) {
	for address, ok := range map[string]bool{"127.0.0.1:0": true, "localhost:1": true, "[::1]:1": true, "127.8.8.8:1": true,
		"0.0.0.0:1": false, "[::]:1": false, "example.com:1": false, ":1": false} {
		if err := (&listener{address: address}).check(); (err == nil) != ok {
			t.Errorf("%s: %v", address, err)
		}
		if err := (&listener{address: address, remote: true}).check(); err != nil {
			t.Errorf("%s with --metrics-remote: %v", address, err)
		}
	}
}

// slowMemory takes its time to say how much it holds.
type slowMemory struct{ asked, free chan struct{} }

func (m slowMemory) Keys() int {
	close(m.asked)
	<-m.free
	return 7
}

func (m slowMemory) Evicted() uint64 { return 0 }

// TestTheLastScrapeIsAnswered: the end of a run does not cut a scrape off.
func TestTheLastScrapeIsAnswered(t *testing.T) {
	b, err := BuiltIn().build(parsed(t, generated), Environment{Log: quiet(), Clock: time.Now}, runSettings{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	m := slowMemory{asked: make(chan struct{}), free: make(chan struct{})}
	b.memories = []namedMemory{{"slow", m}}
	var logged output
	stop, err := (&listener{address: "127.0.0.1:0"}).serve([]*built{b}, newLogger(&logged, false))
	if err != nil {
		t.Fatal(err)
	}
	address := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(logged.String())
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		<-m.asked
		stop()
	}()
	go func() {
		defer close(m.free)
		<-m.asked
		for { // until the stop has begun
			c, err := net.Dial("tcp", address)
			if err != nil {
				return
			}
			c.Close() //nolint:errcheck // only a look
		}
	}()
	if _, body := get(t, "http://"+address+"/metrics"); !strings.Contains(body, `penstock_dedupe_keys{pipeline="generated",transform="slow"} 7`) {
		t.Errorf("got %q", body)
	}
	<-stopped
}
