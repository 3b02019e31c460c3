package format

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/penstock-io/penstock/pipeline"
)

// must gives what a constructor made.
func must[F pipeline.Format](t testing.TB) func(f F, err error) F {
	return func(f F, err error) F {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
}

// shown is what became of a record: its value, or "! " and why it was refused.
func shown(r *pipeline.Record) string {
	if r.Fate == pipeline.Failed {
		return "! " + r.Failure.Err.Error()
	}
	return string(r.Value.Raw())
}

// bin gives the bytes that hexadecimal digits stand for.
func bin(t testing.TB, digits string) []byte {
	t.Helper()
	raw, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// vector is bytes of a format, and the JSON that they are. back: JSON gives the same
// bytes.
type vector struct {
	hex, json string
	back      bool
}

func testVectors(t *testing.T, f pipeline.Format, vectors []vector) {
	t.Helper()
	for _, v := range vectors {
		raw := bin(t, v.hex)
		if got := shown(through(t, f, nil, raw)); got != v.json {
			t.Errorf("%s is %s, want %s", v.hex, got, v.json)
		}
		if !v.back {
			continue
		}
		if got := through(t, JSON{}, f, []byte(v.json)); !bytes.Equal(got.Value.Raw(), raw) {
			t.Errorf("%s is %x, want %s (%s)", v.json, got.Value.Raw(), v.hex, shown(got))
		}
	}
}

// TestCBORVectors are those of RFC 8949, appendix A, that JSON can hold, and some that it
// cannot.
func TestCBORVectors(t *testing.T) {
	const cannot = "! the value cannot be read: "
	const do = "; set source.format to what it is; text or bytes take it as it is"
	testVectors(t, must[*CBOR](t)(NewCBOR()), []vector{
		{"00", "0", true}, {"01", "1", true}, {"0a", "10", true}, {"17", "23", true}, {"1818", "24", true}, {"1819", "25", true},
		{"1864", "100", true}, {"1903e8", "1000", true}, {"1a000f4240", "1000000", true}, {"1b000000e8d4a51000", "1000000000000", true},
		{"1bffffffffffffffff", "18446744073709551615", true}, {"c249010000000000000000", "18446744073709551616", true},
		{"3bffffffffffffffff", "-18446744073709551616", true}, {"c349010000000000000000", "-18446744073709551617", true},
		{"20", "-1", true}, {"29", "-10", true}, {"3863", "-100", true}, {"3903e7", "-1000", true},
		{"f90000", "0", false}, {"f98000", "-0", false}, {"f93c00", "1", false}, {"fb3ff199999999999a", "1.1", true}, {"f93e00", "1.5", true},
		{"f97bff", "65504", false}, {"fa47c35000", "100000", false}, {"fa7f7fffff", "3.4028234663852886e+38", false}, {"fb7e37e43c8800759c", "1e+300", true},
		{"f90001", "5.960464477539063e-08", true}, {"f90400", "0.00006103515625", true}, {"f9c400", "-4", false}, {"fbc010666666666666", "-4.1", true},
		{"f97c00", `"Infinity"`, false}, {"f97e00", `"NaN"`, false}, {"f9fc00", `"-Infinity"`, false}, {"fa7f800000", `"Infinity"`, false},
		{"fb7ff8000000000000", `"NaN"`, false}, {"f4", "false", true}, {"f5", "true", true}, {"f6", "null", true}, {"f7", "null", false},
		{"f0", cannot + "a simple value in it has no form in JSON" + do, false}, {"f8ff", cannot + "a simple value in it has no form in JSON" + do, false},
		{"c074323031332d30332d32315432303a30343a30305a", `"2013-03-21T20:04:00Z"`, false}, {"c11a514b67b0", "1363896240", false},
		{"c1fb41d452d9ec200000", "1363896240.5", false}, {"d74401020304", `"AQIDBA=="`, false}, {"d818456449455446", `"ZElFVEY="`, false},
		{"40", `""`, false}, {"4401020304", `"AQIDBA=="`, false}, {"60", `""`, true}, {"6161", `"a"`, true}, {"6449455446", `"IETF"`, true},
		{"62225c", `"\"\\"`, true}, {"62c3bc", `"ü"`, true}, {"63e6b0b4", `"水"`, true}, {"64f0908591", `"𐅑"`, true}, {"80", "[]", true},
		{"83010203", "[1,2,3]", true}, {"8301820203820405", "[1,[2,3],[4,5]]", true}, {"a0", "{}", true}, {"a201020304", `{"1":2,"3":4}`, false},
		{"a26161016162820203", `{"a":1,"b":[2,3]}`, true}, {"826161a161626163", `["a",{"b":"c"}]`, true},
		{"5f42010243030405ff", `"AQIDBAU="`, false}, {"7f657374726561646d696e67ff", `"streaming"`, false}, {"9fff", "[]", false},
		{"9f018202039f0405ffff", "[1,[2,3],[4,5]]", false}, {"83018202039f0405ff", "[1,[2,3],[4,5]]", false},
		{"bf61610161629f0203ffff", `{"a":1,"b":[2,3]}`, false}, {"bf6346756ef563416d7421ff", `{"Fun":true,"Amt":-2}`, false},
		// RFC 8949, section 3.4.4: 273.15 is [-2, 27315].
		{"c48221196ab3", "273.15", false},
		{"c4823819c24a1fffffffffffffffffff", "0.00151115727451828646838271", false},
		{"a1f401", cannot + "the key of a map is neither text nor a whole number" + do, false},
		{"61ff", cannot + errNotUTF8.Error() + do, false}, {"", cannot + "it is not CBOR, or cut short" + do, false},
		{"0000", cannot + "it is not CBOR, or cut short" + do, false}, {"9bffffffffffffffff", cannot + "it is not CBOR, or cut short" + do, false},
		{strings.Repeat("81", 600) + "00", cannot + "it is nested more than 500 deep" + do, false},
	})
}

// TestMsgPackVectors are by the tables of MessagePack's specification.
func TestMsgPackVectors(t *testing.T) {
	const cannot = "! the value cannot be read: "
	const do = "; set source.format to what it is; text or bytes take it as it is"
	testVectors(t, MsgPack{}, []vector{
		{"00", "0", true}, {"7f", "127", true}, {"cc80", "128", false}, {"ccff", "255", false}, {"cd0100", "256", false}, {"ce00010000", "65536", false},
		{"cf0000000100000000", "4294967296", false}, {"cfffffffffffffffff", "18446744073709551615", true}, {"ff", "-1", true}, {"e0", "-32", true},
		{"d0df", "-33", true}, {"d080", "-128", true}, {"d1ff7f", "-129", true}, {"d2ffff7fff", "-32769", true}, {"d38000000000000000", "-9223372036854775808", true},
		{"d37fffffffffffffff", "9223372036854775807", true}, {"c0", "null", true}, {"c2", "false", true}, {"c3", "true", true},
		{"cb3ff8000000000000", "1.5", true}, {"ca3dcccccd", "0.1", false}, {"ca7f800000", `"Infinity"`, false}, {"cb7ff8000000000000", `"NaN"`, false},
		{"a0", `""`, true}, {"a161", `"a"`, true}, {"d90161", `"a"`, false}, {"da000161", `"a"`, false}, {"db0000000161", `"a"`, false},
		{"c403010203", `"AQID"`, false}, {"c50001ff", `"/w=="`, false}, {"90", "[]", true}, {"920102", "[1,2]", true}, {"dc000101", "[1]", false},
		{"dd0000000101", "[1]", false}, {"80", "{}", true}, {"82a16101a1629102", `{"a":1,"b":[2]}`, true}, {"de0001a16101", `{"a":1}`, false},
		{"8101a16b", `{"1":"k"}`, false}, {"d6ff5a4af6a5", `"2018-01-02T03:04:05Z"`, false}, {"81c001", `{"null":1}`, false},
		{"d40100", cannot + "an extension type in it has no form in JSON" + do, false}, {"c1", cannot + errCutShort.Error() + do, false},
		{"a1ff", cannot + errNotUTF8.Error() + do, false}, {"0000", cannot + errMore.Error() + do, false}, {"", cannot + errCutShort.Error() + do, false},
		{"ddffffffff", cannot + errCutShort.Error() + do, false}, {"8190c0", cannot + "the key of a map is a map or an array" + do, false},
		{strings.Repeat("91", 600) + "00", cannot + errNested.Error() + do, false},
	})
}

// TestPacked holds what layers read and write, and what they refuse.
func TestPacked(t *testing.T) {
	const limit = 1000
	layers := map[string]pipeline.Format{
		"gzip": NewGzip(JSON{}, limit), "zstd": must[pipeline.Format](t)(NewZstd(JSON{}, limit)), "lz4": NewLZ4(JSON{}, limit),
		"snappy": NewSnappy(JSON{}, limit), "base64": NewBase64(JSON{}), "hex": NewHex(JSON{}),
	}
	wide := map[string]pipeline.Format{
		"gzip": NewGzip(Bytes{}, 1<<20), "zstd": must[pipeline.Format](t)(NewZstd(Bytes{}, 1<<20)), "lz4": NewLZ4(Bytes{}, 1<<20), "snappy": NewSnappy(Bytes{}, 1<<20),
	}
	doc := []byte(`{"a":"` + strings.Repeat("x", limit-9) + `"}`)
	for name, f := range layers {
		packed := bytes.Clone(through(t, JSON{}, f, doc).Value.Raw())
		if got := shown(through(t, f, nil, packed)); got != string(doc) {
			t.Errorf("%s: got %q", name, got)
		}
		for cut := range len(packed) {
			if r := through(t, f, nil, packed[:cut]); r.Fate != pipeline.Failed {
				t.Errorf("%s: cut to %d of %d bytes it is read as %q", name, cut, len(packed), r.Value.Raw())
			}
		}
		if r := through(t, f, nil, []byte("!no layer at all!")); r.Fate != pipeline.Failed {
			t.Errorf("%s: anything is read as %q", name, r.Value.Raw())
		}
		if w, ok := wide[name]; ok {
			bomb := bytes.Clone(through(t, Bytes{}, w, make([]byte, limit+1)).Value.Raw())
			want := "! the value cannot be read: it unpacks to more than 1000 bytes; set source.format to what it is; text or bytes take it as it is"
			if got := shown(through(t, f, nil, bomb)); got != want {
				t.Errorf("%s: a bomb gives %q", name, got)
			}
			if got := through(t, w, nil, through(t, Bytes{}, w, nil).Value.Raw()); got.Fate == pipeline.Failed || len(got.Value.Raw()) > 0 {
				t.Errorf("%s: nothing comes back as %q", name, shown(got))
			}
		}
	}
	if got := shown(through(t, NewBase64(Bytes{}), nil, []byte("_-8"))); got != "\xff\xef" {
		t.Errorf("base64url without padding: %q", got)
	}
}

// TestBombs: what a value may unpack or decode to hangs on its size, so that a batch of them
// is bounded too.
func TestBombs(t *testing.T) {
	for name, f := range map[string]pipeline.Format{"gzip": NewGzip(Bytes{}, 64<<20), "zstd": must[pipeline.Format](t)(NewZstd(Bytes{}, 64<<20)), "lz4": NewLZ4(Bytes{}, 64<<20)} {
		packed := bytes.Clone(through(t, Bytes{}, f, make([]byte, 32<<20)).Value.Raw())
		if got := shown(through(t, f, nil, packed)); !strings.Contains(got, "it unpacks to more than ") {
			t.Errorf("%s: %d bytes unpack to %d", name, len(packed), len(got))
		}
		plain := []byte(strings.Repeat("an event like others ", 10_000))
		if got := shown(through(t, f, nil, bytes.Clone(through(t, Bytes{}, f, plain).Value.Raw()))); got != string(plain) {
			t.Errorf("%s: %d bytes come back as %.60q", name, len(plain), got)
		}
	}
	aliases := "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
	for i := 1; i < 9; i++ {
		aliases += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i-1), 10), ","))
	}
	if got := shown(through(t, YAML{}, nil, []byte(aliases))); !strings.Contains(got, "it decodes to more than ") && !strings.Contains(got, "it is not YAML") {
		t.Errorf("aliases: %.100q", got)
	}
}

