package cli

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// tracingEnds is how long the last spans may take to be sent.
const tracingEnds = 5 * time.Second

// startTracing gives a tracer that sends spans by OTLP (HTTP), where the variables of
// OpenTelemetry say where to: OTEL_EXPORTER_OTLP_ENDPOINT, or …_TRACES_ENDPOINT; the others
// count too (headers, sampler, service name). nil: they do not. stop sends what is left.
func startTracing(ctx context.Context, log *slog.Logger) (tracer trace.Tracer, stop func(), err error) {
	if os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" && os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "" || os.Getenv("OTEL_SDK_DISABLED") == "true" {
		return nil, func() {}, nil
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, nil, invalid{fmt.Errorf("traces by OTLP: %w", err)}
	}
	about, err := resource.New(ctx, resource.WithAttributes(attribute.String("service.name", "penstock"), attribute.String("service.version", builtFrom().Version)), resource.WithFromEnv())
	if err != nil {
		return nil, nil, invalid{fmt.Errorf("traces by OTLP: %w", err)}
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("traces cannot be sent", "error", err.Error()) }))
	provider := sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithResource(about))
	return provider.Tracer("github.com/penstock-io/penstock"), func() {
		ctx, cancel := context.WithTimeout(context.Background(), tracingEnds)
		defer cancel()
		if err := provider.Shutdown(ctx); err != nil {
			log.Warn("the last traces were not sent", "error", err.Error())
		}
	}, nil
}
