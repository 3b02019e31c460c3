package format_test

import (
	"context"
	"fmt"

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
