package pipeline_test

import (
	"errors"
	"fmt"

	"github.com/penstock-io/penstock/pipeline"
)

// A value is read once, and goes out as the bytes that came, but for what was
// changed.
func ExampleValue() {
	b := &pipeline.Batch{}
	value, err := b.Document([]byte(`{"user": "u1",  "price": 12.50, "ua": "x"}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	price, _ := value.Get("price")
	fmt.Println(price.Type(), price.Float())
	if err := value.Set(b, []string{"shop", "name"}, pipeline.AppendString(nil, "web")); err != nil {
		fmt.Println(err)
	}
	if _, err := value.Delete([]string{"ua"}); err != nil {
		fmt.Println(err)
	}
	fmt.Println(string(value.Raw()))
	// Output:
	// a number 12.5
	// {"user": "u1",  "price": 12.50,"shop":{"name":"web"}}
}

// The texts of a stream entry become a document.
func ExampleBatch_Object() {
	b := &pipeline.Batch{}
	value, err := b.Object([]string{"user", "u1", "action", "buy"})
	fmt.Println(string(value.Raw()), err)
	// Output: {"user":"u1","action":"buy"} <nil>
}

// A source fills a batch; a transform goes through what is still to be delivered,
// and takes nothing out.
func ExampleBatch() {
	b := &pipeline.Batch{Shard: "clicks"}
	for i, text := range []string{"one", "two", "three"} {
		r := b.Add()
		r.Value = pipeline.RawValue(b.Arena.Copy([]byte(text)))
		r.Offset.Minor = uint64(i) + 1
	}
	b.After.Offset = b.Records[2].Offset

	b.Records[1].Fate = pipeline.Filtered
	for r := range b.Live {
		fmt.Println(r.Offset, string(r.Value.Raw()))
	}
	fmt.Println(len(b.Records), "records, up to", b.After.Offset)
	// Output:
	// 0-1 one
	// 0-3 three
	// 3 records, up to 0-3
}

// A record that a stage cannot take is marked; on_error decides what becomes of it.
func ExampleRecord_Fail() {
	var r pipeline.Record
	r.Fail(errors.New("there is no field user_id"))
	fmt.Println(r.Fate == pipeline.Failed, r.Failure.Err)
	// Output: true there is no field user_id
}

// An error says who can help, what happened and what to do.
func ExampleError() {
	err := fmt.Errorf("opening events: %w", &pipeline.Error{
		Class: pipeline.Permanent, What: "the key events holds a hash", Do: "name a list",
	})
	fmt.Println(err)
	fmt.Println(pipeline.ClassOf(err))
	// Output:
	// opening events: the key events holds a hash; name a list
	// permanent
}

func ExampleOffset_Compare() {
	first, second := pipeline.Offset{Major: 1_700_000_000_000}, pipeline.Offset{Major: 1_700_000_000_000, Minor: 1}
	fmt.Println(first, second, first.Compare(second))
	// Output: 1700000000000-0 1700000000000-1 -1
}

// A secret is masked wherever it is shown.
func ExampleSecret() {
	url := pipeline.Secret("redis://user:password@host:6379/0")
	fmt.Println(url, len(url.Reveal()))
	// Output: ******** 33
}
