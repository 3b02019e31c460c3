package transforms

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/transforms/format"
)

const buy = `{"event_id":"e1","user_id":"u1","action":"buy","price":2,"quantity":3}`

// batch makes a batch of JSON records, each with a key, a topic and headers.
func batch(t testing.TB, values ...string) *pipeline.Batch {
	t.Helper()
	b := &pipeline.Batch{Shard: "s"}
	for i, value := range values {
		r := b.Add()
		r.Key, r.Topic, r.Offset = []byte("k"), "topic", pipeline.Offset{Minor: uint64(i + 1)}
		r.Headers = []pipeline.Header{{Key: "a", Value: []byte("1")}, {Key: "b", Value: []byte("2")}, {Key: "a", Value: []byte("3")}}
		r.Value = pipeline.RawValue([]byte(value))
	}
	read := format.NewReader(format.JSON{})
	apply(t, read, b)
	for r := range b.Live {
		if r.Value.Kind() != pipeline.Document {
			t.Fatalf("not read: %s", r.Value.Raw())
		}
	}
	return b
}

func apply(t testing.TB, transform pipeline.Transform, b *pipeline.Batch) {
	t.Helper()
	if err := transform.Apply(t.Context(), b); err != nil {
		t.Fatal(err)
	}
}

// show gives a record as people read it: its value, what is not as batch made
// it, and its fate.
func show(r *pipeline.Record) string {
	var s strings.Builder
	s.Write(r.Value.Raw())
	if string(r.Key) != "k" {
		fmt.Fprintf(&s, " key=%s", r.Key)
	}
	if r.Topic != "topic" {
		fmt.Fprintf(&s, " topic=%s", r.Topic)
	}
	headers := ""
	for _, h := range r.Headers {
		headers += fmt.Sprintf(" %s:%s", h.Key, h.Value)
	}
	if headers != " a:1 b:2 a:3" {
		s.WriteString(" headers=" + strings.TrimSpace(headers))
	}
	switch r.Fate {
	case pipeline.Filtered:
		s.WriteString(" filtered")
	case pipeline.Failed:
		s.WriteString(" failed: " + r.Failure.Err.Error())
	}
	return s.String()
}

type transformTest struct {
	name      string
	transform func() (pipeline.Transform, error)
	value     string
	want      string
}

func runTests(t *testing.T, tests []transformTest) {
	t.Helper()
	for _, test := range tests {
		transform, err := test.transform()
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		b := batch(t, test.value)
		apply(t, transform, b)
		if got := show(&b.Records[0]); got != test.want {
			t.Errorf("%s:\n got %s\nwant %s", test.name, got, test.want)
		}
	}
}

func filter(e pipeline.Expression) func() (pipeline.Transform, error) {
	return func() (pipeline.Transform, error) { return NewFilter(FilterSettings{e}) }
}

func set(values map[string]any) func() (pipeline.Transform, error) {
	return func() (pipeline.Transform, error) { return NewSet(SetSettings{values}) }
}

func compute(values map[string]pipeline.Expression) func() (pipeline.Transform, error) {
	return func() (pipeline.Transform, error) { return NewCompute(ComputeSettings{values}) }
}

func drop(paths ...string) func() (pipeline.Transform, error) {
	return func() (pipeline.Transform, error) { return NewDrop(DropSettings{paths}) }
}

func rename(paths map[string]string) func() (pipeline.Transform, error) {
	return func() (pipeline.Transform, error) { return NewRename(RenameSettings{paths}) }
}

func key(e pipeline.Expression) func() (pipeline.Transform, error) {
	return func() (pipeline.Transform, error) { return NewKey(e) }
}

func TestPartition(t *testing.T) {
	for value, want := range map[string]struct {
		n    int32
		fate pipeline.Fate
	}{
		`{"p":0}`: {0, pipeline.Deliver}, `{"p":7}`: {7, pipeline.Deliver}, `{"p":2147483647}`: {2147483647, pipeline.Deliver},
		`{"p":-1}`: {0, pipeline.Failed}, `{"p":1.5}`: {0, pipeline.Failed}, `{"p":2147483648}`: {0, pipeline.Failed},
		`{"p":"x"}`: {0, pipeline.Failed}, `{"p":null}`: {0, pipeline.Failed}, `{"p":[1]}`: {0, pipeline.Failed}, `{}`: {0, pipeline.Failed},
	} {
		transform, err := NewPartition(`value.p`)
		if err != nil {
			t.Fatal(err)
		}
		b := batch(t, value)
		apply(t, transform, b)
		if r := &b.Records[0]; r.Partition() != want.n || r.Fate != want.fate {
			t.Errorf("%s: got partition %d and fate %d, want %+v", value, r.Partition(), r.Fate, want)
		}
	}
	transform, err := NewPartition(`value.p % 4`)
	if err != nil {
		t.Fatal(err)
	}
	b := batch(t, `{"p":7}`)
	if apply(t, transform, b); b.Records[0].Partition() != 3 {
		t.Errorf("7 %% 4: got partition %d, %+v", b.Records[0].Partition(), b.Records[0].Failure)
	}
}

