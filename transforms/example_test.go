package transforms_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/transforms"
	"github.com/penstock-io/penstock/transforms/format"
)

// show applies a transform to documents, and prints what is left to deliver.
func show(transform pipeline.Transform, err error, documents ...string) {
	if err != nil {
		fmt.Println(err)
		return
	}
	b := &pipeline.Batch{Shard: "shop"}
	for i, text := range documents {
		r := b.Add()
		r.Offset.Minor, r.Time = uint64(i)+1, time.UnixMilli(1_700_000_000_000)
		if r.Value, err = b.Document([]byte(text)); err != nil {
			fmt.Println(err)
		}
	}
	if err := transform.Apply(context.Background(), b); err != nil {
		fmt.Println(err)
	}
	for i := range b.Records {
		switch r := &b.Records[i]; r.Fate {
		case pipeline.Deliver:
			fmt.Println(strings.TrimSpace(string(r.Key) + " " + string(r.Value.Raw())))
		case pipeline.Failed:
			fmt.Println("refused:", r.Failure.Err)
		}
	}
}

func ExampleNewFilter() {
	filter, err := transforms.NewFilter(transforms.FilterSettings{Condition: `value.action in ["cart", "buy"]`})
	show(filter, err, `{"action":"buy"}`, `{"action":"view"}`)
	// Output: {"action":"buy"}
}

func ExampleNewSplit() {
	split, err := transforms.NewSplit(transforms.SplitSettings{Field: "value.items", Into: "value.item", Limit: 100})
	show(split, err, `{"order":7,"items":["shoes","socks"]}`, `{"order":8,"items":[]}`, `{"order":9,"items":["hat"]}`)
	// Output:
	// {"order":7,"item":"shoes"}
	// {"order":7,"item":"socks"}
	// {"order":9,"item":"hat"}
}

func ExampleNewHeaders() {
	headers, err := transforms.NewHeaders(transforms.HeadersSettings{
		Keep: []string{"trace*"},
		Set:  map[string]pipeline.Expression{"user": "value.user"},
	})
	b := &pipeline.Batch{}
	r := b.Add()
	r.Headers = []pipeline.Header{{Key: "cookie", Value: []byte("x")}, {Key: "trace-id", Value: []byte("7")}}
	r.Value, _ = b.Document([]byte(`{"user":"u1"}`))
	if err == nil {
		err = headers.Apply(context.Background(), b)
	}
	fmt.Printf("%s %v\n", b.Records[0].Headers, err)
	// Output: [{trace-id 7} {user u1}] <nil>
}

func ExampleNewLookup() {
	lookup, err := transforms.NewLookup(transforms.LookupSettings{By: "value.sku", Into: "value.product", CSV: "sku,name\ns1,shoes\n", Missing: "refuse"})
	show(lookup, err, `{"sku":"s1"}`, `{"sku":"s2"}`)
	// Output:
	// {"sku":"s1","product":{"sku":"s1","name":"shoes"}}
	// refused: the table has nothing for the record; add it to the table, or write missing: pass
}

func ExampleNewDecode() {
	decode, err := transforms.NewDecode(transforms.FieldFormatSettings{Field: "value.body"}, format.NewBase64(format.JSON{}))
	show(decode, err, `{"body":"eyJuIjoxfQ=="}`)
	// Output: {"body":{"n":1}}
}

func ExampleNewEncode() {
	encode, err := transforms.NewEncode(transforms.FieldFormatSettings{Field: "value.body"}, format.NewBase64(format.JSON{}))
	show(encode, err, `{"body":{"n":1}}`)
	// Output: {"body":"eyJuIjoxfQ=="}
}

func ExampleNewRateLimit() {
	limit, err := transforms.NewRateLimit(transforms.RateLimitSettings{Records: 100, Per: time.Second}, time.Now)
	show(limit, err, `{"n":1}`, `{"n":2}`) // of the first hundred none waits
	// Output:
	// {"n":1}
	// {"n":2}
}

func ExampleNewDelay() {
	delay, err := transforms.NewDelay(transforms.DelaySettings{For: time.Minute}, time.Now)
	show(delay, err, `{"n":1}`) // show's records are years old
	// Output: {"n":1}
}

