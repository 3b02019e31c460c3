//go:build e2e && unix

package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// shapeOf gives what an answer is made of: the keys of objects with the shapes of their
// values, and the shape of a list's first element. Under keys whose values are anybody's,
// it does not look.
func shapeOf(value any) string {
	switch v := value.(type) {
	case map[string]any:
		var parts []string
		for _, key := range slices.Sorted(maps.Keys(v)) {
			inside := shapeOf(v[key])
			switch key {
			case "config", "partition", "offset":
				inside = "object"
			case "commit", "kafka_cluster_id", "message", "default_value", "value", "group", "last_modified", "groups", "recommended_values", "errors", "dependents":
				inside = "…"
			}
			parts = append(parts, key+": "+inside)
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case []any:
		if len(v) == 0 {
			return "[]"
		}
		return "[" + shapeOf(v[0]) + "]"
	default:
		return fmt.Sprintf("%T", v)
	}
}

// TestConnectAnswers compares, call by call, with a worker of Kafka Connect.
func TestConnectAnswers(t *testing.T) {
	redis, kafka := pipelinetest.SharedRedis(t).Addr(), pipelinetest.SharedKafka(t).Addr()
	worker := pipelinetest.StartConnect(t, kafka)
	in := filepath.Join(t.TempDir(), "in.txt")
	must(t, os.WriteFile(in, []byte("hello\n"), 0o600))
	ours, theirs := serveIn(t, t.TempDir()), &served{T: t, url: worker}
	list := pipelinetest.Name(t)
	config := func(name string, more ...string) (mine, connects string) {
		my := map[string]string{"name": name, "source.redis_list.url": "redis://" + redis + "/0", "source.redis_list.keys": "[" + list + name + "]",
			"sink.kafka.brokers": `["` + kafka + `"]`, "sink.kafka.topic": list, "sink.kafka.create_topic.partitions": "1"}
		their := map[string]string{"name": name, "connector.class": "FileStreamSource", "tasks.max": "1", "topic": list, "file": in}
		for i := 0; i+1 < len(more); i += 2 {
			my[more[i]], their[more[i]] = more[i+1], more[i+1]
		}
		a, err := json.Marshal(my)
		must(t, err)
		b, err := json.Marshal(their)
		must(t, err)
		return string(a), string(b)
	}
	shop, theirShop := config("shop")
	fresh, theirFresh := config("fresh")
	create := func(config, more string) string { return `{"name":"shop","config":` + config + more + `}` }
	for _, call := range []struct {
		method, path, body, their string
		// differs says why the codes do, or the shapes: Connect's own are a mistake of the
		// standalone worker, or not what is asked of a pipeline.
		differs string
	}{
		{"GET", "/", "", "", ""},
		{"GET", "/health", "", "", ""},
		{"GET", "/connectors", "", "", ""},
		{"GET", "/connectors/shop", "", "", ""},
		{"GET", "/connectors/shop/config", "", "", ""},
		{"GET", "/connectors/shop/status", "", "", ""},
		{"GET", "/connectors/shop/offsets", "", "", ""},
		{"PUT", "/connectors/shop/pause", "", "", ""},
		{"PUT", "/connectors/shop/resume", "", "", ""},
		{"PUT", "/connectors/shop/stop", "", "", "500: No connector `shop` configured"},
		{"POST", "/connectors/shop/restart", "", "", "500: a NullPointerException"},
		{"POST", "/connectors/shop/restart?includeTasks=true", "", "", ""},
		{"DELETE", "/connectors/shop", "", "", ""},
		{"POST", "/connectors", create(`{}`, ""), "", ""},
		{"POST", "/connectors", create(`{"connector.class":"none.Such"}`, ""), "", ""},
		{"POST", "/connectors", "nonsense", "", "500: Unrecognized token"},
		{"POST", "/connectors", create(shop, ""), create(theirShop, ""), ""},
		{"WAIT", "/connectors/shop/status", `"tasks":[{"id":0,"state":"RUNNING"`, "", ""},
		{"POST", "/connectors", create(shop, ""), create(theirShop, ""), ""},
		{"GET", "/connectors", "", "", ""},
		{"GET", "/connectors?expand=status&expand=info", "", "", ""},
		{"GET", "/connectors?expand=status", "", "", ""},
		{"GET", "/connectors/shop", "", "", ""},
		{"GET", "/connectors/shop/config", "", "", ""},
		{"GET", "/connectors/shop/status", "", "", ""},
		{"GET", "/connectors/shop/tasks", "", "", ""},
		{"GET", "/connectors/shop/tasks/0/status", "", "", ""},
		{"GET", "/connectors/shop/tasks/9/status", "", "", ""},
		{"WAIT", "/connectors/shop/topics", list, "", ""},
		{"GET", "/connectors/shop/topics", "", "", ""},
		{"PUT", "/connectors/shop/topics/reset", "", "", ""},
		{"POST", "/connectors/shop/tasks/0/restart", "", "", ""},
		{"PUT", "/connectors/shop/pause", "", "", ""},
		{"WAIT", "/connectors/shop/status", `"tasks":[{"id":0,"state":"PAUSED"`, "", ""},
		{"GET", "/connectors/shop/status", "", "", ""},
		{"PUT", "/connectors/shop/resume", "", "", ""},
		{"WAIT", "/connectors/shop/status", `"tasks":[{"id":0,"state":"RUNNING"`, "", ""},
		{"POST", "/connectors/shop/restart", "", "", ""},
		{"POST", "/connectors/shop/restart?includeTasks=true&onlyFailed=false", "", "", ""},
		{"DELETE", "/connectors/shop/offsets", "", "", ""},
		{"PUT", "/connectors/shop/config", shop, theirShop, ""},
		{"PUT", "/connectors/fresh/config", fresh, theirFresh, ""},
		{"PUT", "/connectors/fresh/config", shop, theirShop, ""},
		{"PATCH", "/connectors/shop/config", `{"tasks.max":"2"}`, `{"tasks.max":"2"}`, ""},
		{"PATCH", "/connectors/none/config", `{"tasks.max":"2"}`, `{"tasks.max":"2"}`, ""},
		{"PUT", "/connectors/shop/stop", "", "", ""},
		{"WAIT", "/connectors/shop/status", `"connector":{"state":"STOPPED"`, "", ""},
		{"WAIT", "/connectors/shop/status", `"tasks":[]`, "", ""},
		{"GET", "/connectors/shop/status", "", "", ""},
		{"GET", "/connectors/shop/tasks", "", "", ""},
		{"GET", "/connectors/shop", "", "", ""},
		{"POST", "/connectors/shop/restart", "", "", ""},
		{"PATCH", "/connectors/shop/offsets", `{"offsets":[]}`, "", ""},
		{"DELETE", "/connectors/shop/offsets", "", "", ""},
		{"GET", "/connectors/shop/offsets", "", "", ""},
		{"DELETE", "/connectors/none/offsets", "", "", ""},
		{"DELETE", "/connectors/fresh", "", "", ""},
		{"DELETE", "/connectors/shop", "", "", ""},
		{"POST", "/connectors", create(shop, `,"initial_state":"PAUSED"`), create(theirShop, `,"initial_state":"PAUSED"`), "tasks are made when it is resumed"},
		{"WAIT", "/connectors/shop/status", `"connector":{"state":"PAUSED"`, "", ""},
		{"POST", "/connectors", create(shop, `,"initial_state":"LOUD"`), create(theirShop, `,"initial_state":"LOUD"`), "500: Cannot construct instance"},
		{"GET", "/connector-plugins", "", "", ""},
		{"GET", "/connector-plugins?connectorsOnly=false", "", "", ""},
		{"GET", "/admin/loggers/root", "", "", ""},
		{"PUT", "/admin/loggers/root", `{"level":"WARN"}`, "", ""},
		{"PUT", "/admin/loggers/root", `{"level":"LOUD"}`, "", ""},
		{"PUT", "/admin/loggers/root", `{}`, "", ""},
		{"GET", "/admin/loggers/none.such", "", "", ""},
		{"GET", "/connectors/shop/none", "", "", ""},
		{"PUT", "/connectors", "", "", ""},
		{"DELETE", "/connector-plugins", "", "", ""},
	} {
		if call.their == "" {
			call.their = call.body
		}
		if call.method == "WAIT" { // what a worker of Connect says of itself follows what it does
			for _, s := range []*served{ours, theirs} {
				pipelinetest.Eventually(t, time.Minute, call.path+" says "+call.body, func() bool {
					_, text, _ := s.call("GET", call.path, "")
					return strings.Contains(text, call.body)
				})
			}
			continue
		}
		myCode, mine, _ := ours.call(call.method, call.path, call.body, "Content-Type", "application/json")
		code, connects, _ := theirs.call(call.method, call.path, call.their, "Content-Type", "application/json")
		var my, their any
		must(t, json.Unmarshal([]byte(orNull(mine)), &my))
		must(t, json.Unmarshal([]byte(orNull(connects)), &their))
		if call.method == "GET" && strings.HasSuffix(call.path, "/config") && code == 200 { // whatever the connector takes
			my, their = map[string]any{"config": my}, map[string]any{"config": their}
		}
		same := myCode == code && shapeOf(my) == shapeOf(their)
		if same == (call.differs != "") {
			t.Errorf("%s %s (differs: %q):\npenstock %d %s\nConnect  %d %s", call.method, call.path, call.differs, myCode, mine, code, connects)
		}
		if myCode >= 500 {
			t.Errorf("%s %s: %d", call.method, call.path, myCode)
		}
	}
}

func orNull(text string) string {
	if strings.TrimSpace(text) == "" {
		return "null"
	}
	return text
}

// TestConnectClient: a client that was written for Kafka Connect, from PyPI.
func TestConnectClient(t *testing.T) {
	e := pipelinetest.Embedded(t)
	s := serveIn(t, t.TempDir())
	root, err := filepath.Abs("../../..")
	must(t, err)
	venv := filepath.Join(root, ".cache", "venv-connect")
	python := filepath.Join(venv, "bin", "python3")
	if exec.Command(python, "-c", "import kafka_connect").Run() != nil {
		said(t, "", "python3", "-m", "venv", "--clear", venv)
		said(t, "", python, "-m", "pip", "install", "--quiet", "kafka-connect-py==1.0.0")
	}
	script := filepath.Join(t.TempDir(), "client.py")
	must(t, os.WriteFile(script, []byte(`
import sys, time
from kafka_connect import KafkaConnect
url, pipeline = sys.argv[1:]
c = KafkaConnect(url=url)
config = {"connector.class": "io.penstock.Pipeline", "pipeline.yaml": pipeline}
def until(state):
    for _ in range(200):
        if c.get_connector_status("shop")["connector"]["state"] == state:
            return
        time.sleep(0.05)
    raise SystemExit("not " + state)
assert c.list_connectors() == [], "there are some"
assert c.validate_connector_config("Pipeline", dict(config, name="shop"))["error_count"] == 0
c.create_connector({"name": "shop", "config": config})
until("RUNNING")
assert list(c.list_connectors(expand="status")) == ["shop"]
c.pause_connector("shop"); until("PAUSED")
c.resume_connector("shop"); until("RUNNING")
c.restart_connector("shop"); until("RUNNING")
c.restart_connector_task("shop", 0); until("RUNNING")
got = c.get_connector_config("shop")
assert got["pipeline.yaml"] == pipeline, got
c.update_connector("shop", dict(got, **{"pipeline.yaml": pipeline + "# changed\n"}))
assert c.get_connector_config("shop")["pipeline.yaml"].endswith("# changed\n")
assert c.list_connector_tasks("shop")[0]["id"] == {"connector": "shop", "task": 0}
assert c.list_connector_plugins()[0]["class"] == "io.penstock.Pipeline"
c.delete_connector("shop")
assert c.list_connectors() == [], "it is there still"
print("done")
`), 0o600))
	text := strings.ReplaceAll(listPipeline(e, "shop", "events"), "user:hunter2@", "")
	out, err := exec.CommandContext(t.Context(), python, script, s.url, text).CombinedOutput()
	if err != nil || !strings.HasSuffix(string(out), "done\n") {
		t.Errorf("%v\n%s\n%s", err, out, s.log.String())
	}
}
