package trial_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/config"
	"github.com/penstock-io/penstock/pipeline/engine"
	"github.com/penstock-io/penstock/pipeline/engine/trial"
)

// stage is a stage whose transform is a function over each live record.
func stage(name string, policy engine.Policy, apply func(b *pipeline.Batch, r *pipeline.Record)) engine.Stage {
	return engine.Stage{Name: name, OnError: policy, Retry: engine.Retry{Attempts: 100, Backoff: time.Hour}, Transform: each(apply)}
}

type each func(b *pipeline.Batch, r *pipeline.Record)

func (e each) Apply(_ context.Context, b *pipeline.Batch) error {
	for r := range b.Live {
		e(b, r)
	}
	return nil
}

// byValue does what the value says.
func byValue(_ *pipeline.Batch, r *pipeline.Record) {
	switch string(r.Value.Raw()) {
	case "filter":
		r.Fate = pipeline.Filtered
	case "duplicate":
		r.Fate = pipeline.Duplicate
	case "refuse":
		r.Fail(errors.New("it will not do; do otherwise"))
	}
}

func givenOf(values ...any) []config.Given {
	var all []config.Given
	for _, v := range values {
		all = append(all, config.Given{Value: &v})
	}
	return all
}

func run(t *testing.T, given []config.Given, stages ...engine.Stage) []trial.Outcome {
	t.Helper()
	outcomes, err := trial.Run(t.Context(), config.Test{Given: given}, stages, trial.NewClock())
	if err != nil {
		t.Fatal(err)
	}
	return outcomes
}

// TestOutcomes: what on_error makes of a refusal, what a refusal that halts leaves
// undone, and what a test has to list.
func TestOutcomes(t *testing.T) {
	goes := config.Expected{Value: new(any("go"))}
	for name, tc := range map[string]struct {
		policy engine.Policy
		given  []any
		expect []config.Expected
		passes bool
	}{
		"goes out":                        {engine.Halt, []any{"go"}, []config.Expected{goes}, true},
		"nothing is expected":             {engine.Halt, []any{"go"}, nil, false},
		"nothing comes":                   {engine.Halt, nil, []config.Expected{goes}, false},
		"anything that goes out":          {engine.Halt, []any{"x"}, []config.Expected{{}}, true},
		"taken out, not listed":           {engine.Halt, []any{"filter", "go", "duplicate"}, []config.Expected{goes}, true},
		"taken out, listed":               {engine.Halt, []any{"filter", "go", "duplicate"}, []config.Expected{{Outcome: "filtered"}, goes, {Outcome: "duplicate"}}, true},
		"taken out, one of them listed":   {engine.Halt, []any{"filter", "go", "duplicate"}, []config.Expected{{Outcome: "filtered"}, goes}, false},
		"taken out otherwise":             {engine.Halt, []any{"filter"}, []config.Expected{{Outcome: "duplicate"}}, false},
		"dropped":                         {engine.Drop, []any{"refuse", "go"}, []config.Expected{{Outcome: "dropped"}, goes}, true},
		"dropped, not listed":             {engine.Drop, []any{"refuse", "go"}, []config.Expected{goes}, false},
		"dead letter":                     {engine.DeadLetter, []any{"refuse"}, []config.Expected{{Outcome: "dead_letter", Error: "it will"}}, true},
		"dead letter, not listed":         {engine.DeadLetter, []any{"refuse"}, nil, false},
		"dead letter, dropped expected":   {engine.DeadLetter, []any{"refuse"}, []config.Expected{{Outcome: "dropped"}}, false},
		"an error by its stage":           {engine.DeadLetter, []any{"refuse"}, []config.Expected{{Error: "stage: it will not do"}}, true},
		"another error":                   {engine.DeadLetter, []any{"refuse"}, []config.Expected{{Error: "something else"}}, false},
		"another error, the same outcome": {engine.DeadLetter, []any{"refuse"}, []config.Expected{{Outcome: "dead_letter", Error: "something else"}}, false},
		"an error, and it goes":           {engine.Halt, []any{"go"}, []config.Expected{{Error: "it"}}, false},
		"an error, and it is filtered":    {engine.Halt, []any{"filter"}, []config.Expected{{Error: "it"}}, false},
		"halted":                          {engine.Halt, []any{"go", "refuse"}, []config.Expected{goes, {Outcome: "halted"}}, true},
		"halted, not listed":              {engine.Halt, []any{"go", "refuse"}, []config.Expected{goes}, false},
		"nothing comes after a halt":      {engine.Halt, []any{"refuse", "go"}, []config.Expected{{Outcome: "halted"}, goes}, false},
		"what comes after is not reached": {engine.Halt, []any{"refuse", "go"}, []config.Expected{{Outcome: "halted"}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			outcomes := run(t, givenOf(tc.given...), stage("stage", tc.policy, byValue))
			want, got := trial.Texts(tc.expect, outcomes, "")
			if (want == got) != tc.passes {
				t.Errorf("passes: %v; expected\n%scame\n%s", !tc.passes, want, got)
			}
			updated := trial.Expect(tc.expect, outcomes, "")
			if want, got := trial.Texts(updated, outcomes, ""); want != got {
				t.Errorf("updated, it fails: expected\n%scame\n%s", want, got)
			}
		})
	}
}