func ExampleNewDedupe() {
	dedupe, err := transforms.NewDedupe(transforms.DedupeSettings{Key: "value.id", Within: 10 * time.Minute, MaxKeys: 1000}, time.Now)
	show(dedupe, err, `{"id":"e1","n":1}`, `{"id":"e2","n":2}`, `{"id":"e1","n":3}`)
	// Output:
	// {"id":"e1","n":1}
	// {"id":"e2","n":2}
}

func ExampleNewSet() {
	set, err := transforms.NewSet(transforms.SetSettings{Values: map[string]any{"value.channel": "web"}})
	show(set, err, `{"n":1}`)
	// Output: {"n":1,"channel":"web"}
}

func ExampleNewCompute() {
	compute, err := transforms.NewCompute(transforms.ComputeSettings{Values: map[string]pipeline.Expression{"value.total": "value.price * value.quantity"}})
	show(compute, err, `{"price":2,"quantity":3}`)
	// Output: {"price":2,"quantity":3,"total":6}
}

func ExampleNewDrop() {
	drop, err := transforms.NewDrop(transforms.DropSettings{Paths: []string{"value.ip"}})
	show(drop, err, `{"ip":"10.0.0.1","n":1}`)
	// Output: {"n":1}
}

func ExampleNewRename() {
	rename, err := transforms.NewRename(transforms.RenameSettings{Paths: map[string]string{"value.uid": "value.user_id"}})
	show(rename, err, `{"uid":"u1"}`)
	// Output: {"user_id":"u1"}
}

func ExampleNewKey() {
	key, err := transforms.NewKey("value.user_id")
	show(key, err, `{"user_id":"u1"}`)
	// Output: u1 {"user_id":"u1"}
}

func ExampleNewPartition() {
	partition, err := transforms.NewPartition("value.shop % 4")
	if err != nil {
		fmt.Println(err)
		return
	}
	b := &pipeline.Batch{Shard: "shop"}
	r := b.Add()
	if r.Value, err = b.Document([]byte(`{"shop":7}`)); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(partition.Apply(context.Background(), b), r.Partition())
	// Output: <nil> 3
}