// TestTexts are formats that people read, in both directions.
func TestTexts(t *testing.T) {
	rows := must[*CSV](t)(NewCSV(CSVSettings{Columns: []string{"a", "b"}, Delimiter: ";"}))
	table := must[*CSV](t)(NewCSV(CSVSettings{Header: true, Delimiter: ","}))
	bare := must[*CSV](t)(NewCSV(CSVSettings{Delimiter: ","}))
	log := must[*Pattern](t)(NewAccessLog(AccessLogSettings{"combined"}))
	common := must[*Pattern](t)(NewAccessLog(AccessLogSettings{"common"}))
	pattern := must[*Pattern](t)(NewPattern(PatternSettings{`(?P<level>[A-Z]+)(?: \[(?P<thread>\w+)\])? (?P<message>.*)`}))
	refuse := func(what string) string {
		return "! the value cannot be read: " + what + "; set source.format to what it is; text or bytes take it as it is"
	}
	for _, tc := range []struct {
		f              pipeline.Format
		raw, json, out string // out: what the JSON is written as; empty: raw
	}{
		{rows, "1;\"x;\"\"y\"\"\nz\"", `{"a":"1","b":"x;\"y\"\nz"}`, ""},
		{rows, "1;2\r\n", `{"a":"1","b":"2"}`, "1;2"},
		{rows, "1", refuse("row 1 has 1 columns, not 2"), ""},
		{rows, "1;2\n3;4", refuse("it has more than one row"), ""},
		{rows, "", refuse("it has no row"), ""},
		{rows, `1;"2`, refuse("it is not CSV: a quote is where none may be, or missing"), ""},
		{bare, "1,,x", `["1","","x"]`, ""},
		{bare, `""`, `[""]`, ""},
		{table, "id\n1\n\"\"\n", `[{"id":"1"},{"id":""}]`, ""},
		{table, "id,name\n1,a\n2,\n", `[{"id":"1","name":"a"},{"id":"2","name":""}]`, ""},
		{table, "id,id\n1,a\n", refuse("its header has a name twice, or an empty one"), ""},
		{table, "id,name\n1\n", refuse("row 2 is not CSV, or has another number of columns"), ""},
		{Logfmt{}, `level=info msg="a b" n=12.50 empty= ok`, `{"level":"info","msg":"a b","n":"12.50","empty":"","ok":""}`, `level=info msg="a b" n=12.50 empty= ok=`},
		{Logfmt{}, "a=1\nb=2", refuse("it is more than one line"), ""},
		{Logfmt{}, `a="1`, refuse("it is not logfmt"), ""},
		{YAML{}, "a: 12.50\nb: [1, x, null, true, 0x1F]\nc: &k {d: 9223372036854775808}\ne: *k\n",
			`{"a":12.50,"b":[1,"x",null,true,31],"c":{"d":9223372036854775808},"e":{"d":9223372036854775808}}`,
			"a: 12.50\nb:\n- 1\n- x\n- null\n- true\n- 31\nc:\n  d: 9223372036854775808\ne:\n  d: 9223372036854775808\n"},
		{YAML{}, "a: .inf\nb: 2026-01-02\nc: \"yes\"\nd: []\n", `{"a":"Infinity","b":"2026-01-02","c":"yes","d":[]}`, "a: Infinity\nb: \"2026-01-02\"\nc: \"yes\"\nd: []\n"},
		{YAML{}, "a: [", refuse("it is not YAML"), ""},
		{XML{}, `<?xml version="1.0"?><order id="7" x:y="&lt;z"><item>a</item><!-- no --><n/><item>b &amp; c</item><t k="1">v</t></order>`,
			`{"order":{"@id":"7","@y":"<z","item":["a","b & c"],"n":"","t":{"@k":"1","#text":"v"}}}`,
			`<order id="7" y="&lt;z"><item>a</item><item>b &amp; c</item><n></n><t k="1">v</t></order>`},
		{XML{}, `<a><b></a>`, refuse("it is not XML, or cut short"), ""},
		{XML{}, `<a/><b/>`, refuse("it is not XML, or cut short"), ""},
		{XML{}, `<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>`, refuse("it has a DTD, and those are not read"), ""},
		{log, `203.0.113.7 - ada [10/Oct/2026:13:55:36 +0200] "GET /a?b=c HTTP/1.1" 200 02326 "-" "Mozilla \"x\""`,
			`{"host":"203.0.113.7","user":"ada","time":"10/Oct/2026:13:55:36 +0200","method":"GET","path":"/a?b=c","protocol":"HTTP/1.1","status":200,"bytes":2326,"agent":"Mozilla \\\"x\\\""}`, "! this format is only read, not written; write another one in sink.format"},
		{common, `h - - [t] "-" 400 -` + "\n", `{"host":"h","time":"t","status":400}`, "! this format is only read, not written; write another one in sink.format"},
		{common, `h - - [t] "GET / HTTP/1.1"`, refuse("it does not match a line of an access log (common)"), ""},
		{pattern, "WARN [main] it\n", `{"level":"WARN","thread":"main","message":"it"}`, "! this format is only read, not written; write another one in sink.format"},
		{pattern, "WARN it", `{"level":"WARN","message":"it"}`, "! this format is only read, not written; write another one in sink.format"},
	} {
		got := through(t, tc.f, JSON{}, []byte(tc.raw))
		if shown(got) != tc.json {
			t.Errorf("%T, %q:\n got %s\nwant %s", tc.f, tc.raw, shown(got), tc.json)
			continue
		}
		if got.Fate == pipeline.Failed {
			continue
		}
		if tc.out == "" {
			tc.out = tc.raw
		}
		if back := shown(through(t, JSON{}, tc.f, []byte(tc.json))); back != tc.out {
			t.Errorf("%T, written:\n got %q\nwant %q", tc.f, back, tc.out)
		}
	}
}

