package pipeline

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// event is a record of about 300 bytes, like those the project measures with.
const event = `{"event_id":"0197c2f4-8a51-7c3e-9b1d-3f6f0c5a9e21","user_id":"u-184467","action":"buy","ts":1767225600123,` +
	`"price":12.50,"quantity":3,"currency":"EUR","item":{"sku":"SKU-99812","category":"shoes"},"page":"/shop/item/99812?ref=home",` +
	`"ua":"Mozilla/5.0 (X11; Linux x86_64)","session":"s-77","big":9223372036854775808}`

func document(t testing.TB, b *Batch, text string) Value {
	t.Helper()
	v, err := b.Document([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

func TestUntouchedDocumentIsTheSliceThatCame(t *testing.T) {
	b, raw := new(Batch), []byte(" "+event+"\n")
	v, err := b.Document(raw)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := v.Get("item", "sku"); !ok {
		t.Fatal("item.sku not found")
	}
	for _, absent := range [][]string{{"nothing"}, {"item", "nothing"}, {"nothing", "deeper"}} {
		if changed, err := v.Delete(absent); changed || err != nil {
			t.Fatalf("delete %v: %v, %v", absent, changed, err)
		}
	}
	if got := v.Raw(); &got[0] != &raw[0] || len(got) != len(raw) {
		t.Fatalf("got other bytes: %q", got)
	}
}

func TestGet(t *testing.T) {
	tests := []struct {
		text string
		path string
		want string // "-": nothing
	}{
		{`{"a":1}`, "a", `1`},
		{`{"a":1}`, "b", `-`},
		{`{"a": {"b" : [1, 2.50] } }`, "a.b", `[1, 2.50]`},
		{`{"a":1,"a":2}`, "a", `2`},
		{`{"a":{"b":1},"a":{"c":2}}`, "a.b", `-`},
		{`{"\u0061":9223372036854775808}`, "a", `9223372036854775808`},
		{`{"a":1,"\u0061":"x"}`, "a", `"x"`},
		{`{"ü":1}`, "ü", `1`},
		{`{"a/b":1,"":2}`, "a/b", `1`},
		{`{"":{"":3}}`, ".", `3`},
		{`{"a":[{"b":1}]}`, "a.b", `-`},
		{`{"a":"b"}`, "a.b", `-`},
		{`[1]`, "a", `-`},
		{`"text"`, "a", `-`},
	}
	for _, test := range tests {
		v := document(t, new(Batch), test.text)
		n, ok := v.Get(strings.Split(test.path, ".")...)
		got := "-"
		if ok {
			got = string(n.Raw())
		}
		if got != test.want {
			t.Errorf("%s at %q: got %s, want %s", test.text, test.path, got, test.want)
		}
	}
}

func TestChanges(t *testing.T) {
	set := func(path, json string) func(*Batch, *Value) error {
		return func(b *Batch, v *Value) error { return v.Set(b, strings.Split(path, "."), []byte(json)) }
	}
	remove := func(path string) func(*Batch, *Value) error {
		return func(_ *Batch, v *Value) error { _, err := v.Delete(strings.Split(path, ".")); return err }
	}
	rename := func(from, to string) func(*Batch, *Value) error {
		return func(_ *Batch, v *Value) error {
			_, err := v.Rename(strings.Split(from, "."), strings.Split(to, "."))
			return err
		}
	}
	type changes []func(*Batch, *Value) error
	tests := []struct {
		name, text string
		changes    changes
		want       string
	}{
		{"set replaces in place", `{"a":1,"b":2,"c":3}`, changes{set("b", `"x"`)}, `{"a":1,"b":"x","c":3}`},
		{"set appends", `{"a":12.50}`, changes{set("b", `true`)}, `{"a":12.50,"b":true}`},
		{"set into an empty object", ` {} `, changes{set("b", `[]`)}, `{"b":[]}`},
		{"set keeps the spaces of what it did not touch", `{"a": 1 , "b":2}`, changes{set("c", `3`)}, `{"a": 1 , "b":2,"c":3}`},
		{"set makes objects on the way", `{"a":1}`, changes{set("b.c.d", `4`)}, `{"a":1,"b":{"c":{"d":4}}}`},
		{"set goes into an object", `{"a":{"b": 1e2},"z":0}`, changes{set("a.c", `2`)}, `{"a":{"b": 1e2,"c":2},"z":0}`},
		{"set leaves one of a name", `{"a":1,"b":2,"\u0061":3,"c":4}`, changes{set("a", `5`)}, `{"b":2,"\u0061":5,"c":4}`},
		{"set twice", `{"a":1}`, changes{set("a", `2`), set("a", `3`)}, `{"a":3}`},
		{"set over a changed object", `{"a":{"b":1}}`, changes{set("a.b", `2`), set("a", `{"c":3}`), set("a.d", `4`)}, `{"a":{"c":3,"d":4}}`},
		{"set escapes the name", `{}`, changes{set("q\"\n", `1`)}, `{"q\"\n":1}`},
		{"set of many", `{"a":1}`, changes{set("b", `2`), set("c", `3`), set("d", `4`), set("e", `5`), set("f", `6`), set("g", `7`)}, `{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7}`},
		{"delete the first", `{"a":1,"b":2,"c":3}`, changes{remove("a")}, `{"b":2,"c":3}`},
		{"delete the middle", `{"a":1,"b":2,"c":3}`, changes{remove("b")}, `{"a":1,"c":3}`},
		{"delete the last", `{"a":1,"b":2,"c":3}`, changes{remove("c")}, `{"a":1,"b":2}`},
		{"delete all", `{"a":1,"b":2}`, changes{remove("b"), remove("a")}, `{}`},
		{"delete two beside each other", `{"a":1,"b":2,"c":3,"d":4}`, changes{remove("b"), remove("c")}, `{"a":1,"d":4}`},
		{"delete every one of a name", `{"a":1,"b":2,"a":3}`, changes{remove("a")}, `{"b":2}`},
		{"delete deeper", `{"a":{"b":1,"c":2},"d":3}`, changes{remove("a.b")}, `{"a":{"c":2},"d":3}`},
		{"rename in place", `{"a":1,"b":12.50,"c":3}`, changes{rename("b", "x")}, `{"a":1,"x":12.50,"c":3}`},
		{"rename over another", `{"a":1,"b":2,"c":3}`, changes{rename("a", "c")}, `{"c":1,"b":2}`},
		{"rename leaves one", `{"a":1,"b":2,"a":3}`, changes{rename("a", "x")}, `{"b":2,"x":3}`},
		{"rename to itself", `{"a":1,"b":2}`, changes{rename("a", "a")}, `{"a":1,"b":2}`},
		{"rename moves deeper", `{"a":1,"b":{"c":2}}`, changes{rename("a", "b.a")}, `{"b":{"c":2,"a":1}}`},
		{"rename moves up", `{"b":{"c":2, "d":3}}`, changes{rename("b.c", "c")}, `{"b":{"d":3},"c":2}`},
		{"rename into itself", `{"a":{"b":1}}`, changes{rename("a", "a.c")}, `{"a":{"c":{"b":1}}}`},
		{"rename of a changed object", `{"a":{"b":1}}`, changes{set("a.b", `2`), rename("a", "x"), rename("x", "y.z"), set("y.z.c", `3`)}, `{"y":{"z":{"b":2,"c":3}}}`},
		{"rename of nothing", `{"a":1}`, changes{rename("b", "c")}, `{"a":1}`},
		{"all at once", `{"a":1,"b":2,"c":3}`, changes{remove("a"), rename("b", "x"), set("x", `9`), set("d", `4`)}, `{"x":9,"c":3,"d":4}`},
	}
	for _, test := range tests {
		b := new(Batch)
		v := document(t, b, test.text)
		for _, change := range test.changes {
			if err := change(b, &v); err != nil {
				t.Errorf("%s: %v", test.name, err)
			}
		}
		if root, _ := v.Root(); string(root.Raw()) != test.want {
			t.Errorf("%s: the node gives %s, want %s", test.name, root.Raw(), test.want)
		}
		if got := string(v.Raw()); got != test.want {
			t.Errorf("%s: got %s, want %s", test.name, got, test.want)
		}
	}
}

func TestChangesOfWhatHasNoFields(t *testing.T) {
	b := new(Batch)
	opaque, text := RawValue([]byte("x")), TextValue([]byte("x"))
	list, deep := document(t, b, `[1]`), document(t, b, `{"a":{"b":"secret"}}`)
	tests := []struct {
		value *Value
		path  string
		want  string
	}{
		{&opaque, "a", "value is bytes and has no fields; set source.format to json"},
		{&text, "a", "value is text and has no fields; set source.format to json"},
		{&list, "a", "value is an array and has no fields; write to another path, or test it first in when:"},
		{&deep, "a.b.c", "value.a.b is a string and has no fields; write to another path, or test it first in when:"},
	}
	for _, test := range tests {
		path, before := strings.Split(test.path, "."), string(test.value.Raw())
		_, deleted := test.value.Delete(path)
		_, renamed := test.value.Rename(path, []string{"z"})
		for _, err := range []error{test.value.Set(b, path, []byte("1")), deleted, renamed} {
			if err == nil || err.Error() != test.want || ClassOf(err) != Permanent {
				t.Errorf("got %v, want %s", err, test.want)
			}
		}
		if got := string(test.value.Raw()); got != before {
			t.Errorf("changed to %s", got)
		}
	}
	if _, err := deep.Rename([]string{"a"}, []string{"a", "b", "c"}); err == nil || string(deep.Raw()) != `{"a":{"b":"secret"}}` {
		t.Errorf("renamed into a string: %v, %s", err, deep.Raw())
	}
	if err := opaque.Set(b, nil, []byte(`{"a":1}`)); err != nil || opaque.Kind() != Document || string(opaque.Raw()) != `{"a":1}` {
		t.Errorf("replaced as a whole: %v, %v, %s", err, opaque.Kind(), opaque.Raw())
	}
}

func TestSyntaxErrors(t *testing.T) {
	tests := map[string]string{
		``:                        "not JSON: at byte 0 there is the end where a value should be",
		`secret`:                  "not JSON: at byte 0 there is a letter where a value should be",
		"\xef\xbb\xbf{}":          "not JSON: at byte 0 there is a character beyond ASCII where a value should be",
		`{"a":}`:                  "not JSON: at byte 5 there is '}' where a value should be",
		`{"a" 1}`:                 "not JSON: at byte 5 there is a digit where a colon should be",
		`{a:1}`:                   "not JSON: at byte 1 there is a letter where a name in quotes should be",
		`{"a":1,}`:                "not JSON: at byte 7 there is '}' where a name in quotes should be",
		`{"a":1 "b"`:              `not JSON: at byte 7 there is '"' where a comma or the object's end should be`,
		`[1`:                      "not JSON: at byte 2 there is the end where a comma or the array's end should be",
		`{"a":1}}`:                "not JSON: at byte 7 there is '}' where the end should be",
		`"abc`:                    "not JSON: at byte 4 there is the end where the rest of a string should be",
		"\"a\nb\"":                "not JSON: at byte 2 there is a control character where the rest of a string should be",
		"\"caf\xe9\"":             "not JSON: at byte 4 there is a byte that is not UTF-8 where valid UTF-8 should be",
		`"\x"`:                    "not JSON: at byte 2 there is a letter where an escape should be",
		`"\u12g4"`:                "not JSON: at byte 5 there is a letter where a hexadecimal digit should be",
		`01`:                      "not JSON: at byte 1 there is a digit where the end should be",
		`-`:                       "not JSON: at byte 1 there is the end where a digit should be",
		`tru`:                     "not JSON: at byte 3 there is the end where true should be",
		strings.Repeat("[", 1001): "not JSON: at byte 1000 there is '[' where less nesting (at most 1000 deep) should be",
	}
	for text, want := range tests {
		_, err := new(Batch).Document([]byte(text))
		if _, ok := errors.AsType[*SyntaxError](err); !ok || err.Error() != want {
			t.Errorf("%.20q: got %v, want %s", text, err, want)
		}
	}
	document(t, new(Batch), strings.Repeat("[", 1000)+strings.Repeat("]", 1000))
}

func TestObjectOfPairs(t *testing.T) {
	b := new(Batch)
	v, err := b.Object([]string{"user", "u1", "note", "a \"b\"\n\x00 ü\u2028<", "n", "12.50", "n", ""})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"user":"u1","note":"a \"b\"\n\u0000 ü` + "\u2028" + `<","n":"12.50","n":""}`
	if string(v.Raw()) != want || !json.Valid(v.Raw()) {
		t.Errorf("got %s, want %s", v.Raw(), want)
	}
	if n, ok := v.Get("note"); !ok || n.Text() != "a \"b\"\n\x00 ü\u2028<" {
		t.Errorf("note: got %q", n.Text())
	}
	if n, _ := v.Get("n"); string(n.Raw()) != `""` {
		t.Errorf("n: got %s", n.Raw())
	}
	if v, err = b.Object(nil); err != nil || string(v.Raw()) != "{}" {
		t.Errorf("no pairs: %s, %v", v.Raw(), err)
	}
	for want, pairs := range map[string][]string{
		"the field f is not valid UTF-8;":             {"a", "b", "f", "\xff"},
		"the name of field 2 is not valid UTF-8; nam": {"a", "b", "\xff", "secret"},
	} {
		if _, err := b.Object(pairs); err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestNodeConversions(t *testing.T) {
	text := `{"null":null,"yes":true,"no":false,"i":-9223372036854775808,"u":18446744073709551615,"over":18446744073709551616,` +
		`"f":12.50,"whole":2.0,"e":1e3,"huge":1e999,"s":"a\ud83d\ude00\ud83d\n\/","list":[1, [] ,{"a":{}}],"list":[1, "x" ]}`
	want := map[string]any{
		"null": nil, "yes": true, "no": false, "i": int64(-9223372036854775808), "u": uint64(18446744073709551615),
		"over": 18446744073709551616.0, "f": 12.5, "whole": 2.0, "e": 1000.0, "s": "a😀\uFFFD\n/", "list": []any{int64(1), "x"},
	}
	b := new(Batch)
	v := document(t, b, text)
	huge, _ := v.Get("huge")
	if f, ok := huge.Any().(float64); !ok || f <= 1e308 {
		t.Errorf("huge: got %v", huge.Any())
	}
	if _, err := v.Delete([]string{"huge"}); err != nil {
		t.Fatal(err)
	}
	root, _ := v.Root()
	if got := root.Any(); !reflect.DeepEqual(got, any(want)) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if root.Len() != len(want) {
		t.Errorf("got %d fields, want %d", root.Len(), len(want))
	}
	names := []string{}
	for name := range root.Fields {
		names = append(names, name)
	}
	if names[0] != "null" || !slices.Equal(slices.Sorted(slices.Values(names)), slices.Sorted(maps.Keys(want))) {
		t.Errorf("fields: %v", names)
	}
	for range root.Fields {
		break
	}
	list, _ := v.Get("list")
	for range list.Elements {
		break
	}
	if list.Len() != 2 || list.Type() != JSONArray || list.Type().String() != "an array" {
		t.Errorf("list: %d, %v", list.Len(), list.Type())
	}
	if i, ok := huge.Int(); ok {
		t.Errorf("huge as an int: %d", i)
	}
}

func TestBatchMemoryIsReused(t *testing.T) {
	b := new(Batch)
	raw, path, web := []byte(event), []string{"channel"}, []byte(`"web"`)
	fill := func() {
		for range 100 {
			v, err := b.Document(raw)
			if err != nil {
				t.Fatal(err)
			}
			r := b.Add()
			r.Value = v
			if err := r.Value.Set(b, path, web); err != nil {
				t.Fatal(err)
			}
		}
	}
	fill()
	b.Seal()
	want := strings.TrimSuffix(event, "}") + `,"channel":"web"}`
	for i := range b.Records {
		if got := string(b.Records[i].Value.Raw()); got != want {
			t.Fatalf("record %d: %s", i, got)
		}
	}
	if n, ok := b.Records[7].Value.Get("channel"); !ok || n.Text() != "web" {
		t.Errorf("after Seal: %v", ok)
	}
	b.Reset()
	if allocs := testing.AllocsPerRun(20, func() { fill(); b.Seal(); b.Reset() }); allocs > 10 {
		t.Errorf("%v allocations for a batch that was there before", allocs)
	}
}

func BenchmarkDocument(b *testing.B) { benchmark(b, func(*Batch, *Value) {}) }

func BenchmarkGet(b *testing.B) {
	benchmark(b, func(_ *Batch, v *Value) { v.Get("action") })
}

func BenchmarkGetSetEncode(b *testing.B) {
	path, channel := []string{"channel"}, []byte(`"web"`)
	benchmark(b, func(batch *Batch, v *Value) {
		v.Get("action")
		if v.Set(batch, path, channel) != nil {
			b.Fail()
		}
		v.Raw()
	})
}

func BenchmarkValid(b *testing.B) {
	raw := []byte(event)
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		json.Valid(raw)
	}
}

func BenchmarkObject(b *testing.B) {
	batch, n := new(Batch), 0
	pairs := []string{"event_id", "0197c2f4-8a51-7c3e-9b1d-3f6f0c5a9e21", "user_id", "u-184467", "action", "buy", "ua", "Mozilla/5.0 (X11; Linux x86_64)"}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := batch.Object(pairs); err != nil {
			b.Fatal(err)
		}
		if n++; n%1000 == 0 {
			batch.Reset()
		}
	}
}

// benchmark works on batches of 1,000 records, each with bytes of its own.
func benchmark(b *testing.B, work func(*Batch, *Value)) {
	raws := make([][]byte, 1000)
	for i := range raws {
		raws[i] = bytes.Clone([]byte(event))
	}
	batch, n := new(Batch), 0
	b.ReportAllocs()
	b.SetBytes(int64(len(event)))
	for b.Loop() {
		v, err := batch.Document(raws[n])
		if err != nil {
			b.Fatal(err)
		}
		work(batch, &v)
		if n++; n == len(raws) {
			n = 0
			batch.Reset()
		}
	}
}
