package expr

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

const event = `{"event_id":"0197c2f4-8a51-7c3e-9b1d-3f6f0c5a9e21","user_id":"u-184467","action":"buy","ts":1767225600123,` +
	`"price":12.50,"quantity":3,"currency":"EUR","item":{"sku":"SKU-99812","tags":["a","b"]},"page":"/shop/item/99812?ref=home",` +
	`"ua":"Mozilla/5.0 (X11; Linux x86_64)","session":"s-77","big":9223372036854775808}`

// record makes a record with everything that an expression can see.
func record(t testing.TB, value string) (*pipeline.Batch, *pipeline.Record) {
	t.Helper()
	b := &pipeline.Batch{Shard: "user_behavior"}
	r := b.Add()
	r.Key, r.Topic, r.Offset = []byte("k1"), "orders", pipeline.Offset{Major: 17, Minor: 3}
	r.Time = time.Date(2026, 1, 1, 12, 30, 0, 5e6, time.UTC)
	r.Headers = []pipeline.Header{{Key: "source", Value: []byte("web")}, {Key: "raw", Value: []byte{0xff}}, {Key: "source", Value: []byte("app")}}
	v, err := b.Document([]byte(value))
	if err != nil {
		t.Fatal(err)
	}
	r.Value = v
	return b, r
}

func compile(t testing.TB, src string, want Want) *Program {
	t.Helper()
	p, err := Compile(pipeline.Expression(src), want)
	if err != nil {
		t.Fatalf("%s: %v", src, err)
	}
	return p
}

func TestConditions(t *testing.T) {
	tests := map[string]bool{
		`value.action in ["cart", "buy"]`:                        true,
		`value.action == "cart"`:                                 false,
		`value.price > 2`:                                        true,
		`value.price > 12 && value.price < 13`:                   true,
		`value.price == 12.5`:                                    true,
		`value.quantity == 3.0`:                                  true,
		`value.quantity >= 2.5`:                                  true,
		`value.quantity in [1.0, 3.0]`:                           true,
		`2.5 < value.quantity`:                                   true,
		`value.big > 9223372036854775807`:                        true,
		`value.big == 9223372036854775808u`:                      true,
		`value.ts > 1767225600122.5`:                             true,
		`has(value.item.sku)`:                                    true,
		`has(value.coupon) && value.coupon == "x"`:               false,
		`!has(value.item.nothing)`:                               true,
		`"item" in value && !("nothing" in value)`:               true,
		`value.?coupon.orValue("none") == "none"`:                true,
		`value.item.tags.exists(x, x == "b")`:                    true,
		`value.item.tags[1] == "b" && size(value.item) == 2`:     true,
		`value.item == {"sku": "SKU-99812", "tags": ["a", "b"]}`: true,
		`{"sku": "SKU-99812", "tags": ["a", "b"]} == value.item`: true,
		`value.item.all(name, name.size() > 2)`:                  true,
		`type(value.item) == map && type(value.price) == double && type(value.quantity) == int`: true,
		`value["action"].startsWith("b")`:                   true,
		`value.session.matches("^s-[0-9]+$")`:               true,
		`value.action.upperAscii() == "BUY"`:                true,
		`key == "k1" && topic == "orders"`:                  true,
		`headers.source == "app" && headers.raw == b"\xff"`: true,
		`"source" in headers && !has(headers.nothing)`:      true,
		`origin.shard == "user_behavior"`:                   true,
		`origin.offset == "17-3"`:                           true,
		`time == timestamp("2026-01-01T12:30:00.005Z")`:     true,
		`time.getHours() == 12`:                             true,
		`timestamp(value.ts / 1000) < time`:                 true,
		`value.missing == 1 || true`:                        true,
	}
	for src, want := range tests {
		b, r := record(t, event)
		if got, err := compile(t, src, Condition).Bool(b, r); err != nil || got != want {
			t.Errorf("%s: got %v, %v", src, got, err)
		}
		if got := string(r.Value.Raw()); got != event {
			t.Errorf("%s changed the value to %s", src, got)
		}
	}
}

