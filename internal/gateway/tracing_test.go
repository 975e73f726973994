package gateway

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	otlp "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

func TestExportsSpans(t *testing.T) {
	got := make(chan *otlp.ExportTraceServiceRequest, 16)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("X-Api-Key") != "k" {
			t.Errorf("got %s with key %q, %v; want /v1/traces with the configured header", r.URL.Path, r.Header.Get("X-Api-Key"), err)
		}
		var req otlp.ExportTraceServiceRequest
		if err := proto.Unmarshal(body, &req); err != nil {
			t.Errorf("not an OTLP request: %v", err)
		}
		got <- &req
	}))
	defer receiver.Close()
	w := start(t, configFile(oneRoute+`
tracing: {endpoint: "`+receiver.URL+`", samplePercent: 100, headers: {x-api-key: k}}`, demoService(1, "")))
	req, err := http.NewRequest("GET", w.url("/headers"), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	seen, err := io.ReadAll(res.Body)
	res.Body.Close()
	if err != nil || !strings.Contains(string(seen), "00-0af7651916cd43dd8448eb211c80319c-") || strings.Contains(string(seen), "b7ad6b7169203331") {
		t.Fatalf("the instance saw %q, %v; want the trace with a span of the gateway's own", seen, err)
	}
	w.end()
	span := (<-got).ResourceSpans[0].ScopeSpans[0].Spans[0]
	if string(span.ParentSpanId) != "\xb7\xad\x6b\x71\x69\x20\x33\x31" || span.Name != "GET all" {
		t.Fatalf("got span %q with parent %x; want GET all below the client's", span.Name, span.ParentSpanId)
	}
}
