//go:build e2e && unix

package cli

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// TestAPIDescription: schemathesis, from PyPI, sends what the description allows and what it
// does not: nothing is answered with a 5xx, or otherwise than is described.
func TestAPIDescription(t *testing.T) {
	root, err := filepath.Abs("../../..")
	must(t, err)
	venv := filepath.Join(root, ".cache", "venv-schemathesis")
	program := filepath.Join(venv, "bin", "schemathesis")
	if exec.Command(program, "--version").Run() != nil {
		said(t, "", "python3", "-m", "venv", "--clear", venv)
		said(t, "", filepath.Join(venv, "bin", "python3"), "-m", "pip", "install", "--quiet", "schemathesis==4.32.5")
	}
	s := serveIn(t, t.TempDir())
	s.file("generated.yaml", "name: generated\nsource: {generate: {rate: 10}, format: json}\nsink: {drop: {}}\ndelivery: at_most_once\n")
	run := exec.CommandContext(t.Context(), program, "run", s.url+"/openapi.json", "--exclude-path-regex", "(logs|tap)$", "--max-examples", "30", "--workers", "1", "--no-color", "--seed", "1",
		"--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance")
	run.Dir = t.TempDir() // it keeps what it has found where it runs
	out, err := run.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
