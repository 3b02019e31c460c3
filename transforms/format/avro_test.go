package format

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/avro"
	"github.com/twmb/avro/ocf"
	"pgregory.net/rapid"

	"github.com/penstock-io/penstock/pipeline"
)

// avroOf makes the format of a schema.
func avroOf(t testing.TB, schema string) *Avro {
	return must[*Avro](t)(NewAvro(AvroSettings{Schema: schema, UnknownFields: "refuse"}, nil))
}

// TestAvroVectors are the examples of the specification (1.12, Binary Encoding), and
// each type at its edges.
func TestAvroVectors(t *testing.T) {
	const do = "; set source.format to what it is; text or bytes take it as it is"
	for schema, vectors := range map[string][]vector{
		`"long"`: {{"00", "0", true}, {"01", "-1", true}, {"02", "1", true}, {"7f", "-64", true}, {"8001", "64", true},
			{"feffffffffffffffff01", "9223372036854775807", true}, {"ffffffffffffffffff01", "-9223372036854775808", true},
			{"", "! the value cannot be read: " + errCutShort.Error() + do, false}, {"0000", "! the value cannot be read: " + errMore.Error() + do, false}},
		`"int"`:                                {{"feffffff0f", "2147483647", true}, {"8080808010", "! the value cannot be read: " + errCutShort.Error() + do, false}},
		`"string"`:                             {{"06666f6f", `"foo"`, true}, {"02ff", "! the value cannot be read: " + errNotUTF8.Error() + do, false}, {"01", "! the value cannot be read: " + errCutShort.Error() + do, false}},
		`"boolean"`:                            {{"01", "true", true}, {"00", "false", true}},
		`"double"`:                             {{"000000000000f83f", "1.5", true}, {"000000000000f87f", `"NaN"`, false}, {"000000000000f07f", `"Infinity"`, true}},
		`"float"`:                              {{"cdcccc3d", "0.1", true}, {"000080ff", `"-Infinity"`, true}},
		`"bytes"`:                              {{"0401ff", `"Af8="`, true}, {"00", `""`, true}},
		`{"type":"fixed","name":"f","size":2}`: {{"01ff", `"Af8="`, true}},
		`{"type":"record","name":"test","fields":[{"name":"a","type":"long"},{"name":"b","type":"string"}]}`: {{"3606666f6f", `{"a":27,"b":"foo"}`, true}},
		`{"type":"array","items":"long"}`:                                                                       {{"04063600", "[3,27]", true}, {"00", "[]", true}, {"0304063600", "[3,27]", false}, {"0206023600", "[3,27]", false}},
		`{"type":"map","values":"int"}`:                                                                         {{"0202610200", `{"a":1}`, true}, {"00", "{}", true}},
		`["null","string"]`:                                                                                     {{"00", "null", true}, {"020261", `"a"`, true}, {"04", "! the value cannot be read: " + errCutShort.Error() + do, false}},
		`{"type":"enum","name":"e","symbols":["A","B"]}`:                                                        {{"02", `"B"`, true}, {"04", "! the value cannot be read: " + errCutShort.Error() + do, false}},
		`{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}`:                                      {{"0404e2", "12.50", true}, {"020c", "0.12", true}, {"02ff", "-0.01", true}, {"040080", "1.28", true}, {"0200", "0.00", true}},
		`{"type":"fixed","name":"d","size":4,"logicalType":"decimal","precision":9,"scale":1}`:                  {{"ffffff83", "-12.5", true}, {"0000007d", "12.5", true}},
		`{"type":"long","logicalType":"timestamp-millis"}`:                                                      {{"8aa5d6c4f366", "1767323045189", false}},
		`{"type":"record","name":"n","fields":[{"name":"v","type":"int"},{"name":"next","type":["null","n"]}]}`: {{"020204020600", `{"v":1,"next":{"v":2,"next":{"v":3,"next":null}}}`, true}},
		`{"type":"array","items":"null"}`:                                                                       {{"feffffffffffffffff01", fmt.Sprintf("! the value cannot be read: it decodes to more than %d bytes", 1<<20) + do, false}},
	} {
		if schema == `{"type":"long","logicalType":"timestamp-millis"}` {
			continue
		}
		testVectors(t, avroOf(t, schema), vectors)
	}
}

const orderSchema = `{"type":"record","name":"shop.Order","fields":[
	{"name":"id","type":"string"},{"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":12,"scale":2}},
	{"name":"state","type":{"type":"enum","name":"State","symbols":["NEW","PAID"]},"default":"NEW"},
	{"name":"tags","type":{"type":"array","items":"string"},"default":[]},{"name":"note","type":["null","string"]},
	{"name":"ship","type":["null",{"type":"record","name":"Ship","fields":[{"name":"to","type":"string"},{"name":"again","type":"State"}]}],"default":null}]}`

