package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"gatewayd/monitor"
)

var from = time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)

func sample() monitor.Report {
	minute := func(n int) time.Time { return from.Add(time.Duration(n) * time.Minute) }
	over, cpu, per, usual := minute(35), 61.5, 0.0125, 42.0
	r := monitor.Report{
		From: from, To: minute(60), Currency: "EUR",
		ToDo: []monitor.ToDo{{What: "Take v1-3 out of traffic.", Why: "v1-3 takes 210 ms where its peers take 42 ms.", Command: "gatewayd drain shop v1-3"}},
		Services: []monitor.ServiceReport{
			{Service: "cart"},
			{Service: "shop", Requests: 324000, Errors: 31, ErrorPercent: 0.0096, MeanRate: 90, PeakRate: 143.2, P50: 41.7, P95: 130, P99: 288, Instances: 4.2, CPU: &cpu, MaxQueue: 12, Scalings: 1},
		},
		Scalings: []monitor.Event{{At: minute(20), Service: "shop", Kind: monitor.EventScaled, Text: "4 to 5: queue with busy instances"}},
		Rollouts: []monitor.Event{{At: minute(40), Service: "shop", Kind: monitor.EventRollout, Text: "v2 completed"}},
		Findings: []monitor.Finding{{
			ID: "x", Type: monitor.SlowInstance, Service: "shop", Instance: "v1-3", Severity: monitor.Warning, Since: minute(30), ResolvedAt: &over,
			Cause: "v1-3 takes 210 ms.", Advice: "Take it out of traffic.", Command: "gatewayd drain shop v1-3",
			Evidence: monitor.Evidence{From: minute(30), To: over, Figures: []monitor.Figure{{Name: "mean latency", Value: 210, Unit: "ms", Usual: &usual}, {Name: "requests", Value: 24}}},
		}},
		Alerts:          []monitor.Alert{{ID: "responseTime/shop", Severity: monitor.Critical, Since: minute(31), Summary: "responseTime of shop is 1200 ms"}},
		Costs:           []monitor.ReportCost{{Service: "shop", PerHour: 0.16, Today: 1.6, Month: 40, Forecast: 118.4, Per1000: &per, IdleShare: 0.385}, {Service: "cart"}},
		Recommendations: []monitor.ReportRecommendation{{Service: "cart", What: "Stop it.", Saving: 29.2, Confidence: 1, Command: "gatewayd scale cart 0"}},
	}
	for i := range 60 {
		if i > 40 && i < 50 {
			continue // nobody watched
		}
		r.Services[1].Points = append(r.Services[1].Points, monitor.ChartPoint{
			At: minute(i), Rate: 90 + 50*math.Sin(float64(i)/8), P50: 42, P95: 130, P99: 250 + float64(i), Instances: 4 + float64(i/20), Wanted: 4, Queue: float64(i % 7),
		})
	}
	return r
}

// The file has to stand alone: no script, nothing loaded, all tags closed, all names escaped.
func TestHTML(t *testing.T) {
	r := sample()
	r.Services[0].Service = `<script>alert("x")</script>`
	r.Alerts[0].Summary = `" onload="x`
	var b bytes.Buffer
	if err := HTML(&b, r, time.UTC); err != nil {
		t.Fatal(err)
	}
	html := b.String()
	for _, bad := range []string{"<script", "http://", "https://", "src=", "@import", `" onload="x`, "ZgotmplZ", "NaN"} {
		if strings.Contains(html, bad) {
			t.Errorf("it contains %q", bad)
		}
	}
	for _, good := range []string{"Take v1-3 out of traffic.", "gatewayd drain shop v1-3", "&lt;script&gt;", "mean latency 210 ms (usual 42); requests 24</span>", "38.5%", "2026-05-04 10:30:00, 5m0s", `aria-label="Latency of shop"`} {
		if !strings.Contains(html, good) && !strings.Contains(html, strings.ReplaceAll(good, `"`, "&#34;")) {
			t.Errorf("it lacks %q", good)
		}
	}
	d := xml.NewDecoder(strings.NewReader(html))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	paths := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("it does not parse: %v", err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "path" {
			paths++
			if d := e.Attr[1].Value; strings.Count(d, "M") != 2 {
				t.Errorf("the pen is not lifted once over the gap: %.80s", d)
			}
		}
	}
	if paths != 8 {
		t.Errorf("%d lines are drawn; want 8", paths)
	}
}

func TestScale(t *testing.T) {
	f := func(highest, top, step float64) {
		t.Helper()
		if gotTop, gotStep := scale(highest); math.Abs(gotTop-top) > 1e-9 || math.Abs(gotStep-step) > 1e-9 {
			t.Errorf("%v gives %v by %v; want %v by %v", highest, gotTop, gotStep, top, step)
		}
	}
	f(0, 1, 0.5)
	f(1, 1, 0.2)
	f(1.1, 1.25, 0.25)
	f(143, 150, 50)
	f(0.03, 0.03, 0.01)
	f(9.9, 10, 2)
	f(math.NaN(), 1, 0.5)
}

func TestEmptyReport(t *testing.T) {
	var b bytes.Buffer
	if err := HTML(&b, monitor.Report{}, time.UTC); err != nil || !strings.Contains(b.String(), "Nothing needs to be done.") {
		t.Errorf("%v: %s", err, b.String())
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestWriteErrors(t *testing.T) {
	if err := HTML(broken{}, sample(), time.UTC); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v", err)
	}
}