// TestUnwritable are values that a format cannot hold.
func TestUnwritable(t *testing.T) {
	rows := must[*CSV](t)(NewCSV(CSVSettings{Columns: []string{"a"}, Delimiter: ","}))
	bare := must[*CSV](t)(NewCSV(CSVSettings{Delimiter: ","}))
	for _, tc := range []struct {
		f          pipeline.Format
		json, want string
	}{
		{MsgPack{}, `{"a":18446744073709551617}`, "! a number in the value has more digits than MessagePack can hold; make it a text first (cast), or use cbor"},
		{MsgPack{}, `0.12345678901234567890123`, "! a number in the value has more digits than MessagePack can hold; make it a text first (cast), or use cbor"},
		{MsgPack{}, `1e999`, "! a number in the value has more digits than MessagePack can hold; make it a text first (cast), or use cbor"},
		{rows, `{"a":1,"b":2}`, "! the value has a field that is no column; name it in columns, or drop it first"},
		{rows, `{"a":{}}`, "! a column is an object, and CSV holds none; flatten it first, or drop the field"},
		{bare, `{"a":1}`, "! the value is an object, and nothing says which field is which column; write columns: [a, b]"},
		{Logfmt{}, `{"a":[1]}`, "! a field of the value is an array, and logfmt holds none; flatten it first, or drop the field"},
		{Logfmt{}, `[1]`, "! the value is an array, and logfmt holds objects; hoist it first"},
		{XML{}, `{"a":1,"b":2}`, "! the value is not an object with one field, the outermost element; hoist it first: hoist: order"},
		{XML{}, `{"a b":1}`, "! the name of a field cannot be that of an element; rename it first: letters, digits, - _ and . only, and a letter or _ first"},
		{XML{}, `{"a":"\u0000"}`, "! a text has a control character, and XML holds none; replace it first, or use another format"},
	} {
		if got := shown(through(t, JSON{}, tc.f, []byte(tc.json))); got != tc.want {
			t.Errorf("%T, %s: got %s", tc.f, tc.json, got)
		}
	}
}

