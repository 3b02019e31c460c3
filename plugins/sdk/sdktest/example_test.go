package sdktest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/penstock-io/penstock/plugins/sdk"
	"github.com/penstock-io/penstock/plugins/sdk/sdktest"
)

// Each function here would be a test of its own: func TestShout(t *testing.T).

// settings are what a pipeline file says of the plugin.
type settings struct {
	Field string `yaml:"field" required:"true" doc:"What to write in capitals."`
}

// shout is the plugin that is tried.
var shout = sdk.Plugin[settings]{
	Name: "shout", Version: "1.0.0", Doc: "Writes a field in capitals.",
	New: func(s settings) (sdk.Transform, error) {
		return sdk.Func(func(_ context.Context, r *sdk.Record) ([]*sdk.Record, error) {
			text, ok := r.Text(s.Field)
			if !ok {
				return nil, errors.New("it has no " + s.Field)
			}
			return []*sdk.Record{r}, r.Set(strings.ToUpper(text), s.Field)
		}), nil
	},
}

func ExampleOne() {
	testShout := func(t *testing.T) {
		fmt.Println(sdktest.One(t, shout, `{"field":"user"}`, `{"user":"ada","n":12.50}`))
		fmt.Println(sdktest.One(t, shout, `{"field":"user"}`, `{}`))
	}
	fmt.Println("passes:", passes(testShout))
	// Output:
	// {"user":"ADA","n":12.50}
	// refused: it has no user
	// passes: true
}

func ExampleApply() {
	testShout := func(t *testing.T) {
		became := sdktest.Apply(t, shout, `{"field":"user"}`,
			sdk.Given{Key: []byte("k1"), Value: `{"user":"ada"}`, Headers: []sdk.Header{{Key: "h", Value: []byte("1")}}},
			sdk.Given{Value: `{"id":7}`},
		)
		for _, records := range became {
			for _, r := range records {
				fmt.Printf("key=%s value=%s headers=%s refused=%s\n", r.Key, r.Value, r.Headers, r.Refused)
			}
		}
	}
	fmt.Println("passes:", passes(testShout))
	// Output:
	// key=k1 value={"user":"ADA"} headers=[{h 1}] refused=
	// key= value= headers=[] refused=it has no user
	// passes: true
}

func ExampleProblems() {
	testSettings := func(t *testing.T) {
		fmt.Println(sdktest.Problems(t, shout, `{}`))
		fmt.Println(sdktest.Problems(t, shout, `{"field":"user"}`))
	}
	fmt.Println("passes:", passes(testSettings))
	// Output:
	// [: field is missing]
	// []
	// passes: true
}

// passes runs a test inside an example, once and as the go command would, and keeps what that
// says of it out of the example's output.
func passes(test func(t *testing.T)) bool {
	stdout, ran := os.Stdout, false
	os.Stdout = os.Stderr
	defer func() { os.Stdout = stdout }()
	return testing.RunTests(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{{Name: "TestShout", F: func(t *testing.T) {
		if ran { // -count asks for it again
			return
		}
		ran = true
		said := os.Stdout
		os.Stdout = stdout
		defer func() { os.Stdout = said }()
		test(t)
	}}})
}
