package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/pipeline/pipelinetest"
	"github.com/penstock-io/penstock/pipeline/server"
)

// served is a server that runs, as a client sees it.
type served struct {
	*testing.T
	url   string
	token string // Authorization of calls that bring none of their own
	log   *output
	stop  func() int
	dir   string // of its files and store
}

var serverURL = regexp.MustCompile(`"msg":"the server answers","url":"([^"]*)"`)

// serveIn starts a server in a folder, which keeps its store and pipelines there.
func serveIn(t *testing.T, dir string, flags ...string) *served {
	t.Helper()
	s := &served{T: t, log: &output{}, dir: dir}
	if err := os.MkdirAll(filepath.Join(dir, "pipelines"), 0o755); err != nil {
		t.Fatal(err)
	}
	stop := start(t, s.log, append([]string{"serve", "--listen", "127.0.0.1:0", "--shutdown", "5s", "--dir", filepath.Join(dir, "pipelines"), "--store", filepath.Join(dir, "store.db")}, flags...)...)
	ended := false
	s.stop = func() int { ended = true; return stop() }
	t.Cleanup(func() {
		if !ended {
			stop()
		}
	})
	pipelinetest.Eventually(t, 20*time.Second, "the server answers", func() bool {
		if m := serverURL.FindStringSubmatch(s.log.String()); m != nil {
			s.url = m[1]
		}
		return s.url != ""
	})
	pipelinetest.Eventually(t, 20*time.Second, "it is ready", func() bool { code, _ := get(t, s.url+"/health/ready"); return code == 200 })
	return s
}

