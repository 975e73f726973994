package metrics

import (
	"bytes"
	"os/exec"
	"testing"
)

// TestPromtoolAcceptsProcessMetrics asks Prometheus' own linter.
func TestPromtoolAcceptsProcessMetrics(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool (Debian package prometheus) is not installed")
	}
	var r Registry
	r.Add(Process{})
	r.Add(CollectorFunc(func(w *Writer) {
		w.Counter("gatewayd_requests_total", `Requests, by "code".`, 3, Label{"route", "a\"b\\c\nd"}, Label{"code", "200"})
		w.Histogram("gatewayd_request_duration_seconds", "Time to the last byte.",
			HistogramData{Bounds: []float64{0.001, 0.5}, Counts: []uint64{1, 2, 3}, Sum: 4.25}, Label{"service", "s"})
		w.Bool("gatewayd_config_last_reload_success", "Whether the last reload was accepted.", true)
	}))
	var page bytes.Buffer
	if _, err := r.WriteTo(&page); err != nil {
		t.Fatal(err)
	}
	lint := exec.Command(promtool, "check", "metrics")
	lint.Stdin = bytes.NewReader(page.Bytes())
	if out, err := lint.CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("promtool check metrics: %v\n%s\npage:\n%s", err, out, page.Bytes())
	}
}