// TestWhatIsCompared: where a test looks, and what is the same.
func TestWhatIsCompared(t *testing.T) {
	object := func(text string) *any {
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		var v any
		if err := d.Decode(&v); err != nil {
			t.Fatal(err)
		}
		return &v
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC)
	came := trial.Outcome{Record: trial.Record{
		Key: []byte("42"), Value: []byte(`{"n": 6.0, "s": "a<b", "l": [1e2, {"m": -0}], "z": null}`), Time: at,
		Headers: []pipeline.Header{{Key: "a", Value: []byte("1")}, {Key: "b", Value: []byte("2")}, {Key: "a", Value: []byte("3")}},
	}}
	bare := trial.Outcome{Record: trial.Record{Value: []byte{0xff}, Topic: "other"}}
	for name, tc := range map[string]struct {
		came   trial.Outcome
		expect config.Expected
		passes bool
	}{
		"a key":                      {came, config.Expected{Key: new(any("42"))}, true},
		"a key as a number":          {came, config.Expected{Key: new(any(json.Number("42")))}, true},
		"another key":                {came, config.Expected{Key: new(any("43"))}, false},
		"no key, where there is":     {came, config.Expected{Key: new(any(nil))}, false},
		"no key":                     {bare, config.Expected{Key: new(any(nil))}, true},
		"an empty key is a key":      {trial.Outcome{Record: trial.Record{Key: []byte{}}}, config.Expected{Key: new(any(nil))}, false},
		"a value in another order":   {came, config.Expected{Value: object(`{"z": null, "l": [100, {"m": 0}], "s": "a<b", "n": 6}`)}, true},
		"a value with less":          {came, config.Expected{Value: object(`{"l": [100, {"m": 0}], "s": "a<b", "n": 6}`)}, false},
		"a value with more":          {came, config.Expected{Value: object(`{"x": 1, "z": null, "l": [100, {"m": 0}], "s": "a<b", "n": 6}`)}, false},
		"another number":             {came, config.Expected{Value: object(`{"z": null, "l": [100, {"m": 0}], "s": "a<b", "n": 6.01}`)}, false},
		"a number and a text":        {came, config.Expected{Value: object(`{"z": null, "l": [100, {"m": 0}], "s": "a<b", "n": "6.0"}`)}, false},
		"a list in another order":    {came, config.Expected{Value: object(`{"z": null, "l": [{"m": 0}, 100], "s": "a<b", "n": 6}`)}, false},
		"the bytes":                  {came, config.Expected{Value: new(any(`{"n": 6.0, "s": "a<b", "l": [1e2, {"m": -0}], "z": null}`))}, true},
		"other bytes":                {came, config.Expected{Value: new(any(`{"n":6.0, "s": "a<b", "l": [1e2, {"m": -0}], "z": null}`))}, false},
		"bytes that are no text":     {bare, config.Expected{Value: new(any("\uFFFD"))}, false},
		"all headers":                {came, config.Expected{Headers: map[string]any{"b": "2", "a": []any{"1", "3"}}}, true},
		"a header less":              {came, config.Expected{Headers: map[string]any{"a": []any{"1", "3"}}}, false},
		"one of two":                 {came, config.Expected{Headers: map[string]any{"b": "2", "a": "1"}}, false},
		"a list of one":              {came, config.Expected{Headers: map[string]any{"b": []any{"2"}, "a": []any{"1", "3"}}}, true},
		"no headers":                 {bare, config.Expected{Headers: map[string]any{}}, true},
		"no headers, where they are": {came, config.Expected{Headers: map[string]any{}}, false},
		"the sink's topic":           {came, config.Expected{Topic: "own"}, true},
		"another topic":              {bare, config.Expected{Topic: "other"}, true},
		"not the sink's topic":       {bare, config.Expected{Topic: "own"}, false},
		"a time":                     {came, config.Expected{Time: "2026-01-02T04:04:05.006+01:00"}, true},
		"another time":               {came, config.Expected{Time: "2026-01-02T03:04:05Z"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			expect, outcomes := []config.Expected{tc.expect}, []trial.Outcome{tc.came}
			want, got := trial.Texts(expect, outcomes, "own")
			if (want == got) != tc.passes {
				t.Errorf("passes: %v; expected\n%scame\n%s", !tc.passes, want, got)
			}
			if name == "bytes that are no text" {
				return // no file can hold them
			}
			if want, got := trial.Texts(trial.Expect(expect, outcomes, "own"), outcomes, "own"); want != got {
				t.Errorf("updated, it fails: expected\n%scame\n%s", want, got)
			}
		})
	}
}

