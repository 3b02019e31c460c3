package transforms

import (
	"context"
	"slices"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/penstock-io/penstock/pipeline"
)

// Trace follows records with OpenTelemetry: each batch is a span from its reading to its
// commit, and so is each record that comes with a context of its own, in its headers (W3C
// Trace Context), where that is sampled. Records go out with the context of their span, or
// their batch's, so that who reads them goes on with it.
type Trace struct {
	tracer   trace.Tracer
	pipeline string

	mu   sync.Mutex
	open map[string][]traced // by shard, in order
}

// traced is a batch on its way, with its spans.
type traced struct {
	batch *pipeline.Batch
	spans []trace.Span
}

var _ pipeline.Ordered = (*Trace)(nil)

// NewTrace follows the records of a pipeline with a tracer.
func NewTrace(tracer trace.Tracer, pipelineName string) *Trace {
	return &Trace{tracer: tracer, pipeline: pipelineName, open: map[string][]traced{}}
}

// traceContext reads and writes the headers.
var traceContext = propagation.TraceContext{}

// Apply begins the spans of a batch.
func (t *Trace) Apply(_ context.Context, b *pipeline.Batch) error {
	t.end(b, comesAgain)
	within, whole := t.tracer.Start(context.Background(), "penstock "+t.pipeline, trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
		attribute.String("penstock.pipeline", t.pipeline), attribute.String("penstock.shard", b.Shard), attribute.Int("penstock.records", len(b.Records))))
	spans := []trace.Span{whole}
	for r := range b.Live {
		carrier := (*headerCarrier)(r)
		came := traceContext.Extract(context.Background(), carrier)
		switch from := trace.SpanContextFromContext(came); {
		case from.IsSampled():
			ctx, span := t.tracer.Start(came, "penstock "+t.pipeline, trace.WithSpanKind(trace.SpanKindConsumer), trace.WithLinks(trace.LinkFromContext(within)))
			spans = append(spans, span)
			traceContext.Inject(ctx, carrier)
		case !from.IsValid() && whole.SpanContext().IsSampled():
			traceContext.Inject(within, carrier)
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open[b.Shard] = append(t.open[b.Shard], traced{b, spans})
	return nil
}

// Settled ends the spans of a batch that is committed.
func (t *Trace) Settled(b *pipeline.Batch) { t.end(b, func(trace.Span) {}) }

// GivenUp ends the spans of batches that come again.
func (t *Trace) GivenUp(shard string) {
	t.mu.Lock()
	left := t.open[shard]
	delete(t.open, shard)
	t.mu.Unlock()
	for _, one := range left {
		endAll(one.spans, comesAgain)
	}
}

func comesAgain(span trace.Span) { span.SetStatus(codes.Error, "given up: it comes again") }

// end ends the spans of a batch, after how.
func (t *Trace) end(b *pipeline.Batch, how func(trace.Span)) {
	t.mu.Lock()
	all := t.open[b.Shard]
	var ended []trace.Span
	for i, one := range all {
		if one.batch == b {
			ended = one.spans
			t.open[b.Shard] = append(all[:i:i], all[i+1:]...)
			break
		}
	}
	t.mu.Unlock()
	endAll(ended, how)
}

// endAll ends spans, the inner ones first.
func endAll(spans []trace.Span, how func(trace.Span)) {
	for _, span := range slices.Backward(spans) {
		how(span)
		span.End()
	}
}

// headerCarrier gives a record's headers to a propagator. Their names are compared without
// regard to case (W3C Trace Context, 3.2.1).
type headerCarrier pipeline.Record

// Get gives the first header of a name.
func (c *headerCarrier) Get(key string) string {
	for _, h := range c.Headers {
		if strings.EqualFold(h.Key, key) {
			return string(h.Value)
		}
	}
	return ""
}

// Set gives a header a value, in place of the first of its name.
func (c *headerCarrier) Set(key, value string) {
	for i, h := range c.Headers {
		if strings.EqualFold(h.Key, key) {
			c.Headers[i].Value = []byte(value)
			return
		}
	}
	c.Headers = append(c.Headers, pipeline.Header{Key: key, Value: []byte(value)})
}

// Keys names the headers.
func (c *headerCarrier) Keys() []string {
	names := make([]string, len(c.Headers))
	for i, h := range c.Headers {
		names[i] = h.Key
	}
	return names
}