type literals = map[string]any

type expressions = map[string]pipeline.Expression

func TestFilterAndKey(t *testing.T) {
	runTests(t, []transformTest{
		{"passes", filter(`value.action in ["cart", "buy"]`), buy, buy},
		{"filters", filter(`value.action == "view"`), buy, buy + " filtered"},
		{"a missing field", filter(`value.nothing > 1`), buy, buy + " failed: value.nothing is missing; ask first with has(value.nothing), or read it with value.?nothing"},
		{"not a bool", filter(`value.action`), buy, buy + ` failed: value.action is a string, not true or false; compare it with something, as in value.action == "buy"`},
		{"key of a field", key(`value.user_id`), buy, buy + " key=u1"},
		{"key of a number", key(`value.price`), `{"price":12.50}`, `{"price":12.50} key=12.50`},
		{"key of an expression", key(`value.user_id + "/" + value.action`), buy, buy + " key=u1/buy"},
		{"no key", key(`value.?nothing`), buy, buy + " key="},
		{"key of an object", key(`value`), buy, buy + " failed: the expression gives a map, and that cannot stand here; take a string, a number or a bool"},
	})
}

func TestSet(t *testing.T) {
	runTests(t, []transformTest{
		{"a new field", set(literals{"value.channel": "web"}), `{"a":12.50}`, `{"a":12.50,"channel":"web"}`},
		{"all kinds", set(literals{"value.a": nil, "value.b": true, "value.c": json.Number("9223372036854775808"), "value.d": json.Number("1.50"),
			"value.e": []any{json.Number("1"), "x"}, "value.f": map[string]any{"z": nil, "a": "\""}}), `{"b":1}`,
			`{"b":true,"a":null,"c":9223372036854775808,"d":1.50,"e":[1,"x"],"f":{"a":"\"","z":null}}`},
		{"objects on the way", set(literals{"value.a.b": "x", "value.a.c": "y"}), `{}`, `{"a":{"b":"x","c":"y"}}`},
		{"names with dots", set(literals{`value["a.b"].c`: "x"}), `{}`, `{"a.b":{"c":"x"}}`},
		{"the whole value", set(literals{"value": map[string]any{"a": true}}), `[1]`, `{"a":true}`},
		{"the rest of the record", set(literals{"headers.a": "x", "headers.c": json.Number("5"), "key": true, "topic": "other"}), `{}`, `{} key=true topic=other headers=a:x b:2 c:5`},
		{"nothing", set(literals{"headers.a": nil, "key": nil, "topic": nil}), `{}`, `{} key= topic= headers=b:2`},
		{"below a string", set(literals{"value.a.b": "x"}), `{"a":"secret"}`, `{"a":"secret"} failed: value.a is a string and has no fields; write to another path, or test it first in when:`},
		{"into a list", set(literals{"value.a": "x"}), `[1]`, `[1] failed: value is an array and has no fields; write to another path, or test it first in when:`},
	})
}

func TestCompute(t *testing.T) {
	runTests(t, []transformTest{
		{"a product of ints is an int", compute(expressions{"value.total": "value.price * value.quantity"}), buy, buy[:len(buy)-1] + `,"total":6}`},
		{"a product with a fraction", compute(expressions{"value.total": "value.price * value.quantity"}), `{"price":12.50,"quantity":3}`, `{"price":12.50,"quantity":3,"total":37.5}`},
		{"all see the record as it was", compute(expressions{"value.a": "value.b", "value.b": "value.a", "key": "string(value.a)"}), `{"a":1,"b":2}`, `{"a":2,"b":1} key=1`},
		{"a node as it is", compute(expressions{"value.c": "value.a.b"}), `{"a":{"b":[1.0, "\u0061"]}}`, `{"a":{"b":[1.0, "\u0061"]},"c":[1.0, "\u0061"]}`},
		{"an object onto itself", compute(expressions{"value.a.c": "value.a"}), `{"a":{"b":1}}`, `{"a":{"b":1,"c":{"b":1}}}`},
		{"the whole value", compute(expressions{"value": "value.payload"}), `{"payload":{"a": 1.0}}`, `{"a": 1.0}`},
		{"an optional without a value", compute(expressions{"value.a": "value.?none", "headers.a": "value.?none", "key": "null"}), `{"a":1}`, `{"a":1} key= headers=b:2`},
		{"headers and topic", compute(expressions{"headers.d": "value.a", "topic": `topic + "_" + value.b`}), `{"a":1.50,"b":"x"}`, `{"a":1.50,"b":"x"} topic=topic_x headers=a:1 b:2 a:3 d:1.50`},
		{"a failure changes nothing", compute(expressions{"value.a": "1", "value.b": "value.nothing"}), `{"c":1}`, `{"c":1} failed: value.nothing is missing; ask first with has(value.nothing), or read it with value.?nothing`},
	})
}

