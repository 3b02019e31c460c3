package cli

import (
	"slices"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/transforms/format"
	"github.com/penstock-io/penstock/transforms/format/registry"
)

// bytesFormat is the name of the format that reads nothing.
const bytesFormat = "bytes"

// formats are the formats that are built in.
func formats() []Format {
	return slices.Concat(documents(), bySchema(), lines(), layers())
}

// documents are formats that need no schema.
func documents() []Format {
	return []Format{
		plain[format.JSON](FormatInfo{Name: "json", Example: "json\n", Fields: true,
			Doc: `JSON texts. Their fields can be read and changed.

What nothing changes goes out byte for byte: the order of fields, escapes, 12.50
and numbers beyond 64 bits too.`}),
		plain[format.Text](FormatInfo{Name: "text", Example: "text\n", Doc: "UTF-8 text. The value is one string."}),
		plain[format.Bytes](FormatInfo{Name: bytesFormat, Example: "bytes\n", Doc: "Bytes, as they are. The default of sources."}),
		plain[format.ConnectJSON](FormatInfo{Name: "connect_json", Example: "connect_json\n", Fields: true,
			Doc: `JSON with the schema that Kafka Connect's JsonConverter puts beside it.

{"schema": …, "payload": …}: the payload is the value, with decimals as numbers. On
the way out the schema is the one that a value shows: whole numbers are int64, others
double, null an optional string, and the elements of a list are of one type.`}),
		NewFormat(FormatInfo{Name: "cloudevents", Example: "{cloudevents: {source: /shop, type: com.example.shop.purchase}}\n", Fields: true,
			Doc: `CloudEvents 1.0, in the structured and the binary mode of its Kafka binding.

A value is the event in its JSON form: {"specversion": "1.0", "id": …, "data": …}. Both
modes are read. With source and type, events are made of values that are none.`},
			func(_ Environment, s format.CloudEventsSettings) (*format.CloudEvents, error) {
				return format.NewCloudEvents(s)
			}),
		NewFormat(FormatInfo{Name: "debezium", Example: "{debezium: json}\n", Fields: true,
			Doc: `Change events of Debezium, of which the row after the change is the value. It is only read.

A row that was deleted is the row before it, with __deleted, or no value at all.`},
			func(env Environment, s format.DebeziumSettings) (*format.Debezium, error) {
				inner, err := env.Format(s.Of)
				return format.NewDebezium(s, inner), err
			}),
		plain[format.MsgPack](FormatInfo{Name: "msgpack", Example: "msgpack\n", Fields: true,
			Doc: `MessagePack.

Binary comes as base64, a timestamp as RFC 3339, a key that is no text as its
text. A number that neither 64 bits nor a float64 hold is refused on the way out.`}),
		NewFormat(FormatInfo{Name: "cbor", Example: "cbor\n", Fields: true,
			Doc: `CBOR, RFC 8949.

Byte strings come as base64; big numbers and decimal fractions are numbers, in
both directions, and lose no digit.`}, func(Environment, struct{}) (*format.CBOR, error) { return format.NewCBOR() }),
	}
}

// bySchema are formats that a schema describes.
func bySchema() []Format {
	return []Format{
		NewFormat(FormatInfo{Name: "avro", Example: "{avro: {registry: {url: http://localhost:8081}, subject: user_behavior_topic-value}}\n", Fields: true,
			Doc: `Apache Avro, by a schema of the file, or of a schema registry.

With a registry, values have Confluent's wire format: each names its schema. Decimals
are numbers, and lose no digit; times are the numbers that they are; bytes and fixed
are base64; NaN and infinities are texts. A union is the value alone, and is written
as the first branch that takes it. A field that is missing is the schema's default, or
null where it may be. Object container files are read, as the list of their values.

While the registry is away the pipeline waits. A schema that it has not is an error of
the record that names it.`}, func(_ Environment, s format.AvroSettings) (*format.Avro, error) {
			schemas, err := schemasOf(s.SubjectSettings, format.TypeAvro, s.Schema)
			if err != nil {
				return nil, err
			}
			return format.NewAvro(s, schemas)
		}),
		NewFormat(FormatInfo{Name: "protobuf", Example: "{protobuf: {registry: {url: http://localhost:8081}, subject: user_behavior_topic-value}}\n", Fields: true,
			Doc: `Protocol Buffers, by a .proto file, or by a schema registry.

With a registry, values have Confluent's wire format: each names its schema and its
message. Fields have the names of the file, in its order; those that it gives no
presence are always there. 64 bits are numbers, enums their names, bytes base64, NaN
and infinities texts; Timestamp, Duration, Struct and the wrappers are as in ProtoJSON.
Fields that the schema does not know are passed over.

While the registry is away the pipeline waits. A schema that it has not is an error of
the record that names it.`}, func(_ Environment, s format.ProtobufSettings) (*format.Protobuf, error) {
			schemas, err := schemasOf(s.SubjectSettings, format.TypeProtobuf, s.Schema)
			if err != nil {
				return nil, err
			}
			return format.NewProtobuf(s, schemas)
		}),
		NewFormat(FormatInfo{Name: "json_schema", Example: "{json_schema: {registry: {url: http://localhost:8081}, subject: user_behavior_topic-value}}\n", Fields: true,
			Doc: `JSON that fits a JSON Schema, of the file or of a schema registry.

What does not fit is refused, on the way in and on the way out. With a registry, values
have Confluent's wire format: each names its schema.`}, func(_ Environment, s format.JSONSchemaSettings) (*format.JSONSchema, error) {
			schemas, err := schemasOf(s.SubjectSettings, format.TypeJSON, s.Schema)
			if err != nil {
				return nil, err
			}
			return format.NewJSONSchema(s, schemas)
		}),
	}
}

