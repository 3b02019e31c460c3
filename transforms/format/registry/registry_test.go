package registry_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/transforms/format"
	"github.com/penstock-io/penstock/transforms/format/registry"
)

const orderSchema = `{"type":"record","name":"shop.Order","fields":[
	{"name":"id","type":"string"},{"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":12,"scale":2}},
	{"name":"state","type":{"type":"enum","name":"State","symbols":["NEW","PAID"]},"default":"NEW"},
	{"name":"tags","type":{"type":"array","items":"string"},"default":[]},{"name":"note","type":["null","string"]},
	{"name":"ship","type":["null",{"type":"record","name":"Ship","fields":[{"name":"to","type":"string"},{"name":"again","type":"State"}]}],"default":null}]}`

// avro makes the format by a registry.
func avro(t *testing.T, s format.AvroSettings) *format.Avro {
	t.Helper()
	schemas, err := registry.New(s.SubjectSettings, format.TypeAvro, s.Schema)
	if err != nil {
		t.Fatal(err)
	}
	f, err := format.NewAvro(s, schemas)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// protobuf makes the format by a registry.
func protobuf(t *testing.T, s format.ProtobufSettings) *format.Protobuf {
	t.Helper()
	schemas, err := registry.New(s.SubjectSettings, format.TypeProtobuf, s.Schema)
	if err != nil {
		t.Fatal(err)
	}
	f, err := format.NewProtobuf(s, schemas)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// through reads a value in one format and writes it in another; nil: as it came.
func through(t *testing.T, read, write pipeline.Format, raw []byte) *pipeline.Record {
	t.Helper()
	b := &pipeline.Batch{}
	b.Add().Value = pipeline.RawValue(raw)
	for _, stage := range []pipeline.Transform{format.NewReader(read), format.NewWriter(write)} {
		if err := stage.Apply(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	return &b.Records[0]
}

// shown is what became of a record: its value, or "! " and why it was refused.
func shown(r *pipeline.Record) string {
	if r.Fate == pipeline.Failed {
		return "! " + r.Failure.Err.Error()
	}
	return string(r.Value.Raw())
}

// registryAt starts a registry that is Confluent's to its clients.
func registryAt(t *testing.T, opts ...srfake.Option) (*srfake.Registry, format.SubjectSettings) {
	t.Helper()
	r := srfake.New(opts...)
	t.Cleanup(r.Close)
	return r, format.SubjectSettings{Registry: &format.RegistrySettings{URL: pipeline.Secret(r.URL())}, Subject: "orders-value"}
}

// apply reads or writes one value, and gives the error of its batch.
func one(t *testing.T, stage pipeline.Transform, v pipeline.Value) (*pipeline.Record, error) {
	b := &pipeline.Batch{}
	b.Add().Value = v
	err := stage.Apply(t.Context(), b)
	return &b.Records[0], err
}

// TestAvroRegistry writes by a subject and reads by id, and waits for a registry that is
// away instead of blaming records.
func TestAvroRegistry(t *testing.T) {
	fake, where := registryAt(t)
	var down atomic.Bool
	var asked atomic.Int32
	fake.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
		asked.Add(1)
		if down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return down.Load()
	})
	where.Register = true
	writes := avro(t, format.AvroSettings{Schema: orderSchema, SubjectSettings: where, UnknownFields: "refuse"})
	down.Store(true)
	doc := pipeline.TextValue([]byte(`x`))
	if r, err := one(t, format.NewWriter(writes), doc); err == nil || pipeline.ClassOf(err) == pipeline.Permanent || r.Fate != pipeline.Deliver {
		t.Errorf("a registry that is away: %v, %v", err, r.Fate)
	}
	down.Store(false)
	out := through(t, format.JSON{}, writes, []byte(`{"id":"1","price":12.50}`))
	raw := bytes.Clone(out.Value.Raw())
	if len(raw) < 6 || !bytes.HasPrefix(raw, []byte{0, 0, 0, 0}) || raw[4] == 0 {
		t.Fatalf("it was written as %x (%s)", raw, shown(out))
	}
	where.Register, where.Subject = false, ""
	reads := avro(t, format.AvroSettings{SubjectSettings: where})
	before := asked.Load()
	for range 3 {
		want := `{"id":"1","price":12.50,"state":"NEW","tags":[],"note":null,"ship":null}`
		if got := shown(through(t, reads, nil, raw)); got != want {
			t.Errorf("got %s", got)
		}
	}
	if n := asked.Load() - before; n != 1 {
		t.Errorf("the registry was asked %d times for one schema", n)
	}
	if err := reads.Writable(); err == nil {
		t.Error("it can be written without a subject")
	}
	unknown := append([]byte{0, 0, 0, 0, 99}, raw[5:]...)
	if got := shown(through(t, reads, nil, unknown)); !strings.Contains(got, "the schema registry has no schema 99, which it names") {
		t.Errorf("an unknown id: %s", got)
	}
	if got := shown(through(t, reads, nil, []byte("{}"))); !strings.Contains(got, "it does not begin with the id of a schema") {
		t.Errorf("no id: %s", got)
	}
	down.Store(true)
	if r, err := one(t, format.NewReader(reads), pipeline.RawValue(append([]byte{0, 0, 0, 0, 98}, raw[5:]...))); err == nil || r.Fate != pipeline.Deliver {
		t.Errorf("a registry that is away: %v, %v", err, r.Fate)
	}
	fake.Close()
	if r, err := one(t, format.NewReader(reads), pipeline.RawValue(append([]byte{0, 0, 0, 0, 97}, raw[5:]...))); pipeline.ClassOf(err) != pipeline.Unreachable || r.Fate != pipeline.Deliver {
		t.Errorf("a registry that is gone: %v, %v", err, r.Fate)
	}
}

// TestAvroSubjects: what is wrong with the subject is no record's fault.
func TestAvroSubjects(t *testing.T) {
	fake, where := registryAt(t, srfake.WithGlobalCompat(sr.CompatBackward))
	doc := func(t *testing.T, settings format.AvroSettings) (string, string) {
		t.Helper()
		settings.UnknownFields = "refuse"
		b := &pipeline.Batch{}
		v, err := b.Document([]byte(`{"id":"1"}`))
		if err != nil {
			t.Fatal(err)
		}
		b.Add().Value = v
		if err := format.NewWriter(avro(t, settings)).Apply(t.Context(), b); err != nil {
			return "", err.Error()
		}
		return shown(&b.Records[0]), ""
	}
	const schema = `{"type":"record","name":"O","fields":[{"name":"id","type":"string"}]}`
	if _, err := doc(t, format.AvroSettings{SubjectSettings: where}); !strings.Contains(err, "subject orders-value is not there") {
		t.Errorf("no subject: %s", err)
	}
	if _, err := doc(t, format.AvroSettings{Schema: schema, SubjectSettings: where}); !strings.Contains(err, "subject orders-value is not there, or has no such schema; register the schema first, or write register: true") {
		t.Errorf("no schema: %s", err)
	}
	registered := where
	registered.Register = true
	if got, err := doc(t, format.AvroSettings{Schema: schema, SubjectSettings: registered}); err != "" || len(got) != 7 {
		t.Errorf("registered: %q, %s", got, err)
	}
	if got, err := doc(t, format.AvroSettings{SubjectSettings: where}); err != "" || len(got) != 7 {
		t.Errorf("the newest: %q, %s", got, err)
	}
	fake.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPost {
			return false
		}
		w.Header().Set("Content-Type", "application/vnd.schemaregistry.v1+json")
		w.WriteHeader(http.StatusConflict)
		fmt.Fprint(w, `{"error_code":409,"message":"a secret of the registry"}`) //nolint:errcheck // the client would see it
		return true
	})
	if _, err := doc(t, format.AvroSettings{Schema: strings.ReplaceAll(schema, "string", "int"), SubjectSettings: registered}); !strings.Contains(err, "it is not compatible with what the subject has; change the schema") {
		t.Errorf("not compatible: %s", err)
	}
}