// documents draws JSON of all kinds.
func documents() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string { return drawJSON(t, 3) })
}

func drawJSON(t *rapid.T, depth int) string {
	kind := rapid.IntRange(0, 7).Draw(t, "kind")
	if depth == 0 {
		kind %= 6
	}
	switch kind {
	case 0:
		return rapid.SampledFrom([]string{"null", "true", "false", "-0", "0.0", "1e2", "12.50", "0.1"}).Draw(t, "word")
	case 1:
		return fmt.Sprint(rapid.Int64().Draw(t, "int"))
	case 2:
		return fmt.Sprint(rapid.Uint64().Draw(t, "uint"))
	case 3:
		text, err := json.Marshal(rapid.Float64().Draw(t, "float"))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	case 4, 5:
		return string(pipeline.AppendString(nil, rapid.String().Draw(t, "text")))
	case 6:
		return "[" + strings.Join(rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string { return drawJSON(t, depth-1) }), 0, 4).Draw(t, "list"), ",") + "]"
	}
	var fields []string
	for _, name := range rapid.SliceOfNDistinct(rapid.String(), 0, 4, rapid.ID).Draw(t, "names") {
		fields = append(fields, string(pipeline.AppendString(nil, name))+":"+drawJSON(t, depth-1))
	}
	return "{" + strings.Join(fields, ",") + "}"
}

