package server

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestGuard: who gets in, and who does not.
func TestGuard(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens")
	looks, err := NewToken(file, "grafana", ReadOnly)
	if err != nil {
		t.Fatal(err)
	}
	runs, err := NewToken(file, "ada", Operator)
	if err != nil {
		t.Fatal(err)
	}
	stored, err := os.ReadFile(file)
	if err != nil || strings.Contains(string(stored), strings.TrimPrefix(runs, tokenPrefix)) || strings.Count(string(stored), "\n") != 2 {
		t.Errorf("%v: the file holds %s", err, stored)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if _, err := NewToken(file, "eve", "admin"); err == nil {
		t.Error("there is a role admin")
	}
	ok := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	open, closed := newGuard(ok, nil, []string{"penstock.example"}), newGuard(ok, &keyring{file: file}, nil)
	for name, tc := range map[string]struct {
		guard  *guard
		method string
		target string
		header map[string]string
		want   int
	}{
		"from here":                 {open, "POST", "http://127.0.0.1:8083/v1/pipelines", nil, 200},
		"by name":                   {open, "GET", "http://localhost:8083/", nil, 200},
		"IPv6":                      {open, "GET", "http://[::1]:8083/", nil, 200},
		"by another name it has":    {open, "GET", "http://Penstock.example/", nil, 200},
		"DNS rebinding":             {open, "GET", "http://evil.example:8083/v1/pipelines", nil, 421},
		"a name that begins so":     {open, "GET", "http://localhost.evil.example/", nil, 421},
		"a form of another site":    {open, "POST", "http://127.0.0.1:8083/v1/pipelines", map[string]string{"Origin": "http://evil.example"}, 403},
		"another port of this host": {open, "DELETE", "http://127.0.0.1:8083/v1/pipelines/a", map[string]string{"Origin": "http://127.0.0.1:9999"}, 403},
		"no cors, another site":     {open, "PUT", "http://127.0.0.1:8083/v1/pipelines/a", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		"its own page":              {open, "POST", "http://127.0.0.1:8083/v1/pipelines", map[string]string{"Origin": "http://127.0.0.1:8083", "Sec-Fetch-Site": "same-origin"}, 200},
		"no token":                  {closed, "GET", "http://localhost/v1/pipelines", nil, 401},
		"no token for metrics":      {closed, "GET", "http://localhost/metrics", nil, 401},
		"health takes none":         {closed, "GET", "http://localhost/health/live", nil, 200},
		"the page takes none":       {closed, "GET", "http://localhost/ui/app.js", nil, 200},
		"not above the page":        {closed, "GET", "http://localhost/ui/../v1/pipelines", nil, 200}, // the mux answers with a redirect to /v1/pipelines
		"a wrong token":             {closed, "GET", "http://localhost/v1/pipelines", map[string]string{"Authorization": "Bearer " + runs + "x"}, 401},
		"an empty token":            {closed, "GET", "http://localhost/v1/pipelines", map[string]string{"Authorization": "Bearer "}, 401},
		"the hash":                  {closed, "GET", "http://localhost/v1/pipelines", map[string]string{"Authorization": "Bearer " + string(stored[20:84])}, 401},
		"a token to look":           {closed, "GET", "http://localhost/v1/pipelines", map[string]string{"Authorization": "Bearer " + looks}, 200},
		"a token to look changes":   {closed, "POST", "http://localhost/v1/pipelines/a/stop", map[string]string{"Authorization": "Bearer " + looks}, 403},
		"a token to change":         {closed, "POST", "http://localhost/v1/pipelines/a/stop", map[string]string{"Authorization": "Bearer " + runs}, 200},
		"a cookie":                  {closed, "POST", "http://localhost/v1/pipelines/a/stop", map[string]string{"Cookie": cookie + "=" + runs}, 200},
		"a cookie from elsewhere":   {closed, "POST", "http://localhost/v1/pipelines/a/stop", map[string]string{"Cookie": cookie + "=" + runs, "Origin": "http://evil.example"}, 403},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(tc.method, tc.target, nil)
			for key, value := range tc.header {
				r.Header.Set(key, value)
			}
			w := httptest.NewRecorder()
			tc.guard.ServeHTTP(w, r)
			if w.Code != tc.want {
				t.Errorf("got %d %s, want %d", w.Code, w.Body, tc.want)
			}
			if w.Code != 200 && w.Header().Get("Content-Type") != "application/problem+json" {
				t.Errorf("it is no problem: %v", w.Header())
			}
			if w.Header().Get("X-Content-Type-Options") == "" || w.Header().Get("Content-Security-Policy") == "" {
				t.Errorf("headers are missing: %v", w.Header())
			}
		})
	}

	// A line that is removed is a token that is taken back.
	keys := &keyring{file: file}
	if _, known := keys.role(runs); !known {
		t.Fatal("the token is not known")
	}
	if err := os.WriteFile(file, stored[:strings.Index(string(stored), "\n")+1], 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(file, time.Now(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	keys.looked = time.Time{}
	if _, known := keys.role(runs); known {
		t.Error("the token that was taken back is known")
	}
	if role, known := keys.role(looks); !known || role != ReadOnly {
		t.Error("the other token is not known")
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	keys.looked = time.Time{}
	if _, known := keys.role(looks); known {
		t.Error("without a file somebody has a token")
	}
}

// TestOptionsLetNoStrangersIn.
func TestOptionsLetNoStrangersIn(t *testing.T) {
	for name, tc := range map[string]struct {
		o    Options
		want string
	}{
		"loopback":                  {Options{Listen: "127.0.0.1:8083", Pprof: true}, ""},
		"localhost":                 {Options{Listen: "localhost:0"}, ""},
		"IPv6 loopback":             {Options{Listen: "[::1]:8083"}, ""},
		"all addresses":             {Options{Listen: ":8083"}, "can be reached from other machines"},
		"another address":           {Options{Listen: "10.0.0.1:8083"}, "can be reached from other machines"},
		"a name":                    {Options{Listen: "penstock:8083"}, "can be reached from other machines"},
		"remote without tokens":     {Options{Listen: ":8083", Remote: true, Plain: true}, "add --tokens"},
		"remote without TLS":        {Options{Listen: ":8083", Remote: true, Tokens: "t"}, "add --tls-cert"},
		"remote with half TLS":      {Options{Listen: ":8083", Remote: true, Tokens: "t", CertFile: "c"}, "go together"},
		"remote with profiles":      {Options{Listen: ":8083", Remote: true, Tokens: "t", Plain: true, Pprof: true}, "--pprof is for an address of this machine"},
		"remote, TLS in front":      {Options{Listen: ":8083", Remote: true, Tokens: "t", Plain: true}, ""},
		"remote, with TLS":          {Options{Listen: ":8083", Remote: true, Tokens: "t", CertFile: "c", KeyFile: "k"}, ""},
		"no address":                {Options{Listen: "8083"}, "write host:port"},
		"every address, written so": {Options{Listen: "0.0.0.0:8083"}, "can be reached from other machines"},
	} {
		err := tc.o.Check()
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
}

func TestOverlap(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want bool
	}{{"a", "a", true}, {"a", "b", false}, {"events:*", "events:1", true}, {"events:1", "events:*", true}, {"e*", "e*", true}, {"a?", "ab", true}, {"[", "b", false}} {
		if got := overlap(tc.a, tc.b); got != tc.want {
			t.Errorf("%s, %s: got %v", tc.a, tc.b, got)
		}
	}
}

// TestMerged: RFC 7396, with numbers and comments as they were written.
func TestMerged(t *testing.T) {
	const text = "name: shop # the shop\nsource:\n  redis_list: {url: h, keys: [a, b], batch: 9223372036854775808}\nwindow: {batches: 4}\n"
	for patch, want := range map[string]string{
		`{}`:                         text,
		`{"window":null}`:            "name: shop # the shop\nsource:\n  redis_list: {url: h, keys: [a, b], batch: 9223372036854775808}\n",
		`{"window":{"bytes":12.50}}`: strings.Replace(text, "{batches: 4}", "{batches: 4, \"bytes\": 12.50}", 1),
		`{"source":{"redis_list":{"keys":["c"]}}}`: strings.Replace(text, "[a, b]", `["c"]`, 1),
		`{"absent":null}`:                          text,
	} {
		got, err := merged([]byte(text), []byte(patch))
		if clean := strings.ReplaceAll(string(got), "    ", "  "); err != nil || clean != want {
			t.Errorf("%s: %v\n%s\nwant\n%s", patch, err, clean, want)
		}
	}
	for _, patch := range []string{"", "[]", "7", "{", "a: b: c"} {
		if got, err := merged([]byte(text), []byte(patch)); err == nil {
			t.Errorf("%s: %s", patch, got)
		}
	}
}
