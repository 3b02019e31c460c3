package redis

import (
	"fmt"
	"strings"
	"testing"

	"github.com/penstock-io/penstock/pipeline"
)

func TestURLs(t *testing.T) {
	for url, want := range map[string]string{
		"redis://localhost":                         "Redis at localhost:6379",
		"redis://user:secret@host:1/3":              "Redis at host:1",
		"redis+cluster://a:1,b:2":                   "Redis Cluster at a:1,b:2",
		"redis+cluster://a":                         "Redis Cluster at a:6379",
		"rediss+cluster://user:p%40ss@a:1,b:2/0":    "Redis Cluster at a:1,b:2",
		"redis+cluster://[::1]:7000,[::2]:7001":     "Redis Cluster at [::1]:7000,[::2]:7001",
		"redis+sentinel://s1,s2:7/shop":             "Redis shop of the Sentinels at s1:26379,s2:7",
		"redis+sentinel://user:secret@s1:1/shop/2":  "Redis shop of the Sentinels at s1:1",
		"rediss+sentinel://[::1]/shop?db=2":         "Redis shop of the Sentinels at [::1]:26379",
		"redis+sentinel://s1/shop?read_timeout=10s": "Redis shop of the Sentinels at s1:26379",
	} {
		at, wrong := Connection{URL: pipeline.Secret(url)}.parse()
		if wrong != nil || at.String() != want {
			t.Errorf("%s is %v, %+v; want %s", url, at, wrong, want)
		}
	}
	at, wrong := Connection{URL: "rediss+sentinel://user:secret@s1,s2/shop/2?sentinel_username=eve&sentinel_password=p%40ss"}.parse()
	if wrong != nil {
		t.Fatalf("%+v", wrong)
	}
	if o := at.servers[1]; o.Username != "user" || o.Password != "secret" || o.DB != 2 || o.TLSConfig == nil || at.sentinel.username != "eve" || at.sentinel.password != "p@ss" {
		t.Errorf("read %+v and %+v", o, at.sentinel)
	}
}

func TestURLsThatAreNone(t *testing.T) {
	for url, words := range map[string]string{
		"":                                          "not a Redis URL",
		"redis+cluster://":                          "not a Redis URL",
		"redis+cluster://a:1,,b:2":                  "not a Redis URL",
		"redis+cluster://a:1,:2":                    "not a Redis URL",
		"redis+cluster://a:1/2":                     "a Cluster has one database",
		"redis+cluster://a:1,b:70000":               "its port",
		"redis+cluster://a:1?read_only=true":        "not a Redis URL",
		"redis+cluster://a:1?route_randomly=true":   "not a Redis URL",
		"redis+cluster://a:1?addr=b:2":              "not a Redis URL",
		"redis://secret@a:1,b:2":                    "not a Redis URL",
		"redis+proxy://a:1":                         "not a Redis URL",
		"http+cluster://a:1":                        "not a Redis URL",
		"redis+sentinel://s1":                       "what the Sentinels call the server",
		"redis+sentinel://s1/":                      "what the Sentinels call the server",
		"redis+sentinel://s1/0#shop":                "not a Redis URL",
		"redis+sentinel://s1/shop/no":               "not a Redis URL",
		"redis+sentinel://s1/shop?replica_only=yes": "not a Redis URL",
		"redis+sentinel://secret@,s2/shop":          "not a Redis URL",
	} {
		found := Connection{URL: pipeline.Secret(url)}.Validate()
		if len(found) != 1 || found[0].Field != "url" || !strings.Contains(found[0].What, words) || !strings.Contains(found[0].Do, "redis") {
			t.Errorf("%s: got %+v", url, found)
		}
		if strings.Contains(fmt.Sprint(found), "secret") {
			t.Errorf("%s: %+v shows the password", url, found)
		}
	}
}

// FuzzURL: whatever it is, it is understood or refused, and nothing of it is shown.
func FuzzURL(f *testing.F) {
	for _, url := range []string{"redis://u:p@h:1/2", "redis+cluster://u:p@h:1,i:2", "redis+sentinel://h/m/2?sentinel_password=p", "rediss+cluster://[::1]:1,,", "unix:///x"} {
		f.Add(url)
	}
	f.Fuzz(func(t *testing.T, url string) {
		at, wrong := Connection{URL: pipeline.Secret(url)}.parse()
		if (at == nil) == (wrong == nil) || at != nil && len(at.servers) == 0 {
			t.Errorf("%q: %v, %+v", url, at, wrong)
		}
	})
}
