package format

import (
	"bytes"
	"strings"
	"testing"

	"github.com/penstock-io/penstock/pipeline"
)

// through reads a value in one format and writes it in another; nil: as it came.
func through(t testing.TB, read, write pipeline.Format, raw []byte) *pipeline.Record {
	t.Helper()
	b := &pipeline.Batch{}
	b.Add().Value = pipeline.RawValue(raw)
	for _, stage := range []pipeline.Transform{NewReader(read), NewWriter(write)} {
		if err := stage.Apply(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	return &b.Records[0]
}

func TestMatrix(t *testing.T) {
	const (
		noForm  = "! the value is bytes, and those have no JSON form; set source.format to json or text"
		notRead = "! the value is not valid UTF-8; set source.format to bytes to take it as it is"
		notText = "! the value is not valid UTF-8; set sink.format to bytes"
	)
	notJSON := func(why string) string {
		return "! the value cannot be read: not JSON: " + why + "; set source.format to text or bytes to take it as it is"
	}
	tests := []struct {
		read                           pipeline.Format
		raw                            string
		asItCame, bytes, text, jsonOut string
	}{
		{Bytes{}, "a\"", "a\"", "a\"", "a\"", noForm},
		{Bytes{}, "\xff", "\xff", "\xff", notText, noForm},
		{Bytes{}, "", "", "", "", noForm},
		{Text{}, "a\"ü\n", "a\"ü\n", "a\"ü\n", "a\"ü\n", `"a\"ü\n"`},
		{Text{}, "", "", "", "", `""`},
		{Text{}, "caf\xe9", notRead, notRead, notRead, notRead},
		{JSON{}, ` {"a": 1.0,"\u0061":2 } `, ` {"a": 1.0,"\u0061":2 } `, ` {"a": 1.0,"\u0061":2 } `, ` {"a": 1.0,"\u0061":2 } `, ` {"a": 1.0,"\u0061":2 } `},
		{JSON{}, `"a\u0062\n"`, `"a\u0062\n"`, `"a\u0062\n"`, "ab\n", `"a\u0062\n"`},
		{JSON{}, `12.50`, `12.50`, `12.50`, `12.50`, `12.50`},
		{JSON{}, `null`, `null`, `null`, `null`, `null`},
		{JSON{}, `{"a":secret}`, notJSON("at byte 5 there is a letter where a value should be"), "", "", ""},
		{JSON{}, "{\"a\":\"\xff\"}", notJSON("at byte 6 there is a byte that is not UTF-8 where valid UTF-8 should be"), "", "", ""},
		{JSON{}, ``, "! the value is empty, and that is not JSON; set source.format to text or bytes to take it as it is", "", "", ""},
		{JSON{}, strings.Repeat("[", 1001) + strings.Repeat("]", 1001), notJSON("at byte 1000 there is '[' where less nesting (at most 1000 deep) should be"), "", "", ""},
	}
	for _, test := range tests {
		for write, want := range map[pipeline.Format]string{nil: test.asItCame, Bytes{}: test.bytes, Text{}: test.text, JSON{}: test.jsonOut} {
			if want == "" && test.asItCame != "" {
				want = test.asItCame // a record that was refused stays refused
			}
			r := through(t, test.read, write, []byte(test.raw))
			got := string(r.Value.Raw())
			if r.Fate == pipeline.Failed {
				got = "! " + r.Failure.Err.Error()
			}
			if got != want {
				t.Errorf("%T %.20q written as %T:\n got %q\nwant %q", test.read, test.raw, write, got, want)
			}
		}
	}
}

func TestReadersLeaveWhatIsReadAlready(t *testing.T) {
	reader := NewReader(JSON{})
	b := &pipeline.Batch{}
	v, err := b.Object([]string{"a", "1"})
	if err != nil {
		t.Fatal(err)
	}
	b.Add().Value = v
	b.Add().Value = pipeline.RawValue([]byte("not JSON"))
	b.Records[1].Fate = pipeline.Filtered
	if err := reader.Apply(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if r := &b.Records[0]; string(r.Value.Raw()) != `{"a":"1"}` || r.Fate != pipeline.Deliver {
		t.Errorf("got %s, %v", r.Value.Raw(), r.Fate)
	}
	if r := &b.Records[1]; r.Fate != pipeline.Filtered {
		t.Errorf("a decided record became %v", r.Fate)
	}
}

func TestWritersSealTheBatch(t *testing.T) {
	for _, f := range []pipeline.Format{nil, Bytes{}, Text{}, JSON{}} {
		b := &pipeline.Batch{}
		for range 3 {
			v, err := b.Document([]byte(`{"a":1}`))
			if err != nil {
				t.Fatal(err)
			}
			b.Add().Value = v
		}
		if err := b.Records[1].Value.Set(b, []string{"b"}, []byte("2")); err != nil {
			t.Fatal(err)
		}
		if err := NewWriter(f).Apply(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		// Another batch now has the views. The first one's bytes must not care.
		other := &pipeline.Batch{}
		for range 3 {
			if _, err := other.Document([]byte(`{"x":{"y":1}}`)); err != nil {
				t.Fatal(err)
			}
		}
		for i, want := range []string{`{"a":1}`, `{"a":1,"b":2}`, `{"a":1}`} {
			if got := string(b.Records[i].Value.Raw()); got != want {
				t.Errorf("%T: record %d is %s, want %s", f, i, got, want)
			}
		}
		if n, ok := b.Records[1].Value.Get("b"); !ok || string(n.Raw()) != "2" {
			t.Errorf("%T: field b after sealing: %v", f, ok)
		}
	}
}

// FuzzThrough holds that bytes survive: what a format reads is written back as it
// came, and a text survives JSON.
func FuzzThrough(f *testing.F) {
	for _, seed := range []string{`{"a":1}`, `"x"`, "\xff", "", "a\"\\\n\u2028ü"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, f := range []pipeline.Format{Bytes{}, Text{}, JSON{}} {
			if r := through(t, f, nil, raw); !bytes.Equal(r.Value.Raw(), raw) {
				t.Fatalf("%T: %q became %q", f, raw, r.Value.Raw())
			}
		}
		if r := through(t, Text{}, JSON{}, raw); r.Fate == pipeline.Deliver {
			if back := through(t, JSON{}, Text{}, r.Value.Raw()); back.Fate != pipeline.Deliver || !bytes.Equal(back.Value.Raw(), raw) {
				t.Fatalf("%q became %q", raw, back.Value.Raw())
			}
		}
	})
}
