package trial_test

import (
	"context"
	"fmt"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/config"
	"github.com/penstock-io/penstock/pipeline/engine"
	"github.com/penstock-io/penstock/pipeline/engine/trial"
	"github.com/penstock-io/penstock/transforms"
	"github.com/penstock-io/penstock/transforms/format"
)

// purchases are the stages of a pipeline that lets purchases pass, as documents.
func purchases() []engine.Stage {
	filter, err := transforms.NewFilter(transforms.FilterSettings{Condition: `value.action == "buy"`})
	if err != nil {
		panic(err)
	}
	return []engine.Stage{
		{Name: "source.format", Transform: format.NewReader(format.JSON{})},
		{Name: "transforms[0].filter", Transform: filter},
		{Name: "sink.format", Transform: format.NewWriter(format.JSON{})},
	}
}

// passing is a test of purchases.
func passing() config.Test {
	buy, view := any(`{"action":"buy"}`), any(`{"action":"view"}`)
	return config.Test{Name: "a purchase passes", Given: []config.Given{{Value: &buy}, {Value: &view}}, Expect: []config.Expected{{Value: &view}}}
}

// Each record of a test is carried through the stages of its pipeline.
func ExampleRun() {
	outcomes, err := trial.Run(context.Background(), passing(), purchases(), trial.NewClock())
	for _, o := range outcomes {
		fmt.Printf("%q %q\n", trial.OutcomeName(o.Fate), o.Record.Value)
	}
	fmt.Println(err)
	// Output:
	// "" "{\"action\":\"buy\"}"
	// "filtered" ""
	// <nil>
}

// A test has passed where both texts are the same. This one has not.
func ExampleTexts() {
	test := passing()
	outcomes, err := trial.Run(context.Background(), test, purchases(), trial.NewClock())
	if err != nil {
		fmt.Println(err)
		return
	}
	want, got := trial.Texts(test.Expect, outcomes, "purchases")
	fmt.Println(want == got)
	fmt.Print("want ", want, "got ", got)
	// Output:
	// false
	// want [
	//   {
	//     "value": "{\"action\":\"view\"}"
	//   }
	// ]
	// got [
	//   {
	//     "value": "{\"action\":\"buy\"}"
	//   }
	// ]
}

// The test would pass if it expected this.
func ExampleExpect() {
	test := passing()
	outcomes, err := trial.Run(context.Background(), test, purchases(), trial.NewClock())
	if err != nil {
		fmt.Println(err)
		return
	}
	test.Expect = trial.Expect(test.Expect, outcomes, "purchases")
	fmt.Println(*test.Expect[0].Value)
	want, got := trial.Texts(test.Expect, outcomes, "purchases")
	fmt.Println(want == got)
	// Output:
	// {"action":"buy"}
	// true
}

// The clock of a test stands still, but for what the test says.
func ExampleNewClock() {
	clock := trial.NewClock()
	fmt.Println(clock.Now())
	// Output: 2026-01-01 00:00:00 +0000 UTC
}

func ExampleOutcomeName() {
	fmt.Println(trial.OutcomeName(pipeline.DeadLettered), trial.OutcomeName(pipeline.Failed))
	// Output: dead_letter halted
}

// A record is followed from stage to stage.
func ExampleFollow() {
	b := &pipeline.Batch{}
	b.Add().Value = pipeline.RawValue([]byte(`{"action":"view"}`))
	steps, err := trial.Follow(context.Background(), b, purchases())
	for _, step := range steps {
		seen := step.Records[0]
		fmt.Printf("%s: changed %v, %q\n", step.Stage, seen.Changed, trial.OutcomeName(seen.Fate))
	}
	fmt.Println(err)
	// Output:
	// source.format: changed false, ""
	// transforms[0].filter: changed false, "filtered"
	// <nil>
}

// What a record was is kept before stages change it.
func ExampleCame() {
	b := &pipeline.Batch{}
	r := b.Add()
	r.Key, r.Value = []byte("u1"), pipeline.RawValue([]byte(`{"action":"buy"}`))
	came := trial.Came(b)
	r.Key[0] = 'x'
	fmt.Printf("%s %s\n", came.Key, came.Value)
	// Output: u1 {"action":"buy"}
}
