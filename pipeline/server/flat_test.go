package server

import (
	"fmt"
	"maps"
	"testing"
	"time"
)

// TestFlat: what clients of Connect give, as a pipeline, and back.
func TestFlat(t *testing.T) {
	given := map[string]string{
		"connector.class": className, "name": "shop", "tasks.max": "2", "source.redis_list.keys": "[a, b]", "source.redis_list.url": "redis://u:p@h", "source.format": "json",
		"transforms.0.filter": `value.action == "buy"`, "transforms.1.set": "{value.channel: web}", "sink.kafka.brokers": `["b:1"]`, "sink.kafka.topic": "out",
	}
	text, flat, err := unflattened("shop", given)
	want := `"name": "shop"
"sink":
    "kafka":
        "brokers": ["b:1"]
        "topic": out
"source":
    "format": json
    "redis_list":
        "keys": [a, b]
        "url": redis://u:p@h
"tasks": 2
"transforms":
    - "filter": value.action == "buy"
    - "set": {value.channel: web}
`
	if err != nil || !flat || string(text) != want {
		t.Fatalf("%v\n%s\nwant\n%s", err, text, want)
	}
	if back := flattened("shop", text, true); !maps.Equal(back, given) {
		t.Errorf("got\n%v\nwant\n%v", back, given)
	}
	whole := map[string]string{"connector.class": className, "name": "shop", "pipeline.yaml": "name: shop\nsource: {stdin: {}}\n"}
	text, flat, err = unflattened("shop", whole)
	if err != nil || flat || string(text) != whole["pipeline.yaml"] {
		t.Errorf("%v %s", err, text)
	}
	if back := flattened("shop", text, false); !maps.Equal(back, whole) {
		t.Errorf("got %v, want %v", back, whole)
	}
	if text, _, err = unflattened("shop", map[string]string{"pipeline.yaml": "source: {stdin: {}}\n"}); err != nil || string(text) != "name: \"shop\"\nsource: {stdin: {}}\n" {
		t.Errorf("%v %s", err, text)
	}
	for _, bad := range []map[string]string{{"a": "1", "a.b": "2"}, {"a.0": "x", "a.b": "y"}, {"a.5000": "x"}, {"a.-1": "x", "a.0": "y"}, {"pipeline.yaml": "a: b: c"}} {
		if text, _, err := unflattened("shop", bad); err == nil {
			t.Errorf("%v: %s", bad, text)
		}
	}
}

// FuzzFlat: whatever is given, there is a text or an error, and it is soon there.
func FuzzFlat(f *testing.F) {
	f.Add("source.redis_list.keys", "[a, b]", "transforms.0.filter", "value.n > 1")
	f.Add("a.0.b", "{}", "a.1", "&x [*x]")
	f.Add("pipeline.yaml", "a: [", "", "")
	f.Fuzz(func(_ *testing.T, a, b, c, d string) {
		late := time.AfterFunc(5*time.Second, func() { panic(fmt.Sprintf("%q: %q, %q: %q takes too long", a, b, c, d)) })
		defer late.Stop()
		text, flat, err := unflattened("shop", map[string]string{a: b, c: d})
		if err == nil {
			flattened("shop", text, flat)
		}
	})
}
