//go:build e2e

package registry_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/twmb/franz-go/pkg/sr"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/transforms/format"
	"github.com/penstock-io/penstock/transforms/format/registry"
)

// client are the packages of the client of another language.
var client = []string{"confluent-kafka[avro,json,protobuf]==2.6.1", "fastavro==1.13.1", "protobuf==4.25.8", "jsonschema==4.26.0"}

// python gives a Python that has the client, from a venv under the cache of the
// checkout. It needs python3 with venv, and PyPI.
func python(t *testing.T) string {
	t.Helper()
	venv, err := filepath.Abs("../../../.cache/venv-registry")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(venv, "bin", "python")
	run := func(name string, args ...string) error {
		said, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s %v: %w: %s", name, args, err, said)
		}
		return nil
	}
	if run(path, "-c", "import confluent_kafka, fastavro, jsonschema, google.protobuf") == nil {
		return path
	}
	if err := run("python3", "-m", "venv", "--clear", venv); err != nil {
		t.Fatal(err)
	}
	if err := run(path, append([]string{"-m", "pip", "install", "--quiet"}, client...)...); err != nil {
		t.Fatal(err)
	}
	return path
}

const (
	lineProto  = `syntax = "proto3"; package shop; message Other {} message Order { string id = 1; int64 big = 2; repeated int32 sizes = 3; map<string, double> prices = 4; bytes raw = 5; Line line = 6; message Line { string sku = 1; } }`
	lineSchema = `{"title":"order","type":"object","required":["id"],"properties":{"id":{"type":"string"},"big":{"type":"integer"}}}`
)

// lineFile is lineProto as a descriptor, for a client that has no compiler.
func lineFile() *descriptorpb.FileDescriptorProto {
	field := func(name string, number int32, typ descriptorpb.FieldDescriptorProto_Type, label descriptorpb.FieldDescriptorProto_Label, of string) *descriptorpb.FieldDescriptorProto {
		f := &descriptorpb.FieldDescriptorProto{Name: &name, Number: &number, Type: &typ, Label: &label}
		if of != "" {
			f.TypeName = &of
		}
		return f
	}
	const one, many = descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL, descriptorpb.FieldDescriptorProto_LABEL_REPEATED
	return &descriptorpb.FileDescriptorProto{Name: new("order.proto"), Package: new("shop"), Syntax: new("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{{Name: new("Other")}, {Name: new("Order"),
			Field: []*descriptorpb.FieldDescriptorProto{
				field("id", 1, descriptorpb.FieldDescriptorProto_TYPE_STRING, one, ""), field("big", 2, descriptorpb.FieldDescriptorProto_TYPE_INT64, one, ""),
				field("sizes", 3, descriptorpb.FieldDescriptorProto_TYPE_INT32, many, ""), field("prices", 4, descriptorpb.FieldDescriptorProto_TYPE_MESSAGE, many, ".shop.Order.PricesEntry"),
				field("raw", 5, descriptorpb.FieldDescriptorProto_TYPE_BYTES, one, ""), field("line", 6, descriptorpb.FieldDescriptorProto_TYPE_MESSAGE, one, ".shop.Order.Line"),
			},
			NestedType: []*descriptorpb.DescriptorProto{
				{Name: new("Line"), Field: []*descriptorpb.FieldDescriptorProto{field("sku", 1, descriptorpb.FieldDescriptorProto_TYPE_STRING, one, "")}},
				{Name: new("PricesEntry"), Options: &descriptorpb.MessageOptions{MapEntry: new(true)},
					Field: []*descriptorpb.FieldDescriptorProto{field("key", 1, descriptorpb.FieldDescriptorProto_TYPE_STRING, one, ""), field("value", 2, descriptorpb.FieldDescriptorProto_TYPE_DOUBLE, one, "")}},
			}}}}
}

// TestConfluentsClient: what is written here, Confluent's client for Python reads, and the
// other way round.
func TestConfluentsClient(t *testing.T) {
	fake, where := registryAt(t)
	admin, err := sr.NewClient(sr.URLs(fake.URL()))
	if err != nil {
		t.Fatal(err)
	}
	for subject, schema := range map[string]sr.Schema{
		"avro": {Schema: orderSchema}, "protobuf": {Schema: lineProto, Type: sr.TypeProtobuf}, "json_schema": {Schema: lineSchema, Type: sr.TypeJSON},
	} {
		if _, err := admin.CreateSchema(t.Context(), subject, schema); err != nil {
			t.Fatal(err)
		}
	}
	at := func(subject string) format.SubjectSettings {
		return format.SubjectSettings{Registry: where.Registry, Subject: subject}
	}
	schemas, err := registry.New(at("json_schema"), format.TypeJSON, "")
	if err != nil {
		t.Fatal(err)
	}
	fitting, err := format.NewJSONSchema(format.JSONSchemaSettings{SubjectSettings: at("json_schema")}, schemas)
	if err != nil {
		t.Fatal(err)
	}
	reads := avro(t, format.AvroSettings{SubjectSettings: at("avro"), UnknownFields: "refuse"})
	hex := func(f pipeline.Format, doc string) string {
		r := through(t, format.JSON{}, f, []byte(doc))
		if r.Fate == pipeline.Failed {
			t.Fatal(shown(r))
		}
		return fmt.Sprintf("%x", r.Value.Raw())
	}
	schemaFile := filepath.Join(t.TempDir(), "schema.json")
	if err := os.WriteFile(schemaFile, []byte(lineSchema), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := proto.Marshal(lineFile())
	if err != nil {
		t.Fatal(err)
	}
	given, err := json.Marshal(map[string]any{
		"registry": fake.URL(), "topic": "orders", "file": base64.StdEncoding.EncodeToString(file), "message": "shop.Order", "schema": schemaFile,
		"values": map[string]string{
			"avro":        hex(reads, `{"id":"ü","price":12.50,"state":"PAID","tags":["a"],"ship":{"to":"u","again":"NEW"}}`),
			"protobuf":    hex(protobuf(t, format.ProtobufSettings{SubjectSettings: at("protobuf"), Message: "Order"}), `{"id":"ü","big":9223372036854775807,"sizes":[1,-2],"prices":{"a":12.5},"raw":"AP8=","line":{"sku":"s"}}`),
			"json_schema": hex(fitting, `{"id":"ü","big":9223372036854775807}`),
		}})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python(t), "testdata/client.py")
	var said bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(given), &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, said.String())
	}
	var got map[string]json.RawMessage
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"avro":        `{"id": "\u00fc", "price": "12.50", "state": "PAID", "tags": "['a']", "note": "None", "ship": "{'to': 'u', 'again': 'NEW'}"}`,
		"protobuf":    `{"id": "\u00fc", "big": "9223372036854775807", "sizes": [1, -2], "prices": {"a": 12.5}, "raw": "AP8=", "line": {"sku": "s"}}`,
		"json_schema": `{"id": "\u00fc", "big": 9223372036854775807}`,
	} {
		if string(got[name]) != want {
			t.Errorf("%s: the client reads\n%s\nwant\n%s", name, got[name], want)
		}
	}
	var written string
	if err := json.Unmarshal(got["written"], &written); err != nil {
		t.Fatal(err)
	}
	var raw []byte
	if _, err := fmt.Sscanf(written, "%x", &raw); err != nil {
		t.Fatal(err)
	}
	if back := shown(through(t, reads, nil, raw)); back != `{"big":9223372036854775807,"price":12.50,"note":"ü","raw":"AP8="}` {
		t.Errorf("what the client wrote is read as %s", back)
	}
}
