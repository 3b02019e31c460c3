package format

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"
	"pgregory.net/rapid"

	"github.com/penstock-io/penstock/pipeline"
)

const orderProto = `syntax = "proto3";
package shop;
import "google/protobuf/timestamp.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/wrappers.proto";
message Order {
  string id = 1;
  sint64 delta = 3;
  int64 big_number = 2;
  uint64 huge = 15;
  repeated int32 sizes = 16;
  repeated string tags = 17;
  map<string, Item> items = 18;
  map<int32, bool> flags = 19;
  optional double price = 20;
  State state = 21;
  bytes raw = 22;
  oneof how { string by_mail = 23; Item by_hand = 24; }
  google.protobuf.Timestamp at = 25;
  google.protobuf.Duration took = 26;
  google.protobuf.Struct more = 27;
  google.protobuf.Int64Value maybe = 28;
  Order parent = 29;
  float weight = 30;
  fixed32 f32 = 31; sfixed64 s64 = 32; sint32 s32 = 33; bool ok = 34;
  google.protobuf.Value any = 35;
  message Item { string sku = 1; int32 count = 2; }
}
enum State { NEW = 0; PAID = 1; }
`

func protoOf(t testing.TB, schema, message string) *Protobuf {
	return must[*Protobuf](t)(NewProtobuf(ProtobufSettings{Schema: schema, Message: message, UnknownFields: "refuse"}, nil))
}

// TestProtobufVectors are the examples of protobuf.dev (Encoding), and the rules that
// readers keep: the last of a field counts, messages are merged, lists may be packed or
// not, unknown fields are passed over.
func TestProtobufVectors(t *testing.T) {
	const do = "; set source.format to what it is; text or bytes take it as it is"
	const cannot = "! the value cannot be read: "
	for schema, vectors := range map[string][]vector{
		`message Test1 { int32 a = 1; }`: {{"089601", `{"a":150}`, true}, {"", `{"a":0}`, true}, {"08018802ff01089601", `{"a":150}`, false}, {"08ffffffffffffffffff01", `{"a":-1}`, true},
			{"0a0131", cannot + "a field has another type than the schema says" + do, false}, {"08", cannot + errCutShort.Error() + do, false}, {"00", cannot + errCutShort.Error() + do, false}},
		`message Test2 { string b = 2; }`:                                                        {{"120774657374696e67", `{"b":"testing"}`, true}, {"1201ff", cannot + errNotUTF8.Error() + do, false}},
		`message Test3 { Test1 c = 3; } message Test1 { int32 a = 1; int32 b = 2; }`:             {{"1a03089601", `{"c":{"a":150,"b":0}}`, true}, {"1a0308960" + "1" + "1a021001", `{"c":{"a":150,"b":1}}`, false}, {"", `{}`, true}, {"1a00", `{"c":{"a":0,"b":0}}`, true}},
		`message Test4 { string d = 4; repeated int32 e = 6; }`:                                  {{"3206038e029ea705", `{"d":"","e":[3,270,86942]}`, true}, {"3003308e02220161309ea705", `{"d":"a","e":[3,270,86942]}`, false}},
		`message Z { sint32 a = 1; sint64 b = 2; }`:                                              {{"0801", `{"a":-1,"b":0}`, true}, {"08feffffff0f10ffffffffffffffffff01", `{"a":2147483647,"b":-9223372036854775808}`, true}},
		`message F { fixed32 a = 1; sfixed32 b = 2; fixed64 c = 3; float d = 4; double e = 5; }`: {{"0d01000000" + "15ffffffff" + "190100000000000080" + "25cdcccc3d" + "29000000000000f83f", `{"a":1,"b":-1,"c":9223372036854775809,"d":0.1,"e":1.5}`, true}},
		`message O { oneof x { int32 a = 1; int32 b = 2; } }`:                                    {{"0801", `{"a":1}`, true}, {"08011002", `{"b":2}`, false}, {"0800", `{"a":0}`, true}},
		`message M { map<string, int32> m = 1; }`:                                                {{"0a050a01611001", `{"m":{"a":1}}`, true}, {"0a030a0161", `{"m":{"a":0}}`, false}, {"0a00", `{"m":{"":0}}`, false}},
		`message E { E1 e = 1; enum E1 { A = 0; B = 1; } }`:                                      {{"0801", `{"e":"B"}`, true}, {"0807", `{"e":7}`, true}, {"", `{"e":"A"}`, true}},
	} {
		testVectors(t, protoOf(t, `syntax = "proto3"; `+schema, ""), vectors)
	}
}