// TestAvroReferences are schemas that others name.
func TestAvroReferences(t *testing.T) {
	fake, where := registryAt(t)
	client, err := sr.NewClient(sr.URLs(fake.URL()))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []struct {
		subject string
		schema  sr.Schema
	}{
		{"state", sr.Schema{Schema: `{"type":"enum","name":"shop.State","symbols":["NEW","PAID"]}`}},
		{"ship", sr.Schema{Schema: `{"type":"record","name":"shop.Ship","fields":[{"name":"s","type":"shop.State"}]}`, References: []sr.SchemaReference{{Name: "shop.State", Subject: "state", Version: 1}}}},
		{where.Subject, sr.Schema{Schema: `{"type":"record","name":"shop.Order","fields":[{"name":"a","type":"Ship"},{"name":"b","type":"State"}]}`,
			References: []sr.SchemaReference{{Name: "shop.Ship", Subject: "ship", Version: 1}}}},
	} {
		if _, err := client.CreateSchema(t.Context(), s.subject, s.schema); err != nil {
			t.Fatal(err)
		}
	}
	f := avro(t, format.AvroSettings{SubjectSettings: where, UnknownFields: "refuse"})
	const doc = `{"a":{"s":"PAID"},"b":"NEW"}`
	out := through(t, format.JSON{}, f, []byte(doc))
	if got := shown(through(t, f, nil, bytes.Clone(out.Value.Raw()))); got != doc {
		t.Errorf("got %s (%s)", got, shown(out))
	}
}

