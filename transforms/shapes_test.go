package transforms

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/penstock-io/penstock/pipeline"
)

// made turns a constructor that has settings into one that tests call.
func made[S any, T pipeline.Transform](construct func(S) (T, error), s S) func() (pipeline.Transform, error) {
	return func() (pipeline.Transform, error) {
		t, err := construct(s)
		if err != nil {
			return nil, err
		}
		return t, nil
	}
}

func flatten(path, delimiter string) func() (pipeline.Transform, error) {
	return made(NewFlatten, FlattenSettings{path, delimiter})
}

func cast(types map[string]string) func() (pipeline.Transform, error) {
	return made(NewCast, CastSettings{types})
}

func timestamp(s TimestampSettings) func() (pipeline.Transform, error) {
	if s.Zone == "" {
		s.Zone = "UTC"
	}
	if s.From == "" {
		s.From = "rfc3339"
	}
	return made(NewTimestamp, s)
}

func TestShapes(t *testing.T) {
	const nested = `{"id": 1, "item": {"price": 12.50, "tags": [{"a":{"b":1}}], "none": {}, "size": {"x":1,"y":2}}}`
	runTests(t, []transformTest{
		{"map", made(NewMap, MapSettings{`{"user": value.user_id, "total": value.price * value.quantity}`}), buy, `{"total":6,"user":"u1"}`},
		{"map takes a part over as it is", made(NewMap, MapSettings{`value.item`}), nested, `{"price": 12.50, "tags": [{"a":{"b":1}}], "none": {}, "size": {"x":1,"y":2}}`},
		{"map to what is no object", made(NewMap, MapSettings{`value.price`}), buy, `2`},
		{"map to nothing", made(NewMap, MapSettings{`value.?none`}), buy, buy + ` failed: the expression gives no value; say what it is then, with orValue(null), or drop the record with filter`},
		{"extract", made(NewExtract, ExtractSettings{"value.item.price"}), nested, `12.50`},
		{"extract what is missing", made(NewExtract, ExtractSettings{"value.item.cost"}), nested, nested + ` failed: value.item.cost: it is missing; test it first in when:, or mend what writes the record`},
		{"hoist", made(NewHoist, HoistSettings{`a"b`}), `{"n": 1.0}`, `{"a\"b":{"n": 1.0}}`},
		{"hoist what is no object", made(NewHoist, HoistSettings{"a"}), `[1]`, `{"a":[1]}`},
		{"flatten", flatten("value", "."), nested, `{"id":1,"item.price":12.50,"item.tags":[{"a":{"b":1}}],"item.none":{},"item.size.x":1,"item.size.y":2}`},
		{"flatten a field", flatten("value.item", "_"), nested, `{"id": 1,"item":{"price":12.50,"tags":[{"a":{"b":1}}],"none":{},"size_x":1,"size_y":2}}`},
		{"flatten what is flat", flatten("value", "."), `{"a" : [ 1 ],"b":{}}`, `{"a" : [ 1 ],"b":{}}`},
		{"flatten what is missing", flatten("value.none", "."), nested, nested},
		{"flatten into one name", flatten("value", "."), `{"a.b":1,"a":{"b":2}}`, `{"a.b":1,"a":{"b":2}} failed: two fields would be named "a.b"; choose another delimiter, or rename one before`},
		{"flatten a name that comes twice", flatten("value", "."), `{"a":{"b":1},"a":{"c":2}}`, `{"a.c":2}`},
		{"validate", made(NewValidate, ValidateSettings{That: "value.price > 1"}), buy, buy},
		{"validate refuses", made(NewValidate, ValidateSettings{That: "value.price > 2"}), buy, buy + ` failed: this is not true of the record: value.price > 2`},
		{"validate says", made(NewValidate, ValidateSettings{That: "value.price > 2", Message: "too cheap"}), buy, buy + ` failed: too cheap`},
		{"route by an expression", made(NewRoute, RouteSettings{Topic: `"events_" + value.action`}), buy, buy + ` topic=events_buy`},
		{"route to the sink's own", made(NewRoute, RouteSettings{Topic: `value.?none`}), buy, buy + ` topic=`},
		{"route by a pattern", made(NewRoute, RouteSettings{Match: `(?P<n>t.*)c`, To: "${n}-2"}), buy, buy + ` topic=topi-2`},
		{"route matches all or nothing", made(NewRoute, RouteSettings{Match: `opic`, To: "other"}), buy, buy},
	})
}