func TestDropAndRename(t *testing.T) {
	type paths = map[string]string
	runTests(t, []transformTest{
		{"fields", drop("value.a", "value.c.d", "value.nothing", "value.nothing.deeper"), `{"a":1,"b":2.0,"c":{"d":1,"e":2}}`, `{"b":2.0,"c":{"e":2}}`},
		{"every one of a name", drop("value.a"), `{"a":1,"\u0061":2}`, `{}`},
		{"headers, key and topic", drop("headers.a", "headers.nothing", "key", "topic"), `{}`, `{} key= topic= headers=b:2`},
		{"nothing", drop("value.nothing", "headers.nothing"), ` { } `, ` { } `},
		{"drop below a number", drop("value.a.b"), `{"a":5}`, `{"a":5} failed: value.a is a number and has no fields; write to another path, or test it first in when:`},
		{"a name", rename(paths{"value.a": "value.z"}), `{"a":1.0,"b":2}`, `{"z":1.0,"b":2}`},
		{"deeper and up", rename(paths{"value.a": "value.o.a", "value.p.x": "value.x"}), `{"a":1,"p":{"x":2}}`, `{"p":{},"o":{"a":1},"x":2}`},
		{"what is missing", rename(paths{"value.nothing": "value.b", "headers.nothing": "headers.b"}), `{"a":1}`, `{"a":1}`},
		{"headers", rename(paths{"headers.a": "headers.b"}), `{}`, `{} headers=b:1 b:3`},
		{"rename below a bool", rename(paths{"value.a.b": "value.c"}), `{"a":true}`, `{"a":true} failed: value.a is a bool and has no fields; write to another path, or test it first in when:`},
	})
}

