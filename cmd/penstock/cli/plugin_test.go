//go:build unix

package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// redact builds the example, once, and gives its path.
var redact = sync.OnceValues(func() (string, error) {
	path, err := filepath.Abs(filepath.Join("..", "..", "..", ".cache", "e2e", "redact"))
	if err != nil {
		return "", err
	}
	out, err := exec.Command("go", "build", "-o", path, "../../../plugins/examples/redact").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w:\n%s", err, out)
	}
	return path, nil
})

func redactPath(t *testing.T) string {
	t.Helper()
	path, err := redact()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// withPlugin writes a pipeline of a list with redact.
func withPlugin(t *testing.T, redis, kafka, plugin string) string {
	t.Helper()
	return file(t, withPluginText(redis, kafka, plugin))
}

func withPluginText(redis, kafka, plugin string) string {
	return fmt.Sprintf(`name: shop
source: {redis_list: {url: "redis://%s", keys: [events]}, format: json}
transforms:
  - plugin: %s
sink:
  kafka: {brokers: ["%s"], topic: out, create_topic: {partitions: 1}}
on_error: {then: drop}
tests:
  - name: an address is masked
    given: [{value: {id: 1, user: {email: a@example.com}}}, {value: [1]}]
    expect:
      - {value: {id: 1, user: {email: "***"}}}
      - {error: the value is no object}
`, redis, plugin, kafka)
}

// TestPluginInAPipeline: tests, validate, explain and a run, all with the real program.
func TestPluginInAPipeline(t *testing.T) {
	e := pipelinetest.Embedded(t)
	path := redactPath(t)
	sum := strings.TrimSpace(penstock(t, "plugin", "verify", path).out)
	name := withPlugin(t, e.RedisAddr, e.KafkaAddr, fmt.Sprintf(`{command: [%s], sha256: %s, settings: {fields: [user.email]}}`, path, sum))
	if got := penstock(t, "validate", name); got.code != 0 {
		t.Errorf("%+v", got)
	}
	if got := penstock(t, "test", name); got.code != 0 {
		t.Errorf("%+v", got)
	}
	if got := penstock(t, "explain", name); got.code != 0 || !strings.Contains(got.out, "runs at least once for a record") {
		t.Errorf("%+v", got)
	}
	e.Redis.Push("events", `{"user":{"email":"a@example.com"}}`, `{"user":{}}`, `7`) //nolint:errcheck // the run tells
	drained(t, name, `"written":2`, `"dropped":1`)
}

// TestPluginMistakes: those of the settings at their line and column, others at the plugin.
func TestPluginMistakes(t *testing.T) {
	path := redactPath(t)
	writable := filepath.Join(t.TempDir(), "writable")
	if err := os.WriteFile(writable, []byte("#!/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(writable, 0o777); err != nil {
		t.Fatal(err)
	}
	t.Setenv("REDACT_TOKEN", "s3cret-token")
	for name, tc := range map[string]struct{ plugin, want string }{
		"a name that is unknown": {`{command: [` + path + `], settings: {feilds: [a]}}`, fmt.Sprintf(`:4:%d: settings.feilds: unknown field "feilds"; write fields`, len(path)+38)},
		"a wrong value":          {`{command: [` + path + `], settings: {patterns: [email, mail]}}`, `: settings.patterns[1]: has to be one of email, card, ip, not "mail"`},
		"a secret":               {`{command: [` + path + `], settings: {patterns: ["${REDACT_TOKEN}"]}}`, `: settings.patterns[0]: has to be one of`},
		"nothing to do":          {`{command: [` + path + `]}`, `:4:5: settings: nothing is masked; write fields, or patterns`},
		"no program":             {`{command: [./none]}`, `there is no such file`},
		"another digest":         {`{command: [` + path + `], sha256: ` + strings.Repeat("f", 64) + `, settings: {fields: [a]}}`, `its SHA-256 is `},
		"written by everybody":   {`{command: [` + writable + `]}`, `may be written by everybody; say chmod o-w`},
		"no plugin":              {`{command: ["true"]}`, `plugin true cannot be started: it has said nothing of where it listens, and has ended`},
		"command and name":       {`{command: [a], name: b}`, `a plugin is a program; write command: [./program], or name`},
	} {
		t.Run(name, func(t *testing.T) {
			got := penstock(t, "validate", withPlugin(t, "127.0.0.1:1", "127.0.0.1:1", tc.plugin))
			if got.code != exitInvalid || !strings.Contains(got.errOut, tc.want) || strings.Contains(got.errOut, "s3cret") {
				t.Errorf("%+v, want %s", got, tc.want)
			}
		})
	}
	shown := penstock(t, "explain", withPlugin(t, "127.0.0.1:1", "127.0.0.1:1", `{command: [`+path+`], settings: {fields: [a], with: "${REDACT_TOKEN}"}}`))
	if shown.code != 0 || strings.Contains(shown.out, "s3cret") {
		t.Errorf("%+v", shown)
	}
}

func TestPluginCommands(t *testing.T) {
	path := redactPath(t)
	got := penstock(t, "plugin", "describe", "--json", path)
	var said struct{ Name, Values, Schema string }
	if err := json.Unmarshal([]byte(got.out), &said); err != nil || said.Name != "redact" || said.Values != "decoded" || !strings.Contains(said.Schema, "patterns") {
		t.Errorf("%+v", got)
	}
	if got := penstock(t, "plugin", "describe", path); got.code != 0 || !strings.HasPrefix(got.out, "redact 1.0.0: Masks personal data") {
		t.Errorf("%+v", got)
	}
	if got := penstock(t, "plugin", "test", "--settings", `{"patterns":["email"]}`, path); got.code != 0 || !strings.HasSuffix(got.out, "9 passed, 0 failed\n") {
		t.Errorf("%+v", got)
	}
	records := filepath.Join(t.TempDir(), "records.jsonl")
	if err := os.WriteFile(records, []byte("{\"mail\":\"a@example.com\"}\n\n{\"n\":1}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := penstock(t, "plugin", "test", "--settings", `{"patterns":["email"]}`, "--records", records, path); got.code != 0 || !strings.Contains(got.out, "it answers about your records: of 2 records 2 go on; ") ||
		!strings.HasSuffix(got.out, "10 passed, 0 failed\n") {
		t.Errorf("%+v", got)
	}
	if got := penstock(t, "plugin", "test", "--records", "none.jsonl", path); got.code != exitInvalid || !strings.Contains(got.errOut, "--records: open none.jsonl") {
		t.Errorf("%+v", got)
	}
	if got := penstock(t, "plugin", "test", path); got.code != exitFailed || !strings.Contains(got.out, "FAILED  it takes its settings: : nothing is masked") || !strings.HasSuffix(got.out, "7 failed\n") {
		t.Errorf("%+v", got)
	}
	if got := penstock(t, "plugin", "test", "--settings", "[", path); got.code != exitInvalid {
		t.Errorf("%+v", got)
	}
	if got := penstock(t, "plugin", "tset", path); got.code != exitInvalid || !strings.Contains(got.errOut, "there is no command") {
		t.Errorf("%+v", got)
	}
}

// TestPluginNew: what is written builds, and does what its own tests say: those in Go, and
// those of its pipeline.
func TestPluginNew(t *testing.T) {
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	if got := penstock(t, "plugin", "new", "--source", root, "tidy-up"); got.code != 0 || !strings.Contains(got.out, "penstock test pipeline.yaml") {
		t.Fatalf("%+v", got)
	}
	for _, args := range [][]string{{"mod", "tidy"}, {"vet", "./..."}, {"test", "./..."}, {"build", "."}} {
		cmd := exec.Command("go", args...)
		cmd.Dir, cmd.Env = "tidy-up", append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go %v: %v\n%s", args, err, out)
		}
	}
	if got := penstock(t, "test", "tidy-up/pipeline.yaml"); got.code != 0 {
		t.Errorf("%+v", got)
	}
	if got := penstock(t, "plugin", "test", "--settings", `{"fields":["user.name"]}`, "./tidy-up/tidy-up"); got.code != 0 {
		t.Errorf("%+v", got)
	}
	for want, args := range map[string][]string{
		"is there already":                     {"tidy-up"},
		"cannot be the name of a plugin":       {"../up"},
		"--language cobol: write go or python": {"--language", "cobol", "other"},
		"something is missing; write pen":      {},
	} {
		if got := penstock(t, append([]string{"plugin", "new"}, args...)...); got.code != exitInvalid || !strings.Contains(got.errOut, want) {
			t.Errorf("%v: %+v", args, got)
		}
	}
}
