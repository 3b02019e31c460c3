package pipeline

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

var seeds = []string{
	event, `{}`, `[]`, ` {"a" : [1 , {"b":null}] , "a":2} `, `{"\u0061":1,"a":{"":{"":-0.0e+10}}}`, `"\ud83d\ude00\ud83d\"\/\b\f\n\r\t"`,
	`{"a":1}x`, `{"a":1,}`, `[1,]`, `01`, `-`, `1.`, `1e`, `.5`, `+1`, `tru`, `nul`, "\"\x1f\"", "\"\x7f\"", "\"\xff\"", "\"\xed\xa0\x80\"",
	"\xef\xbb\xbf1", "\u00a01", `"\x"`, `"\u12"`, `{"\ud800":1,"�":2}`, "\"\\", `{"a":{"b":{"c":[[[{"d":1}]]]}},"z":[{}]}`, `{"ключ":"значение","a":"日本"}`,
}

// FuzzDocument holds validity and lookups against encoding/json, which accepts
// invalid UTF-8 and deeper nesting, and nothing else that Document refuses.
func FuzzDocument(f *testing.F) {
	for _, seed := range seeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		v, err := new(Batch).Document(raw)
		if err != nil {
			if json.Valid(raw) && utf8.Valid(raw) && !strings.Contains(err.Error(), "nesting") {
				t.Fatalf("refused: %v", err)
			}
			return
		}
		if !json.Valid(raw) || !utf8.Valid(raw) {
			t.Fatal("accepted")
		}
		root, _ := v.Root()
		if !bytes.Equal(root.Raw(), bytes.TrimSpace(raw)) {
			t.Fatalf("the node gives %q", root.Raw())
		}
		agree(t, root, decode(t, raw))
	})
}

// agree checks a node, and all below it, against what encoding/json made of it.
func agree(t *testing.T, n Node, want any) {
	t.Helper()
	if !reflect.DeepEqual(decode(t, n.Raw()), want) {
		t.Fatalf("%s, want %v", n.Raw(), want)
	}
	switch want := want.(type) {
	case string:
		if n.Text() != want {
			t.Fatalf("%q, want %q", n.Text(), want)
		}
	case []any:
		i := 0
		for e := range n.Elements {
			agree(t, e, want[i])
			i++
		}
		if i != len(want) || n.Len() != i {
			t.Fatalf("%d elements, want %d", i, len(want))
		}
	case map[string]any:
		seen := map[string]bool{}
		for name, field := range n.Fields {
			agree(t, field, want[name])
			seen[name] = true
			if again, ok := n.Get(name); !ok || !bytes.Equal(again.Raw(), field.Raw()) {
				t.Fatalf("Get and Fields differ at %q", name)
			}
		}
		if len(seen) != len(want) || n.Len() != len(want) {
			t.Fatalf("fields %v, want %v", seen, want)
		}
		if _, ok := n.Get("no such name"); ok && want["no such name"] == nil {
			t.Fatal("found what is not there")
		}
	}
}

func decode(t *testing.T, raw []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%q: %v", raw, err)
	}
	return v
}

// FuzzChanges holds changes of a document against the same changes of a map.
func FuzzChanges(f *testing.F) {
	for i, seed := range seeds {
		f.Add([]byte(seed), "a", "b", uint8(i))
		f.Add([]byte(seed), "", "a\"", uint8(i+3))
	}
	f.Fuzz(func(t *testing.T, raw []byte, one, other string, do uint8) {
		b := new(Batch)
		v, err := b.Document(raw)
		if err != nil || !utf8.ValidString(one) || !utf8.ValidString(other) {
			return
		}
		fields, ok := decode(t, raw).(map[string]any)
		if !ok {
			return
		}
		for range 3 {
			change(t, b, &v, fields, one, other, do%5)
			one, other, do = other, one, do/5
		}
		if got := decode(t, v.Raw()); !reflect.DeepEqual(got, any(fields)) {
			t.Fatalf("got %v, want %v", got, fields)
		}
		if _, err := new(Batch).Document(v.Raw()); err != nil {
			t.Fatal(err)
		}
	})
}

// change does one change to v, and to the map.
func change(t *testing.T, b *Batch, v *Value, fields map[string]any, one, other string, do uint8) {
	t.Helper()
	var err error
	switch do {
	case 0:
		err = v.Set(b, []string{one}, []byte(`[1]`))
		fields[one] = []any{json.Number("1")}
	case 1:
		_, err = v.Delete([]string{one})
		delete(fields, one)
	case 2:
		_, err = v.Rename([]string{one}, []string{other})
		if old, ok := fields[one]; ok {
			delete(fields, one)
			fields[other] = old
		}
	case 3:
		inner, isObject := fields[one].(map[string]any)
		if _, exists := fields[one]; exists && !isObject {
			return
		}
		err = v.Set(b, []string{one, other}, []byte(`"x"`))
		inner = maps.Clone(inner)
		if inner == nil {
			inner = map[string]any{}
		}
		inner[other] = "x"
		fields[one] = inner
	case 4:
		raw := v.Raw()
		b.Seal()
		*v, err = b.Document(raw)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func FuzzAppendString(f *testing.F) {
	for _, seed := range append(seeds, "a\xffb\xe2\x80", "\u2028\x00\x7f\ufffd") {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		encoded := AppendString(nil, s)
		var got string
		if err := json.Unmarshal(encoded, &got); err != nil || got != strings.ToValidUTF8(string([]rune(s)), "\uFFFD") {
			t.Fatalf("%q became %s, read as %q: %v", s, encoded, got, err)
		}
		if again := AppendString(nil, []byte(s)); !bytes.Equal(again, encoded) || decodeString(encoded) != got {
			t.Fatalf("bytes gave %s, decoded %q", again, decodeString(encoded))
		}
	})
}

func FuzzAppendFloat(f *testing.F) {
	for _, seed := range []float64{0, 6, 12.5, 1e21, 1e-7, -1e300, 123456789.125} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, x float64) {
		want, err := json.Marshal(x)
		if err != nil {
			return
		}
		got := AppendFloat(nil, x)
		var back float64
		if err := json.Unmarshal(got, &back); err != nil || back != x {
			t.Fatalf("%s, want %s", got, want)
		}
	})
}
