package format

import (
	"testing"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/pipelinetest/conform"
)

// event is a record of the usual size.
const event = `{"event_id":"e-000001","user_id":"u1234","action":"buy","item":"sku-000042","price":19.99,"quantity":3,"ts":1767323045123,` +
	`"session":"0f8fad5b-d9cb-469f-a165-70867728950e","page":"/shop/category/shoes/sku-000042","referrer":"https://example.com/search",` +
	`"agent":"Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101","discount":null,"member":true}`

// eventAvro is the schema of event.
const eventAvro = `{"type":"record","name":"Event","fields":[{"name":"event_id","type":"string"},{"name":"user_id","type":"string"},
	{"name":"action","type":"string"},{"name":"item","type":"string"},{"name":"price","type":"double"},{"name":"quantity","type":"int"},
	{"name":"ts","type":{"type":"long","logicalType":"timestamp-millis"}},{"name":"session","type":"string"},{"name":"page","type":"string"},
	{"name":"referrer","type":"string"},{"name":"agent","type":"string"},{"name":"discount","type":["null","double"]},{"name":"member","type":"boolean"}]}`

// eventProto is event as a message.
const eventProto = `syntax = "proto3"; message Event { string event_id = 1; string user_id = 2; string action = 3; string item = 4; double price = 5;
	int32 quantity = 6; int64 ts = 7; string session = 8; string page = 9; string referrer = 10; string agent = 11; optional double discount = 12; bool member = 13; }`

// columns are the fields of event.
var columns = []string{"event_id", "user_id", "action", "item", "price", "quantity", "ts", "session", "page", "referrer", "agent", "discount", "member"}

// all are the formats by their names.
func all(t testing.TB) map[string]pipeline.Format {
	return map[string]pipeline.Format{
		"bytes": Bytes{}, "text": Text{}, "json": JSON{}, "msgpack": MsgPack{}, "cbor": must[*CBOR](t)(NewCBOR()), "yaml": YAML{}, "logfmt": Logfmt{},
		"csv":  must[*CSV](t)(NewCSV(CSVSettings{Columns: columns, Delimiter: ","})),
		"avro": avroOf(t, eventAvro), "protobuf": protoOf(t, eventProto, ""), "connect_json": ConnectJSON{}, "cloudevents": must[*CloudEvents](t)(NewCloudEvents(CloudEventsSettings{Mode: "structured"})),
		"json_schema": must[*JSONSchema](t)(NewJSONSchema(JSONSchemaSettings{Schema: `{"type":"object","required":["event_id"],"properties":{"price":{"type":"number"}}}`}, nil)), "debezium": NewDebezium(DebeziumSettings{Deletes: "mark"}, JSON{}), "base64": NewBase64(JSON{}), "hex": NewHex(JSON{}), "gzip": NewGzip(JSON{}, 1<<20), "lz4": NewLZ4(JSON{}, 1<<20),
		"zstd": must[pipeline.Format](t)(NewZstd(JSON{}, 1<<20)), "snappy": NewSnappy(JSON{}, 1<<20),
		"xml": XML{}, "pattern": must[*Pattern](t)(NewPattern(PatternSettings{`"(?P<first>\w+)".*`})),
		"access_log": must[*Pattern](t)(NewAccessLog(AccessLogSettings{"combined"})), "access_log common": must[*Pattern](t)(NewAccessLog(AccessLogSettings{"common"})),
	}
}

// samples are texts of the formats that do not write an event, and that read one only in
// a form of their own.
var samples = map[string]string{
	"debezium":          `{"op":"c","before":null,"after":` + event + `}`,
	"cloudevents":       `{"specversion":"1.0","id":"1","source":"/shop","type":"shop.event","data":` + event + `}`,
	"xml":               `<event id="e-000001"><user>u1234</user><action>buy</action></event>`,
	"pattern":           `"first" and the rest`,
	"access_log":        commonAccess + ` "https://shop.example/" "Mozilla/5.0 (X11; Linux x86_64)"`,
	"access_log common": commonAccess,
}

const commonAccess = `203.0.113.9 - u1234 [12/Jan/2026:10:15:32 +0100] "GET /shop/shoes?ref=mail HTTP/1.1" 200 18234`

// sample gives what a format reads: the event, where it can be written in it.
func sample(t testing.TB, name string, f pipeline.Format) []byte {
	if text, is := samples[name]; is {
		return []byte(text)
	}
	return through(t, JSON{}, f, []byte(event)).Value.Raw()
}

// asJSON gives what a format writes: what it reads, where that has a form in JSON.
func asJSON(t testing.TB, f pipeline.Format, good []byte) []byte {
	if r := through(t, f, JSON{}, good); r.Fate == pipeline.Deliver {
		return r.Value.Raw()
	}
	return []byte(event)
}

// fill adds records: some that the format takes, and some that it does not.
func fill(good []byte) func(b *pipeline.Batch) {
	return func(b *pipeline.Batch) {
		for _, raw := range [][]byte{good, []byte("a secret\x00 that \xff belongs <into \"no error"), good, nil, good} {
			b.Add().Value = pipeline.RawValue(b.Arena.Copy(raw))
		}
	}
}

func TestFormatsConform(t *testing.T) {
	for name, f := range all(t) {
		good := sample(t, name, f)
		t.Run("read "+name, func(t *testing.T) {
			if r := through(t, f, nil, good); r.Fate != pipeline.Deliver {
				t.Errorf("it does not read %q: %v", good, r.Failure.Err)
			}
			conform.Transform(t, conform.TransformCase{Fill: fill(good), Fresh: func(*testing.T) pipeline.Transform { return NewReader(f) }})
		})
		t.Run("write "+name, func(t *testing.T) {
			if r := through(t, JSON{}, f, asJSON(t, f, good)); r.Fate != pipeline.Deliver && Writable(f) == nil {
				t.Errorf("it does not write: %v", r.Failure.Err)
			}
			conform.Transform(t, conform.TransformCase{Fresh: func(*testing.T) pipeline.Transform { return NewWriter(f) }, Fill: func(b *pipeline.Batch) {
				fill(asJSON(t, f, good))(b)
				if err := NewReader(JSON{}).Apply(t.Context(), b); err != nil {
					t.Fatal(err)
				}
				for i := range b.Records {
					b.Records[i].Fate, b.Records[i].Failure = pipeline.Deliver, nil
				}
			}})
		})
	}
}

// BenchmarkFormats reads and writes the same event, a record an operation.
func BenchmarkFormats(b *testing.B) {
	for name, f := range all(b) {
		raw := through(b, JSON{}, f, []byte(event))
		if raw.Fate == pipeline.Failed {
			continue // one that is only read, or does not hold it
		}
		benchmark(b, name+"/read", raw.Value.Raw(), NewReader(f))
		benchmark(b, name+"/write", []byte(event), NewReader(JSON{}), NewWriter(f))
	}
}

// benchmark carries batches of 1,000 records through stages.
func benchmark(b *testing.B, name string, raw []byte, stages ...pipeline.Transform) {
	b.Run(name, func(b *testing.B) {
		carried := new(pipeline.Batch)
		b.ReportAllocs()
		for n := 0; n < b.N; n += 1000 {
			for range min(1000, b.N-n) {
				carried.Add().Value = pipeline.RawValue(raw)
			}
			for _, stage := range stages {
				if err := stage.Apply(b.Context(), carried); err != nil {
					b.Fatal(err)
				}
			}
			if carried.Records[0].Fate == pipeline.Failed {
				b.Fatal(carried.Records[0].Failure.Err)
			}
			carried.Reset()
		}
	})
}
