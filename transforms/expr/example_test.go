package expr_test

import (
	"fmt"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/transforms/expr"
)

// A program is compiled once, and asked about each record.
func ExampleCompile() {
	bought, err := expr.Compile(`value.action in ["cart", "buy"]`, expr.Condition)
	if err != nil {
		fmt.Println(err)
		return
	}
	b := &pipeline.Batch{}
	for _, event := range []string{`{"action":"view"}`, `{"action":"buy"}`, `{}`} {
		r := b.Add()
		if r.Value, err = b.Document([]byte(event)); err != nil {
			fmt.Println(err)
		}
		fmt.Println(bought.Bool(b, r))
	}
	// Output:
	// false <nil>
	// true <nil>
	// false value.action is missing; ask first with has(value.action), or read it with value.?action
}

// A mistake is found when the program is compiled, with its place in the text.
func ExampleCompile_mistake() {
	_, err := expr.Compile(`value.price >`, expr.Condition)
	fmt.Println(err)
	// Output: 1:14: the expression ends too early; write what is missing here
}