func TestRouteByOrigin(t *testing.T) {
	route, err := NewRoute(RouteSettings{Match: `user_behavior:(\d+)`, To: "user_behavior_$1"})
	if err != nil {
		t.Fatal(err)
	}
	b := batch(t, buy)
	b.Shard, b.Records[0].Topic = "user_behavior:7", ""
	apply(t, route, b)
	if got := b.Records[0].Topic; got != "user_behavior_7" {
		t.Errorf("got %q", got)
	}
}

func TestCast(t *testing.T) {
	for from, want := range map[string][4]string{ // string, int, float, bool
		`"a"`:                    {`"a"`, `-`, `-`, `-`},
		`"12"`:                   {`"12"`, `12`, `12.0`, `-`},
		`" 12.50 "`:              {`" 12.50 "`, `-`, `12.50`, `-`},
		`12.50`:                  {`"12.50"`, `-`, `12.50`, `-`},
		`12.0`:                   {`"12.0"`, `12`, `12.0`, `-`},
		`1e3`:                    {`"1e3"`, `1000`, `1e3`, `-`},
		`1`:                      {`"1"`, `1`, `1.0`, `true`},
		`"0"`:                    {`"0"`, `0`, `0.0`, `false`},
		`-7`:                     {`"-7"`, `-7`, `-7.0`, `-`},
		`9223372036854775808`:    {`"9223372036854775808"`, `9223372036854775808`, `9223372036854775808.0`, `-`},
		`1e300`:                  {`"1e300"`, `-`, `1e300`, `-`},
		`"+1"`:                   {`"+1"`, `-`, `-`, `-`},
		`"0x10"`:                 {`"0x10"`, `-`, `-`, `-`},
		`"NaN"`:                  {`"NaN"`, `-`, `-`, `-`},
		`"Infinity"`:             {`"Infinity"`, `-`, `-`, `-`},
		`"1_000"`:                {`"1_000"`, `-`, `-`, `-`},
		`true`:                   {`"true"`, `1`, `-`, `true`},
		`"False"`:                {`"False"`, `-`, `-`, `false`},
		`null`:                   {`null`, `null`, `null`, `null`},
		`{"a":1}`:                {`-`, `-`, `-`, `-`},
		`[1]`:                    {`-`, `-`, `-`, `-`},
		`""`:                     {`""`, `-`, `-`, `-`},
		`"\u0031"`:               {`"\u0031"`, `1`, `1.0`, `true`},
		`"1\n"`:                  {`"1\n"`, `1`, `1.0`, `-`},
		`100000000000000000000.`: {},
	} {
		if want == [4]string{} {
			continue // no JSON: here to say that such a thing never comes
		}
		for i, kind := range []string{"string", "int", "float", "bool"} {
			c, err := cast(map[string]string{"value.a": kind, "value.missing": kind})()
			if err != nil {
				t.Fatal(err)
			}
			b := batch(t, `{"a":`+from+`}`)
			apply(t, c, b)
			r := &b.Records[0]
			got := strings.TrimSuffix(strings.TrimPrefix(string(r.Value.Raw()), `{"a":`), "}")
			if r.Fate == pipeline.Failed {
				if got != from || strings.Contains(r.Failure.Err.Error(), "12") {
					t.Errorf("%s to %s: refused, and left as %s: %v", from, kind, got, r.Failure.Err)
				}
				got = "-"
			}
			if got != want[i] {
				t.Errorf("%s to %s: got %s, want %s", from, kind, got, want[i])
			}
		}
	}
}