// TestProtobufAgrees holds against Google's own implementation.
func TestProtobufAgrees(t *testing.T) {
	ours := protoOf(t, orderProto, "shop.Order")
	file, err := compileProto(orderProto, nil)
	if err != nil {
		t.Fatal(err)
	}
	descriptor, err := findMessage(file, "Order")
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		text := drawOrder(rt, 2)
		out := through(t, JSON{}, ours, []byte(text))
		if out.Fate == pipeline.Failed {
			rt.Fatalf("%s: %s", text, shown(out))
		}
		encoded := bytes.Clone(out.Value.Raw())
		theirs := dynamicpb.NewMessage(descriptor)
		if err := proto.Unmarshal(encoded, theirs); err != nil {
			rt.Fatalf("%s: Google's cannot read it: %v", text, err)
		}
		want := dynamicpb.NewMessage(descriptor)
		if err := protojson.Unmarshal([]byte(text), want); err != nil {
			rt.Fatalf("%s: Google's refuses the JSON: %v", text, err)
		}
		if !proto.Equal(theirs, want) {
			rt.Fatalf("%s: Google's reads it as %v", text, theirs)
		}
		again, err := proto.Marshal(want)
		if err != nil {
			rt.Fatal(err)
		}
		back := shown(through(t, ours, nil, again))
		if second := shown(through(t, JSON{}, ours, []byte(back))); len(second) != len(again) {
			rt.Fatalf("%s: it comes back as %s", text, back)
		}
		third := dynamicpb.NewMessage(descriptor)
		if err := protojson.Unmarshal([]byte(back), third); err != nil || !proto.Equal(third, want) {
			rt.Fatalf("%s: what was read, %s, is not the same to Google's: %v", text, back, err)
		}
	})
}

