package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/penstock-io/penstock/cmd/bench/report"
	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/transforms"
	"github.com/penstock-io/penstock/transforms/format"
)

// shopEvent is an event of the shop, of the usual size.
const shopEvent = `{"event_id":"e-00000001","user_id":"u1234","action":"buy","item":"sku-000042","price":19.99,"quantity":3,"ts":1767323045123,` +
	`"session":"0f8fad5b-d9cb-469f-a165","page":"/shop/shoes/sku-000042","agent":"Mozilla/5.0 (X11; Linux x86_64)","discount":null,"member":true}`

const eventAvro = `{"type":"record","name":"Event","fields":[{"name":"event_id","type":"string"},{"name":"user_id","type":"string"},
	{"name":"action","type":"string"},{"name":"item","type":"string"},{"name":"price","type":"double"},{"name":"quantity","type":"int"},
	{"name":"ts","type":"long"},{"name":"session","type":"string"},{"name":"page","type":"string"},
	{"name":"agent","type":"string"},{"name":"discount","type":["null","double"]},{"name":"member","type":"boolean"}]}`

const eventProto = `syntax = "proto3"; message Event { string event_id = 1; string user_id = 2; string action = 3; string item = 4; double price = 5;
	int32 quantity = 6; int64 ts = 7; string session = 8; string page = 9; string agent = 10; optional double discount = 11; bool member = 12; }`

var eventColumns = []string{"event_id", "user_id", "action", "item", "price", "quantity", "ts", "session", "page", "agent", "discount", "member"}

// namedFormat is a format by its name.
type namedFormat struct {
	name   string
	format pipeline.Format
	raw    string // what is read, of a format that writes nothing; else empty
	json   string // what is written; empty: the event
}

const (
	accessLine = `203.0.113.9 - u1234 [12/Jan/2026:10:15:32 +0100] "GET /shop/shoes/sku-000042?ref=mail HTTP/1.1" 200 18234 "https://shop.example/" "Mozilla/5.0 (X11; Linux x86_64)"`
	levelLine  = `2026-01-12T10:15:32Z WARN cart u1234 the item sku-000042 is not available any more, and was taken out of the cart`
	changed    = `{"before":null,"after":` + shopEvent + `,"source":{"db":"shop","table":"events","ts_ms":1767323045123},"op":"c","ts_ms":1767323045200}`
)

// benchFormats are the formats that hold the event, and those of log lines.
func benchFormats() ([]namedFormat, error) {
	const limit = 1 << 20
	cbor, cborErr := format.NewCBOR()
	avro, avroErr := format.NewAvro(format.AvroSettings{Schema: eventAvro}, nil)
	proto, protoErr := format.NewProtobuf(format.ProtobufSettings{Schema: eventProto}, nil)
	schema, schemaErr := format.NewJSONSchema(format.JSONSchemaSettings{Schema: `{"type":"object","required":["event_id"],"properties":{"price":{"minimum":0}}}`}, nil)
	csv, csvErr := format.NewCSV(format.CSVSettings{Columns: eventColumns, Delimiter: ","})
	zstd, zstdErr := format.NewZstd(format.JSON{}, limit)
	events, eventsErr := format.NewCloudEvents(format.CloudEventsSettings{Mode: "structured", Source: "/shop", Type: "shop.event"})
	access, accessErr := format.NewAccessLog(format.AccessLogSettings{Kind: "combined"})
	pattern, patternErr := format.NewPattern(format.PatternSettings{Pattern: `(?P<time>\S+) (?P<level>[A-Z]+) (?P<part>\w+) (?P<user>\S+) (?P<message>.*)`})
	return []namedFormat{
		{name: "json", format: format.JSON{}}, {name: "connect_json", format: format.ConnectJSON{}}, {name: "avro", format: avro},
		{name: "protobuf", format: proto}, {name: "json_schema", format: schema}, {name: "msgpack", format: format.MsgPack{}},
		{name: "cbor", format: cbor}, {name: "csv", format: csv}, {name: "xml", format: format.XML{}, json: `{"event":` + shopEvent + `}`}, {name: "logfmt", format: format.Logfmt{}},
		{name: "yaml", format: format.YAML{}}, {name: "cloudevents", format: events}, {name: "debezium", format: format.NewDebezium(format.DebeziumSettings{}, format.JSON{}), raw: changed},
		{name: "access_log", format: access, raw: accessLine}, {name: "pattern", format: pattern, raw: levelLine},
		{name: "text", format: format.Text{}}, {name: "bytes", format: format.Bytes{}},
		{name: "base64 of json", format: format.NewBase64(format.JSON{})}, {name: "hex of json", format: format.NewHex(format.JSON{})},
		{name: "gzip of json", format: format.NewGzip(format.JSON{}, limit)}, {name: "zstd of json", format: zstd},
		{name: "lz4 of json", format: format.NewLZ4(format.JSON{}, limit)}, {name: "snappy of json", format: format.NewSnappy(format.JSON{}, limit)},
	}, errors.Join(cborErr, avroErr, protoErr, schemaErr, csvErr, zstdErr, eventsErr, accessErr, patternErr)
}

