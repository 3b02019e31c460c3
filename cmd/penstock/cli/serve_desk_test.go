package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/pipeline/pipelinetest"
	"github.com/penstock-io/penstock/pipeline/server"
)

// events reads server-sent events until one holds all texts, and gives that.
func (s *served) event(path string, texts ...string) string {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), 20*time.Second)
	defer cancel()
	body := s.stream(ctx, path)
	defer body.Close() //nolint:errcheck // a test
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		holds := strings.HasPrefix(lines.Text(), "data: ")
		for _, text := range texts {
			holds = holds && strings.Contains(lines.Text(), text)
		}
		if holds {
			return strings.TrimPrefix(lines.Text(), "data: ")
		}
	}
	s.Fatalf("%s ends without %q", path, texts)
	return ""
}

// stream opens a stream of events, which has begun when it returns.
func (s *served) stream(ctx context.Context, path string) io.ReadCloser {
	s.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path, nil)
	if err != nil {
		s.Fatal(err)
	}
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil {
		s.Fatal(err)
	}
	return answer.Body
}

// TestServeRecords: what was refused, given back; samples through the stages; what waits; the
// tap; the log.
func TestServeRecords(t *testing.T) {
	e := pipelinetest.Embedded(t)
	s := serveIn(t, t.TempDir())
	text := strings.ReplaceAll(listPipeline(e, "shop", "events", "transforms: [filter: value.n > 1]\non_error: {then: dead_letter, dead_letter: {kafka: {topic: dead}}}\n"), "user:hunter2@", "")
	s.want(201, "POST", "/v1/pipelines", text)
	s.until("shop", server.Running)
	push := func(events ...string) { e.Redis.Push("events", events...) } //nolint:errcheck // what waits for it tells

	tapped := make(chan string, 1)
	go func() { tapped <- s.event("/v1/pipelines/shop/tap", `"n\":1`, `"outcome":"filtered"`) }()
	var seen string
	pipelinetest.Eventually(t, 20*time.Second, "a record is seen", func() bool {
		push(`{"n":1}`)
		select {
		case seen = <-tapped:
			return true
		case <-time.After(50 * time.Millisecond):
			return false
		}
	})
	if !strings.Contains(seen, `"shard":"events"`) || !strings.Contains(seen, `"stage":"transforms[0].filter"`) {
		t.Errorf("the tap shows %s", seen)
	}
	s.event("/v1/pipelines/shop/logs", `"msg":"pipeline starts"`, `"pipeline":"shop"`)

	push(`{"n":2}`, `no JSON`)
	var found struct {
		Count   int `json:"count"`
		Letters []struct {
			ID, Stage, Error, Value string
		} `json:"letters"`
	}
	pipelinetest.Eventually(t, 20*time.Second, "the letter is there", func() bool {
		_, answer, _ := s.call("GET", "/v1/pipelines/shop/dead-letters", "")
		return json.Unmarshal([]byte(answer), &found) == nil && found.Count == 1
	})
	if l := found.Letters[0]; l.Stage != "source.format" || l.Value != "no JSON" || l.Error == "" {
		t.Errorf("%+v", l)
	}
	replay := func(code int, body string, texts ...string) {
		t.Helper()
		got, answer, _ := s.call("POST", "/v1/pipelines/shop/dead-letters/replay", body, "Content-Type", "application/json")
		for _, want := range append(texts, "") {
			if got != code || !strings.Contains(answer, want) {
				t.Errorf("%s: %d %s, want %d %s", body, got, answer, code, want)
			}
		}
	}
	replay(409, `{"ids":["9-99"]}`, "there is no dead letter 9-99")
	replay(200, `{"ids":["`+found.Letters[0].ID+`"]}`, `"given_back":1`, `"refused":[]`)
	pipelinetest.Eventually(t, 20*time.Second, "it was refused again", func() bool { return s.status("shop").Figures.DeadLettered == 2 })
	replay(200, `{"ids":[]}`, `"given_back":1`)

	s.want(200, "POST", "/v1/pipelines/shop/pause", "")
	push(`{"n":3}`)
	s.want(200, "GET", "/v1/pipelines/shop/preview?limit=5", "", `"came":{"value":"{\"n\":3}"`, `"outcome":"delivered"`)
	sample, err := json.Marshal(map[string]any{"text": text, "records": []json.RawMessage{[]byte(`{"n":9223372036854775808}`), []byte(`{"n":0}`), []byte(`[]`)}})
	if err != nil {
		t.Fatal(err)
	}
	code, answer, _ := s.call("POST", "/v1/preview", string(sample), "Content-Type", "application/json")
	for _, want := range []string{`{\"n\":9223372036854775808}`, `"outcome":"filtered"`, `"outcome":"dead_letter"`} {
		if code != 200 || !strings.Contains(answer, want) {
			t.Errorf("%d %s, want %s", code, answer, want)
		}
	}
	s.want(404, "GET", "/v1/pipelines/none/dead-letters", "")
	s.event("/v1/pipelines/shop/logs", `"msg":"pipeline starts"`)
	open := s.stream(t.Context(), "/v1/pipelines/shop/logs") // it does not hold the end up
	defer open.Close()                                       //nolint:errcheck // a test
	began := time.Now()
	if code := s.stop(); code != 0 || time.Since(began) > 10*time.Second {
		t.Errorf("code %d after %v", code, time.Since(began))
	}
	if _, err := io.Copy(io.Discard, open); err != nil {
		t.Errorf("the stream does not end well: %v", err)
	}
}

