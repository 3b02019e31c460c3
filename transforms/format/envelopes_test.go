package format

import (
	"testing"

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