func TestMask(t *testing.T) {
	const value = `{"email":"ann@example.com","n":1234567,"o":{"a":1},"null":null,"i":{"x":"ä€𝄞12"}}`
	mask := func(s MaskSettings) func() (pipeline.Transform, error) { return made(NewMask, s) }
	runTests(t, []transformTest{
		{"with", mask(MaskSettings{Fields: []string{"value.email", "value.o", "value.null", "value.none", "headers.a", "headers.none", "key"}, With: "***"}), value,
			`{"email":"***","n":1234567,"o":"***","null":null,"i":{"x":"ä€𝄞12"}} key=*** headers=a:*** b:2 a:***`},
		{"keep", mask(MaskSettings{Fields: []string{"value.email", "value.n", "value.i.x", "headers.a"}, Keep: 2}), value,
			`{"email":"*************om","n":"*****67","o":{"a":1},"null":null,"i":{"x":"***12"}} headers=a:* b:2 a:*`},
	})
	hash, err := NewMask(MaskSettings{Fields: []string{"value.a", "value.b", "value.c"}, Hash: "0123456789abcdef"})
	if err != nil {
		t.Fatal(err)
	}
	b := batch(t, `{"a":"1","b":1,"c":"2"}`)
	apply(t, hash, b)
	var got map[string]string
	if err := json.Unmarshal(b.Records[0].Value.Raw(), &got); err != nil {
		t.Fatal(err)
	}
	if len(got["a"]) != 64 || got["a"] != got["b"] || got["a"] == got["c"] {
		t.Errorf("got %v", got)
	}
}

func TestSample(t *testing.T) {
	const records = 20_000
	passed := func(s SampleSettings, from int) map[int]bool {
		sample, err := NewSample(s)
		if err != nil {
			t.Fatal(err)
		}
		all := map[int]bool{}
		b := &pipeline.Batch{Shard: "s"}
		for i := from; i < records; i++ {
			r := b.Add()
			r.Offset.Minor = uint64(i) //nolint:gosec // a test
			if r.Value, err = b.Document(fmt.Appendf(nil, `{"user":"u%d"}`, i/10)); err != nil {
				t.Fatal(err)
			}
		}
		apply(t, sample, b)
		for i := range b.Records {
			if b.Records[i].Fate == pipeline.Deliver {
				all[from+i] = true
			}
		}
		return all
	}
	for _, s := range []SampleSettings{{Keep: 0.1}, {Keep: 0.1, By: "value.user"}} {
		all := passed(s, 0)
		if share := float64(len(all)) / records; math.Abs(share-0.1) > 0.02 {
			t.Errorf("%+v: %v pass", s, share)
		}
		for i := range passed(s, 7) { // in another batch the same ones
			if !all[i] {
				t.Fatalf("%+v: record %d passes the second time only", s, i)
			}
		}
		if s.By == "" {
			continue
		}
		for i := range all {
			if !all[i/10*10] {
				t.Fatalf("record %d passes, and another one of its user does not", i)
			}
		}
	}
	if none, all := passed(SampleSettings{Keep: 0}, 0), passed(SampleSettings{Keep: 1}, 0); len(none) != 0 || len(all) != records {
		t.Errorf("%d of nothing, %d of everything", len(none), len(all))
	}
}

