package conform_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/penstock-io/penstock/connectors/local"
	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/pipelinetest/conform"
	"github.com/penstock-io/penstock/transforms"
)

// Each function here would be a test of its own: func TestGenerate(t *testing.T).

func ExampleSource() {
	var values []string
	for shop := local.NewShop(1, 3); len(values) < 12; {
		event, _ := shop.Append(nil)
		values = append(values, string(event))
	}
	testGenerate := func(t *testing.T) {
		conform.Source(t, conform.SourceCase{Values: values, Fresh: func(*testing.T) pipeline.Source {
			return local.NewGenerate(local.GenerateSettings{Events: 12, Users: 3, Seed: 1})
		}})
	}
	fmt.Println("conforms:", passes(testGenerate))
	// Output: conforms: true
}

func ExampleTransform() {
	testFilter := func(t *testing.T) {
		conform.Transform(t, conform.TransformCase{
			Fresh: func(t *testing.T) pipeline.Transform {
				filter, err := transforms.NewFilter(transforms.FilterSettings{Condition: `value.action == "buy"`})
				if err != nil {
					t.Fatal(err)
				}
				return filter
			},
			Fill: func(b *pipeline.Batch) {
				for _, text := range []string{`{"action":"buy"}`, `{"action":"view"}`, `{}`} {
					value, err := b.Document(b.Arena.Copy([]byte(text)))
					if err == nil {
						b.Add().Value = value
					}
				}
			},
		})
	}
	fmt.Println("conforms:", passes(testFilter))
	// Output: conforms: true
}

func ExampleSink() {
	testStdout := func(t *testing.T) {
		conform.Sink(t, conform.SinkCase{Fresh: func(*testing.T) (pipeline.Sink, func(*testing.T) []string) {
			var out bytes.Buffer
			delivered := func(*testing.T) []string {
				return strings.FieldsFunc(out.String(), func(r rune) bool { return r == '\n' })
			}
			return local.NewStdout(local.StdoutSettings{}, &out), delivered
		}})
	}
	fmt.Println("conforms:", passes(testStdout))
	// Output: conforms: true
}

// passes runs a test inside an example, as the go command would, and keeps what it
// prints out of the example's output.
func passes(test func(t *testing.T)) bool {
	stdout := os.Stdout
	os.Stdout = os.Stderr
	defer func() { os.Stdout = stdout }()
	return testing.RunTests(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{{Name: "test", F: test}})
}
