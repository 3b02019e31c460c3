package format_test

import (
	"context"
	"fmt"
	"time"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/transforms/format"
)

// apply runs a stage on a batch.
func apply(stage pipeline.Transform, b *pipeline.Batch) {
	if err := stage.Apply(context.Background(), b); err != nil {
		fmt.Println(err)
	}
}

// What does not fit the format is an error of its record.
func ExampleNewReader() {
	b := &pipeline.Batch{}
	b.Add().Value = pipeline.RawValue([]byte(`{"user":"u1"}`))
	b.Add().Value = pipeline.RawValue([]byte{})
	apply(format.NewReader(format.JSON{}), b)
	user, _ := b.Records[0].Value.Get("user")
	fmt.Println(user.Text())
	fmt.Println(b.Records[1].Failure.Err)
	// Output:
	// u1
	// the value is empty, and that is not JSON; set source.format to text or bytes to take it as it is
}

// A text becomes a JSON string.
func ExampleNewWriter() {
	b := &pipeline.Batch{}
	b.Add().Value = pipeline.TextValue([]byte(`say "hello"`))
	apply(format.NewWriter(format.JSON{}), b)
	fmt.Println(string(b.Records[0].Value.Raw()))
	// Output: "say \"hello\""
}

// read prints what a format makes of the bytes of a value.
func read(f pipeline.Format, err error, raw []byte) {
	if err != nil {
		fmt.Println(err)
		return
	}
	b := &pipeline.Batch{}
	r := b.Add()
	r.Value = pipeline.RawValue(raw)
	apply(format.NewReader(f), b)
	if r.Failure != nil {
		fmt.Println("refused:", r.Failure.Err)
		return
	}
	fmt.Println(string(r.Value.Raw()))
}

// written gives the bytes that a format makes of a document.
func written(f pipeline.Format, err error, document string) []byte {
	if err != nil {
		return []byte(err.Error())
	}
	b := &pipeline.Batch{}
	r := b.Add()
	r.Value = pipeline.RawValue([]byte(document))
	apply(format.NewReader(format.JSON{}), b)
	apply(format.NewWriter(f), b)
	if r.Failure != nil {
		return []byte("refused: " + r.Failure.Err.Error())
	}
	return r.Value.Raw()
}

// Prices stay exact: a decimal is a number with its zeros.
func ExampleNewAvro() {
	avro, err := format.NewAvro(format.AvroSettings{Schema: `{"type":"record","name":"Order","fields":[
		{"name":"id","type":"string"},
		{"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}}]}`}, nil)
	raw := written(avro, err, `{"id":"o1","price":12.50}`)
	fmt.Printf("%x\n", raw)
	read(avro, err, raw)
	// Output:
	// 046f310404e2
	// {"id":"o1","price":12.50}
}

// The first message of the file is what a value is, where settings name no other.
func ExampleNewProtobuf() {
	protobuf, err := format.NewProtobuf(format.ProtobufSettings{Schema: `syntax = "proto3";
		message Order { string id = 1; int64 items = 2; }`}, nil)
	raw := written(protobuf, err, `{"id":"o1","items":150}`)
	fmt.Printf("%x\n", raw)
	read(protobuf, err, raw)
	// Output:
	// 0a026f31109601
	// {"id":"o1","items":150}
}

// A value that does not fit is refused, and nothing of it is told.
func ExampleNewJSONSchema() {
	order, err := format.NewJSONSchema(format.JSONSchemaSettings{Schema: `{"type":"object","required":["id"]}`}, nil)
	read(order, err, []byte(`{"id":"o1"}`))
	fmt.Printf("%s\n", written(order, err, `{"secret":7}`))
	// Output:
	// {"id":"o1"}
	// refused: the value does not fit the schema: the schema refuses it at /required; change the record or the schema
}

// A schema finds those that it names among what it is given, and reads nothing else.
func ExampleCompileSchema() {
	const line = "https://example.com/line.json"
	schema, err := format.CompileSchema(`{"properties":{"line":{"$ref":"`+line+`"}}}`, map[string]string{line: `{"required":["sku"]}`})
	if err != nil {
		fmt.Println(err)
		return
	}
	b := &pipeline.Batch{}
	for _, text := range []string{`{"line":{"sku":"s1"}}`, `{"line":{}}`} {
		value, err := b.Document([]byte(text))
		if err != nil {
			fmt.Println(err)
			return
		}
		root, _ := value.Root()
		fmt.Println(schema.Check(root))
	}
	// Output:
	// <nil>
	// the schema refuses it at /required
}

// Each value is written in its shortest form, and loses no digit.
func ExampleNewCBOR() {
	cbor, err := format.NewCBOR()
	raw := written(cbor, err, `{"n":1,"price":12.50}`)
	fmt.Printf("%x\n", raw)
	read(cbor, err, raw)
	// Output:
	// a2616e01657072696365f94a40
	// {"n":1,"price":12.5}
}

// A value is one row; columns come as texts.
func ExampleNewCSV() {
	csv, err := format.NewCSV(format.CSVSettings{Columns: []string{"user", "action", "price"}, Delimiter: ";"})
	read(csv, err, []byte(`u1;"cart; later";12.50`))
	fmt.Printf("%s\n", written(csv, err, `{"price":12.50,"user":"u1","action":null}`))
	// Output:
	// {"user":"u1","action":"cart; later","price":"12.50"}
	// u1;;12.50
}