func TestNumbersThatAreTheSame(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		same bool
	}{
		{"6", "6.0", true}, {"6", "6e0", true}, {"600", "6E+2", true}, {"0.06", "6e-2", true}, {"0", "-0.00e5", true}, {"1e999999", "10e999998", true},
		{"1e99999999999999999999", "1e99999999999999999999", true}, {"12.50", "12.5", true}, {"9223372036854775808", "9223372036854775808.0", true},
		{"6", "-6", false}, {"6", "60", false}, {"9223372036854775808", "9223372036854775809", false}, {"0.1", "0.10000000000000001", false}, {"1e5", "1e-5", false},
	} {
		outcomes := []trial.Outcome{{Record: trial.Record{Value: []byte("[" + tc.b + "]")}}}
		want, got := trial.Texts([]config.Expected{{Value: new(any([]any{json.Number(tc.a)}))}}, outcomes, "")
		if (want == got) != tc.same {
			t.Errorf("%s and %s: the same is %v", tc.a, tc.b, !tc.same)
		}
	}
}

// TestGivenRecords: what the stages see of a record of a test, and of its clock.
func TestGivenRecords(t *testing.T) {
	clock := trial.NewClock()
	type seen struct {
		key, value, shard string
		kind              pipeline.Kind
		headers           int
		time, now         string
		offset            pipeline.Offset
	}
	var all []seen
	look := stage("look", engine.Halt, func(b *pipeline.Batch, r *pipeline.Record) {
		all = append(all, seen{string(r.Key), string(r.Value.Raw()), b.Shard, r.Value.Kind(), len(r.Headers),
			r.Time.UTC().Format(time.RFC3339Nano), clock.Now().Format(time.RFC3339Nano), r.Offset})
	})
	given := []config.Given{
		{Key: new(any(json.Number("7"))), Value: new(any("bytes")), Headers: map[string]any{"a": []any{"1", "2"}, "b": "3"}},
		{Value: new(any(map[string]any{"n": json.Number("1.50"), "a": "<"})), After: time.Minute, Shard: "list:1"},
		{Value: new(any(nil)), Time: "2025-12-31T00:00:00Z"},
		{Time: "2026-01-01T02:00:00.0005+01:00"},
		{Key: new(any(nil)), After: time.Hour},
	}
	if _, err := trial.Run(t.Context(), config.Test{Given: given}, []engine.Stage{look}, clock); err != nil {
		t.Fatal(err)
	}
	want := []seen{
		{"7", "bytes", "test", pipeline.Opaque, 3, "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", pipeline.Offset{Minor: 1}},
		{"", `{"a":"<","n":1.50}`, "list:1", pipeline.Document, 0, "2026-01-01T00:01:00Z", "2026-01-01T00:01:00Z", pipeline.Offset{Minor: 2}},
		{"", "null", "test", pipeline.Document, 0, "2025-12-31T00:00:00Z", "2026-01-01T00:01:00Z", pipeline.Offset{Minor: 3}},
		{"", "", "test", pipeline.Opaque, 0, "2026-01-01T01:00:00Z", "2026-01-01T01:00:00Z", pipeline.Offset{Minor: 4}},
		{"", "", "test", pipeline.Opaque, 0, "2026-01-01T02:00:00Z", "2026-01-01T02:00:00Z", pipeline.Offset{Minor: 5}},
	}
	for i := range want {
		if i >= len(all) || all[i] != want[i] {
			t.Errorf("record %d: got %+v\nwant %+v", i+1, all[i], want[i])
		}
	}
}

// settling is a transform that remembers what was settled.
type settling struct {
	each
	settled []pipeline.Fate
}

func (s *settling) Settled(b *pipeline.Batch) { s.settled = append(s.settled, b.Records[0].Fate) }
func (s *settling) GivenUp(string)            {}

// TestTransformsThatRememberAreTold, with the fate that the record met in the end.
func TestTransformsThatRememberAreTold(t *testing.T) {
	s := &settling{each: func(*pipeline.Batch, *pipeline.Record) {}}
	run(t, givenOf("go", "refuse"), engine.Stage{Name: "s", Transform: s}, stage("stage", engine.DeadLetter, byValue))
	if len(s.settled) != 2 || s.settled[0] != pipeline.Deliver || s.settled[1] != pipeline.DeadLettered {
		t.Errorf("got %v", s.settled)
	}
}

