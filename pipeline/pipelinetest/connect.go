//go:build unix

package pipelinetest

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// StartConnect starts a worker of Kafka Connect (ConnectStandalone) that uses a Kafka, and
// gives its URL. It has the connectors of files. It ends with the test.
func StartConnect(tb testing.TB, kafka string) (url string) {
	tb.Helper()
	libs, err := kafkaLibs("")
	if err != nil {
		tb.Fatal(err)
	}
	port, err := freePort()
	if err != nil {
		tb.Fatal(err)
	}
	url = "http://" + loopback(port)
	dir := tb.TempDir()
	text := strings.Join([]string{
		"bootstrap.servers=" + kafka, "listeners=" + url, "offset.storage.file.filename=" + filepath.Join(dir, "offsets"), "plugin.discovery=only_scan",
		"key.converter=org.apache.kafka.connect.json.JsonConverter", "value.converter=org.apache.kafka.connect.json.JsonConverter",
	}, "\n")
	file := filepath.Join(dir, "worker.properties")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	worker := StartCommand(tb, nil, "java", "-Xmx512m", "-cp", filepath.Join(libs, "*"), "org.apache.kafka.connect.cli.ConnectStandalone", file)
	Eventually(tb, time.Minute, "Kafka Connect answers", func() bool {
		if !worker.Running() {
			tb.Fatal("Kafka Connect has ended")
		}
		answer, err := http.Get(url) //nolint:gosec,noctx // a worker of the test
		if err != nil {
			return false
		}
		defer answer.Body.Close() //nolint:errcheck // nothing is read
		return answer.StatusCode == http.StatusOK
	})
	return url
}
