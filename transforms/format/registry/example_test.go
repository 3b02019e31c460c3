package registry_test

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/transforms/format"
	"github.com/penstock-io/penstock/transforms/format/registry"
)

// A schema is registered where it is not there, and values say by its id what wrote them.
func ExampleNew() {
	fake := srfake.New() // instead of a schema registry
	defer fake.Close()
	settings := format.AvroSettings{Schema: `{"type":"record","name":"Order","fields":[{"name":"id","type":"string"}]}`}
	settings.SubjectSettings = format.SubjectSettings{Registry: &format.RegistrySettings{URL: pipeline.Secret(fake.URL())}, Subject: "orders-value", Register: true}

	schemas, err := registry.New(settings.SubjectSettings, format.TypeAvro, settings.Schema)
	if err != nil {
		fmt.Println(err)
		return
	}
	avro, err := format.NewAvro(settings, schemas)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, b := context.Background(), &pipeline.Batch{}
	value, err := b.Document([]byte(`{"id":"o1"}`))
	if err == nil {
		err = avro.Write(ctx, b, &value)
	}
	fmt.Printf("%x %v\n", value.Raw(), err) // a zero byte, the id of the schema, the record

	value, err = avro.Read(ctx, b, value.Raw())
	fmt.Printf("%s %v\n", value.Raw(), err)
	// Output:
	// 0000000001046f31 <nil>
	// {"id":"o1"} <nil>
}