// TestStagesThatFail: no outcome of a record hides that a stage is broken.
func TestStagesThatFail(t *testing.T) {
	for want, transform := range map[string]pipeline.Transform{
		"record 2 of the test: s, shard test: broken":                                                failing{},
		"record 1 of the test: s, shard test: of 1 records the transform left 0; mend the transform": each(func(b *pipeline.Batch, _ *pipeline.Record) { b.Records = nil }),
	} {
		_, err := trial.Run(t.Context(), config.Test{Given: givenOf("a", "b")}, []engine.Stage{{Name: "s", Transform: transform, OnError: engine.Drop}}, trial.NewClock())
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// failing fails at the second record.
type failing struct{}

func (failing) Apply(_ context.Context, b *pipeline.Batch) error {
	if b.Records[0].Offset.Minor == 2 {
		return errors.New("broken")
	}
	return nil
}

// TestAnUpdateKeepsWhereATestLooks: what was compared byte by byte still is, and what was
// not compared still is not.
func TestAnUpdateKeepsWhereATestLooks(t *testing.T) {
	came := []trial.Outcome{{Record: trial.Record{Key: []byte("k"), Value: []byte(`{"a":  1.0}`), Topic: "t", Headers: []pipeline.Header{{Key: "h", Value: []byte("x")}}}}}
	for name, tc := range map[string]struct{ before, want config.Expected }{
		"text":    {config.Expected{Value: new(any("old"))}, config.Expected{Value: new(any(`{"a":  1.0}`))}},
		"object":  {config.Expected{Value: new(any(map[string]any{"a": json.Number("1"), "b": true}))}, config.Expected{Value: new(any(map[string]any{"a": json.Number("1")}))}},
		"a key":   {config.Expected{Key: new(any("old"))}, config.Expected{Key: new(any("k"))}},
		"a topic": {config.Expected{Topic: "old"}, config.Expected{Topic: "t"}},
		"nothing": {config.Expected{Outcome: "filtered"}, config.Expected{Key: new(any("k")), Value: new(any(map[string]any{"a": json.Number("1.0")})), Headers: map[string]any{"h": "x"}}},
	} {
		if got := trial.Expect([]config.Expected{tc.before}, came, ""); len(got) != 1 || !reflect.DeepEqual(got[0], tc.want) {
			t.Errorf("%s: got %+v, want %+v", name, got, tc.want)
		}
	}
}

// words makes a record of each word of a value.
type words struct{}

func (words) Apply(_ context.Context, b *pipeline.Batch) error {
	var counts []int
	var values []string
	for r := range b.Live {
		all := strings.Fields(string(r.Value.Raw()))
		counts, values = append(counts, len(all)), append(values, all...)
	}
	b.Expand(counts)
	for r := range b.Live {
		r.Value, values = pipeline.RawValue([]byte(values[0])), values[1:]
	}
	return nil
}

// TestSeveralOfOne: of a record that a stage makes several of, each has an outcome, in
// order; where one halts, none goes out.
func TestSeveralOfOne(t *testing.T) {
	given := givenOf("go", "filter go refuse", "go")
	split := engine.Stage{Name: "split", Transform: words{}}
	fates := func(policy engine.Policy) string {
		var all []string
		for _, o := range run(t, given, split, stage("stage", policy, byValue)) {
			all = append(all, fmt.Sprint(o.Fate, " ", string(o.Record.Value)))
		}
		return strings.Join(all, ", ")
	}
	if got, want := fates(engine.DeadLetter), "0 go, 1 , 0 go, 5 , 0 go"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := fates(engine.Halt), "0 go, 4 "; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	b := &pipeline.Batch{Shard: "a"}
	b.Add().Value = pipeline.RawValue([]byte("filter go"))
	b.Records[0].Offset.Minor = 1
	again := engine.Stage{Name: "again", Transform: each(func(_ *pipeline.Batch, r *pipeline.Record) { r.Key = []byte("k") })}
	steps, err := trial.Follow(t.Context(), b, []engine.Stage{split, stage("stage", engine.Halt, byValue), again})
	if err != nil || len(steps) != 3 || !steps[0].Split || steps[1].Split {
		t.Fatalf("%+v, %v", steps, err)
	}
	for i, want := range []string{"true true", "false false stage", "false true stage"} {
		first, second := steps[i].Records[0], steps[i].Records[1]
		if got := strings.TrimSpace(fmt.Sprint(first.Changed, second.Changed, " "+first.By)); got != want {
			t.Errorf("step %d: %s, want %s", i, got, want)
		}
	}
}