// drawOrder draws JSON of an order, with some of its fields.
func drawOrder(t *rapid.T, depth int) string {
	quoted := func(label string) string {
		text, err := json.Marshal(rapid.String().Draw(t, label))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	all := map[string]func() string{
		"id": func() string { return quoted("id") }, "delta": func() string { return fmt.Sprint(rapid.Int64().Draw(t, "delta")) },
		"big_number": func() string { return fmt.Sprint(rapid.Int64().Draw(t, "big")) }, "huge": func() string { return fmt.Sprint(rapid.Uint64().Draw(t, "huge")) },
		"sizes": func() string {
			return strings.ReplaceAll(fmt.Sprint(rapid.SliceOfN(rapid.Int32(), 0, 200).Draw(t, "sizes")), " ", ",")
		},
		"tags":  func() string { return "[" + quoted("tag") + "," + quoted("tag") + "]" },
		"items": func() string { return `{"a":{"sku":` + quoted("sku") + `,"count":3},"b":{}}` },
		"flags": func() string { return `{"-7":true,"0":false}` }, "price": func() string { return rapid.SampledFrom([]string{"0", "12.5", `"NaN"`, "1e300"}).Draw(t, "price") },
		"state": func() string { return rapid.SampledFrom([]string{`"PAID"`, `"NEW"`, "9"}).Draw(t, "state") }, "raw": func() string { return `"AQID/w=="` },
		"by_hand": func() string { return `{"sku":"x"}` },
		"at": func() string {
			return rapid.SampledFrom([]string{`"2026-01-02T03:04:05.678Z"`, `"1969-12-31T23:59:59.5Z"`, `"0001-01-01T00:00:00Z"`, `"2026-01-02T03:04:05+02:00"`}).Draw(t, "at")
		},
		"took": func() string {
			return rapid.SampledFrom([]string{`"1.5s"`, `"-0.000000001s"`, `"0s"`, `"-3s"`}).Draw(t, "took")
		},
		"more": func() string { return `{"a":[1,null,"x",{"b":true}],"c":{}}` }, "maybe": func() string { return rapid.SampledFrom([]string{"0", "7"}).Draw(t, "maybe") },
		"weight": func() string { return rapid.SampledFrom([]string{"0.1", "3.5", `"-Infinity"`}).Draw(t, "weight") }, "f32": func() string { return "4294967295" }, "s64": func() string { return "-1" },
		"s32": func() string { return fmt.Sprint(rapid.Int32().Draw(t, "s32")) }, "ok": func() string { return "true" },
		"any": func() string { return rapid.SampledFrom([]string{"null", "1", "[]", `{"x":[{}]}`}).Draw(t, "any") },
	}
	if depth > 0 {
		all["parent"] = func() string { return drawOrder(t, depth-1) }
	}
	var fields []string
	for _, name := range []string{"id", "delta", "big_number", "huge", "sizes", "tags", "items", "flags", "price", "state", "raw", "by_hand", "at", "took", "more", "maybe", "weight", "f32", "s64", "s32", "ok", "any", "parent"} {
		if draw, ok := all[name]; ok && rapid.Bool().Draw(t, name+"?") {
			fields = append(fields, `"`+name+`":`+draw())
		}
	}
	return "{" + strings.Join(fields, ",") + "}"
}

// TestProtobufFits says what a record lacks, at the field.
func TestProtobufFits(t *testing.T) {
	const do = "; change the record or the schema; unknown_fields: drop leaves out what the schema has not"
	strict := protoOf(t, orderProto, "Order")
	for in, want := range map[string]string{
		`{"bigNumber":"7","huge":"18446744073709551615"}`: "",
		`{"id":7}`:                            "id: it is a number, and the schema says string",
		`{"big_number":9223372036854775808}`:  "big_number: it is no whole number that fits into int64",
		`{"state":"GONE"}`:                    "state: it is none of the values of the enum",
		`{"items":{"a":{"count":"x"}}}`:       "items.a value of the map.count: it is no whole number that fits into int32",
		`{"sizes":[1,true]}`:                  "sizes.[1]: it is a bool, and the schema says int32",
		`{"by_mail":"x","by_hand":{}}`:        "by_hand: another field of its oneof is there too",
		`{"at":"yesterday"}`:                  "at: it is no time like 2026-01-02T03:04:05.678Z",
		`{"took":"1m"}`:                       "took: it is no duration like 1.5s",
		`{"flags":{"x":true}}`:                "flags: a key of the map is no whole number that fits",
		`{"price":0.12345678901234567890123}`: "price: it has more digits than double can hold",
		`{"unknown":1}`:                       "it has a field that message shop.Order has not",
		`{"parent":{"parent":{"unknown":1}}}`: "parent.parent: it has a field that message shop.Order has not",
		`"x"`:                                 "it is a string, and the schema says message shop.Order",
	} {
		out := through(t, JSON{}, strict, []byte(in))
		got := ""
		if out.Fate == pipeline.Failed {
			got = shown(out)
			want = "! the value does not fit the schema: " + want + do
		}
		if got != want {
			t.Errorf("%s:\n got %s\nwant %s", in, got, want)
		}
	}
	// Fields of another oneof between those of the first.
	mixed := protoOf(t, `syntax = "proto3"; message A { oneof x { int32 a = 1; int32 c = 3; } oneof y { int32 b = 2; } }`, "")
	if got := shown(through(t, JSON{}, mixed, []byte(`{"a":1,"b":2,"c":3}`))); !strings.Contains(got, "c: another field of its oneof is there too") {
		t.Errorf("two fields of a oneof: %s", got)
	}
	if got := through(t, JSON{}, mixed, []byte(`{"a":1,"b":2}`)); got.Fate == pipeline.Failed {
		t.Errorf("a field of each oneof: %s", shown(got))
	}
	for text, want := range map[string]string{
		"message":                              "syntax error",
		`syntax = "proto3"; import "a.proto";`: "a.proto",
		`syntax = "proto3";`:                   "there is no message in it",
		`syntax = "proto2"; message A { optional group B = 1 {} }`: "is a group, and those are not taken",
	} {
		if _, err := NewProtobuf(ProtobufSettings{Schema: text}, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
