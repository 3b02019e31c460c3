package local_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/penstock-io/penstock/connectors/local"
	"github.com/penstock-io/penstock/pipeline"
)

// printAll reads a source's first shard to its end, as the engine does.
func printAll(source pipeline.Source) {
	ctx := context.Background()
	shards, err := source.Shards(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	reader, err := source.Open(ctx, pipeline.OpenRequest{Shard: shards[0], First: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer reader.Close()
	for b := (&pipeline.Batch{}); ; b.Reset() {
		if err := reader.Wait(ctx); errors.Is(err, pipeline.ErrEnd) {
			return
		} else if err != nil {
			fmt.Println(err)
			return
		}
		if err := reader.Read(ctx, b, pipeline.Limit{Records: 100, Bytes: 1 << 20}); err != nil {
			fmt.Println(err)
			return
		}
		for r := range b.Live {
			fmt.Printf("%v %.24s\n", r.Offset, r.Value.Raw())
		}
	}
}

// deliver writes values to a sink and commits them, as the engine does.
func deliver(sink pipeline.Sink, values ...string) {
	ctx := context.Background()
	lane, _, err := sink.Open(ctx, pipeline.LaneID{Pipeline: "example", Lanes: 1, Instance: "one"})
	if err != nil {
		fmt.Println(err)
		return
	}
	b := &pipeline.Batch{Shard: "example"}
	for _, value := range values {
		b.Add().Value = pipeline.RawValue([]byte(value))
	}
	if err := errors.Join(lane.Write(ctx, b), lane.Commit(ctx, nil), lane.Close(ctx)); err != nil {
		fmt.Println(err)
	}
}

// A position is a byte offset: that of the end of the line.
func ExampleNewFileSource() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir) //nolint:errcheck // the directory is temporary
	path := filepath.Join(dir, "events.jsonl")
	if err := os.WriteFile(path, []byte("one\ntwo\n"), 0o600); err != nil {
		fmt.Println(err)
		return
	}
	source := local.NewFileSource(local.FileSourceSettings{Path: path, MaxLine: 1 << 20})
	defer source.Close()
	printAll(source)
	// Output:
	// 0-4 one
	// 0-8 two
}

func ExampleNewStdin() {
	source := local.NewStdin(local.StdinSettings{MaxLine: 1 << 20}, strings.NewReader("one\ntwo\n"))
	defer source.Close()
	printAll(source)
	// Output:
	// 0-1 one
	// 0-2 two
}

// The same seed gives the same events.
func ExampleNewGenerate() {
	source := local.NewGenerate(local.GenerateSettings{Events: 2, Users: 2, Seed: 1})
	defer source.Close()
	printAll(source)
	// Output:
	// 0-1 {"event_id":"u000001-1",
	// 0-2 {"event_id":"u000002-1",
}

func ExampleNewStdout() {
	sink := local.NewStdout(local.StdoutSettings{}, os.Stdout)
	defer sink.Close()
	deliver(sink, "one", "two")
	// Output:
	// one
	// two
}

func ExampleNewFileSink() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir) //nolint:errcheck // the directory is temporary
	path := filepath.Join(dir, "out.jsonl")
	sink := local.NewFileSink(local.FileSinkSettings{Path: path})
	defer sink.Close()
	deliver(sink, "one", "two")
	text, err := os.ReadFile(path)
	fmt.Print(string(text), err)
	// Output:
	// one
	// two
	// <nil>
}

func ExampleNewDrop() {
	sink := local.NewDrop(local.DropSettings{})
	defer sink.Close()
	deliver(sink, "one", "two")
	records, bytes := sink.Count()
	fmt.Println(records, "records,", bytes, "bytes")
	// Output: 2 records, 6 bytes
}

// Shop makes events that a judge can tell whether they are lost, doubled or
// disordered by.
func ExampleNewShop() {
	shop := local.NewShop(1, 2)
	for range 3 {
		_, user := shop.Append(nil)
		fmt.Println(user)
	}
	fmt.Println(shop.Counts())
	// Output:
	// u000001
	// u000002
	// u000001
	// map[u000001:2 u000002:1]
}

// What was refused is a line of a file; one that was given back is marked.
func ExampleNewDeadLetters() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir) //nolint:errcheck // the directory is temporary
	letters, err := local.NewDeadLetters(filepath.Join(dir, "refused.jsonl"), "shop")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer letters.Close()
	ctx := context.Background()
	fmt.Println(letters.Keep(ctx, []pipeline.DeadLetter{{Pipeline: "shop", Stage: "transforms[0].filter", Error: "there is no field user", Value: []byte("shoes")}}))

	var ids []string
	show := func(l pipeline.DeadLetter) bool {
		fmt.Printf("%s: %s\n", l.Value, l.Error)
		ids = append(ids, l.ID)
		return true
	}
	fmt.Println(letters.Each(ctx, show), letters.GivenBack(ctx, ids))
	fmt.Println(letters.Each(ctx, show)) // none is left
	// Output:
	// <nil>
	// shoes: there is no field user
	// <nil> <nil>
	// <nil>
}