func TestJSONResults(t *testing.T) {
	const value = `{"a":2,"b":3,"x":12.5,"z":4.0,"long":12.50,"beyond":123456789012345678901234567890,"s":"q\u0022","o":{"n": 1.0,"n":2},` +
		`"l":[1, 2.50],"t":true,"nil":null,"u":9223372036854775808,"a b":7}`
	tests := map[string]string{ // "-": none
		`value.a * value.b`:                 `6`,
		`value.x * value.b`:                 `37.5`,
		`value.b * value.x`:                 `37.5`,
		`value.x + value.a - 1`:             `13.5`,
		`value.a - value.x`:                 `-10.5`,
		`value.x * 2`:                       `25`,
		`2 * value.x / 5`:                   `5`,
		`value.b / value.a`:                 `1`,
		`double(value.b) / value.a`:         `1.5`,
		`value.z * value.a`:                 `8`,
		`value.u + 1u`:                      `9223372036854775809`,
		`value.u * 0.5`:                     `4611686018427388000`,
		`value.b % value.a`:                 `1`,
		`value.s + "!" + string(value.a)`:   `"q\"!2"`,
		`[1] + value.l`:                     `[1,1,2.5]`,
		`value.long`:                        `12.50`,
		`value.beyond`:                      `123456789012345678901234567890`,
		`value.s`:                           `"q\u0022"`,
		`value["a b"]`:                      `7`,
		`value.o`:                           `{"n": 1.0,"n":2}`,
		`true ? value.o : value.l`:          `{"n": 1.0,"n":2}`,
		`has(value.l) ? value.l : []`:       `[1, 2.50]`,
		`value`:                             value,
		`value.t && !value.t`:               `false`,
		`value.nil`:                         `null`,
		`value.nil == null ? dyn(null) : 1`: `null`,
		`{"b": value.a, "a": [value.x, value.o], 1: null}`: `{"1":null,"a":[12.5,{"n": 1.0,"n":2}],"b":2}`,
		`value.?a`:                  `2`,
		`value.?none`:               `-`,
		`[value.?none]`:             `[null]`,
		`[?value.?none, ?value.?a]`: `[2]`,
		`value.?o.n`:                `2`,
		`time`:                      `"2026-01-01T12:30:00.005Z"`,
		`time - timestamp("2026-01-01T12:29:58Z")`: `"2.005s"`,
		`headers.raw`:  `"/w=="`,
		`1.0e21 * 1.0`: `1e+21`,
		`"\u2028<"`:    "\"\u2028<\"",
	}
	for src, want := range tests {
		b, r := record(t, value)
		text, ok, err := compile(t, src, Anything).JSON(b, r)
		got := string(text)
		if !ok {
			got = "-"
		}
		if err != nil || got != want {
			t.Errorf("%s: got %s, %v, want %s", src, got, err, want)
		}
	}
}

func TestBytesResults(t *testing.T) {
	const value = `{"s":"a\nü","n":12.50,"t":true,"nil":null,"o":{},"l":[]}`
	tests := map[string]string{ // "-": none
		`value.s`:             "a\nü",
		`value.n`:             "12.50",
		`value.t`:             "true",
		`value.nil`:           "-",
		`value.?none`:         "-",
		`null`:                "-",
		`headers.raw`:         "\xff",
		`value.n * 2`:         "25",
		`key + "/" + value.s`: "k1/a\nü",
		`value.?n`:            "12.5",
		`time`:                "2026-01-01T12:30:00.005Z",
	}
	for src, want := range tests {
		b, r := record(t, value)
		text, ok, err := compile(t, src, Anything).Bytes(b, r)
		got := string(text)
		if !ok {
			got = "-"
		}
		if err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", src, got, err, want)
		}
	}
	for src, want := range map[string]string{
		`value.o`:   "value.o is an object, and that cannot stand here; take a string, a number or a bool",
		`value.?o`:  "the expression gives a map, and that cannot stand here; take a string, a number or a bool",
		`[value.l]`: "the expression gives a list, and that cannot stand here; take a string, a number or a bool",
	} {
		b, r := record(t, value)
		if _, _, err := compile(t, src, Anything).Bytes(b, r); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", src, err, want)
		}
	}
}