// lines are formats that people read.
func lines() []Format {
	return []Format{
		plain[format.YAML](FormatInfo{Name: "yaml", Example: "yaml\n", Fields: true, Doc: "A YAML document. Aliases are written out."}),
		plain[format.XML](FormatInfo{Name: "xml", Example: "xml\n", Fields: true,
			Doc: `An XML document, without a DTD.

<order id="7"><item>a</item><item>b</item></order> is
{"order": {"@id": "7", "item": ["a", "b"]}}, and the other way round; the text of an
element that has attributes or elements is the field #text. Prefixes, comments and
the order between elements of different names are not kept.`}),
		NewFormat(FormatInfo{Name: "csv", Example: "{csv: {columns: [user_id, action, price]}}\n", Fields: true,
			Doc: `Rows of columns, RFC 4180.

A value is one row: an object of its columns, or, where nothing names them, a list.
With header it is a whole table: a list of objects. All columns come as texts.`},
			func(_ Environment, s format.CSVSettings) (*format.CSV, error) { return format.NewCSV(s) }),
		plain[format.Logfmt](FormatInfo{Name: "logfmt", Example: "logfmt\n", Fields: true,
			Doc: "A line of key=value pairs. All values come as texts."}),
		NewFormat(FormatInfo{Name: "access_log", Example: "{access_log: combined}\n", Fields: true,
			Doc: `A line of a web server's access log. It is only read.

Its fields are host, ident, user, time, method, path, protocol, status, bytes, referer
and agent; request, where that is none. Those that are - are left out.`},
			func(_ Environment, s format.AccessLogSettings) (*format.Pattern, error) {
				return format.NewAccessLog(s)
			}),
		NewFormat(FormatInfo{Name: "pattern", Example: "{pattern: '(?P<level>[A-Z]+) (?P<message>.*)'}\n", Fields: true,
			Doc: "Texts that a regular expression takes apart. It is only read."},
			func(_ Environment, s format.PatternSettings) (*format.Pattern, error) { return format.NewPattern(s) }),
	}
}

// layers are formats around other ones.
func layers() []Format {
	return []Format{
		encoded("base64", "Base64 of another format. Both alphabets are read, with padding or without.", format.NewBase64),
		encoded("hex", "Hexadecimal of another format.", format.NewHex),
		packed("gzip", "Another format, packed by gzip.", ok(format.NewGzip)),
		packed("zstd", "Another format, packed by zstd.", format.NewZstd),
		packed("lz4", "Another format, packed by lz4, in its frames.", ok(format.NewLZ4)),
		packed("snappy", "Another format, packed by snappy. Blocks and frames are read, blocks written.", ok(format.NewSnappy)),
	}
}

// schemasOf is the registry that settings name, nil where they name none.
func schemasOf(s format.SubjectSettings, schemaType, text string) (format.Schemas, error) {
	if s.Registry == nil {
		return nil, nil
	}
	return registry.New(s, schemaType, text)
}

// encoded is a format of text around another one.
func encoded(name, doc string, wrap func(pipeline.Format) pipeline.Format) Format {
	return NewFormat(FormatInfo{Name: name, Example: "{" + name + ": json}\n", Doc: doc,
		Inner: func(settings any) pipeline.Named { return settings.(*format.EncodedSettings).Of },
	}, func(env Environment, s format.EncodedSettings) (pipeline.Format, error) {
		inner, err := env.Format(s.Of)
		if err != nil {
			return nil, err
		}
		return wrap(inner), nil
	})
}

// packed is a format that packs another one.
func packed(name, doc string, wrap func(pipeline.Format, pipeline.Size) (pipeline.Format, error)) Format {
	return NewFormat(FormatInfo{Name: name, Example: "{" + name + ": json}\n", Doc: doc,
		Inner: func(settings any) pipeline.Named { return settings.(*format.PackedSettings).Of },
	}, func(env Environment, s format.PackedSettings) (pipeline.Format, error) {
		inner, err := env.Format(s.Of)
		if err != nil {
			return nil, err
		}
		return wrap(inner, s.Limit)
	})
}

// ok makes of a constructor that cannot fail one that does not.
func ok(wrap func(pipeline.Format, pipeline.Size) pipeline.Format) func(pipeline.Format, pipeline.Size) (pipeline.Format, error) {
	return func(inner pipeline.Format, limit pipeline.Size) (pipeline.Format, error) {
		return wrap(inner, limit), nil
	}
}

// plain is a format without settings.
func plain[F pipeline.Format](info FormatInfo) Format {
	return NewFormat(info, func(Environment, struct{}) (pipeline.Format, error) {
		var f F
		return f, nil
	})
}
