package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"gatewayd/config"
	"gatewayd/internal/tracecontext"
	"gatewayd/proxy"
)

// tracing exports spans by OTLP. Requests never wait for it: when the receiver is slower, spans are left out and counted.
type tracing struct {
	log      *slog.Logger
	exporter sdk.SpanExporter
	resource *resource.Resource
	share    float64 // of the requests that begin a trace here
	queue    chan proxy.Span
	dropped  atomic.Uint64
}

// Bounds of the export.
const (
	spanQueue = 4096
	spanBatch = 512
	spanEvery = 2 * time.Second
)

func newTracing(spec *config.Tracing, log *slog.Logger) (*tracing, error) {
	headers := make(map[string]string, len(spec.Headers))
	for name, value := range spec.Headers {
		headers[name] = string(value)
	}
	url := spec.Endpoint
	if strings.Count(url, "/") < 3 {
		url += "/v1/traces"
	}
	exporter, err := otlptracehttp.New(context.Background(), otlptracehttp.WithEndpointURL(url), otlptracehttp.WithHeaders(headers))
	if err != nil {
		return nil, fmt.Errorf("cannot export spans to %q (tracing.endpoint): %w", spec.Endpoint, err)
	}
	return &tracing{
		log: log, exporter: exporter, share: spec.SamplePercent.Fraction(), queue: make(chan proxy.Span, spanQueue),
		resource: resource.NewSchemaless(attribute.String("service.name", spec.ServiceName)),
	}, nil
}

// Sample implements proxy.Tracer.
func (t *tracing) Sample() bool { return rand.Float64() < t.share }

// Export implements proxy.Tracer.
func (t *tracing) Export(s proxy.Span) {
	select {
	case t.queue <- s:
	default:
		t.dropped.Add(1)
	}
}

// run exports what comes until ctx ends, and then what is left.
func (t *tracing) run(ctx context.Context) error {
	tick := time.NewTicker(spanEvery)
	defer tick.Stop()
	var batch []sdk.ReadOnlySpan
	failing := false
	flush := func(ctx context.Context) {
		if len(batch) == 0 {
			return
		}
		err := t.exporter.ExportSpans(ctx, batch)
		if err != nil && !failing {
			t.log.Warn("cannot export spans: they are left out until the receiver answers", "err", err)
		}
		failing = err != nil
		batch = batch[:0]
	}
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), spanEvery)
			defer cancel()
			for len(t.queue) > 0 {
				batch = append(batch, t.convert(<-t.queue))
			}
			flush(last)
			return t.exporter.Shutdown(last)
		case s := <-t.queue:
			if batch = append(batch, t.convert(s)); len(batch) >= spanBatch {
				flush(ctx)
			}
		case <-tick.C:
			flush(ctx)
		}
	}
}

// convert makes a server span of the OpenTelemetry semantic conventions for HTTP.
func (t *tracing) convert(s proxy.Span) sdk.ReadOnlySpan {
	stub := tracetest.SpanStub{
		Name: s.Method + " " + s.Route, SpanKind: trace.SpanKindServer, StartTime: s.Start, EndTime: s.Start.Add(s.Took), Resource: t.resource,
		SpanContext: trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: trace.TraceID(s.Context.Trace), SpanID: trace.SpanID(s.Context.Span), TraceFlags: trace.FlagsSampled,
		}),
		Attributes: []attribute.KeyValue{
			attribute.String("http.request.method", s.Method), attribute.String("url.path", s.Path), attribute.String("server.address", s.Host),
			attribute.Int("http.response.status_code", s.Status), attribute.String("client.address", s.Client),
			attribute.String("gatewayd.route", s.Route), attribute.String("gatewayd.service", s.Service),
			attribute.String("gatewayd.revision", s.Revision), attribute.String("gatewayd.instance", s.Instance),
			attribute.Int("gatewayd.attempts", s.Attempts), attribute.String("gatewayd.request_id", s.RequestID),
		},
	}
	if s.Parent != (tracecontext.SpanID{}) {
		stub.Parent = trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: trace.TraceID(s.Context.Trace), SpanID: trace.SpanID(s.Parent), TraceFlags: trace.FlagsSampled, Remote: true,
		})
	}
	if s.Cause != proxy.CauseNone {
		stub.Attributes = append(stub.Attributes, attribute.String("gatewayd.cause", string(s.Cause)))
	}
	if s.Status >= 500 {
		stub.Status = sdk.Status{Code: codes.Error, Description: string(s.Cause)}
	}
	return stub.Snapshot()
}