func TestRecordErrors(t *testing.T) {
	const value = `{"a":{"b":"secret"},"s":"secret","n":5,"zero":0,"big":9223372036854775807,"l":[1]}`
	const types = "a value has a type that the operator or function does not take"
	const convert = "; convert with int(), double() or string(), or test type() first"
	tests := map[string]string{
		`value.price > 2`:               "value.price is missing; ask first with has(value.price), or read it with value.?price",
		`value.price`:                   "value.price is missing; ask first with has(value.price), or read it with value.?price",
		`value.a.c == 1`:                "value.a.c is missing; ask first with has(value.a.c), or read it with value.a.?c",
		`value.x.y.z == 1`:              "value.x is missing; ask first with has(value.x), or read it with value.?x",
		`has(value.x.y)`:                "value.x is missing; ask first with has(value.x), or read it with value.?x",
		`has(value.n) && value.m == 1`:  "value.m is missing; ask first with has(value.m), or read it with value.?m",
		`!has(value.m) && value.o == 1`: "value.o is missing; ask first with has(value.o), or read it with value.?o",
		`value["a b"] == 1`:             `value["a b"] is missing; ask first ("a b" in value), or read it with value[?"a b"]`,
		`value.s.b == 1`:                "there is no value.s.b: value.s is a string; test it first: has(value.s) && type(value.s) == map",
		`headers.nothing == "x"`:        "headers.nothing is missing; ask first with has(headers.nothing), or read it with headers.?nothing",
		`origin.nothing == "x"`:         "origin.nothing is missing; ask first with has(origin.nothing), or read it with origin.?nothing",
		`value[value.s] == 1`:           "the expression reads a field that is missing; ask first with has(), or read it with .?",
		`value.l[7] == 1`:               "the expression fails: the list has no such index (at 1:8 of the expression); test size() first",
		`value.s * 2 == 1`:              "the expression fails: " + types + " (at 1:9 of the expression)" + convert,
		`value.s > 2`:                   "the expression fails: " + types + " (at 1:9 of the expression)" + convert,
		`value.n && true`:               "the expression fails: " + types + " (at 1:9 of the expression)" + convert,
		`value.n / value.zero == 1`:     "the expression fails: division by zero (at 1:9 of the expression); test for 0 first",
		`value.big * 2 == 1`:            "the expression fails: a number is too large for its type (at 1:11 of the expression); calculate with double()",
		`int(value.s) == 1`:             "the expression fails: a function was given what it does not take (at 1:4 of the expression); test it first, or read it with another function",
		`timestamp(value.s) == time`:    "the expression fails: a function was given what it does not take (at 1:10 of the expression); test it first, or read it with another function",
		`value.n`:                       `value.n is a number, not true or false; compare it with something, as in value.action == "buy"`,
		`dyn(value.s + "x")`:            `the condition gives a string, not true or false; compare it with something, as in value.action == "buy"`,
		`[1,2].map(x, value.s)[0]`:      `the condition gives a string, not true or false; compare it with something, as in value.action == "buy"`,
	}
	for src, want := range tests {
		b, r := record(t, value)
		_, err := compile(t, src, Condition).Bool(b, r)
		if err == nil || err.Error() != want {
			t.Errorf("%s:\n got %v\nwant %s", src, err, want)
			continue
		}
		if strings.Contains(err.Error(), "secret") || pipeline.ClassOf(err) != pipeline.Permanent {
			t.Errorf("%s: %v is of class %v", src, err, pipeline.ClassOf(err))
		}
	}
}

