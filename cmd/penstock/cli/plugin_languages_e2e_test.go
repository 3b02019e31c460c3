//go:build e2e && unix

package cli

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// pythonSDK makes python3 one that has the SDK of this checkout, from a venv under its
// cache. It needs python3 with venv, and PyPI. It gives the checkout's root.
func pythonSDK(t *testing.T) (root string) {
	t.Helper()
	root, err := filepath.Abs("../../..")
	must(t, err)
	venv, source := filepath.Join(root, ".cache", "venv-plugin"), filepath.Join(t.TempDir(), "sdk")
	python := filepath.Join(venv, "bin", "python3")
	if exec.Command(python, "-c", "import grpc, google.protobuf").Run() != nil {
		said(t, "", "python3", "-m", "venv", "--clear", venv)
		said(t, "", python, "-m", "pip", "install", "--quiet", "grpcio==1.71.2", "protobuf==5.29.5")
	}
	must(t, os.CopyFS(source, os.DirFS(filepath.Join(root, "plugins", "sdk", "python")))) // building leaves files beside it
	said(t, "", python, "-m", "pip", "install", "--quiet", "--force-reinstall", "--no-deps", source)
	t.Setenv("PATH", filepath.Join(venv, "bin")+string(os.PathListSeparator)+os.Getenv("PATH"))
	t.Setenv("PYTHONDONTWRITEBYTECODE", "1")
	return root
}

// said runs a command in a folder, and wants it to succeed.
func said(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

// TestPythonPlugins: the SDK's own tests, the example's, those of a new plugin, and all of
// them as plugins.
func TestPythonPlugins(t *testing.T) {
	root := pythonSDK(t)
	said(t, filepath.Join(root, "plugins", "sdk", "python", "tests"), "python3", "-m", "unittest", "-q", "test_sdk")
	enrich := filepath.Join(root, "plugins", "examples", "enrich")
	said(t, enrich, "python3", "-m", "unittest", "-q")
	if got := penstock(t, "test", filepath.Join(enrich, "pipeline.yaml")); got.code != 0 {
		t.Errorf("%+v", got)
	}
	if got := penstock(t, "plugin", "test", "python3", filepath.Join(enrich, "enrich.py")); got.code != 0 || !strings.HasSuffix(got.out, "9 passed, 0 failed\n") {
		t.Errorf("%+v", got)
	}
	t.Chdir(t.TempDir())
	if got := penstock(t, "plugin", "new", "--language", "python", "--source", root, "tidy-up"); got.code != 0 {
		t.Fatalf("%+v", got)
	}
	said(t, "tidy-up", "python3", "-m", "unittest", "-q")
	if got := penstock(t, "test", "tidy-up/pipeline.yaml"); got.code != 0 {
		t.Errorf("%+v", got)
	}
	if got := penstock(t, "plugin", "test", "--settings", `{"fields":["user.name"]}`, "python3", "tidy-up/plugin.py"); got.code != 0 {
		t.Errorf("%+v", got)
	}
}

// TestPythonPluginMoves: records through the example, from a list to Kafka, with the figure.
func TestPythonPluginMoves(t *testing.T) {
	root := pythonSDK(t)
	e := pipelinetest.Embedded(t)
	name := withPlugin(t, e.RedisAddr, e.KafkaAddr, fmt.Sprintf(`{command: [python3, %s], settings: {missing: pass}}`, filepath.Join(root, "plugins", "examples", "enrich", "enrich.py")))
	const events = 20_000
	for i := range events {
		e.Redis.Push("events", fmt.Sprintf(`{"event_id":"e-%d","item":"sku-%d","price":12.50}`, i, i%3+1)) //nolint:errcheck // the run tells
	}
	began := time.Now()
	drained(t, name, fmt.Sprintf(`"written":%d`, events))
	t.Logf("%d records in %v, starting it included", events, time.Since(began))
}

// TestPluginWithoutSDK: a plugin for Node that was written from the description of the
// protocol alone. It needs node with npm, and the npm registry.
func TestPluginWithoutSDK(t *testing.T) {
	root, err := filepath.Abs("../../..")
	must(t, err)
	at := filepath.Join(root, ".cache", "plugins")
	upper := filepath.Join(at, "examples", "upper")
	for from, to := range map[string]string{filepath.Join("examples", "upper"): upper, "wire": filepath.Join(at, "wire")} {
		must(t, os.MkdirAll(to, 0o755))
		files, err := filepath.Glob(filepath.Join(root, "plugins", from, "*.*"))
		must(t, err)
		for _, file := range files {
			text, err := os.ReadFile(file)
			must(t, err)
			must(t, os.WriteFile(filepath.Join(to, filepath.Base(file)), text, 0o600))
		}
	}
	said(t, upper, "npm", "install", "--no-audit", "--no-fund", "--ignore-scripts")
	if got := penstock(t, "plugin", "test", "--settings", `{"field":"user"}`, "node", filepath.Join(upper, "upper.js")); got.code != 0 || !strings.HasSuffix(got.out, "9 passed, 0 failed\n") {
		t.Errorf("%+v", got)
	}
	if got := penstock(t, "test", filepath.Join(upper, "pipeline.yaml")); got.code != 0 {
		t.Errorf("%+v", got)
	}
}