// TestProtobufRegistry reads messages by their schema and index, and writes the one that
// is named, with what its schema imports.
func TestProtobufRegistry(t *testing.T) {
	fake, where := registryAt(t)
	client, err := sr.NewClient(sr.URLs(fake.URL()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.CreateSchema(t.Context(), "item", sr.Schema{Type: sr.TypeProtobuf, Schema: `syntax = "proto3"; package shop; message Item { string sku = 1; }`}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.CreateSchema(t.Context(), where.Subject, sr.Schema{Type: sr.TypeProtobuf, References: []sr.SchemaReference{{Name: "item.proto", Subject: "item", Version: 1}},
		Schema: `syntax = "proto3"; package shop; import "item.proto"; message Other {} message Order { Item item = 1; message Line { int32 n = 1; } }`}); err != nil {
		t.Fatal(err)
	}
	reads := protobuf(t, format.ProtobufSettings{SubjectSettings: where, UnknownFields: "refuse"})
	for message, tc := range map[string]struct{ doc, head string }{
		"":           {`{}`, "00"},
		"Order":      {`{"item":{"sku":"a"}}`, "0202"},
		"shop.Order": {`{"item":{"sku":"a"}}`, "0202"},
		"Order.Line": {`{"n":7}`, "040200"},
	} {
		f := protobuf(t, format.ProtobufSettings{SubjectSettings: where, Message: message, UnknownFields: "refuse"})
		raw := bytes.Clone(through(t, format.JSON{}, f, []byte(tc.doc)).Value.Raw())
		if got := fmt.Sprintf("%x", raw[5:]); !strings.HasPrefix(got, tc.head) {
			t.Errorf("%s: it was written as %x", message, raw)
		}
		if got := shown(through(t, reads, nil, raw)); got != tc.doc {
			t.Errorf("%s: got %s", message, got)
		}
	}
	raw := through(t, format.JSON{}, reads, []byte(`{}`)).Value.Raw()
	if got := shown(through(t, reads, nil, append(bytes.Clone(raw[:5]), 2, 18))); !strings.Contains(got, "it names a message that the schema has not") {
		t.Errorf("an index beyond: %s", got)
	}
	wrong := protobuf(t, format.ProtobufSettings{SubjectSettings: where, Message: "Gone"})
	b := &pipeline.Batch{}
	v, err := b.Document([]byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	b.Add().Value = v
	if err := format.NewWriter(wrong).Apply(t.Context(), b); err == nil || !strings.Contains(err.Error(), "there is no message Gone in it") {
		t.Errorf("a message that is not there: %v", err)
	}
	other := avro(t, format.AvroSettings{SubjectSettings: where})
	if got := shown(through(t, other, nil, bytes.Clone(raw))); !strings.Contains(got, "it is of type PROTOBUF, not Avro") {
		t.Errorf("another type: %s", got)
	}
}
