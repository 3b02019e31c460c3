package transforms

import (
	"bytes"
	"math"
	"testing"
	"time"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/transforms/format"
)

const purchase = `{"event_id":"0197c2f4-8a51-7c3e-9b1d-3f6f0c5a9e21","user_id":"u-184467","action":"buy","ts":1767225600123,` +
	`"price":12.50,"quantity":3,"currency":"EUR","item":{"sku":"SKU-99812","category":"shoes"},"page":"/shop/item/99812?ref=home",` +
	`"ua":"Mozilla/5.0 (X11; Linux x86_64)","session":"s-77"}`

func BenchmarkFilterSetPass(b *testing.B) {
	benchmark(b, filter(`value.action in ["cart", "buy"]`), set(literals{"value.channel": "web"}))
}

func BenchmarkFilterSetDrop(b *testing.B) {
	benchmark(b, filter(`value.action in ["view"]`), set(literals{"value.channel": "web"}))
}

func BenchmarkComputeAndKey(b *testing.B) {
	benchmark(b, compute(expressions{"value.total": "value.price * value.quantity"}), key("value.user_id"))
}

func BenchmarkMap(b *testing.B) {
	benchmark(b, made(NewMap, MapSettings{`{"user": value.user_id, "total": value.price * value.quantity}`}))
}

func BenchmarkExtract(b *testing.B) { benchmark(b, made(NewExtract, ExtractSettings{"value.item"})) }

func BenchmarkHoist(b *testing.B) { benchmark(b, made(NewHoist, HoistSettings{"event"})) }

func BenchmarkFlatten(b *testing.B) { benchmark(b, flatten("value", ".")) }

func BenchmarkDropAndRename(b *testing.B) {
	benchmark(b, drop("value.ua", "value.item.category"), rename(map[string]string{"value.ts": "value.time"}))
}

func BenchmarkRoute(b *testing.B) {
	benchmark(b, made(NewRoute, RouteSettings{Topic: `"events_" + value.action`}))
}

func BenchmarkValidate(b *testing.B) {
	benchmark(b, made(NewValidate, ValidateSettings{That: "value.price > 0"}))
}

func BenchmarkDelay(b *testing.B) {
	benchmark(b, func() (pipeline.Transform, error) { return NewDelay(DelaySettings{For: time.Nanosecond}, time.Now) })
}

func BenchmarkHeaders(b *testing.B) {
	benchmark(b, made(NewHeaders, HeadersSettings{Drop: []string{"x-*"}, Set: expressions{"user": "value.user_id"}}))
}

func BenchmarkRateLimit(b *testing.B) {
	benchmark(b, func() (pipeline.Transform, error) {
		return NewRateLimit(RateLimitSettings{Records: math.MaxInt32, Per: time.Millisecond}, time.Now)
	})
}

func BenchmarkSharedDedupe(b *testing.B) {
	benchmark(b, func() (pipeline.Transform, error) {
		return NewSharedDedupe(DedupeSettings{Key: "value.event_id"}, time.Now, newClaims(), func(shard, _ string) string { return shard })
	})
}

func BenchmarkSplit(b *testing.B) {
	benchmark(b, split(SplitSettings{Field: "value.ua", Separator: " ", Into: "value.word"}))
}

func BenchmarkCast(b *testing.B) {
	benchmark(b, cast(map[string]string{"value.quantity": "string", "value.price": "float"}))
}

func BenchmarkTimestamp(b *testing.B) {
	benchmark(b, timestamp(TimestampSettings{Field: "value.ts", From: "unix_ms", To: "rfc3339"}))
}

func BenchmarkMask(b *testing.B) {
	benchmark(b, made(NewMask, MaskSettings{Fields: []string{"value.user_id"}, Hash: "0123456789abcdef"}))
}

func BenchmarkSample(b *testing.B) {
	benchmark(b, made(NewSample, SampleSettings{Keep: 0.5, By: "value.user_id"}))
}

func BenchmarkLookup(b *testing.B) {
	benchmark(b, made(NewLookup, LookupSettings{By: "value.action", Into: "value.what", JSON: `{"buy":{"a":1},"view":{},"cart":{}}`, Missing: "pass"}))
}

func BenchmarkEncodeDecode(b *testing.B) {
	settings := FieldFormatSettings{Field: "value.user_id"}
	benchmark(b, func() (pipeline.Transform, error) { return NewEncode(settings, format.NewBase64(format.JSON{})) },
		func() (pipeline.Transform, error) { return NewDecode(settings, format.NewBase64(format.Text{})) })
}

func BenchmarkReadAndWriteOnly(b *testing.B) { benchmark(b) }

// benchmark carries batches of 1,000 records through the stages, between reading
// and writing JSON; a record is an operation.
func benchmark(b *testing.B, makers ...func() (pipeline.Transform, error)) {
	read := format.NewReader(format.JSON{})
	stages := []pipeline.Transform{read}
	for _, make := range makers {
		stage, err := make()
		if err != nil {
			b.Fatal(err)
		}
		stages = append(stages, stage)
	}
	write := format.NewWriter(format.JSON{})
	stages = append(stages, write)
	raws := make([][]byte, 1000)
	for i := range raws {
		raws[i] = bytes.Clone([]byte(purchase))
	}
	carried := new(pipeline.Batch)
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += len(raws) {
		for _, raw := range raws[:min(len(raws), b.N-n)] {
			carried.Add().Value = pipeline.RawValue(raw)
		}
		for _, stage := range stages {
			if err := stage.Apply(b.Context(), carried); err != nil {
				b.Fatal(err)
			}
		}
		carried.Reset()
	}
}
