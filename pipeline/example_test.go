package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"time"

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

// A number is written as encoding/json writes it.
func ExampleAppendFloat() {
	text := append(pipeline.AppendFloat(nil, 12.50), ' ')
	fmt.Println(string(pipeline.AppendFloat(text, 1e21)))
	// Output: 12.5 1e+21
}

func ExampleAppendString() {
	fmt.Println(string(pipeline.AppendString([]byte("name: "), `Ada "the first" <Lovelace>`)))
	// Output: name: "Ada \"the first\" <Lovelace>"
}

// What says nothing of itself may pass.
func ExampleClassOf() {
	gone := &pipeline.Error{Class: pipeline.Unreachable, What: "Redis does not answer", Do: "start it"}
	fmt.Println(pipeline.ClassOf(fmt.Errorf("reading events: %w", gone)))
	fmt.Println(pipeline.ClassOf(errors.New("something")))
	// Output:
	// unreachable
	// retryable
}

// A record that was refused is kept with its reason and its place.
func ExampleNewDeadLetter() {
	b := &pipeline.Batch{Shard: "user_behavior"}
	r := b.Add()
	r.Offset.Minor, r.Original = 7, []byte(`{"action":"buy"}`)
	r.Failure = &pipeline.Failure{Stage: "transforms[0].filter", Err: errors.New("there is no field user"), Attempts: 3}

	letter := pipeline.NewDeadLetter("shop", b, r, time.Unix(1_700_000_000, 0))
	fmt.Println(letter.Pipeline, letter.Stage, letter.Transform, letter.Shard, letter.Offset, letter.Time)
	fmt.Printf("%s: %s, %d times\n", letter.Value, letter.Error, letter.Attempts)
	// Output:
	// shop transforms[0].filter filter user_behavior 0-7 2023-11-14 22:13:20 +0000 UTC
	// {"action":"buy"}: there is no field user, 3 times
}

func ExampleParseOffset() {
	fmt.Println(pipeline.ParseOffset("1700000000000-1"))
	_, ok := pipeline.ParseOffset("newest")
	fmt.Println(ok)
	// Output:
	// 1700000000000-1 true
	// false
}

// A transform that holds its batch back does not sleep: who stops the pipeline need not
// wait for it.
func ExamplePause() {
	ctx, stop := context.WithCancel(context.Background())
	fmt.Println(pipeline.Pause(ctx, time.Millisecond))
	stop()
	fmt.Println(pipeline.Pause(ctx, time.Hour))
	// Output:
	// <nil>
	// context canceled
}

// In a test of a transform nobody waits.
func ExampleWithPause() {
	ctx := pipeline.WithPause(context.Background(), func(_ context.Context, d time.Duration) error {
		fmt.Println("would wait for", d)
		return nil
	})
	fmt.Println(pipeline.Pause(ctx, time.Hour))
	// Output:
	// would wait for 1h0m0s
	// <nil>
}

// Bytes that nothing has read have no fields.
func ExampleRawValue() {
	value := pipeline.RawValue([]byte(`{"user":"u1"}`))
	_, ok := value.Get("user")
	fmt.Println(string(value.Raw()), ok)
	// Output: {"user":"u1"} false
}

// A text is known to be one: a format of JSON writes it as a string.
func ExampleTextValue() {
	value := pipeline.TextValue([]byte("Ada"))
	fmt.Println(string(value.Raw()), value.Kind() == pipeline.Text)
	// Output: Ada true
}