func TestValuesWithoutFields(t *testing.T) {
	for name, make := range map[string]func() (pipeline.Transform, error){
		"filter": filter("value.a == 1"), "set": set(literals{"value.a": "x"}), "compute": compute(expressions{"value.a": "1"}),
		"drop": drop("value.a"), "rename": rename(map[string]string{"value.a": "value.b"}), "key": key("value.a"),
	} {
		transform, err := make()
		if err != nil {
			t.Fatal(err)
		}
		b := &pipeline.Batch{}
		b.Add().Value = pipeline.RawValue([]byte("secret"))
		apply(t, transform, b)
		got := show(&b.Records[0])
		if !strings.Contains(got, "set source.format to json") || strings.Count(got, "secret") != 1 {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestSettingsProblems(t *testing.T) {
	const forms = `; write value.name, value.outer.inner, value["a name"], headers.name, key or topic`
	const twice = "; use two transforms, one after the other"
	tests := []struct {
		settings interface{ Validate() []pipeline.Problem }
		want     []string
	}{
		{SetSettings{literals{"value.ok": "x", "channel": "x"}}, []string{"channel: is no part of a record" + forms}},
		{SetSettings{literals{"value.": "x", "value[a]": "x", `value["a"`: "x", "key.x": "x", "headers": "x", "headers.a.b": "x", "value..a": "x"}}, []string{
			"headers: is not one header" + forms, "headers.a.b: is not one header" + forms, "key.x: has no fields" + forms,
			"value.: has an empty name" + forms, "value..a: has an empty name" + forms,
			`value["a": has a [ without ]` + forms, "value[a]: has no name in quotes after [" + forms}},
		{SetSettings{literals{"value.a": "x", "value.a.b": "x", `value["a"]`: "x"}}, []string{
			"value.a.b: is the same place as value.a, or lies in it" + twice,
			`value["a"]: is the same place as value.a, or lies in it` + twice, `value.a.b: is the same place as value["a"], or lies in it` + twice}},
		{SetSettings{literals{"headers.a": []any{}, "key": map[string]any{}, "value.n": json.Number("0x10")}}, []string{
			"headers.a: a list cannot stand here; write a text, a number or a bool", "key: a mapping cannot stand here; write a text, a number or a bool",
			"value.n: 0x10 is not a number of JSON; write a text, a number or a bool"}},
		{ComputeSettings{expressions{"value": "1", "value.a": "1", "x": "1"}}, []string{
			"x: is no part of a record" + forms, "value.a: is the same place as value, or lies in it" + twice}},
		{DropSettings{[]string{"value.a", "value", "x"}}, []string{": x is no part of a record" + forms, ": the whole value cannot be left out; name its fields, or use filter"}},
		{RenameSettings{map[string]string{"value.a": "b", "value.c": "headers.c", "key": "topic", "value": "value.d"}}, []string{
			"key: cannot become topic; rename a field to a field or a header to a header; else use compute and drop",
			"value: cannot become value.d; rename a field to a field or a header to a header; else use compute and drop",
			"value.a: b is no part of a record" + forms,
			"value.c: cannot become headers.c; rename a field to a field or a header to a header; else use compute and drop",
			"value.a: is the same place as value, or lies in it" + twice, "value.c: is the same place as value, or lies in it" + twice}},
		{RenameSettings{map[string]string{"value.a": "value.b", "value.b": "value.c"}}, []string{"value.b: is the same place as value.b, or lies in it" + twice}},
		{SetSettings{literals{"value.a.b": "x", "value.a.c": "x", "headers.a": "x", "key": "x"}}, nil},
	}
	for _, test := range tests {
		var got []string
		for _, p := range test.settings.Validate() {
			got = append(got, p.Error())
		}
		if strings.Join(got, "\n") != strings.Join(test.want, "\n") {
			t.Errorf("%v:\n got %s\nwant %s", test.settings, strings.Join(got, "\n     "), strings.Join(test.want, "\n     "))
		}
	}
	for name, make := range map[string]func() (pipeline.Transform, error){
		"filter": filter("value."), "set": set(literals{"x": 1}), "compute": compute(expressions{"x": "1"}), "compute's expression": compute(expressions{"key": "("}),
		"drop": drop("x"), "rename": rename(map[string]string{"x": "key"}), "key": key(""),
		"when": func() (pipeline.Transform, error) { return NewWhen("topic", &Drop{}) },
	} {
		if _, err := make(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestTransformsLeaveDecidedRecordsAlone(t *testing.T) {
	b := batch(t, buy, buy)
	b.Records[0].Fate = pipeline.Dropped
	for _, make := range []func() (pipeline.Transform, error){
		filter("value.nothing"), set(literals{"value.a": "x"}), compute(expressions{"value.a": "1"}), drop("value.action"), rename(map[string]string{"value.action": "value.b"}), key("value.x"),
	} {
		transform, err := make()
		if err != nil {
			t.Fatal(err)
		}
		apply(t, transform, b)
	}
	if got := show(&b.Records[0]); got != buy || b.Records[0].Fate != pipeline.Dropped {
		t.Errorf("got %s, %v", got, b.Records[0].Fate)
	}
}

func TestHeadersThatRecordsShareStay(t *testing.T) {
	b := batch(t, `{}`, `{}`)
	b.Records[1].Headers = b.Records[0].Headers
	b.Records[1].Fate = pipeline.Filtered
	for _, make := range []func() (pipeline.Transform, error){set(literals{"headers.a": "x"}), rename(map[string]string{"headers.a": "headers.c"}), drop("headers.b")} {
		transform, err := make()
		if err != nil {
			t.Fatal(err)
		}
		apply(t, transform, b)
	}
	if got := show(&b.Records[1]); got != "{} filtered" {
		t.Errorf("the other record became %s", got)
	}
	if got := show(&b.Records[0]); got != "{} headers=c:x" {
		t.Errorf("got %s", got)
	}
}

// FuzzTarget holds that what is read as a target names what its text says.
func FuzzTarget(f *testing.F) {
	for _, seed := range []string{"value.a.b", `value["a.b"].c`, "headers.x", "key", "topic.", `value["`, `value["a"]]`, "value[\"\\u0061\"]"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		target, err := parseTarget(text)
		if err != nil || target.part != valuePart {
			return
		}
		canonical := "value"
		for _, name := range target.names {
			quoted, err := json.Marshal(name)
			if err != nil {
				t.Fatal(err)
			}
			canonical += "[" + string(quoted) + "]"
		}
		again, err := parseTarget(canonical)
		if err != nil || fmt.Sprint(again.names) != fmt.Sprint(target.names) && !strings.Contains(canonical, `\ufffd`) {
			t.Fatalf("%q, as %s: %q, %v", text, canonical, again.names, err)
		}
	})
}