// An event is made of a value that is none.
func ExampleNewCloudEvents() {
	events, err := format.NewCloudEvents(format.CloudEventsSettings{Mode: "binary", Source: "/shop", Type: "com.example.shop.purchase"})
	if err != nil {
		fmt.Println(err)
		return
	}
	b := &pipeline.Batch{Shard: "orders"}
	r := b.Add()
	r.Offset.Minor, r.Time, r.Value = 7, time.UnixMilli(1_700_000_000_000), pipeline.RawValue([]byte(`{"sku":"s1"}`))
	apply(format.NewReader(format.JSON{}), b)
	apply(format.NewWriter(events), b)
	for _, h := range r.Headers {
		fmt.Printf("%s: %s\n", h.Key, h.Value)
	}
	fmt.Printf("%s\n", r.Value.Raw())
	// Output:
	// ce_specversion: 1.0
	// ce_id: orders/0-7
	// ce_source: /shop
	// ce_type: com.example.shop.purchase
	// ce_time: 2023-11-14T22:13:20Z
	// content-type: application/json
	// {"sku":"s1"}
}

// A change of a row becomes the row.
func ExampleNewDebezium() {
	debezium := format.NewDebezium(format.DebeziumSettings{Deletes: "mark", Add: []string{"op", "source.table"}}, format.JSON{})
	read(debezium, nil, []byte(`{"before":null,"after":{"id":1,"total":12.50},"source":{"table":"orders"},"op":"c"}`))
	read(debezium, nil, []byte(`{"before":{"id":1,"total":12.50},"after":null,"source":{"table":"orders"},"op":"d"}`))
	// Output:
	// {"id":1,"total":12.50,"__deleted":false,"__op":"c","__source_table":"orders"}
	// {"id":1,"total":12.50,"__deleted":true,"__op":"d","__source_table":"orders"}
}

func ExampleNewAccessLog() {
	log, err := format.NewAccessLog(format.AccessLogSettings{Kind: "common"})
	read(log, err, []byte(`127.0.0.1 - ada [10/Oct/2000:13:55:36 -0700] "GET /index.html HTTP/1.0" 200 2326`))
	// Output:
	// {"host":"127.0.0.1","user":"ada","time":"10/Oct/2000:13:55:36 -0700","method":"GET","path":"/index.html","protocol":"HTTP/1.0","status":200,"bytes":2326}
}

// Each group with a name is a field.
func ExampleNewPattern() {
	lines, err := format.NewPattern(format.PatternSettings{Pattern: `(?P<level>[A-Z]+) (?P<message>.*)`})
	read(lines, err, []byte("WARN the disk is full"))
	read(lines, err, []byte("no level"))
	// Output:
	// {"level":"WARN","message":"the disk is full"}
	// refused: the value cannot be read: it does not match the pattern; set source.format to what it is; text or bytes take it as it is
}

// Both alphabets are read, with and without padding.
func ExampleNewBase64() {
	base64 := format.NewBase64(format.JSON{})
	read(base64, nil, []byte("eyJuIjoxfQ"))
	fmt.Printf("%s\n", written(base64, nil, `{"n":1}`))
	// Output:
	// {"n":1}
	// eyJuIjoxfQ==
}

func ExampleNewHex() {
	hex := format.NewHex(format.JSON{})
	read(hex, nil, []byte("7B7D"))
	fmt.Printf("%s\n", written(hex, nil, `{}`))
	// Output:
	// {}
	// 7b7d
}

// What unpacks to more than the limit is refused.
func ExampleNewGzip() {
	gzip := format.NewGzip(format.JSON{}, 16)
	read(gzip, nil, written(gzip, nil, `{"n":1}`))
	read(gzip, nil, written(gzip, nil, `{"text":"longer than 16 bytes"}`))
	// Output:
	// {"n":1}
	// refused: the value cannot be read: it unpacks to more than 16 bytes; set source.format to what it is; text or bytes take it as it is
}

func ExampleNewZstd() {
	zstd, err := format.NewZstd(format.JSON{}, 64<<20)
	raw := written(zstd, err, `{"n":1}`)
	fmt.Printf("%x\n", raw[:4])
	read(zstd, err, raw)
	// Output:
	// 28b52ffd
	// {"n":1}
}

func ExampleNewLZ4() {
	lz4 := format.NewLZ4(format.JSON{}, 64<<20)
	raw := written(lz4, nil, `{"n":1}`)
	fmt.Printf("%x\n", raw[:4])
	read(lz4, nil, raw)
	// Output:
	// 04224d18
	// {"n":1}
}

// A block says at its beginning how long what it holds is.
func ExampleNewSnappy() {
	snappy := format.NewSnappy(format.JSON{}, 64<<20)
	raw := written(snappy, nil, `{"n":1}`)
	fmt.Println(raw[0], "bytes")
	read(snappy, nil, raw)
	// Output:
	// 7 bytes
	// {"n":1}
}

// A file that writes by a format which only reads is refused before anything runs.
func ExampleWritable() {
	debezium := format.NewDebezium(format.DebeziumSettings{Deletes: "mark"}, format.JSON{})
	fmt.Println(format.Writable(format.JSON{}))
	fmt.Println(format.Writable(debezium))
	// Output:
	// <nil>
	// this format is only read, not written; write another one in sink.format
}
