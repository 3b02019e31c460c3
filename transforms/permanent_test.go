package transforms_test

import (
	"testing"
	"time"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/transforms"
	"github.com/penstock-io/penstock/transforms/format"
)

// What these refuse they would refuse again: on_error.retry has nothing to do with it.
func TestRefusalsDoNotPass(t *testing.T) {
	made := func(transform pipeline.Transform, err error) pipeline.Transform {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return transform
	}
	for name, transform := range map[string]pipeline.Transform{
		"filter, a field is missing":    made(transforms.NewFilter(transforms.FilterSettings{Condition: "value.nothing == 1"})),
		"filter, no condition":          made(transforms.NewFilter(transforms.FilterSettings{Condition: "value.a"})),
		"compute, a field is missing":   made(transforms.NewCompute(transforms.ComputeSettings{Values: map[string]pipeline.Expression{"value.b": "value.nothing"}})),
		"compute, division by nothing":  made(transforms.NewCompute(transforms.ComputeSettings{Values: map[string]pipeline.Expression{"value.b": "1 / value.a"}})),
		"compute, inside of a number":   made(transforms.NewCompute(transforms.ComputeSettings{Values: map[string]pipeline.Expression{"value.a.b": "1"}})),
		"key, a field is missing":       made(transforms.NewKey("value.nothing")),
		"partition, not a whole number": made(transforms.NewPartition("value.text")),
		"dedupe, a field is missing":    made(transforms.NewDedupe(transforms.DedupeSettings{Key: "value.nothing", Within: time.Minute, MaxKeys: 10}, time.Now)),
		"json, not JSON":                format.NewReader(format.JSON{}),
		"text, not UTF-8":               format.NewReader(format.Text{}),
	} {
		b := &pipeline.Batch{Shard: "a"}
		r := b.Add()
		r.Offset.Minor = 1
		var err error
		if r.Value, err = b.Document([]byte(`{"a":0,"text":"x"}`)); err != nil {
			t.Fatal(err)
		}
		if _, reads := transform.(*format.Reader); reads {
			r.Value = pipeline.RawValue([]byte("\xff"))
		}
		if err := transform.Apply(t.Context(), b); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if r.Fate != pipeline.Failed {
			t.Errorf("%s: it was not refused", name)
		} else if class := pipeline.ClassOf(r.Failure.Err); class != pipeline.Permanent {
			t.Errorf("%s: %v is %v", name, r.Failure.Err, class)
		}
	}
}