func TestTimestamp(t *testing.T) {
	const berlin = "Europe/Berlin"
	runTests(t, []transformTest{
		{"ms to RFC 3339", timestamp(TimestampSettings{Field: "value.a.t", From: "unix_ms", To: "rfc3339"}), `{"a":{"t":1767225600123}}`, `{"a":{"t":"2026-01-01T00:00:00.123Z"}}`},
		{"a text of ms", timestamp(TimestampSettings{Field: "value.t", From: "unix_ms", To: "rfc3339"}), `{"t":"1767225600123"}`, `{"t":"2026-01-01T00:00:00.123Z"}`},
		{"seconds with a fraction", timestamp(TimestampSettings{Field: "value.t", From: "unix", To: "unix_ms"}), `{"t":1767225600.25}`, `{"t":1767225600250}`},
		{"before 1970", timestamp(TimestampSettings{Field: "value.t", From: "unix_ms", To: "rfc3339"}), `{"t":-1}`, `{"t":"1969-12-31T23:59:59.999Z"}`},
		{"to a zone", timestamp(TimestampSettings{Field: "value.t", To: "02/Jan/2006:15:04:05 -0700", Zone: berlin}), `{"t":"2026-07-01T00:00:00Z"}`, `{"t":"01/Jul/2026:02:00:00 +0200"}`},
		{"from a zone", timestamp(TimestampSettings{Field: "value.t", From: "2006-01-02 15:04:05", To: "unix", Zone: berlin}), `{"t":"2026-01-01 01:00:00"}`, `{"t":1767225600}`},
		{"to ns and us", timestamp(TimestampSettings{Field: "value.t", To: "unix_us"}), `{"t":"2026-01-01T00:00:00.000001Z"}`, `{"t":1767225600000001}`},
		{"to ns", timestamp(TimestampSettings{Field: "value.t", From: "unix_ns", To: "unix_ns"}), `{"t":1767225600000000001}`, `{"t":1767225600000000001}`},
		{"null", timestamp(TimestampSettings{Field: "value.t", To: "unix"}), `{"t":null}`, `{"t":null}`},
		{"missing", timestamp(TimestampSettings{Field: "value.t", To: "unix"}), `{}`, `{}`},
		{"no time", timestamp(TimestampSettings{Field: "value.t", To: "unix"}), `{"t":"secret"}`, `{"t":"secret"} failed: value.t is no time that is written as rfc3339: it is written in another way; say in from how it is written`},
		{"a number for a text", timestamp(TimestampSettings{Field: "value.t", To: "unix"}), `{"t":2026}`, `{"t":2026} failed: value.t is no time that is written as rfc3339: it is written in another way; say in from how it is written`},
		{"no number", timestamp(TimestampSettings{Field: "value.t", From: "unix", To: "rfc3339"}), `{"t":"NaN"}`, `{"t":"NaN"} failed: value.t is no time that is written as unix: it is no number of them; say in from how it is written`},
		{"too far", timestamp(TimestampSettings{Field: "value.t", From: "unix", To: "rfc3339"}), `{"t":1767225600123456}`, `{"t":1767225600123456} failed: value.t is no time that is written as unix: it is too far from now; say in from how it is written`},
	})
	record, err := timestamp(TimestampSettings{Field: "value.t", From: "unix_us", Record: true})()
	if err != nil {
		t.Fatal(err)
	}
	b := batch(t, `{"t":1767225600123456}`)
	apply(t, record, b)
	if r := b.Records[0]; string(r.Value.Raw()) != `{"t":1767225600123456}` || !r.Time.Equal(time.UnixMilli(1767225600123)) {
		t.Errorf("value %s, time %v", r.Value.Raw(), r.Time)
	}
}

// TestSettingsOfShapes: what cannot be meant is said before anything runs.
func TestSettingsOfShapes(t *testing.T) {
	for _, c := range []struct {
		settings interface{ Validate() []pipeline.Problem }
		says     string // empty: nothing is wrong
	}{
		{ExtractSettings{"value"}, " value is the value already"},
		{ExtractSettings{"headers.a"}, " headers.a is no field of the value"},
		{ExtractSettings{"value.a"}, ""},
		{FlattenSettings{Path: "valu"}, "path valu is no part of a record"},
		{FlattenSettings{Path: "value"}, ""},
		{CastSettings{map[string]string{"value.a": "integer"}}, `value.a cannot become "integer"`},
		{CastSettings{map[string]string{"headers.a": "int"}}, "headers.a is no field of the value, and always text"},
		{CastSettings{map[string]string{"value.a": "int", "value.a.b": "int"}}, "value.a.b is the same place as value.a, or lies in it"},
		{MaskSettings{Fields: []string{"value.a"}}, " one of with, hash and keep says what takes their place"},
		{MaskSettings{Fields: []string{"value.a"}, With: "*", Keep: 1}, " one of with, hash and keep says what takes their place"},
		{MaskSettings{Fields: []string{"topic"}, With: "*"}, "fields topic cannot be masked"},
		{MaskSettings{Fields: []string{"value"}, With: "*"}, "fields value cannot be masked"},
		{MaskSettings{Fields: []string{"value.a"}, Hash: "short"}, "hash the secret is too short, and could be guessed"},
		{SampleSettings{Keep: 1.1}, "keep is no part of 1"},
		{SampleSettings{Keep: math.NaN()}, "keep is no part of 1"},
		{TimestampSettings{Field: "value", From: "unix", To: "unix", Zone: "UTC"}, "field value is all of the value"},
		{TimestampSettings{Field: "value.t", From: "iso8601", To: "unix", Zone: "UTC"}, `from "iso8601" shows no time`},
		{TimestampSettings{Field: "value.t", From: "unix", To: "unix", Zone: "Mars"}, `zone "Mars" is no time zone`},
		{TimestampSettings{Field: "value.t", From: "unix", Zone: "UTC"}, " nothing is to be done with the time"},
		{RouteSettings{}, " either topic or match says where records go"},
		{RouteSettings{Topic: "a", Match: "b", To: "c"}, " either topic or match says where records go"},
		{RouteSettings{Match: "b"}, " match and to belong together"},
		{RouteSettings{Match: "(", To: "c"}, `match "(" is no regular expression`},
	} {
		problems := c.settings.Validate()
		switch {
		case c.says == "" && len(problems) > 0:
			t.Errorf("%+v: %v", c.settings, problems)
		case c.says != "" && (len(problems) == 0 || !strings.HasPrefix(problems[0].Field+" "+problems[0].What, c.says)):
			t.Errorf("%+v: got %v, want %q", c.settings, problems, c.says)
		}
	}
}

