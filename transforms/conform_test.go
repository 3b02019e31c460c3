package transforms

import (
	"context"
	"testing"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/pipelinetest/conform"
	"github.com/penstock-io/penstock/transforms/format"
)

// met are the values that transforms meet: some that they take, a duplicate, and
// some without the fields they ask for.
var met = []string{
	buy,
	`{"event_id":"e2","user_id":"u2","action":"view","price":3,"quantity":1,"payload":"a secret that belongs into no error"}`,
	buy,
	`{"other":"a value without any of the fields that are asked for"}`,
	`["no object"]`,
}

func TestTransformsConform(t *testing.T) {
	raw := func(b *pipeline.Batch) {
		for _, value := range append(met, "no JSON, and nothing to show in an error") {
			r := b.Add()
			r.Key, r.Time = b.Arena.Copy([]byte("k")), time.UnixMilli(1_700_000_000_000)
			r.Headers = []pipeline.Header{{Key: "h", Value: b.Arena.Copy([]byte("v"))}}
			r.Value = pipeline.RawValue(b.Arena.Copy([]byte(value)))
		}
	}
	documents := func(b *pipeline.Batch) {
		raw(b)
		for i := range b.Records {
			if v, err := b.Document(b.Records[i].Value.Raw()); err == nil {
				b.Records[i].Value = v
			}
		}
	}
	for name, test := range map[string]struct {
		fresh func() (pipeline.Transform, error)
		fill  func(b *pipeline.Batch)
	}{
		"filter":    {filter(`value.action == "buy"`), documents},
		"set":       {set(literals{"value.channel": "web"}), documents},
		"compute":   {compute(map[string]pipeline.Expression{"value.total": "value.price * value.quantity"}), documents},
		"drop":      {drop("value.price"), documents},
		"rename":    {rename(map[string]string{"value.price": "value.cost"}), documents},
		"key":       {key("value.user_id"), documents},
		"map":       {made(NewMap, MapSettings{`{"user": value.user_id}`}), documents},
		"extract":   {made(NewExtract, ExtractSettings{"value.price"}), documents},
		"hoist":     {made(NewHoist, HoistSettings{"inner"}), documents},
		"flatten":   {flatten("value", "."), documents},
		"cast":      {cast(map[string]string{"value.price": "string", "value.payload": "int"}), documents},
		"timestamp": {timestamp(TimestampSettings{Field: "value.event_id", To: "unix", Record: true}), documents},
		"mask":      {made(NewMask, MaskSettings{Fields: []string{"value.payload", "key", "headers.h"}, With: "*"}), documents},
		"validate":  {made(NewValidate, ValidateSettings{That: "value.price > 2"}), documents},
		"sample":    {made(NewSample, SampleSettings{Keep: 0.5, By: "value.user_id"}), documents},
		"headers":   {made(NewHeaders, HeadersSettings{Drop: []string{"h"}, Set: expressions{"user": "value.user_id"}}), documents},
		"rate_limit": {func() (pipeline.Transform, error) {
			return NewRateLimit(RateLimitSettings{Records: 1_000_000, Per: time.Second}, time.Now)
		}, documents},
		"delay": {func() (pipeline.Transform, error) {
			return NewDelay(DelaySettings{For: 50 * time.Millisecond}, func() time.Time { return time.UnixMilli(1_700_000_000_000) })
		}, documents},
		"split": {split(SplitSettings{Field: "value.event_id", Separator: "e"}), documents},
		"route": {made(NewRoute, RouteSettings{Topic: "value.action"}), documents},
		"dedupe": {func() (pipeline.Transform, error) {
			return NewDedupe(DedupeSettings{Key: "value.event_id", Within: time.Minute, MaxKeys: 1000}, time.Now)
		}, documents},
		"dedupe shared": {func() (pipeline.Transform, error) {
			return NewSharedDedupe(DedupeSettings{Key: "value.event_id"}, time.Now, newClaims(), func(shard, life string) string { return shard + life })
		}, documents},
		"lookup remote": {func() (pipeline.Transform, error) {
			return NewRemoteLookup(LookupSettings{By: "value.action", Into: "value.what", Missing: "refuse", Remote: true}, table{"buy": `{"a":1}`}, false)
		}, documents},
		"lookup": {made(NewLookup, LookupSettings{By: "value.action", Into: "value.what", JSON: `{"buy":{"a":1}}`, Missing: "refuse"}), documents},
		"decode": {func() (pipeline.Transform, error) {
			return NewDecode(FieldFormatSettings{Field: "value.payload"}, format.JSON{})
		}, documents},
		"encode": {func() (pipeline.Transform, error) {
			return NewEncode(FieldFormatSettings{Field: "value.price"}, format.NewBase64(format.MsgPack{}))
		}, documents},
		"when": {func() (pipeline.Transform, error) {
			inner, err := set(literals{"value.channel": "web"})()
			if err != nil {
				return nil, err
			}
			return NewWhen(`has(value.price)`, inner)
		}, documents},
		"partition":        {made(NewPartition, pipeline.Expression("value.quantity")), documents},
		"trace":            {traces, followed(documents)},
		"read json":        {reader(format.JSON{}), raw},
		"read text":        {reader(format.Text{}), raw},
		"read bytes":       {reader(format.Bytes{}), raw},
		"write json":       {writer(format.JSON{}), documents},
		"write text":       {writer(format.Text{}), documents},
		"write bytes":      {writer(format.Bytes{}), documents},
		"write as it came": {writer(nil), documents},
	} {
		t.Run(name, func(t *testing.T) {
			conform.Transform(t, conform.TransformCase{Fresh: func(t *testing.T) pipeline.Transform {
				transform, err := test.fresh()
				if err != nil {
					t.Fatal(err)
				}
				return transform
			}, Fill: test.fill})
		})
	}
}

// table is a Getter in memory.
type table map[string]string

func (t table) Get(ctx context.Context, names [][]byte) ([][]byte, error) {
	values := make([][]byte, len(names))
	for i, name := range names {
		if text, has := t[string(name)]; has {
			values[i] = []byte(text)
		}
	}
	return values, ctx.Err()
}

func (table) Close() error { return nil }

// traces follows records in spans that are all called the same: the suite compares what
// comes out.
func traces() (pipeline.Transform, error) {
	provider := sdk.NewTracerProvider(sdk.WithIDGenerator(sameIDs{}), sdk.WithSyncer(tracetest.NewInMemoryExporter()))
	return NewTrace(provider.Tracer("test"), "shop"), nil
}

type sameIDs struct{}

func (sameIDs) NewIDs(context.Context) (trace.TraceID, trace.SpanID) {
	return trace.TraceID{1}, trace.SpanID{1}
}
func (sameIDs) NewSpanID(context.Context, trace.TraceID) trace.SpanID { return trace.SpanID{2} }

// followed gives the first record a context that is sampled, and the second one that is not.
func followed(fill func(b *pipeline.Batch)) func(b *pipeline.Batch) {
	return func(b *pipeline.Batch) {
		fill(b)
		for i, flags := range []string{"01", "00"} {
			came := b.Arena.Copy([]byte("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-" + flags))
			b.Records[i].Headers = append(b.Records[i].Headers, pipeline.Header{Key: "traceparent", Value: came})
		}
	}
}

func reader(f pipeline.Format) func() (pipeline.Transform, error) {
	return func() (pipeline.Transform, error) { return format.NewReader(f), nil }
}

func writer(f pipeline.Format) func() (pipeline.Transform, error) {
	return func() (pipeline.Transform, error) { return format.NewWriter(f), nil }
}