// same tells whether two texts are the same JSON: the same order, texts and numbers,
// however those are written.
func same(t *rapid.T, a, b string) bool {
	tokens := func(text string) (all []any) {
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		for {
			token, err := d.Token()
			if err != nil {
				return all
			}
			if number, ok := token.(json.Number); ok {
				r, ok := new(big.Rat).SetString(string(number))
				if !ok {
					t.Fatalf("%s is no number", number)
				}
				token = r.RatString()
			}
			all = append(all, token)
		}
	}
	return reflect.DeepEqual(tokens(a), tokens(b))
}

// TestNothingIsLost holds that formats that can hold all of JSON give back what was
// written, in its order.
func TestNothingIsLost(t *testing.T) {
	for name, f := range map[string]pipeline.Format{"msgpack": MsgPack{}, "cbor": must[*CBOR](t)(NewCBOR()), "yaml": YAML{}, "gzip": NewGzip(JSON{}, 1<<20)} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				doc := documents().Draw(rt, "document")
				out := through(t, JSON{}, f, []byte(doc))
				if out.Fate == pipeline.Failed {
					rt.Fatal(shown(out))
				}
				raw := bytes.Clone(out.Value.Raw())
				if got := shown(through(t, f, nil, raw)); !same(rt, got, doc) {
					rt.Fatalf("%s became %s (as %q)", doc, got, raw)
				}
			})
		})
	}
}

