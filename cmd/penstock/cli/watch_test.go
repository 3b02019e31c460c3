//go:build unix

package cli

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// shared is a buffer that is written and read at once.
type shared struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all.Write(p)
}

func (s *shared) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all.String()
}

// TestWatch changes the file of a pipeline that runs, to good and to bad: each record goes
// out once, in order, as the file said when it came.
func TestWatch(t *testing.T) {
	e := pipelinetest.Embedded(t)
	text := func(channel string) string {
		return fmt.Sprintf("name: shop\nsource:\n  redis_list: {url: \"redis://%s\", keys: [events]}\n  format: json\ntransforms: [set: {value.c: %s}]\n"+
			"sink:\n  kafka: {brokers: [\"%s\"], topic: out, create_topic: {partitions: 1}}\n", e.RedisAddr, channel, e.KafkaAddr)
	}
	name := file(t, text("1"))
	save := func(text string) {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	log, ended := &shared{}, make(chan int, 1)
	go func() {
		ended <- BuiltIn().run(ctx, []string{"run", "--watch", name}, strings.NewReader(""), &shared{}, log)
	}()
	said := func(times int, what string) {
		t.Helper()
		pipelinetest.Eventually(t, time.Minute, what, func() bool { return strings.Count(log.String(), what) == times })
	}
	n, want := 0, []string{}
	moves := func(channel string) {
		t.Helper()
		for range 50 {
			e.Redis.Push("events", fmt.Sprintf(`{"n":%d}`, n)) //nolint:errcheck // what arrives tells
			want = append(want, fmt.Sprintf(`{"n":%d,"c":%s}`, n, channel))
			n++
		}
		pipelinetest.Eventually(t, time.Minute, "the list is empty", func() bool { return !e.Redis.Exists("events") })
	}
	said(1, "shard starts")
	moves("1")
	save(text("2"))
	said(1, "go on as they say now")
	moves("2")
	save("name: shop\nsource: {radis: {}}\n")
	said(1, "are wrong: what runs goes on")
	moves("2")
	if err := os.Remove(name); err != nil { // as editors do in between
		t.Fatal(err)
	}
	moves("2")
	save(text("3"))
	said(2, "go on as they say now")
	moves("3")
	stop()
	if code := <-ended; code != exitDone {
		t.Errorf("code %d:\n%s", code, log)
	}
	var got []string
	for _, r := range consume(t, e, "out", len(want)) {
		got = append(got, string(r.Value))
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestWatchRefuses(t *testing.T) {
	name := file(t, "name: p\nsource:\n  generate: {events: 1}\nsink:\n  drop: {}\ndelivery: at_least_once\n")
	if got := penstock(t, "run", "--watch", "--until-drained", name); got.code != exitInvalid || !strings.Contains(got.errOut, "exclude each other") {
		t.Errorf("%+v", got)
	}
}