func TestNumbersThatJSONCannotHold(t *testing.T) {
	b, r := record(t, `{"huge":1e308,"a":{"type":1}}`)
	for _, src := range []string{`value.huge * 10`, `[value.huge * -10]`} {
		if _, _, err := compile(t, src, Anything).JSON(b, r); err == nil || !strings.Contains(err.Error(), "too large") {
			t.Errorf("%s: %v", src, err)
		}
	}
	for _, src := range []string{`type(value.a)`, `{"a": [type(1)]}`} {
		if _, _, err := compile(t, src, Anything).JSON(b, r); err == nil || !strings.Contains(err.Error(), "gives a type") {
			t.Errorf("%s: %v", src, err)
		}
	}
}

func TestValuesWithoutFields(t *testing.T) {
	b, r := record(t, `{}`)
	for _, src := range []string{`value.a == 1`, `has(value.a)`, `value.?a.orValue(1) == 1`, `value.a`} {
		for value, kind := range map[*pipeline.Value]string{new(pipeline.RawValue([]byte("secret"))): "bytes", new(pipeline.TextValue([]byte("secret"))): "text"} {
			r.Value = *value
			want := "the expression reads value.a, and the value is " + kind + " without fields; set source.format to json"
			if _, err := compile(t, src, Condition).Bool(b, r); err == nil || err.Error() != want {
				t.Errorf("%s: got %v, want %s", src, err, want)
			}
		}
	}
	r.Value = pipeline.RawValue([]byte("abc"))
	if yes, err := compile(t, `value == b"abc" && size(value) == 3`, Condition).Bool(b, r); !yes || err != nil {
		t.Errorf("bytes: %v, %v", yes, err)
	}
	r.Value, r.Key = pipeline.TextValue([]byte("abc")), nil
	if yes, err := compile(t, `value.startsWith("a") && key == null`, Condition).Bool(b, r); !yes || err != nil {
		t.Errorf("text: %v, %v", yes, err)
	}
	b, r = record(t, `[1, {"a": 2}]`)
	if yes, err := compile(t, `value[1].a == 2`, Condition).Bool(b, r); !yes || err != nil {
		t.Errorf("list: %v, %v", yes, err)
	}
}

func TestMistakes(t *testing.T) {
	const known = "an expression knows key, value, headers, topic, time and origin"
	tests := map[string]string{
		"value.action == buy":           `1:17: buy is not known; ` + known + `; a text needs quotes: "buy"`,
		"valeu.x == 1":                  "1:1: valeu is not known; did you mean value? " + known,
		"value.x ==\n  foo(1)":          "2:6: there is no function foo; see the list of functions of CEL",
		"value.x == ":                   "1:12: the expression ends too early; write what is missing here",
		"":                              "1:1: the expression ends too early; write what is missing here",
		"value.a = 1":                   "1:9: = is not an operator; compare with ==",
		"value.a == \"x":                "1:12: a text that does not end; close it with the quote it begins with",
		"value.a value.b":               `1:9: "value" cannot stand here; an operator may be missing before it`,
		"value.ü == 1":                  `1:7: "ü" cannot stand here`,
		"'ü' == foo":                    `1:8: foo is not known; ` + known + `; a text needs quotes: "foo"`,
		"has(value)":                    "1:5: has() takes a field; write has(value.name)",
		"1 + 'a' == 2":                  "1:3: + does not take (int, string); convert with int(), double() or string(), or hide the type with dyn()",
		"topic + 'x'":                   `1:1: this gives a text, and a condition has to be true or false; compare it with something, as in value.action == "buy"`,
		"1.5":                           `1:1: this gives a number, and a condition has to be true or false; compare it with something, as in value.action == "buy"`,
		"headers":                       `1:1: this gives a map, and a condition has to be true or false; compare it with something, as in value.action == "buy"`,
		"true ? 1 : 'x'":                "1:6: ? : does not take (bool, int, string); convert with int(), double() or string(), or hide the type with dyn()",
		"valeu == 1 &&\n  tpoic == 'x'": "1:1: valeu is not known; did you mean value? " + known + "\n2:3: tpoic is not known; did you mean topic? " + known,
	}
	for src, want := range tests {
		_, err := Compile(pipeline.Expression(src), Condition)
		if _, ok := errors.AsType[Mistakes](err); !ok || err.Error() != want {
			t.Errorf("%q:\n got %v\nwant %s", src, err, want)
		}
	}
}