// FuzzReaders holds that whatever a reader takes is valid JSON, and that no input makes
// it panic.
func FuzzReaders(f *testing.F) {
	all := []pipeline.Format{MsgPack{}, must[*CBOR](f)(NewCBOR()), YAML{}, XML{}, Logfmt{}, must[*CSV](f)(NewCSV(CSVSettings{Delimiter: ","})),
		must[*CSV](f)(NewCSV(CSVSettings{Header: true, Delimiter: ","})), must[*Pattern](f)(NewAccessLog(AccessLogSettings{"combined"})),
		avroOf(f, orderSchema), protoOf(f, orderProto, "Order")}
	for _, seed := range []string{"a: [1, {b: 2}]", "<a b='c'>d</a>", "a=1 b", "1,2\n3,4", "\x82\xa1a\x01\xa1b\x91\x02", "\xa2aa\x01ab\x82\x02\x03", "\xc4\x82\x21\x19\x6a\xb3",
		"\xc2\x49\x01\x00\x00\x00\x00\x00\x00\x00\x00", "\x9f\x01\xff", "\xd6\xff\x5a\x4a\xf6\xa5",
		"\x02a\x04\x04\xe2\x02\x02\x02x\x00\x02\x02x\x02\x00\x02", "\x0a\x01a\x82\x01\x02\x01\x02\xca\x01\x02\x08\x01\x9a\x02\x02\x1a\x00"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, format := range all {
			r := through(t, format, nil, bytes.Clone(raw))
			if r.Fate != pipeline.Failed && !json.Valid(r.Value.Raw()) {
				t.Fatalf("%T made %q of %q", format, r.Value.Raw(), raw)
			}
		}
	})
}

