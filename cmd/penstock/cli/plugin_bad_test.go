//go:build e2e && unix

package cli

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// killPlugin kills the process of this one's that runs a program.
func killPlugin(t *testing.T, program string) {
	t.Helper()
	out, err := exec.Command("ps", "-A", "-o", "pid=,ppid=,args=").Output()
	must(t, err)
	for line := range strings.Lines(string(out)) {
		var pid, parent int
		if n, _ := fmt.Sscan(line, &pid, &parent); n == 2 && parent == os.Getpid() && strings.Contains(line, program) {
			must(t, syscall.Kill(pid, syscall.SIGKILL))
			return
		}
	}
	t.Fatalf("no process of %s in\n%s", program, out)
}

// TestPluginGoesBadAndOthersGoOn: a pipeline whose plugin dies, and cannot be started any
// more, waits and says why; another one of the same process goes on; and when the plugin is
// mended, nothing was lost.
func TestPluginGoesBadAndOthersGoOn(t *testing.T) {
	e := pipelinetest.Embedded(t)
	program := filepath.Join(t.TempDir(), "plugin.sh")
	good := fmt.Sprintf("#!/bin/sh\nexec %s\n", redactPath(t))
	write := func(text string, mode os.FileMode) {
		if err := os.Remove(program); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		if text != "" {
			must(t, os.WriteFile(program, []byte(text), mode))
			must(t, os.Chmod(program, mode))
		}
	}
	write(good, 0o755)
	with := file(t, strings.Replace(withPluginText(e.RedisAddr, e.KafkaAddr, fmt.Sprintf(`{command: [%s], settings: {fields: [a]}}`, program)), "name: shop", "name: with", 1))
	without := file(t, fmt.Sprintf("name: without\nsource: {redis_list: {url: \"redis://%s\", keys: [others]}}\nsink: {kafka: {brokers: [\"%s\"], topic: others, create_topic: {partitions: 1}}}\n", e.RedisAddr, e.KafkaAddr))

	url, log, stop := startWatched(t, "run", "--shutdown", "5s", "--metrics-listen", "127.0.0.1:0", with, without)
	pushed := map[string]int{}
	push := func(name, list string) {
		e.Redis.Push(list, `{"a":"x"}`) //nolint:errcheck // what waits for it tells
		pushed[name]++
	}
	written := func(name string) {
		t.Helper()
		want := fmt.Sprintf(`penstock_records_total{fate="written",pipeline=%q} %d`, name, pushed[name])
		pipelinetest.Eventually(t, 30*time.Second, want, func() bool { _, body := get(t, url+"/metrics"); return strings.Contains(body, want+"\n") })
	}
	push("with", "events")
	written("with")
	for _, c := range []struct {
		name, text string
		mode       os.FileMode
		says       string // empty: it takes long until it says something
	}{
		{"missing", "", 0, "there is no such file"},
		{"not executable", good, 0o644, "is not executable"},
		{"world-writable", good, 0o777, "may be written by everybody"},
		{"exits at once", "#!/bin/sh\necho no shoes >&2; exit 3\n", 0o755, "no shoes"},
		{"prints garbage", "#!/bin/sh\nprintf '\\033[31mhello\\n'; sleep 60\n", 0o755, "hello"},
		{"an old protocol", "#!/bin/sh\necho '1|0|unix|/none|grpc'; sleep 60\n", 0o755, "ncompatible API version"},
		{"floods", "#!/bin/sh\nwhile :; do echo '{\"@message\":1}' >&2; done\n", 0o755, ""},
	} {
		before := len(log.String())
		write(c.text, c.mode)
		killPlugin(t, redactPath(t))
		push("with", "events")
		if c.says != "" {
			pipelinetest.Eventually(t, 30*time.Second, c.name, func() bool {
				_, body := get(t, url+"/metrics")
				return strings.Contains(body, `penstock_state{pipeline="with",state="degraded"} 1`) && strings.Contains(log.String()[before:], c.says)
			})
		}
		for range 3 {
			push("without", "others")
			written("without")
		}
		if _, body := get(t, url+"/metrics"); !strings.Contains(body, `penstock_state{pipeline="without",state="running"} 1`) {
			t.Errorf("%s: the other pipeline is not running", c.name)
		}
		write(good, 0o755)
		if c.says != "" {
			written("with")
		}
	}
	if code := stop(); code != 0 {
		t.Errorf("code %d", code)
	}
}