// call sends a request, and gives the answer.
func (s *served) call(method, path, body string, header ...string) (code int, text string, headers http.Header) {
	s.Helper()
	r, err := http.NewRequestWithContext(s.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/yaml")
	}
	if s.token != "" {
		r.Header.Set("Authorization", s.token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(r)
	if err != nil {
		s.Fatal(err)
	}
	defer answer.Body.Close() //nolint:errcheck // a test
	all, err := io.ReadAll(answer.Body)
	if err != nil {
		s.Fatal(err)
	}
	return answer.StatusCode, string(all), answer.Header
}

// want calls, and wants a status, and texts in the answer, which it gives.
func (s *served) want(code int, method, path, body string, texts ...string) string {
	s.Helper()
	got, text, _ := s.call(method, path, body)
	for _, want := range append(texts, "") {
		if got != code || !strings.Contains(text, want) {
			s.Fatalf("%s %s: got %d %s, want %d %s", method, path, got, text, code, want)
		}
	}
	return text
}

// status gives what a pipeline does.
func (s *served) status(name string) (status server.Status) {
	s.Helper()
	_, text, _ := s.call("GET", "/v1/pipelines/"+name, "")
	if err := json.Unmarshal([]byte(text), &status); err != nil {
		s.Fatalf("%v: %s", err, text)
	}
	return status
}

// until waits for a state.
func (s *served) until(name string, state server.State) {
	s.Helper()
	pipelinetest.Eventually(s, 20*time.Second, name+" is "+string(state), func() bool { return s.status(name).State == state })
}

// written waits until the pipeline has written so many records since it was started.
func (s *served) written(name string, n uint64) {
	s.Helper()
	pipelinetest.Eventually(s, 20*time.Second, fmt.Sprint(name, " has written ", n), func() bool { return s.status(name).Figures.Written == n })
}

// file writes a file of the folder.
func (s *served) file(name, text string) {
	s.Helper()
	path := filepath.Join(s.dir, "pipelines", name)
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		s.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		s.Fatal(err)
	}
}

// listPipeline is a pipeline of a list, with more lines at its end.
func listPipeline(e *pipelinetest.EmbeddedServers, name, list string, more ...string) string {
	return fmt.Sprintf("name: %s\nsource: {redis_list: {url: \"redis://user:hunter2@%s\", keys: [%s]}, format: json}\nsink: {kafka: {brokers: [%q], topic: out, create_topic: {partitions: 1}}}\n%s",
		name, e.RedisAddr, list, e.KafkaAddr, strings.Join(more, ""))
}

// TestServeStates: each state that a person can ask for, kept over a restart.
func TestServeStates(t *testing.T) {
	e := pipelinetest.Embedded(t)
	e.Redis.RequireUserAuth("user", "hunter2")
	dir := t.TempDir()
	s := serveIn(t, dir)
	push := func() { e.Redis.Push("events", `{}`) } //nolint:errcheck // what waits for it tells

	code, text, answer := s.call("POST", "/v1/pipelines", listPipeline(e, "shop", "events"))
	if code != 201 || answer.Get("ETag") != `"1"` || strings.Contains(text, "hunter2") {
		t.Fatalf("%d %s", code, text)
	}
	s.until("shop", server.Running)
	push()
	s.written("shop", 1)
	s.want(200, "POST", "/v1/pipelines/shop/pause", "", `"state":"PAUSED"`)
	push()
	s.want(200, "POST", "/v1/pipelines/shop/restart", "", `"wanted":"PAUSED"`)
	s.until("shop", server.Paused)
	if code := s.stop(); code != 0 {
		t.Errorf("code %d: %s", code, s.log.String())
	}

	s = serveIn(t, dir) // the pipeline is there, and paused
	s.until("shop", server.Paused)
	if n := s.status("shop").Figures.Read; n != 0 {
		t.Errorf("paused it has read %d", n)
	}
	s.want(200, "POST", "/v1/pipelines/shop/resume", "", `"wanted":"RUNNING"`)
	s.written("shop", 1)
	before := len(e.Redis.Keys())
	s.want(200, "POST", "/v1/pipelines/shop/stop", "", `"state":"STOPPED"`)
	push()
	s.want(409, "POST", "/v1/pipelines/shop/restart", "", "is stopped; resume it")
	s.stop()

	s = serveIn(t, dir)
	s.until("shop", server.Stopped)
	if n := len(e.Redis.Keys()); n > before+1 {
		t.Errorf("a pipeline that is stopped has made keys: %v", e.Redis.Keys())
	}
	s.want(200, "POST", "/v1/pipelines/shop/resume", "")
	s.written("shop", 1)
	s.want(204, "DELETE", "/v1/pipelines/shop", "")
	s.want(404, "GET", "/v1/pipelines/shop", "", "there is no pipeline shop")
	for _, turn := range []string{"pause", "resume", "stop", "restart"} {
		s.want(404, "POST", "/v1/pipelines/shop/"+turn, "")
	}
	s.stop()
	s = serveIn(t, dir)
	s.want(200, "GET", "/v1/pipelines", "", `"pipelines":[]`)
}

// TestServeChanges: a bad change leaves what runs alone, and says why.
func TestServeChanges(t *testing.T) {
	e := pipelinetest.Embedded(t)
	e.Redis.RequireUserAuth("user", "hunter2")
	s := serveIn(t, t.TempDir())
	s.want(201, "POST", "/v1/pipelines", listPipeline(e, "shop", "events"))
	s.until("shop", server.Running)
	since := s.status("shop").Since

	s.want(409, "POST", "/v1/pipelines", listPipeline(e, "shop", "others"), "there is a pipeline shop already, from api")
	s.want(409, "POST", "/v1/pipelines", listPipeline(e, "another", "'e*'"), "pipelines another and shop would both take away e*")
	s.want(422, "PUT", "/v1/pipelines/shop", "name: shop\nsauce: 1\n", `"location":"pipeline.yaml:2:1"`, "source")
	s.want(409, "PUT", "/v1/pipelines/shop", listPipeline(e, "renamed", "events"), "the name of the pipeline is shop, and stays it")
	s.want(409, "PUT", "/v1/pipelines/shop", strings.ReplaceAll(listPipeline(e, "shop", "events"), e.RedisAddr, "127.0.0.1:1"), "goes on as it was: as it is to be, it does not reach its servers")
	s.want(409, "PUT", "/v1/pipelines/shop", strings.ReplaceAll(listPipeline(e, "shop", "events"), "hunter2", "hunter3"), "goes on as it was")
	if now := s.status("shop"); now.State != server.Running || now.Revision != 1 || !now.Since.Equal(since) {
		t.Errorf("it is %+v", now)
	}

	// What is shown is sent back with a change: the password stays.
	code, shown, answer := s.call("GET", "/v1/pipelines/shop/text", "")
	if code != 200 || strings.Contains(shown, "hunter2") || !strings.Contains(shown, "user:********@") {
		t.Fatalf("%d %s", code, shown)
	}
	changed := shown + "transforms: [filter: value.n > 1]\n"
	if code, text, _ := s.call("PUT", "/v1/pipelines/shop", changed, "If-Match", `"7"`); code != 412 {
		t.Errorf("%d %s", code, text)
	}
	if code, text, _ := s.call("PUT", "/v1/pipelines/shop", changed, "If-Match", answer.Get("ETag")); code != 200 || !strings.Contains(text, `"revision":2`) {
		t.Errorf("%d %s", code, text)
	}
	e.Redis.Push("events", `{"n":1}`, `{"n":2}`) //nolint:errcheck // what waits for it tells
	s.written("shop", 1)
	if n := s.status("shop").Figures.Filtered; n != 1 {
		t.Errorf("%d are filtered", n)
	}
	if code, text, _ := s.call("PATCH", "/v1/pipelines/shop", `{"transforms":null}`, "Content-Type", "application/merge-patch+json"); code != 200 || !strings.Contains(text, `"revision":3`) {
		t.Errorf("%d %s", code, text)
	}
	e.Redis.Push("events", `{"n":1}`) //nolint:errcheck // what waits for it tells
	s.written("shop", 1)
	s.want(422, "POST", "/v1/pipelines", strings.ReplaceAll(listPipeline(e, "other", "o"), "hunter2", "********"), "is masked, and nothing is known that was here")

	// What a variable stands for is nobody's to see, whatever it is written into.
	t.Setenv("SERVE_SECRET", "s3cret-of-the-environment")
	spy := strings.Replace(listPipeline(e, "spy", "spied"), "topic: out", `topic: "${SERVE_SECRET}", compression: "${SERVE_SECRET}"`, 1)
	for _, answer := range []string{s.want(422, "POST", "/v1/validate", spy, "compression"), s.want(200, "POST", "/v1/validate", strings.Replace(spy, `compression: "${SERVE_SECRET}"`, "compression: snappy", 1))} {
		if strings.Contains(answer, "s3cret-of") {
			t.Errorf("a variable is shown: %s", answer)
		}
	}

	// One that starts, and ends at once with an error, is taken back.
	e.Redis.Set("text", "no list") //nolint:errcheck // what waits for it tells
	s.want(409, "PUT", "/v1/pipelines/shop", listPipeline(e, "shop", "text"), "goes on as it was: as it is to be, it does not start", "holds a string, not a list")
	e.Redis.Push("events", `{"n":1}`) //nolint:errcheck // what waits for it tells
	s.written("shop", 1)
	if now := s.status("shop"); now.Revision != 3 {
		t.Errorf("it is %+v", now)
	}
	for _, text := range []string{s.log.String(), s.want(200, "GET", "/v1/pipelines/shop/explain", ""), s.want(200, "GET", "/metrics", "")} {
		if strings.Contains(text, "hunter") {
			t.Errorf("a secret is shown: %s", text)
		}
	}
}

// TestServeFiles: files that are added, changed, made wrong, and removed.
func TestServeFiles(t *testing.T) {
	e := pipelinetest.Embedded(t)
	e.Redis.RequireUserAuth("user", "hunter2")
	dir := t.TempDir()
	s := serveIn(t, dir)
	s.file("two.yaml", listPipeline(e, "a", "a, shared")+"---\n"+listPipeline(e, "b", "b"))
	s.file("two.tests.yaml", "tests: []\n")
	s.file(".hidden.yaml", "nobody looks")
	s.until("a", server.Running)
	s.until("b", server.Running)
	since := s.status("a").Since
	s.want(200, "GET", "/v1/pipelines", "", `"files":{}`)
	s.want(409, "PUT", "/v1/pipelines/a", listPipeline(e, "a", "c"), "is that of the file", "change it there")
	s.want(409, "DELETE", "/v1/pipelines/a", "", "change it there")
	s.want(200, "POST", "/v1/pipelines/b/pause", "")

	s.file("two.yaml", listPipeline(e, "a", "a, shared")+"---\n"+listPipeline(e, "b", "b", "transforms: [filter: value.n > 1]\n"))
	pipelinetest.Eventually(t, 20*time.Second, "b is changed", func() bool { return s.status("b").Revision == 2 })
	if now := s.status("a"); !now.Since.Equal(since) || now.Revision != 1 {
		t.Errorf("the change of b has disturbed a: %+v", now)
	}
	s.until("b", server.Paused)

	s.file("two.yaml", "name: a\nsauce: none\n")
	pipelinetest.Eventually(t, 20*time.Second, "the problem is shown", func() bool { return strings.Contains(s.status("a").Problem, "two.yaml:2:1") })
	s.file("three.yaml", listPipeline(e, "c", "shared"))
	pipelinetest.Eventually(t, 20*time.Second, "the other file is refused", func() bool {
		_, text, _ := s.call("GET", "/v1/pipelines", "")
		return strings.Contains(text, "pipelines c and a would both take away shared of")
	})
	e.Redis.Push("a", `{}`) //nolint:errcheck // what waits for it tells
	s.written("a", 1)

	s.file("two.yaml", listPipeline(e, "b", "b"))
	pipelinetest.Eventually(t, 20*time.Second, "a is gone", func() bool { code, _, _ := s.call("GET", "/v1/pipelines/a", ""); return code == 404 })
	s.until("c", server.Running) // nobody takes the list away any more
	s.stop()

	s = serveIn(t, dir)
	s.until("b", server.Paused) // as it was asked to be
	if err := os.Remove(filepath.Join(dir, "pipelines", "two.yaml")); err != nil {
		t.Fatal(err)
	}
	pipelinetest.Eventually(t, 20*time.Second, "b is gone", func() bool { code, _, _ := s.call("GET", "/v1/pipelines/b", ""); return code == 404 })
}

// TestServeStandby: of two servers with the same pipeline one runs it, and the other stands by
// until that ends.
func TestServeStandby(t *testing.T) {
	e := pipelinetest.Embedded(t)
	e.Redis.RequireUserAuth("user", "hunter2")
	one, two := serveIn(t, t.TempDir()), serveIn(t, t.TempDir())
	one.want(201, "POST", "/v1/pipelines", listPipeline(e, "shop", "events", "lease: {life: 2s}\n"))
	one.until("shop", server.Running)
	two.want(201, "POST", "/v1/pipelines", listPipeline(e, "shop", "events", "lease: {life: 2s}\n"))
	two.until("shop", server.Standby)
	if now := two.status("shop"); now.Reason == "" || now.Wanted != server.Running {
		t.Errorf("it is %+v", now)
	}
	e.Redis.Push("events", `{}`) //nolint:errcheck // what waits for it tells
	one.written("shop", 1)
	one.want(200, "POST", "/v1/pipelines/shop/stop", "")
	two.until("shop", server.Running)
	e.Redis.Push("events", `{}`) //nolint:errcheck // what waits for it tells
	two.written("shop", 1)
}

// TestServeOneFails: the others go on.
func TestServeOneFails(t *testing.T) {
	e := pipelinetest.Embedded(t)
	e.Redis.RequireUserAuth("user", "hunter2")
	s := serveIn(t, t.TempDir())
	s.want(201, "POST", "/v1/pipelines", listPipeline(e, "good", "good"))
	s.want(201, "POST", "/v1/pipelines", listPipeline(e, "bad", "bad"))
	s.want(201, "POST", "/v1/pipelines", strings.ReplaceAll(listPipeline(e, "away", "away"), e.RedisAddr, "127.0.0.1:1"))
	e.Redis.Push("bad", "no JSON") //nolint:errcheck // what waits for it tells
	e.Redis.Push("good", `{}`)     //nolint:errcheck // as above
	s.written("good", 1)
	s.until("bad", server.Failed)
	s.until("away", server.Degraded)
	if now := s.status("bad"); !strings.Contains(now.Reason, "source.format refused the record") || now.Since.IsZero() {
		t.Errorf("it is %+v", now)
	}
	body := s.want(200, "GET", "/metrics", "", `penstock_state{pipeline="bad",state="failed"} 1`, `penstock_state{pipeline="good",state="running"} 1`, `penstock_state{pipeline="away",state="degraded"} 1`)
	if strings.Contains(body, "hunter") {
		t.Error("a secret is in the metrics")
	}
	e.Redis.Lpop("bad") //nolint:errcheck // what waits for it tells
	e.Redis.Del("bad")
	s.want(200, "POST", "/v1/pipelines/bad/restart", "")
	e.Redis.Push("good", `{}`) //nolint:errcheck // what waits for it tells
	s.written("good", 2)
}