// shaped draws a document of a shape that some formats take alone: flat, a list of flat
// ones, one within a name, or any.
func shaped(t *rapid.T) string {
	flat := func() string {
		var fields []string
		for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b_c", "d.e", "é", "f g", "@h", "#text", "m", "t"}), 0, 4, rapid.ID).Draw(t, "names") {
			fields = append(fields, string(pipeline.AppendString(nil, name))+":"+drawJSON(t, 0))
		}
		return "{" + strings.Join(fields, ",") + "}"
	}
	switch rapid.IntRange(0, 5).Draw(t, "shape") {
	case 0:
		return flat()
	case 1:
		return "[" + flat() + "," + flat() + "]"
	case 2:
		return `{"a":` + flat() + `}`
	case 3:
		return "[" + drawJSON(t, 0) + "," + drawJSON(t, 0) + "]"
	case 4:
		return `{"t":` + string(pipeline.AppendString(nil, rapid.String().Draw(t, "t"))) + `,"l":[{},{"t":"x"}]}`
	}
	return documents().Draw(t, "document")
}

// TestWhatIsWrittenIsRead: what a format takes to write, it reads again, whatever else it
// refuses.
func TestWhatIsWrittenIsRead(t *testing.T) {
	formats := all(t)
	delete(formats, "csv")
	formats["csv, rows"] = must[*CSV](t)(NewCSV(CSVSettings{Delimiter: ";"}))
	formats["csv, header"] = must[*CSV](t)(NewCSV(CSVSettings{Header: true, Delimiter: ","}))
	formats["avro"] = avroOf(t, `["null","boolean","double","string",{"type":"array","items":["null","double","string"]},{"type":"map","values":["null","double","string"]}]`)
	formats["protobuf"] = protoOf(t, `syntax = "proto3"; message A { map<string, B> m = 1; repeated B l = 2; oneof x { string t = 3; double n = 4; } message B { string t = 1; } }`, "A")
	for name, f := range formats {
		t.Run(name, func(t *testing.T) {
			taken := 0
			rapid.Check(t, func(rt *rapid.T) {
				doc := shaped(rt)
				out := through(t, JSON{}, f, []byte(doc))
				if out.Fate == pipeline.Failed {
					return
				}
				taken++
				raw := bytes.Clone(out.Value.Raw())
				if back := through(t, f, nil, raw); back.Fate == pipeline.Failed {
					rt.Fatalf("%s is written as %q, and that is not read: %s", doc, raw, shown(back))
				}
			})
			if writable := Writable(f) == nil && name != "cloudevents" && name != "json_schema"; writable && taken == 0 {
				t.Error("it takes none of the documents")
			}
		})
	}
}
