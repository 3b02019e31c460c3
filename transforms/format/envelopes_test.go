package format

import (
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

const sealed = "; set source.format to what it is; text or bytes take it as it is"

// TestConnectJSON reads what Kafka's JsonConverter writes, and writes what it reads.
func TestConnectJSON(t *testing.T) {
	for raw, want := range map[string]string{
		`{"schema":{"type":"struct","fields":[{"type":"int64","field":"id"},{"type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"2"},"field":"price"},` +
			`{"type":"array","items":{"type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"0"}},"field":"many"},{"type":"map","keys":{"type":"string"},"values":{"type":"int32"},"field":"m"}]},` +
			`"payload":{"id":9223372036854775807,"price":"BOI=","many":["/w==",null],"m":{"a":1}}}`: `{"id":9223372036854775807,"price":12.50,"many":[-1,null],"m":{"a":1}}`,
		`{"schema":{"type":"string","optional":true},"payload":"x"}`:                               `"x"`,
		`{"schema":null,"payload":{"a":1}}`:                                                        `{"a":1}`,
		`{"schema":{"type":"struct","fields":[]},"payload":{"a":1}}`:                               "! the value cannot be read: its payload is not what its schema says" + sealed,
		`{"schema":{"type":"string"},"payload":7}`:                                                 "! the value cannot be read: its payload is not what its schema says" + sealed,
		`{"schema":{"type":"bytes","name":"org.apache.kafka.connect.data.Decimal"},"payload":"x"}`: "! the value cannot be read: its payload is not what its schema says" + sealed,
		`{"schema":{"type":"array"},"payload":[1]}`:                                                `[1]`,
		`{"a":1}`: "! the value cannot be read: it has no schema and payload" + sealed,
		`[]`:      "! the value cannot be read: it has no schema and payload" + sealed,
	} {
		if got := shown(through(t, ConnectJSON{}, nil, []byte(raw))); got != want {
			t.Errorf("%s:\n got %s\nwant %s", raw, got, want)
		}
	}
	for in, want := range map[string]string{
		`{"id":7,"price":12.50,"ok":true,"note":null,"tags":["a","b"],"in":{"x":[]}}`: `{"schema":{"type":"struct","fields":[{"type":"int64","optional":true,"field":"id"},{"type":"double","optional":true,"field":"price"},` +
			`{"type":"boolean","optional":true,"field":"ok"},{"type":"string","optional":true,"field":"note"},{"type":"array","items":{"type":"string","optional":true},"optional":true,"field":"tags"},` +
			`{"type":"struct","fields":[{"type":"array","items":{"type":"string","optional":true},"optional":true,"field":"x"}],"optional":true,"field":"in"}],"optional":true},` +
			`"payload":{"id":7,"price":12.50,"ok":true,"note":null,"tags":["a","b"],"in":{"x":[]}}}`,
		`[1,"a"]`: "! a list has elements of several types, and Connect's schemas hold none such; make them the same first, or drop the field",
	} {
		out := through(t, JSON{}, ConnectJSON{}, []byte(in))
		if got := shown(out); got != want {
			t.Errorf("%s:\n got %s\nwant %s", in, got, want)
		}
		if out.Fate == pipeline.Failed {
			continue
		}
		if back := shown(through(t, ConnectJSON{}, nil, out.Value.Raw())); back != in {
			t.Errorf("%s comes back as %s", in, back)
		}
	}
}

func TestDebezium(t *testing.T) {
	const update = `{"before":{"id":1,"n":"a"},"after":{"id":1,"n":"b"},"source":{"table":"t","lsn":9223372036854775808},"op":"u","ts_ms":5}`
	const gone = `{"before":{"id":1,"n":12.50},"after":null,"source":{"table":"t"},"op":"d"}`
	mark := NewDebezium(DebeziumSettings{Deletes: "mark", Add: []string{"op", "source.lsn", "none.such"}}, JSON{})
	end := NewDebezium(DebeziumSettings{Deletes: "tombstone"}, JSON{})
	refuse := func(what string) string { return "! the value cannot be read: " + what + sealed }
	for _, tc := range []struct {
		f         pipeline.Format
		raw, want string
	}{
		{mark, update, `{"id":1,"n":"b","__deleted":false,"__op":"u","__source_lsn":9223372036854775808}`},
		{mark, `{"schema":{"type":"struct"},"payload":` + update + `}`, `{"id":1,"n":"b","__deleted":false,"__op":"u","__source_lsn":9223372036854775808}`},
		{mark, gone, `{"id":1,"n":12.50,"__deleted":true,"__op":"d"}`},
		{end, update, `{"id":1,"n":"b"}`},
		{end, `{"op":"t"}`, refuse("it is no change of a row: it has no op of c, u, r or d")},
		{end, `{"op":"c","after":null}`, refuse("its after is no row")},
		{mark, `{"op":"d"}`, refuse("its before is no row")},
		{end, `[1]`, refuse("it is no change of a row: it has no op of c, u, r or d")},
	} {
		if got := shown(through(t, tc.f, JSON{}, []byte(tc.raw))); got != tc.want {
			t.Errorf("%s:\n got %s\nwant %s", tc.raw, got, tc.want)
		}
	}
	if r := through(t, end, JSON{}, []byte(gone)); r.Fate != pipeline.Deliver || r.Value.Raw() != nil {
		t.Errorf("a tombstone is %s", shown(r))
	}
}

// TestTombstones: a record without a value has none in any format.
func TestTombstones(t *testing.T) {
	for name, f := range all(t) {
		if r := through(t, f, f, nil); r.Fate != pipeline.Deliver || r.Value.Raw() != nil {
			t.Errorf("%s: no value becomes %q", name, shown(r))
		}
	}
}

// TestJSONSchema refuses what does not fit, and says where in the schema, not what.
func TestJSONSchema(t *testing.T) {
	f := must[*JSONSchema](t)(NewJSONSchema(JSONSchemaSettings{Schema: `{"type":"object","required":["id"],"additionalProperties":false,
		"properties":{"id":{"type":"integer","maximum":9223372036854775808},"in":{"type":"object","properties":{"a":{"pattern":"^x"}}}}}`}, nil))
	for in, want := range map[string]string{
		`{"id": 9223372036854775808}`:  `{"id": 9223372036854775808}`,
		`{"id":9223372036854775809}`:   "/properties/id/maximum",
		`{}`:                           "/required",
		`{"id":1,"secret":2}`:          "/additionalProperties",
		`{"id":1,"in":{"a":"secret"}}`: "/properties/in/properties/a/pattern",
		`"secret"`:                     "/type",
	} {
		wantRead, wantWritten := want, want
		if want[0] == '/' {
			wantRead = "! the value cannot be read: the schema refuses it at " + want + sealed
			wantWritten = "! the value does not fit the schema: the schema refuses it at " + want + "; change the record or the schema"
		}
		if got := shown(through(t, f, nil, []byte(in))); got != wantRead {
			t.Errorf("%s is read as %s, want %s", in, got, wantRead)
		}
		if got := shown(through(t, JSON{}, f, []byte(in))); got != wantWritten {
			t.Errorf("%s is written as %s, want %s", in, got, wantWritten)
		}
	}
	for schema, want := range map[string]string{
		`{`:                                "it is not JSON",
		`{"type":7}`:                       "it is no JSON Schema",
		`{"$ref":"file:///etc/passwd"}`:    "it names a schema that is not there",
		`{"$ref":"https://example.com/a"}`: "it names a schema that is not there",
	} {
		if _, err := NewJSONSchema(JSONSchemaSettings{Schema: schema}, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", schema, err)
		}
	}
}

// carry takes one record through reading and writing.
func carry(t *testing.T, read, write pipeline.Format, r pipeline.Record) *pipeline.Record {
	t.Helper()
	b := &pipeline.Batch{Shard: "s"}
	*b.Add() = r
	for _, stage := range []pipeline.Transform{NewReader(read), NewWriter(write)} {
		if err := stage.Apply(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	return &b.Records[0]
}

// headersOf gives headers as one text.
func headersOf(r *pipeline.Record) string {
	var all []string
	for _, h := range r.Headers {
		all = append(all, h.Key+"="+string(h.Value))
	}
	return strings.Join(all, " ")
}

func TestCloudEvents(t *testing.T) {
	structured := must[*CloudEvents](t)(NewCloudEvents(CloudEventsSettings{Mode: "structured"}))
	binary := must[*CloudEvents](t)(NewCloudEvents(CloudEventsSettings{Mode: "binary"}))
	made := must[*CloudEvents](t)(NewCloudEvents(CloudEventsSettings{Mode: "structured", Source: "/shop", Type: "buy"}))
	header := func(pairs ...string) (all []pipeline.Header) {
		for i := 0; i < len(pairs); i += 2 {
			all = append(all, pipeline.Header{Key: pairs[i], Value: []byte(pairs[i+1])})
		}
		return all
	}
	attributes := header("ce_specversion", "1.0", "trace", "x", "ce_id", "1", "ce_source", "/s", "ce_type", "t", "ce_n", "7")
	for name, tc := range map[string]struct {
		read, write  pipeline.Format
		value        string
		headers      []pipeline.Header
		want, headed string
	}{
		"structured, as it is": {structured, structured, `{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"a":12.50}}`, header("k", "v"),
			`{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"a":12.50}}`, "k=v content-type=application/cloudevents+json; charset=UTF-8"},
		"structured to binary": {structured, binary, `{"specversion":"1.0","id":"1","source":"/s","type":"t","datacontenttype":"application/json","n":7,"data":{"a":12.50}}`,
			header("content-type", "application/cloudevents+json"), `{"a":12.50}`, "ce_specversion=1.0 ce_id=1 ce_source=/s ce_type=t content-type=application/json ce_n=7"},
		"binary to structured": {structured, structured, `{"a": 12.50}`, append(header("content-type", "application/json"), attributes...),
			`{"datacontenttype":"application/json","specversion":"1.0","id":"1","source":"/s","type":"t","n":"7","data":{"a": 12.50}}`, "trace=x content-type=application/cloudevents+json; charset=UTF-8"},
		"binary of a text": {structured, binary, "hi", append(header("content-type", "text/plain"), attributes...), "hi", "trace=x content-type=text/plain ce_specversion=1.0 ce_id=1 ce_source=/s ce_type=t ce_n=7"},
		"binary of bytes":  {structured, binary, "\xff\x00", append(header("content-type", "image/png"), attributes...), "\xff\x00", "trace=x content-type=image/png ce_specversion=1.0 ce_id=1 ce_source=/s ce_type=t ce_n=7"},
		"bytes, shown":     {structured, JSON{}, "\xff\x00", append(header("content-type", "image/png"), attributes...), `{"datacontenttype":"image/png","specversion":"1.0","id":"1","source":"/s","type":"t","n":"7","data_base64":"/wA="}`, "trace=x"},
		"made":             {JSON{}, made, `{"a":1}`, nil, `{"specversion":"1.0","id":"s/5-6","source":"/shop","type":"buy","time":"2026-01-02T03:04:05Z","datacontenttype":"application/json","data":{"a":1}}`, "content-type=application/cloudevents+json; charset=UTF-8"},
		"no event":         {structured, JSON{}, `{"id":"1"}`, nil, "! the value cannot be read: it is no CloudEvent: it has no specversion" + sealed, ""},
		"not written":      {JSON{}, structured, `{"a":1}`, nil, "! the value cannot be written: it is no CloudEvent: it has no specversion; make an event of it first: map, or source and type in cloudevents", ""},
		"binary, not JSON": {structured, JSON{}, `secret`, attributes, "! the value cannot be read: not JSON: at byte 0 there is a letter where a value should be; set source.format to text or bytes to take it as it is",
			"ce_specversion=1.0 trace=x ce_id=1 ce_source=/s ce_type=t ce_n=7"},
		"an attribute that is none": {structured, binary, `{"specversion":"1.0","id":"1","source":"/s","type":"t","x":{}}`, nil, "! the value cannot be written: an attribute of it is no text, number or bool", ""},
	} {
		r := carry(t, tc.read, tc.write, pipeline.Record{Value: pipeline.RawValue([]byte(tc.value)), Headers: tc.headers,
			Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Offset: pipeline.Offset{Major: 5, Minor: 6}})
		if got := shown(r); got != tc.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, tc.want)
		}
		if got := headersOf(r); got != tc.headed {
			t.Errorf("%s: headers\n got %s\nwant %s", name, got, tc.headed)
		}
	}
}
