package transforms_test

import (
	"strings"
	"testing"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/transforms"
)

const (
	sampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	ignored = "00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
)

// TestTrace: spans last from reading to commit; contexts come in and go out by headers.
func TestTrace(t *testing.T) {
	ended := tracetest.NewInMemoryExporter()
	provider := sdk.NewTracerProvider(sdk.WithSyncer(ended))
	tr := transforms.NewTrace(provider.Tracer("test"), "shop")
	batch := func() *pipeline.Batch {
		b := &pipeline.Batch{Shard: "a", Read: 3}
		for _, parent := range []string{sampled, ignored, ""} {
			r := b.Add()
			r.Headers = []pipeline.Header{{Key: "own", Value: []byte("1")}}
			if parent != "" {
				r.Headers = append(r.Headers, pipeline.Header{Key: "Traceparent", Value: []byte(parent)})
			}
		}
		return b
	}
	first, second := batch(), batch()
	for _, b := range []*pipeline.Batch{first, second} {
		if err := tr.Apply(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(ended.GetSpans()); n != 0 {
		t.Errorf("%d spans have ended before the commit", n)
	}
	out := func(i int) string { h := first.Records[i].Headers; return string(h[len(h)-1].Value) }
	if got := out(0); len(first.Records[0].Headers) != 2 || !strings.HasPrefix(got, sampled[:36]) || got == sampled || !strings.HasSuffix(got, "-01") {
		t.Errorf("a record with a context goes out with %v", first.Records[0].Headers)
	}
	if got := out(1); got != ignored {
		t.Errorf("a record that is not sampled goes out with %s", got)
	}
	if got := out(2); len(got) != len(sampled) || strings.Contains(got, sampled[3:35]) || first.Records[2].Headers[1].Key != "traceparent" {
		t.Errorf("a record without a context goes out with %v", first.Records[2].Headers)
	}
	tr.Settled(first)
	spans := ended.GetSpans()
	if len(spans) != 2 || spans[0].Parent.SpanID().String() != sampled[36:52] || spans[1].Parent.IsValid() || spans[0].Links[0].SpanContext.SpanID() != spans[1].SpanContext.SpanID() {
		t.Errorf("the spans are %+v", spans)
	}
	for _, s := range spans {
		if s.Name != "penstock shop" || s.Status.Description != "" || s.EndTime.Before(s.StartTime) {
			t.Errorf("the span is %+v", s)
		}
	}
	ended.Reset()
	tr.GivenUp("b")
	tr.GivenUp("a")
	tr.GivenUp("a")
	if spans := ended.GetSpans(); len(spans) != 2 || spans[0].Status.Description != "given up: it comes again" {
		t.Errorf("the spans are %+v", spans)
	}
	if err := provider.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
