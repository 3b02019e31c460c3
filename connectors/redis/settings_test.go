package redis

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

func TestValidate(t *testing.T) {
	list := func(change func(*ListSettings)) []pipeline.Problem {
		s := ListSettings{Keys: []string{"a"}}
		s.URL = "redis://localhost:6379/0"
		change(&s)
		return s.Validate()
	}
	stream := func(start string) []pipeline.Problem {
		s := StreamSettings{Keys: []string{"a"}, Start: start}
		s.URL = "rediss://user:secret@localhost/1"
		return s.Validate()
	}
	for name, c := range map[string]struct {
		found []pipeline.Problem
		field []string
	}{
		"fine":                  {list(func(*ListSettings) {}), nil},
		"no URL":                {list(func(s *ListSettings) { s.URL = "localhost:6379" }), []string{"url"}},
		"a port too high":       {list(func(s *ListSettings) { s.URL = "redis://localhost:70000/0" }), []string{"url"}},
		"port zero":             {list(func(s *ListSettings) { s.URL = "redis://localhost:0/0" }), []string{"url"}},
		"a socket":              {list(func(s *ListSettings) { s.URL = "unix:///run/redis.sock" }), nil},
		"IPv6":                  {list(func(s *ListSettings) { s.URL = "redis://[::1]:6379" }), nil},
		"patterns":              {list(func(s *ListSettings) { s.Keys = []string{"a*", "a[xy]", "a[^x]", "a}b*", `a\[b`, `[\]]`, "]"} }), nil},
		"open patterns":         {list(func(s *ListSettings) { s.Keys = []string{"[x", "a[]", "[a][b", `[a\]`} }), []string{"keys[0]", "keys[1]", "keys[2]", "keys[3]"}},
		"no companion":          {list(func(s *ListSettings) { s.Keys = []string{"a", "a}b"} }), []string{"keys[1]"}},
		"an empty key":          {list(func(s *ListSettings) { s.Keys = []string{""} }), []string{"keys[0]"}},
		"a key twice":           {list(func(s *ListSettings) { s.Keys = []string{"a", "b", "a"} }), []string{"keys[2]"}},
		"a companion":           {list(func(s *ListSettings) { s.Keys = []string{"penstock:{a}"} }), []string{"keys[0]"}},
		"every below zero":      {list(func(s *ListSettings) { s.Trigger.Every = -1 }), []string{"trigger.every"}},
		"every and cron":        {list(func(s *ListSettings) { s.Trigger = Trigger{Every: time.Second, Cron: "* * * * *"} }), []string{"trigger.cron"}},
		"no cron":               {list(func(s *ListSettings) { s.Trigger.Cron = "often" }), []string{"trigger.cron"}},
		"no day":                {list(func(s *ListSettings) { s.Trigger.Cron = "0 0 31 2 *" }), []string{"trigger.cron"}},
		"a rare day":            {list(func(s *ListSettings) { s.Trigger.Cron = "0 0 29 2 *" }), nil},
		"a zone alone":          {list(func(s *ListSettings) { s.Trigger.TimeZone = "UTC" }), []string{"trigger.time_zone"}},
		"no zone":               {list(func(s *ListSettings) { s.Trigger = Trigger{Cron: "* * * * *", TimeZone: "Mars"} }), []string{"trigger.time_zone"}},
		"neither zone nor cron": {list(func(s *ListSettings) { s.Trigger = Trigger{Cron: "often", TimeZone: "Mars"} }), []string{"trigger.time_zone", "trigger.cron"}},
		"several":               {list(func(s *ListSettings) { s.URL, s.Keys = "", []string{"", ""} }), []string{"url", "keys[0]", "keys[1]"}},
		"start at an id":        {stream("1700000000000-0"), nil},
		"start at no id":        {stream("yesterday"), []string{"start"}},
		"start at half of it":   {stream("1700000000000"), []string{"start"}},
	} {
		var fields []string
		for _, p := range c.found {
			fields = append(fields, p.Field)
			if p.What == "" || p.Do == "" {
				t.Errorf("%s: %+v says too little", name, p)
			}
		}
		if !slices.Equal(fields, c.field) {
			t.Errorf("%s: problems with %q, want %q", name, fields, c.field)
		}
	}
}

// A password with special characters is the usual reason for a URL that is none.
func TestURLWithASpecialPassword(t *testing.T) {
	for url, hint := range map[string]bool{
		"redis://user:pa/ss@localhost": true, "redis://:p#ss@localhost:6379": true, "redis://:p%ss@localhost": true, "localhost:6379": false,
	} {
		found := Connection{URL: pipeline.Secret(url)}.Validate()
		if len(found) != 1 || strings.Contains(found[0].Do, "percent-encoded") != hint {
			t.Errorf("%s: got %+v", url, found)
		}
		if said := fmt.Sprint(found); strings.Contains(said, "ss@l") {
			t.Errorf("%s shows the password", said)
		}
	}
	if found := (Connection{URL: "redis://:p%23ss@localhost:6379"}).Validate(); found != nil {
		t.Errorf("got %+v", found)
	}
}

func TestSourceRefusesFilesItCannotUse(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "ca.pem")
	must(t, os.WriteFile(empty, []byte("no certificate"), 0o600))
	for file, words := range map[string]string{"/nowhere/ca.pem": "cannot be read", empty: "holds no certificate"} {
		s := ListSettings{}
		s.URL, s.TLS = "rediss://localhost:1", &TLS{CAFile: file}
		_, err := NewListSource(s, quiet)
		wantError(t, err, pipeline.Permanent, "tls.ca_file", words)
	}
	s := StreamSettings{}
	s.URL = "http://user:secret@localhost"
	_, err := NewStreamSource(s, quiet)
	wantError(t, err, pipeline.Permanent, "url")
	if got := err.Error(); slices.Contains([]string{got}, "secret") {
		t.Errorf("%q holds the password", got)
	}
}

func TestNobodyAnswers(t *testing.T) {
	p := place{addr: "127.0.0.1:1"}
	_, err := p.list(t, quiet).Open(t.Context(), pipeline.OpenRequest{Shard: "a"})
	wantError(t, err, pipeline.Unreachable, "127.0.0.1:1")
	_, err = p.stream(t, quiet).Open(t.Context(), pipeline.OpenRequest{Shard: "a"})
	wantError(t, err, pipeline.Unreachable, "127.0.0.1:1")
	_, err = p.stream(t, quiet, func(s *StreamSettings) { s.Keys = []string{"a*"} }).Shards(t.Context())
	wantError(t, err, pipeline.Unreachable, "127.0.0.1:1", "a*")
}
