//go:build e2e && unix

package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/penstock-io/penstock/pipeline/pipelinetest"
	"github.com/penstock-io/penstock/pipeline/server"
)

// TestPage drives the page in Chromium: every action, what it says of itself to people who do
// not see it (axe-core), on a phone and by keys. Screenshots stay in .cache/page. It needs
// node, npm with its registry, and chromium.
func TestPage(t *testing.T) {
	root, err := filepath.Abs("../../..")
	must(t, err)
	folder := filepath.Join(root, ".cache", "page")
	must(t, os.MkdirAll(folder, 0o755))
	must(t, os.WriteFile(filepath.Join(folder, "package.json"), []byte(`{"private":true,"dependencies":{"playwright-core":"1.64.1","axe-core":"4.11.0"}}`), 0o600))
	said(t, folder, "npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--silent")

	e := pipelinetest.Embedded(t)
	tokens := filepath.Join(t.TempDir(), "tokens")
	token := func(role string) string {
		return strings.TrimSpace(penstock(t, "token", "new", "--file", tokens, "--role", role, "somebody").out)
	}
	operator, readOnly := token("operator"), token("read-only")
	s := serveIn(t, t.TempDir(), "--tokens", tokens)
	s.token = "Bearer " + operator
	s.file("generated.yaml", "name: generated\nsource: {generate: {rate: 100}, format: json}\ntransforms: [filter: value.quantity > 1]\nsink: {drop: {}}\ndelivery: at_most_once\n")
	s.want(201, "POST", "/v1/pipelines", strings.ReplaceAll(listPipeline(e, "shop", "events", "on_error: {then: dead_letter, dead_letter: {kafka: {topic: dead}}}\n"), "user:hunter2@", ""))
	s.until("shop", server.Running)
	s.until("generated", server.Running)
	e.Redis.Push("events", `{"n":1}`, `no JSON`) //nolint:errcheck // what waits for it tells
	s.written("shop", 1)

	out, err := exec.CommandContext(t.Context(), "node", filepath.Join("testdata", "page.mjs"), s.url, operator, readOnly, folder).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
