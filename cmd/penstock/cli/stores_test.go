//go:build unix

package cli

import (
	"fmt"
	"strings"
	"testing"

	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// shops writes a pipeline of a list, with a dedupe whose keys are in Redis.
func shops(t *testing.T, e *pipelinetest.EmbeddedServers, name, redis string) string {
	t.Helper()
	return file(t, fmt.Sprintf(`name: %s
source: {redis_list: {url: "redis://%s", keys: [%s]}, format: json}
transforms:
  - dedupe: {key: value.id, redis: %s}
  - validate: {that: value.n > 0, message: too little}
sink:
  kafka: {brokers: ["%s"], topic: out-%s, create_topic: {partitions: 1}}
on_error: {then: drop}
`, name, e.RedisAddr, name, redis, e.KafkaAddr, name))
}

func drained(t *testing.T, name string, want ...string) {
	t.Helper()
	got := penstock(t, "run", "--until-drained", name)
	for _, w := range want {
		if got.code != 0 || !strings.Contains(got.errOut, w) {
			t.Errorf("no %s in %+v", w, got)
		}
	}
}

// TestDedupeInRedis: keys last over a restart, are shared by name, freed where their record
// was refused, and not written by previews and tests.
func TestDedupeInRedis(t *testing.T) {
	e := pipelinetest.Embedded(t)
	push := func(list string, events ...string) { e.Redis.Push(list, events...) } //nolint:errcheck // the run tells
	one, two, alone := shops(t, e, "one", "{name: both}"), shops(t, e, "two", fmt.Sprintf(`{name: both, url: "redis://%s/0"}`, e.RedisAddr)), shops(t, e, "alone", "{}")
	const first, second, refused = `{"id":"a","n":1}`, `{"id":"b","n":1}`, `{"id":"c","n":0}`
	push("one", first, second, first, refused)
	before := e.Redis.Dump()
	if got := penstock(t, "preview", one); got.code != 0 || !strings.Contains(got.out, "duplicate") {
		t.Errorf("%+v", got)
	}
	if after := e.Redis.Dump(); after != before {
		t.Errorf("a preview has made of\n%s\nthis:\n%s", before, after)
	}
	drained(t, one, `"written":2`, `"duplicates":1`, `"dropped":1`)
	push("one", first, `{"id":"d","n":1}`)
	push("two", second, `{"id":"e","n":1}`)
	push("alone", first)
	drained(t, one, `"written":1`, `"duplicates":1`)
	drained(t, two, `"written":1`, `"duplicates":1`)
	drained(t, alone, `"written":1`, `"duplicates":0`)
	push("two", `{"id":"c","n":1}`) // it was refused, and its key released at the end of the run
	drained(t, two, `"written":1`, `"duplicates":0`)
	if got := penstock(t, "explain", one); !strings.Contains(got.out, "keeps keys in Redis") {
		t.Errorf("%+v", got)
	}
}

// TestLookupInRedis: a hash as it is when the batch passes; a test asks it too.
func TestLookupInRedis(t *testing.T) {
	e := pipelinetest.Embedded(t)
	name := file(t, fmt.Sprintf(`name: shop
source: {redis_list: {url: "redis://%s", keys: [events]}, format: json}
transforms:
  - lookup: {by: value.item, into: value.product, redis: {hash: products}}
  - lookup: {by: value.item, into: value.note, missing: pass, redis: {hash: notes, values: text}}
sink:
  kafka: {brokers: ["%s"], topic: out, create_topic: {partitions: 1}}
on_error: {then: drop}
tests:
  - name: the hash is asked
    given: [{value: {item: s1}}, {value: {item: s2}}, {value: {item: s3}}]
    expect:
      - {value: {item: s1, product: {name: shoes}, note: "a \"note\""}}
      - {error: what the table has is no JSON}
      - {error: the table has nothing for the record}
`, e.RedisAddr, e.KafkaAddr))
	e.Redis.HSet("products", "s1", `{"name":"shoes"}`, "s2", "secret")
	e.Redis.HSet("notes", "s1", `a "note"`)
	if got := penstock(t, "test", name); got.code != 0 || strings.Contains(got.out, "secret") {
		t.Errorf("%+v", got)
	}
	e.Redis.Push("events", `{"item":"s1"}`, `{"item":"s2"}`, `{"item":"s1"}`) //nolint:errcheck // the run tells
	drained(t, name, `"written":2`, `"dropped":1`)
}

func TestStoresWithoutRedis(t *testing.T) {
	const sink = "sink: {stdout: {}}\n"
	for name, tc := range map[string]struct{ text, want string }{
		"no names that last": {"name: a\nsource: {stdin: {}, format: json}\ntransforms:\n  - dedupe: {key: value.id, redis: {url: \"redis://a:1\"}}\n" + sink + "delivery: at_most_once\n", "records of stdin have no names that last"},
		"no Redis":           {"name: a\nsource: {file: {path: x}, format: json}\ntransforms:\n  - lookup: {by: value.id, into: value.x, redis: {hash: h}}\n" + sink + "delivery: at_least_once\n", "the source file has no Redis that lookup could use; write url"},
		"no Redis for keys":  {"name: a\nsource: {file: {path: x}, format: json}\ntransforms:\n  - dedupe: {key: value.id, redis: {}}\n" + sink + "delivery: at_least_once\n", "has no Redis that dedupe could use"},
		"a wrong url":        {"name: a\nsource: {redis_list: {keys: [k]}, format: json}\ntransforms:\n  - dedupe: {key: value.id, redis: {url: \"http://secret\"}}\n" + sink + "delivery: at_least_once\n", "not a Redis URL"},
		"two tables":         {"name: a\nsource: {redis_list: {keys: [k]}, format: json}\ntransforms:\n  - lookup: {by: value.id, into: value.x, json: '{}', redis: {hash: h}}\n" + sink + "delivery: at_least_once\n", "it looks things up in one table; write csv, json or redis"},
		"braces":             {"name: a\nsource: {redis_list: {keys: [k]}, format: json}\ntransforms:\n  - dedupe: {key: value.id, redis: {name: \"{x}\"}}\n" + sink + "delivery: at_least_once\n", "redis.name: has braces"},
		"no CA":              {"name: a\nsource: {redis_list: {keys: [k]}, format: json}\ntransforms:\n  - dedupe: {key: value.id, redis: {url: \"rediss://h:1\", tls: {ca_file: /none/such}}}\n" + sink + "delivery: at_least_once\n", ""},
	} {
		got := penstock(t, "validate", file(t, tc.text))
		if tc.want == "" && got.code != 0 || tc.want != "" && (got.code != exitInvalid || !strings.Contains(got.errOut+got.out, tc.want)) || strings.Contains(got.errOut+got.out, "secret") {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