func ExampleNewWhen() {
	drop, err := transforms.NewDrop(transforms.DropSettings{Paths: []string{"value.ip"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	europe, err := transforms.NewWhen(`value.region == "eu"`, drop)
	show(europe, err, `{"region":"eu","ip":"10.0.0.1"}`, `{"region":"us","ip":"10.0.0.2"}`)
	// Output:
	// {"region":"eu"}
	// {"region":"us","ip":"10.0.0.2"}
}

func ExampleNewMap() {
	m, err := transforms.NewMap(transforms.MapSettings{Value: `{"user": value.user_id, "total": value.price * value.quantity}`})
	show(m, err, `{"user_id":"u1","price":2,"quantity":3}`)
	// Output: {"total":6,"user":"u1"}
}

func ExampleNewExtract() {
	extract, err := transforms.NewExtract(transforms.ExtractSettings{Path: "value.payload.after"})
	show(extract, err, `{"payload":{"after":{"id":1}}}`, `{"payload":{}}`)
	// Output:
	// {"id":1}
	// refused: value.payload.after: it is missing; test it first in when:, or mend what writes the record
}

func ExampleNewHoist() {
	hoist, err := transforms.NewHoist(transforms.HoistSettings{Name: "event"})
	show(hoist, err, `{"n":1}`)
	// Output: {"event":{"n":1}}
}

func ExampleNewFlatten() {
	flatten, err := transforms.NewFlatten(transforms.FlattenSettings{Path: "value", Delimiter: "."})
	show(flatten, err, `{"id":1,"item":{"price":12.50,"size":{"x":1}}}`)
	// Output: {"id":1,"item.price":12.50,"item.size.x":1}
}

func ExampleNewCast() {
	cast, err := transforms.NewCast(transforms.CastSettings{Types: map[string]string{"value.price": "float", "value.id": "string"}})
	show(cast, err, `{"id":7,"price":"12.50"}`, `{"price":"cheap"}`)
	// Output:
	// {"id":"7","price":12.50}
	// refused: value.price is a string, and this one cannot become float without loss; mend what writes it, or compute it
}

func ExampleNewTimestamp() {
	timestamp, err := transforms.NewTimestamp(transforms.TimestampSettings{Field: "value.ts", From: "unix_ms", To: "rfc3339", Zone: "UTC"})
	show(timestamp, err, `{"ts":1767225600123}`)
	// Output: {"ts":"2026-01-01T00:00:00.123Z"}
}

func ExampleNewMask() {
	mask, err := transforms.NewMask(transforms.MaskSettings{Fields: []string{"value.card"}, Keep: 4})
	show(mask, err, `{"card":"4111111111111111"}`)
	// Output: {"card":"************1111"}
}

func ExampleNewValidate() {
	validate, err := transforms.NewValidate(transforms.ValidateSettings{That: "value.price >= 0", Message: "a price is less than nothing"})
	show(validate, err, `{"price":1}`, `{"price":-1}`)
	// Output:
	// {"price":1}
	// refused: a price is less than nothing
}

func ExampleNewSample() {
	sample, err := transforms.NewSample(transforms.SampleSettings{Keep: 0.5, By: "value.user"})
	show(sample, err, `{"user":"u1","n":1}`, `{"user":"u2","n":2}`, `{"user":"u1","n":3}`, `{"user":"u2","n":4}`)
	// Output:
	// {"user":"u1","n":1}
	// {"user":"u1","n":3}
}

func ExampleNewRoute() {
	route, err := transforms.NewRoute(transforms.RouteSettings{Topic: `"events_" + value.action`})
	show(route, err, `{"action":"buy"}`)
	// Output: {"action":"buy"}
}

// table is a table elsewhere: a Redis, say.
type table map[string]string

// Get gives what it has for names.
func (t table) Get(_ context.Context, names [][]byte) ([][]byte, error) {
	found := make([][]byte, len(names))
	for i, name := range names {
		if text, ok := t[string(name)]; ok {
			found[i] = []byte(text)
		}
	}
	return found, nil
}

// Close has nothing to close.
func (table) Close() error { return nil }

// A batch asks the table once.
func ExampleNewRemoteLookup() {
	products := table{"s1": `{"name":"shoes"}`}
	lookup, err := transforms.NewRemoteLookup(transforms.LookupSettings{By: "value.sku", Into: "value.product", Missing: "pass", Remote: true}, products, false)
	show(lookup, err, `{"sku":"s1"}`, `{"sku":"s2"}`)
	// Output:
	// {"sku":"s1","product":{"name":"shoes"}}
	// {"sku":"s2"}
}

// claims is a store of keys that several instances share: a Redis, say. This one forgets
// none, and asks nobody for the time.
type claims map[string]string

// Claim takes the keys that are free.
func (c claims) Claim(_ context.Context, keys, places []string, _ []int64) ([]bool, error) {
	taken := make([]bool, len(keys))
	for i, key := range keys {
		if owner, ok := c[key]; ok {
			taken[i] = owner != places[i]
			continue
		}
		c[key] = places[i]
	}
	return taken, nil
}

// Release frees the keys of places.
func (c claims) Release(_ context.Context, keys, places []string) error {
	for i, key := range keys {
		if c[key] == places[i] {
			delete(c, key)
		}
	}
	return nil
}

// Close has nothing to close.
func (claims) Close() error { return nil }

// What one instance has claimed is a duplicate to all others, and its own when it comes
// again.
func ExampleNewSharedDedupe() {
	store := claims{}
	settings := transforms.DedupeSettings{Key: "value.id"}
	for _, instance := range []string{"one", "two", "one"} {
		name := func(shard, incarnation string) string { return instance + shard + incarnation }
		dedupe, err := transforms.NewSharedDedupe(settings, time.Now, store, name)
		fmt.Println("instance", instance)
		show(dedupe, err, `{"id":"e1"}`, `{"id":"e1"}`)
	}
	// Output:
	// instance one
	// {"id":"e1"}
	// instance two
	// instance one
	// {"id":"e1"}
}

// A record goes out with a context for whoever reads it, and its span ends with the commit.
func ExampleNewTrace() {
	ended := tracetest.NewInMemoryExporter()
	tracer := sdk.NewTracerProvider(sdk.WithSyncer(ended)).Tracer("example")
	trace := transforms.NewTrace(tracer, "shop")

	b := &pipeline.Batch{Shard: "orders"}
	b.Add().Value = pipeline.TextValue([]byte("buy"))
	fmt.Println(trace.Apply(context.Background(), b))
	fmt.Println(b.Records[0].Headers[0].Key, len(ended.GetSpans()), "spans")
	trace.Settled(b)
	fmt.Println(ended.GetSpans()[0].Name)
	// Output:
	// <nil>
	// traceparent 0 spans
	// penstock shop
}