// TestFlattenKeepsEverything: whatever a document holds, nothing but objects on the way
// is lost, and nothing is left to flatten.
func TestFlattenKeepsEverything(t *testing.T) {
	f, err := NewFlatten(FlattenSettings{"value", "\x1f"})
	if err != nil {
		t.Fatal(err)
	}
	var document func(depth int) *rapid.Generator[any]
	document = func(depth int) *rapid.Generator[any] {
		return rapid.Custom(func(t *rapid.T) any {
			if depth > 0 && rapid.IntRange(0, 2).Draw(t, "kind") > 0 {
				return rapid.MapOfN(rapid.StringMatching(`[a-c"\\é]{0,2}`), document(depth-1), 0, 4).Draw(t, "object")
			}
			return rapid.SampledFrom([]any{nil, true, 1.5, "x", []any{map[string]any{"a": "b"}}}).Draw(t, "leaf")
		})
	}
	rapid.Check(t, func(r *rapid.T) {
		root := rapid.MapOfN(rapid.StringMatching(`[a-c"\\é]{0,2}`), document(3), 0, 4).Draw(r, "document")
		text, err := json.Marshal(root)
		if err != nil {
			r.Fatal(err)
		}
		b := &pipeline.Batch{}
		record := b.Add()
		if record.Value, err = b.Document(text); err != nil {
			r.Fatal(err)
		}
		if err := f.Apply(t.Context(), b); err != nil || record.Fate != pipeline.Deliver {
			r.Fatalf("%v, %+v", err, record.Failure)
		}
		var got map[string]any
		if err := json.Unmarshal(record.Value.Raw(), &got); err != nil {
			r.Fatalf("%v: %s", err, record.Value.Raw())
		}
		want := map[string]any{}
		var gather func(before string, o map[string]any)
		gather = func(before string, o map[string]any) {
			for name, v := range o {
				if inner, ok := v.(map[string]any); ok && len(inner) > 0 {
					gather(before+name+"\x1f", inner)
					continue
				}
				want[before+name] = v
			}
		}
		gather("", root)
		a, _ := json.Marshal(got)
		w, _ := json.Marshal(want)
		if !bytes.Equal(a, w) {
			r.Fatalf("got %s\nwant %s", a, w)
		}
	})
}

// FuzzTimestamp: no text makes a time that cannot be read again.
func FuzzTimestamp(f *testing.F) {
	for _, s := range []string{`1`, `"2026-01-01T00:00:00Z"`, `-1e300`, `"-0"`, `9223372036854775807`, `1.5`} {
		f.Add(s, "unix_ms")
		f.Add(s, "rfc3339")
		f.Add(s, "unix")
	}
	f.Fuzz(func(t *testing.T, text, from string) {
		one, err := NewTimestamp(TimestampSettings{Field: "value.t", From: from, To: "rfc3339", Zone: "UTC"})
		if err != nil || !utf8.ValidString(text) {
			return
		}
		b := &pipeline.Batch{}
		r := b.Add()
		if r.Value, err = b.Document([]byte(`{"t":` + text + `}`)); err != nil {
			return
		}
		if err := one.Apply(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if r.Fate == pipeline.Failed {
			return
		}
		node, ok := r.Value.Get("t")
		if !ok || node.Type() != pipeline.JSONString {
			return
		}
		if _, err := time.Parse(time.RFC3339Nano, node.Text()); err != nil {
			t.Errorf("%s as %s became %s", text, from, node.Text())
		}
	})
}