// TestServePositions: where a pipeline goes on is chosen while it is stopped, and not before.
func TestServePositions(t *testing.T) {
	e := pipelinetest.Embedded(t)
	s := serveIn(t, t.TempDir())
	stream := strings.NewReplacer("user:hunter2@", "", "redis_list", "redis_stream").Replace(listPipeline(e, "shop", "events"))
	for _, n := range []string{"1", "2", "3"} {
		if _, err := e.Redis.XAdd("events", "1700000000000-"+n, []string{"n", n}); err != nil {
			t.Fatal(err)
		}
	}
	stream = strings.Replace(stream, ", format: json", "", 1)
	s.want(201, "POST", "/v1/pipelines", stream)
	s.written("shop", 3)
	s.want(200, "GET", "/v1/pipelines/shop/positions", "", `"shard":"events","position":"1700000000000-3"`)
	move := func(code int, method, body string, texts ...string) {
		t.Helper()
		got, answer, _ := s.call(method, "/v1/pipelines/shop/positions", body, "Content-Type", "application/json")
		for _, want := range append(texts, "") {
			if got != code || !strings.Contains(answer, want) {
				t.Errorf("%s %s: %d %s, want %d %s", method, body, got, answer, code, want)
			}
		}
	}
	move(409, "PATCH", `{"positions":{"events":"oldest"}}`, "is not stopped")
	s.want(200, "POST", "/v1/pipelines/shop/stop", "")
	move(409, "PATCH", `{"positions":{"none":"oldest"}}`, "there is no shard", "events")
	move(200, "PATCH", `{"positions":{"events":"1700000000000-1"}}`, `"from":"1700000000000-3"`, `"to":"1700000000000-1"`)
	s.want(200, "POST", "/v1/pipelines/shop/resume", "")
	s.written("shop", 2)
	s.want(200, "POST", "/v1/pipelines/shop/stop", "")
	move(200, "DELETE", "", `"to":"none"`)
	s.want(200, "GET", "/v1/pipelines/shop/positions", "", `"positions":[]`)
	s.want(200, "POST", "/v1/pipelines/shop/resume", "")
	s.written("shop", 3)
	s.want(200, "GET", "/v1/pipelines/shop/metrics", "", `"written":3`)
	s.want(200, "GET", "/v1/plugins", "", `"plugins":[]`)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/v1/pipelines", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Long", strings.Repeat("x", 40<<10))
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil {
		return // the connection is cut
	}
	defer answer.Body.Close() //nolint:errcheck // a test
	if answer.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a header of 40 KB is answered with %d", answer.StatusCode)
	}
}