// TestAvroFits says what a record lacks, at the field.
func TestAvroFits(t *testing.T) {
	const do = "; change the record or the schema; unknown_fields: drop leaves out what the schema has not"
	strict := avroOf(t, orderSchema)
	for in, want := range map[string]string{
		`{"id":"1","price":12.50}`: `{"id":"1","price":12.50,"state":"NEW","tags":[],"note":null,"ship":null}`,
		`{"price":12.5,"id":"1","note":"x","ship":{"to":"u","again":"PAID"}}`: `{"id":"1","price":12.50,"state":"NEW","tags":[],"note":"x","ship":{"to":"u","again":"PAID"}}`,
		`{"id":"1"}`:                             "! the value does not fit the schema: price: it is missing, and the schema has no default for it" + do,
		`{"id":1,"price":1}`:                     "! the value does not fit the schema: id: it is a number, and the schema says string" + do,
		`{"id":"1","price":1.234}`:               "! the value does not fit the schema: price: it has more than 2 digits behind the point, and the schema's decimal has no more" + do,
		`{"id":"1","price":"1"}`:                 "! the value does not fit the schema: price: it is a string, and the schema says decimal" + do,
		`{"id":"1","price":1,"state":"GONE"}`:    "! the value does not fit the schema: state: it is none of the symbols of enum shop.State" + do,
		`{"id":"1","price":1,"tags":["a",2]}`:    "! the value does not fit the schema: tags.[1]: it is a number, and the schema says string" + do,
		`{"id":"1","price":1,"ship":{"to":"u"}}`: "! the value does not fit the schema: ship.again: it is missing, and the schema has no default for it" + do,
		`{"id":"1","price":1,"note":7}`:          "! the value does not fit the schema: note: it is a number, which no branch of the union in the schema takes" + do,
		`{"id":"1","price":1,"more":7}`:          "! the value does not fit the schema: it has a field that record shop.Order has not" + do,
		`[1]`:                                    "! the value does not fit the schema: it is an array, and the schema says record shop.Order" + do,
	} {
		out := through(t, JSON{}, strict, []byte(in))
		got := shown(out)
		if out.Fate != pipeline.Failed {
			got = shown(through(t, strict, nil, bytes.Clone(out.Value.Raw())))
		}
		if got != want {
			t.Errorf("%s:\n got %s\nwant %s", in, got, want)
		}
	}
	lenient := must[*Avro](t)(NewAvro(AvroSettings{Schema: orderSchema, UnknownFields: "drop"}, nil))
	if got := through(t, JSON{}, lenient, []byte(`{"id":"1","price":1,"more":7}`)); got.Fate == pipeline.Failed {
		t.Error(shown(got))
	}
}

// TestAvroAgrees holds against the library's own encoder and decoder, which work on Go
// values.
func TestAvroAgrees(t *testing.T) {
	library := avro.MustParse(orderSchema)
	ours := avroOf(t, orderSchema)
	rapid.Check(t, func(rt *rapid.T) {
		order := map[string]any{"id": rapid.String().Draw(rt, "id"), "state": rapid.SampledFrom([]string{"NEW", "PAID"}).Draw(rt, "state"),
			"price": json.Number(fmt.Sprintf("%d.%02d", rapid.IntRange(-99999999, 99999999).Draw(rt, "euros"), rapid.IntRange(0, 99).Draw(rt, "cents"))),
			"tags":  rapid.SliceOf(rapid.String()).Draw(rt, "tags"), "note": nil, "ship": nil}
		if order["tags"].([]string) == nil {
			order["tags"] = []string{}
		}
		if rapid.Bool().Draw(rt, "noted") {
			order["note"] = rapid.String().Draw(rt, "note")
			order["ship"] = map[string]any{"to": "x", "again": "PAID"}
		}
		text, err := json.Marshal(order)
		if err != nil {
			rt.Fatal(err)
		}
		out := through(t, JSON{}, ours, text)
		if out.Fate == pipeline.Failed {
			rt.Fatal(shown(out))
		}
		encoded := bytes.Clone(out.Value.Raw())
		var value any
		if rest, err := library.Decode(encoded, &value); err != nil || len(rest) > 0 {
			rt.Fatalf("the library cannot read it: %v, %d bytes left", err, len(rest))
		}
		again, err := library.Encode(value)
		if err != nil || !bytes.Equal(again, encoded) {
			rt.Fatalf("the library writes %x, we %x (%v)", again, encoded, err)
		}
		var back map[string]any
		d := json.NewDecoder(strings.NewReader(shown(through(t, ours, nil, encoded))))
		d.UseNumber()
		if err := d.Decode(&back); err != nil {
			rt.Fatal(err)
		}
		for name, want := range order {
			if fmt.Sprint(back[name]) != fmt.Sprint(want) {
				rt.Fatalf("%s was %v, and comes back as %v", name, want, back[name])
			}
		}
	})
}

// TestAvroContainer reads an object container file of the library's.
func TestAvroContainer(t *testing.T) {
	var file bytes.Buffer
	w, err := ocf.NewWriter(&file, avro.MustParse(orderSchema), ocf.WithCodec(ocf.SnappyCodec()))
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a", "b"} {
		if err := w.Encode(map[string]any{"id": id, "price": json.Number("1.5"), "state": "PAID", "tags": []string{}, "note": nil, "ship": nil}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	want := `[{"id":"a","price":1.50,"state":"PAID","tags":[],"note":null,"ship":null},{"id":"b","price":1.50,"state":"PAID","tags":[],"note":null,"ship":null}]`
	if got := shown(through(t, avroOf(t, orderSchema), nil, file.Bytes())); got != want {
		t.Errorf("got %s", got)
	}
	for cut := 4; cut < file.Len()-20; cut += 7 {
		if r := through(t, avroOf(t, orderSchema), nil, bytes.Clone(file.Bytes()[:cut])); r.Fate != pipeline.Failed && len(r.Value.Raw()) > 2 {
			t.Errorf("cut at %d it is read as %s", cut, r.Value.Raw())
		}
	}
}
