package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/penstock-io/penstock/cmd/penstock/cli"
	"github.com/penstock-io/penstock/connectors/local"
	"github.com/penstock-io/penstock/pipeline"
)

// Settings are what a file says of the transform shout.
type Settings struct {
	Marks int `yaml:"marks" default:"1" min:"0" doc:"How many exclamation marks."`
}

// Shout writes values in capitals.
type Shout struct{ Settings }

// Apply works on the records that are to be delivered.
func (s Shout) Apply(_ context.Context, b *pipeline.Batch) error {
	for r := range b.Live {
		r.Value = pipeline.RawValue(append(bytes.ToUpper(r.Value.Raw()), strings.Repeat("!", s.Marks)...))
	}
	return nil
}

// A main with a transform of its own. Here it is asked what it knows of it.
func ExampleMain() {
	components := cli.BuiltIn()
	components.Transforms = append(components.Transforms, cli.NewTransform(cli.TransformInfo{
		Name: "shout", Doc: "Writes values in capitals.", Example: "shout: {marks: 3}\n",
	}, func(_ cli.Environment, s Settings) (Shout, error) { return Shout{s}, nil }))

	defer func(args []string) { os.Args = args }(os.Args)
	os.Args = []string{"hello", "components", "shout"}
	fmt.Println("exit code", cli.Main(components))
	// Output:
	// shout (transform)
	//
	//   Writes values in capitals.
	//
	//   Settings
	//
	//     marks
	//         whole number; default 1; at least 0
	//         How many exclamation marks.
	//
	//   Example
	//
	//     shout: {marks: 3}
	// exit code 0
}

// What is built in can be left out, or called otherwise.
func ExampleBuiltIn() {
	components := cli.BuiltIn()
	components.Sinks = slices.DeleteFunc(components.Sinks, func(s cli.Sink) bool { return s.Name == "drop" })
	for _, sink := range components.Sinks {
		fmt.Println(sink.Name, "keeps", sink.Best)
	}
	// Unordered output:
	// kafka keeps exactly_once
	// stdout keeps at_least_once
	// file keeps at_least_once
	// watermill_redisstream keeps at_least_once
	// watermill_kafka keeps at_least_once
}

// A source says what it keeps, and why.
func ExampleNewSource() {
	source := cli.NewSource(cli.SourceInfo{
		Name: "lines", Doc: "Lines of standard input.", Example: "lines: {}\n",
		Best: pipeline.AtMostOnce, Keeps: "what was read cannot be read again", Order: "lines in their order",
	}, func(env cli.Environment, s local.StdinSettings) (*local.Stdin, error) {
		return local.NewStdin(s, env.Stdin), nil
	})
	fmt.Println(source.Name, "keeps", source.Best)
	// Output: lines keeps at_most_once
}

// A sink says what it keeps, and what becomes of the records' order.
func ExampleNewSink() {
	sink := cli.NewSink(cli.SinkInfo{
		Name: "print", Doc: "Lines on standard output.", Example: "print: {}\n",
		Best: pipeline.AtLeastOnce, Keeps: "it stores no positions: what was printed just before a crash is printed again", Order: "records in that order",
	}, func(env cli.Environment, s local.StdoutSettings) (*local.Stdout, error) {
		return local.NewStdout(s, env.Stdout), nil
	})
	fmt.Println(sink.Name, "keeps", sink.Best)
	// Output: print keeps at_least_once
}

// A list that is wrong is refused before anything runs.
func ExampleComponents() {
	defer func(args []string, stderr *os.File) { os.Args, os.Stderr = args, stderr }(os.Args, os.Stderr)
	os.Args, os.Stderr = []string{"hello", "validate", "hello.yaml"}, os.Stdout
	components := cli.BuiltIn()
	components.Sources = append(components.Sources, components.Sources[0])
	fmt.Println("exit code", cli.Main(components))
	// Output:
	// the list of components is wrong:
	// source redis_list: there are two of that name; call one of them otherwise, or leave it out
	// exit code 2
}

// A transform is what files may name between source and sink; each step of a pipeline that
// does so is made by the function, of its own settings.
func ExampleNewTransform() {
	transform := cli.NewTransform(cli.TransformInfo{
		Name: "shout", Doc: "Writes values in capitals.", Example: "shout: {marks: 3}\n",
		But: func(settings any) string {
			if settings.(*Settings).Marks > 1 {
				return "marks are added again to a record that comes again"
			}
			return ""
		},
	}, func(_ cli.Environment, s Settings) (Shout, error) { return Shout{s}, nil })
	fmt.Println(transform.Name+":", transform.But(&Settings{Marks: 3}))
	// Output: shout: marks are added again to a record that comes again
}

// Reversed is a format: what stands in a value stands there backwards outside.
type Reversed struct{}

// Read gives the value as text.
func (Reversed) Read(_ context.Context, _ *pipeline.Batch, raw []byte) (pipeline.Value, error) {
	text := slices.Clone(raw) // what came is not changed
	slices.Reverse(text)
	return pipeline.TextValue(text), nil
}

// Write gives the bytes that go out.
func (Reversed) Write(_ context.Context, _ *pipeline.Batch, v *pipeline.Value) error {
	raw := slices.Clone(v.Raw())
	slices.Reverse(raw)
	*v = pipeline.RawValue(raw)
	return nil
}

// A format is named by source and sink, as those that are built in. Here penstock is asked
// what it knows of it.
func ExampleNewFormat() {
	components := cli.BuiltIn()
	components.Formats = append(components.Formats, cli.NewFormat(cli.FormatInfo{
		Name: "reversed", Doc: "Texts that stand backwards.", Example: "reversed\n",
	}, func(cli.Environment, struct{}) (Reversed, error) { return Reversed{}, nil }))

	defer func(args []string) { os.Args = args }(os.Args)
	os.Args = []string{"hello", "components", "reversed"}
	fmt.Println("exit code", cli.Main(components))
	// Output:
	// reversed (format)
	//
	//   Texts that stand backwards.
	//
	//   It takes no settings.
	//
	//   Example
	//
	//     reversed
	// exit code 0
}
