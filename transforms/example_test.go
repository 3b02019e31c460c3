package transforms_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/transforms"
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
