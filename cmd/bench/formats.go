package main

import (
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
}

// benchFormats are the formats that hold the event and can be written.
func benchFormats() ([]namedFormat, error) {
	const limit = 1 << 20
	cbor, cborErr := format.NewCBOR()
	avro, avroErr := format.NewAvro(format.AvroSettings{Schema: eventAvro}, nil)
	proto, protoErr := format.NewProtobuf(format.ProtobufSettings{Schema: eventProto}, nil)
	schema, schemaErr := format.NewJSONSchema(format.JSONSchemaSettings{Schema: `{"type":"object","required":["event_id"],"properties":{"price":{"minimum":0}}}`}, nil)
	csv, csvErr := format.NewCSV(format.CSVSettings{Columns: eventColumns, Delimiter: ","})
	zstd, zstdErr := format.NewZstd(format.JSON{}, limit)
	return []namedFormat{
		{"json", format.JSON{}}, {"connect_json", format.ConnectJSON{}}, {"avro", avro}, {"protobuf", proto}, {"json_schema", schema},
		{"msgpack", format.MsgPack{}}, {"cbor", cbor}, {"csv", csv}, {"logfmt", format.Logfmt{}}, {"yaml", format.YAML{}},
		{"base64 of json", format.NewBase64(format.JSON{})}, {"hex of json", format.NewHex(format.JSON{})}, {"gzip of json", format.NewGzip(format.JSON{}, limit)},
		{"zstd of json", zstd}, {"lz4 of json", format.NewLZ4(format.JSON{}, limit)}, {"snappy of json", format.NewSnappy(format.JSON{}, limit)},
	}, errors.Join(cborErr, avroErr, protoErr, schemaErr, csvErr, zstdErr)
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
		write := []pipeline.Transform{format.NewReader(format.JSON{}), format.NewWriter(f.format)}
		raw, err := once(ctx, []byte(shopEvent), write)
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		reads, readErr := b.perRecord(ctx, raw, []pipeline.Transform{format.NewReader(f.format)})
		writes, writeErr := b.perRecord(ctx, []byte(shopEvent), write)
		if err := errors.Join(readErr, writeErr); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		found.Formats = append(found.Formats, report.Format{Name: f.name, Bytes: len(raw), Read: reads - bare, Write: writes - reading})
	}
	return b.chains(ctx, bare, found)
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