func TestFirstField(t *testing.T) {
	tests := map[string]Field{
		`value.a.b == 1`:                         {"value.a.b", 1, 1},
		`key == "x" && has(value.b) && value.a`:  {"value.b", 1, 19},
		"topic == 'ü' &&\n  value['a b'] == 1":   {`value["a b"]`, 2, 3},
		`[1].all(x, value.?c == optional.of(x))`: {"value.c", 1, 12},
		`key == "x" && headers.value == "x"`:     {},
		`value == b"abc"`:                        {},
	}
	for src, want := range tests {
		got, ok := compile(t, src, Anything).Field()
		if got != want || ok != (want != Field{}) {
			t.Errorf("%s: got %v, %v", src, got, ok)
		}
	}
}

func TestLoopsEnd(t *testing.T) {
	b, r := record(t, `{"l":[`+strings.Repeat("1,", 2999)+`1]}`)
	p := compile(t, `value.l.all(a, value.l.all(b, value.l.all(c, a == b && b == c)))`, Condition)
	start := time.Now()
	_, err := p.Bool(b, r)
	if err == nil || !strings.Contains(err.Error(), "more steps than an expression may") {
		t.Errorf("got %v", err)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
	if yes, err := compile(t, `value.l.all(a, a == 1)`, Condition).Bool(b, r); !yes || err != nil {
		t.Errorf("one loop: %v, %v", yes, err)
	}
}

func TestEvaluationIsConcurrent(t *testing.T) {
	p := compile(t, `value.item.sku == "SKU-99812" && value.price * value.quantity > 37`, Condition)
	done := make(chan error)
	for range 4 {
		go func() {
			for range 200 {
				b, r := record(t, event)
				if yes, err := p.Bool(b, r); !yes || err != nil {
					done <- errors.Join(errors.New("not true"), err)
					return
				}
			}
			done <- nil
		}()
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func FuzzCompile(f *testing.F) {
	for _, seed := range []string{`value.action in ["cart", "buy"]`, `value.?a[0].b * 2.5`, `has(value.a) ? "ü" : 'x'`, "value.\n", `[1].map(x, x)`, `\`, `value["a"][?"b"]`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, src string) {
		p, err := Compile(pipeline.Expression(src), Anything)
		if err != nil {
			mistakes, ok := errors.AsType[Mistakes](err)
			if !ok || len(mistakes) == 0 || mistakes[0].Line < 1 || mistakes[0].Col < 1 || mistakes[0].What == "" {
				t.Fatalf("%q: %#v", src, err)
			}
			return
		}
		b, r := record(t, event)
		if text, ok, err := p.JSON(b, r); ok && err == nil {
			if _, err := b.Document(text); err != nil {
				t.Fatalf("%q gives %s: %v", src, text, err)
			}
		}
	})
}

func BenchmarkCondition(b *testing.B) {
	batch, r := record(b, event)
	p := compile(b, `value.action in ["cart", "buy"]`, Condition)
	b.ReportAllocs()
	for b.Loop() {
		if yes, err := p.Bool(batch, r); !yes || err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkArithmetic(b *testing.B) {
	batch, r := record(b, event)
	p := compile(b, `value.price * value.quantity`, Anything)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := p.JSON(batch, r); err != nil {
			b.Fatal(err)
		}
		batch.Arena.Reset()
	}
}

func BenchmarkPath(b *testing.B) {
	batch, r := record(b, event)
	p := compile(b, `value.user_id`, Anything)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := p.Bytes(batch, r); err != nil {
			b.Fatal(err)
		}
		batch.Arena.Reset()
	}
}
