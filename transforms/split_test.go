package transforms

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/penstock-io/penstock/pipeline"
)

func split(s SplitSettings) func() (pipeline.Transform, error) {
	if s.Limit == 0 {
		s.Limit = 10_000
	}
	for _, path := range []*string{&s.Field, &s.Into} {
		if *path == "" {
			*path = "value"
		}
	}
	return made(NewSplit, s)
}

// showParts gives all records of a batch, a line each.
func showParts(b *pipeline.Batch) string {
	var all []string
	for i := range b.Records {
		all = append(all, show(&b.Records[i]))
	}
	return strings.Join(all, "\n")
}

func TestSplit(t *testing.T) {
	const order = `{"id": 7, "items": [{"sku": "a"}, 12.50, null, "x,y"], "by": "u1"}`
	for name, test := range map[string]struct {
		settings SplitSettings
		value    string
		want     string
	}{
		"a list":            {SplitSettings{Field: "value.items"}, order, "{\"sku\": \"a\"}\n12.50\nnull\n\"x,y\""},
		"the value":         {SplitSettings{}, ` [ [1], {"a":2} ] `, "[1]\n{\"a\":2}"},
		"into a field":      {SplitSettings{Field: "value.items", Into: "value.item"}, order, "{\"id\": 7,\"by\": \"u1\",\"item\":{\"sku\": \"a\"}}\n{\"id\": 7,\"by\": \"u1\",\"item\":12.50}\n{\"id\": 7,\"by\": \"u1\",\"item\":null}\n{\"id\": 7,\"by\": \"u1\",\"item\":\"x,y\"}"},
		"into its place":    {SplitSettings{Field: "value.items", Into: "value.items"}, `{"items":[1,2],"n":0}`, "{\"n\":0,\"items\":1}\n{\"n\":0,\"items\":2}"},
		"into a new object": {SplitSettings{Into: "value.a.b"}, `[1,2]`, "{\"a\":{\"b\":1}}\n{\"a\":{\"b\":2}}"},
		"one element":       {SplitSettings{}, `[{"n":1}]`, `{"n":1}`},
		"an empty list":     {SplitSettings{Field: "value.l"}, `{"l":[]}`, `{"l":[]} filtered`},
		"a text":            {SplitSettings{Field: "value.log", Separator: "\n"}, `{"log":"a b\n\nc\u00e4\n","n":1}`, "a b\n\ncä"},
		"a text, to fields": {SplitSettings{Field: "value.log", Separator: ", ", Into: "value.line"}, `{"log":"a, \"b","n":1}`, "{\"n\":1,\"line\":\"a\"}\n{\"n\":1,\"line\":\"\\\"b\"}"},
		"an empty text":     {SplitSettings{Field: "value.log", Separator: "\n"}, `{"log":""}`, `{"log":""} filtered`},
		"no list":           {SplitSettings{Field: "value.l"}, `{"l":{"a":1}}`, `{"l":{"a":1}} failed: value.l: it is an object, not a list; test that first, in when`},
		"no text":           {SplitSettings{Field: "value.l", Separator: ","}, `{"l":[1]}`, `{"l":[1]} failed: value.l: it is an array, not a text; test that first, in when`},
		"missing":           {SplitSettings{Field: "value.l"}, `{"m":1}`, `{"m":1} failed: value.l: it is missing; test that first, in when`},
		"too many":          {SplitSettings{Limit: 2}, `[1,2,3]`, `[1,2,3] failed: value: it would be more records than limit says, 2`},
		"as many as may be": {SplitSettings{Limit: 3}, `[1,2,3]`, "1\n2\n3"},
		"into no object":    {SplitSettings{Field: "value.l", Into: "value.n.x"}, `{"l":[1],"n":5}`, `{"l":[1],"n":5} failed: value.l: value.n is a number and has no fields; write to another path, or test it first in when:`},
	} {
		t.Run(name, func(t *testing.T) {
			transform, err := split(test.settings)()
			if err != nil {
				t.Fatal(err)
			}
			b := batch(t, test.value)
			apply(t, transform, b)
			if got := showParts(b); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

// TestSplitOfBytes: bytes stay bytes, and texts texts.
func TestSplitOfBytes(t *testing.T) {
	lines, err := split(SplitSettings{Separator: "\r\n"})()
	if err != nil {
		t.Fatal(err)
	}
	list, err := split(SplitSettings{})()
	if err != nil {
		t.Fatal(err)
	}
	b := &pipeline.Batch{}
	b.Add().Value = pipeline.RawValue([]byte("a\xff\r\nb"))
	b.Add().Value = pipeline.TextValue([]byte("c\r\n"))
	apply(t, lines, b)
	got := ""
	for i := range b.Records {
		v := &b.Records[i].Value
		got += fmt.Sprintf("%s %q;", v.Kind(), v.Raw())
		if part := v.Raw(); len(part) != cap(part) {
			t.Errorf("who appends to part %d writes over what is behind it", i)
		}
	}
	if want := `bytes "a\xff";bytes "b";text "c";`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	apply(t, list, b)
	if got, want := b.Records[0].Failure.Err.Error(), "value: value is bytes and has no fields; set source.format to json"; got != want {
		t.Errorf("got %s", got)
	}
}

func TestSplitBounds(t *testing.T) {
	transform, err := split(SplitSettings{Field: "value.l", Into: "value.e"})()
	if err != nil {
		t.Fatal(err)
	}
	value := `{"l":[` + strings.Repeat("1,", 6999) + `1],"much":"` + strings.Repeat("x", 10_000) + `"}`
	b := batch(t, value, `{"l":[1,2]}`)
	apply(t, transform, b)
	if r := &b.Records[0]; r.Fate != pipeline.Failed || !strings.Contains(r.Failure.Err.Error(), "would be more than 64 MiB") || string(r.Value.Raw()) != value {
		t.Errorf("fate %d, %v", r.Fate, r.Failure)
	}
	if len(b.Records) != 3 {
		t.Errorf("%d records", len(b.Records))
	}
}

// TestSplitWhen: what the condition excludes stays in its place.
func TestSplitWhen(t *testing.T) {
	inner, err := split(SplitSettings{Field: "value.l"})()
	if err != nil {
		t.Fatal(err)
	}
	when, err := NewWhen("has(value.l)", inner)
	if err != nil {
		t.Fatal(err)
	}
	b := batch(t, `{"n":1}`, `{"l":[2,3]}`, `{"n":4}`, `{"l":[5]}`, `{"l":[6,7,8]}`, `{"n":9}`)
	apply(t, when, b)
	if got, want := showParts(b), "{\"n\":1}\n2\n3\n{\"n\":4}\n5\n6\n7\n8\n{\"n\":9}"; got != want {
		t.Errorf("got\n%s", got)
	}
	live := 0
	for range b.Live {
		live++
	}
	if live != len(b.Records) {
		t.Errorf("%d of %d are live", live, len(b.Records))
	}
}

// TestSplitIsJoin: the parts of a list, put together again, are the list.
func TestSplitIsJoin(t *testing.T) {
	transform, err := split(SplitSettings{})()
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		elements := rapid.SliceOf(rapid.SampledFrom([]string{"1", `"a,b"`, `{"x":[1,2]}`, "[]", "null", `"]"`, "1e400", `" "`})).Draw(rt, "elements")
		b := batch(t, "["+strings.Join(elements, " , ")+"]")
		apply(t, transform, b)
		var got []string
		for r := range b.Live {
			got = append(got, string(r.Value.Raw()))
		}
		if !slices.Equal(got, elements) {
			rt.Fatalf("%q, want %q", got, elements)
		}
	})
}

// TestDedupeOfParts: two of one record are two, each of them is itself when it comes
// again, and one that was refused is forgotten alone.
func TestDedupeOfParts(t *testing.T) {
	d := dedupe(100)
	parts := func(n uint64, names ...string) *pipeline.Batch {
		b := batchOf("a", n, sighting{key: names[0]})
		b.Expand([]int{len(names)})
		for i, name := range names {
			b.Records[i].Key = []byte(name)
		}
		return b
	}
	first := parts(1, "k", "l", "k", "m")
	expectFates(t, d, first, "ddDd")
	d.GivenUp("a")
	again := parts(1, "k", "l", "k", "m")
	expectFates(t, d, again, "ddDd")
	again.Records[1].Fate = pipeline.DeadLettered
	d.Settled(again)
	expectFates(t, d, parts(2, "k", "l", "m"), "DdD")
	// One that was split after it was seen is refused with any of its parts.
	whole := batchOf("a", 3, sighting{key: "w"})
	expectFates(t, d, whole, "d")
	d.Settled(parts(2, "k", "l", "m"))
	whole.Expand([]int{2})
	whole.Records[1].Fate = pipeline.DeadLettered
	d.Settled(whole)
	expectFates(t, d, batchOf("a", 4, sighting{key: "w"}), "d")
}