// formats measures what formats take of the CPU, in this process and without servers:
// reading, and writing what was read as JSON; and the chain that most pipelines are.
func (b *bench) formats(ctx context.Context, found *report.Report) error {
	all, err := benchFormats()
	if err != nil {
		return err
	}
	bare, err := b.perRecord(ctx, []byte(shopEvent), nil)
	if err != nil {
		return err
	}
	reading, err := b.perRecord(ctx, []byte(shopEvent), []pipeline.Transform{format.NewReader(format.JSON{})})
	if err != nil {
		return err
	}
	for _, f := range all {
		took, err := b.format(ctx, f, bare, reading)
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		found.Formats = append(found.Formats, took)
	}
	return b.chains(ctx, bare, found)
}

// format measures one format. bare is what no stages take, and reading what JSON takes.
func (b *bench) format(ctx context.Context, f namedFormat, bare, reading float64) (report.Format, error) {
	took := report.Format{Name: f.name, Bytes: len(f.raw), ReadOnly: f.raw != ""}
	raw := []byte(f.raw)
	if !took.ReadOnly {
		json := []byte(cmp.Or(f.json, shopEvent))
		write := []pipeline.Transform{format.NewReader(format.JSON{}), format.NewWriter(f.format)}
		var err error
		if raw, err = once(ctx, json, write); err != nil {
			return took, err
		}
		writes, err := b.perRecord(ctx, json, write)
		if err != nil {
			return took, err
		}
		took.Bytes, took.Write = len(raw), writes-reading
	}
	reads, err := b.perRecord(ctx, raw, []pipeline.Transform{format.NewReader(f.format)})
	took.Read = reads - bare
	return took, err
}

// chains measures whole ways of a record, above one that does nothing.
func (b *bench) chains(ctx context.Context, bare float64, found *report.Report) error {
	filter, err := transforms.NewFilter(transforms.FilterSettings{Condition: `value.action == "buy"`})
	if err != nil {
		return err
	}
	set, err := transforms.NewSet(transforms.SetSettings{Values: map[string]any{"value.channel": "web"}})
	if err != nil {
		return err
	}
	reader, writer := format.NewReader(format.JSON{}), format.NewWriter(format.JSON{})
	for _, chain := range []struct {
		name   string
		stages []pipeline.Transform
	}{
		{"json → filter → set → json", []pipeline.Transform{reader, filter, set, writer}},
		{"json → filter → json", []pipeline.Transform{reader, filter, writer}},
	} {
		took, err := b.perRecord(ctx, []byte(shopEvent), chain.stages)
		if err != nil {
			return err
		}
		found.Chains = append(found.Chains, report.Chain{Name: chain.name, Nanoseconds: took - bare})
	}
	return nil
}

// perRecord gives the CPU that stages take for a record, in nanoseconds: the median of
// several runs of batches of 1,000.
func (b *bench) perRecord(ctx context.Context, raw []byte, stages []pipeline.Transform) (float64, error) {
	const batch = 1000
	var runs []float64
	carried := new(pipeline.Batch)
	for range max(b.options.runs, 3) {
		records, before := 0, cpuTime()
		for end := time.Now().Add(b.sizes.format); time.Now().Before(end); records += batch {
			for range batch {
				carried.Add().Value = pipeline.RawValue(raw)
			}
			if err := through(ctx, carried, stages); err != nil {
				return 0, err
			}
			carried.Reset()
		}
		runs = append(runs, float64(cpuTime()-before)/float64(records))
	}
	return report.Quantile(runs, 0.5), nil
}

// once takes one value through stages.
func once(ctx context.Context, raw []byte, stages []pipeline.Transform) ([]byte, error) {
	carried := new(pipeline.Batch)
	carried.Add().Value = pipeline.RawValue(raw)
	err := through(ctx, carried, stages)
	return carried.Records[0].Value.Raw(), err
}

func through(ctx context.Context, b *pipeline.Batch, stages []pipeline.Transform) error {
	for _, stage := range stages {
		if err := stage.Apply(ctx, b); err != nil {
			return err
		}
	}
	if f := b.Records[0].Failure; f != nil {
		return f.Err
	}
	return nil
}

// cpuTime is the CPU that this process has taken.
func cpuTime() time.Duration {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0 // it cannot fail with these arguments (getrusage(2))
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
