package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/penstock-io/penstock/pipeline/config"
	"github.com/penstock-io/penstock/pipeline/pipelinetest"
	"github.com/penstock-io/penstock/pipeline/server"
)

// TestServeStrangers: what text of the API may not name.
func TestServeStrangers(t *testing.T) {
	e := pipelinetest.Embedded(t)
	allowed := t.TempDir()
	secret := filepath.Join(t.TempDir(), "secret")
	for _, name := range []string{secret, filepath.Join(allowed, "topic")} {
		if err := os.WriteFile(name, []byte("s3cret-topic"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(secret, filepath.Join(allowed, "link")); err != nil {
		t.Fatal(err)
	}
	s := serveIn(t, t.TempDir(), "--allow", allowed)
	plain := strings.ReplaceAll(listPipeline(e, "shop", "events"), "user:hunter2@", "")
	for name, text := range map[string]string{
		"a file's text":  strings.Replace(plain, "topic: out", `topic: "${file:`+secret+`}"`, 1),
		"through a link": strings.Replace(plain, "topic: out", `topic: "${file:`+filepath.Join(allowed, "link")+`}"`, 1),
		"with dots":      strings.Replace(plain, "topic: out", `topic: "${file:`+allowed+`/../`+filepath.Base(filepath.Dir(secret))+`/secret}"`, 1),
		"a source":       "name: shop\nsource: {file: {path: " + secret + "}}\nsink: {drop: {}}\ndelivery: at_least_once\n",
		"a sink":         "name: shop\nsource: {generate: {}}\nsink: {file: {path: " + secret + "}}\ndelivery: at_most_once\n",
		"dead letters":   plain + "on_error: {then: dead_letter, dead_letter: {file: {path: " + secret + "}}}\n",
		"a certificate":  strings.Replace(plain, "topic: out", "topic: out, tls: {ca_file: "+secret+"}", 1),
		"an interpreter": plain + "transforms: [plugin: {command: [sh, -c, 'touch " + filepath.Join(allowed, "pwned") + "']}]\n",
		"a program":      plain + "transforms: [plugin: {command: [/bin/sh]}]\n",
		"a plugin":       plain + "transforms: [plugin: {name: none}]\n",
	} {
		t.Run(name, func(t *testing.T) {
			code, answer, _ := s.call("POST", "/v1/pipelines", text)
			if code != 422 || !strings.Contains(answer, config.ErrNotAllowed.Error()) || strings.Contains(answer, "s3cret") {
				t.Errorf("%d %s", code, answer)
			}
		})
	}
	for name, text := range map[string]string{"stdin": "name: shop\nsource: {stdin: {}}\nsink: {drop: {}}\ndelivery: at_most_once\n", "stdout": "name: shop\nsource: {generate: {}}\nsink: {stdout: {}}\ndelivery: at_most_once\n"} {
		if code, answer, _ := s.call("POST", "/v1/validate", text); code != 422 || !strings.Contains(answer, "a server has no standard") {
			t.Errorf("%s: %d %s", name, code, answer)
		}
	}
	if _, err := os.Stat(filepath.Join(allowed, "pwned")); err == nil {
		t.Error("a program was run")
	}
	s.want(200, "POST", "/v1/validate", strings.Replace(plain, "topic: out", `topic: "${file:`+filepath.Join(allowed, "topic")+`}"`, 1))
	if code, answer, _ := s.call("POST", "/v1/pipelines", "name: "+strings.Repeat("x", 2<<20)); code != 413 {
		t.Errorf("%d %s", code, answer)
	}
}

// TestServeTokens: read-only looks, an operator changes.
func TestServeTokens(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens")
	token := func(role string) string {
		got := penstock(t, "token", "new", "--file", file, "--role", role, "somebody")
		if got.code != 0 || !strings.HasPrefix(got.out, "penstock_") {
			t.Fatalf("%+v", got)
		}
		return "Bearer " + strings.TrimSpace(got.out)
	}
	looks, runs := token("read-only"), token("operator")
	s := serveIn(t, t.TempDir(), "--tokens", file)
	text := "name: shop\nsource: {generate: {rate: 10}}\nsink: {drop: {}}\ndelivery: at_most_once\n"
	for _, tc := range []struct {
		token, method, path string
		want                int
	}{
		{"", "GET", "/v1/pipelines", 401}, {looks, "GET", "/v1/pipelines", 200}, {looks, "POST", "/v1/pipelines", 403}, {runs, "POST", "/v1/pipelines", 201},
		{"", "GET", "/metrics", 401}, {looks, "GET", "/metrics", 200}, {"", "GET", "/openapi.json", 401}, {"", "GET", "/health/live", 200},
	} {
		body := ""
		if tc.method == "POST" {
			body = text
		}
		if code, answer, _ := s.call(tc.method, tc.path, body, "Authorization", tc.token); code != tc.want {
			t.Errorf("%+v: %d %s", tc, code, answer)
		}
	}
	if strings.Contains(s.log.String(), strings.TrimPrefix(runs, "Bearer ")) {
		t.Error("the token is in the log")
	}
}

// TestServeJSON: a pipeline may be sent as JSON too.
func TestServeJSON(t *testing.T) {
	s := serveIn(t, t.TempDir())
	code, answer, _ := s.call("POST", "/v1/pipelines?state=PAUSED", `{"name":"shop","source":{"generate":{"rate":10}},"sink":{"drop":{}},"delivery":"at_most_once"}`, "Content-Type", "application/json")
	if code != 201 {
		t.Fatalf("%d %s", code, answer)
	}
	s.until("shop", server.Paused)
	s.want(400, "POST", "/v1/validate", "")
	s.want(422, "POST", "/v1/pipelines?state=LOUD", `{}`)
}

func TestServeFlags(t *testing.T) {
	for want, flags := range map[string][]string{
		"can be reached from other machines": {"--listen", ":0"},
		"add --tokens":                       {"--listen", ":0", "--remote"},
		"--dir: the folder of pipelines":     {"--listen", "127.0.0.1:0", "--store", filepath.Join(t.TempDir(), "s.db"), "--dir", "/none"},
		"--allow: ":                          {"--listen", "127.0.0.1:0", "--allow", "/none"},
		"--tls-cert and --tls-key: ":         {"--listen", "127.0.0.1:0", "--store", filepath.Join(t.TempDir(), "t.db"), "--tls-cert", "/none", "--tls-key", "/none"},
		"--store: ":                          {"--listen", "127.0.0.1:0", "--store", t.TempDir()},
	} {
		if got := penstock(t, append([]string{"serve"}, flags...)...); got.code != exitInvalid || !strings.Contains(got.errOut, want) {
			t.Errorf("%v: %+v", flags, got)
		}
	}
}
