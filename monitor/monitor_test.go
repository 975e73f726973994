package monitor

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestValidate(t *testing.T) {
	f := func(p Policy, want string) {
		t.Helper()
		err := p.Validate()
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v; want %q", p, err, want)
		}
	}
	levels := func(l ...Level) Policy { return Policy{Thresholds: []Threshold{{Metric: MetricCPU, Levels: l}}} }
	f(Policy{}, "")
	f(levels(Level{Warning, 70, 0}, Level{Critical, 90, 80}), "")
	f(levels(), "no level")
	f(levels(Level{Warning, 70, 75}), "wrong side")
	f(levels(Level{Warning, 70, 0}, Level{Warning, 80, 0}), "two levels of severity warning")
	f(levels(Level{Warning, 70, 0}, Level{Critical, 60, 0}), "want the graver one further out")
	f(Policy{Thresholds: []Threshold{{Metric: "cpus", Levels: []Level{{Warning, 1, 0}}}}}, "unknown metric; want one of")
	f(Policy{Thresholds: []Threshold{{Metric: MetricRequestRate, Below: true, Levels: []Level{{Warning, 5, 0}, {Critical, 1, 0}}}}}, "")
	f(Policy{Thresholds: []Threshold{{Metric: MetricRequestRate, Below: true, Levels: []Level{{Warning, 5, 4}}}}}, "wrong side")
	f(Policy{Objectives: []Objective{{Service: "shop", Percent: 99.9}}}, "")
	f(Policy{Objectives: []Objective{{Service: "shop", Percent: 100}}}, "percent 100")
	f(Policy{Objectives: []Objective{{Percent: 99}}}, "no service")
	f(Policy{Objectives: []Objective{{Service: "shop", Percent: 99, LatencyBelow: -1}}}, "latency below")
}

func TestSeverityText(t *testing.T) {
	for s := range Page + 1 {
		data, err := json.Marshal(s)
		var back Severity
		if err == nil {
			err = json.Unmarshal(data, &back)
		}
		if err != nil || back != s {
			t.Errorf("%d goes as %s and comes back as %d: %v", s, data, back, err)
		}
	}
	if _, err := ParseSeverity("urgent"); err == nil || Info >= Warning || Critical >= Page {
		t.Error("urgent is a severity, or they are out of order")
	}
}

func TestQuoteArg(t *testing.T) {
	f := func(s, want string) {
		t.Helper()
		if got := quoteArg(s); got != want {
			t.Errorf("%q becomes %s; want %s", s, got, want)
		}
	}
	f("shop-1.v2", "shop-1.v2")
	f("", "''")
	f("a b", "'a b'")
	f("it's; rm -rf", `'it'\''s; rm -rf'`)
}

// A service is bounded in memory, whatever it is observed to be.
func TestMemoryIsBounded(t *testing.T) {
	m := New(Policy{})
	used := func() uint64 {
		runtime.GC()
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		return s.HeapAlloc
	}
	before := used()
	world := newModel(1)
	for second := range 1500 {
		o := world.step()
		for i := range o.Instances {
			o.Instances[i].Instance = fmt.Sprintf("i%d-%d", i, second/60) // each minute four new ones
		}
		m.Observe(o)
		m.Diagnose(o.At)
	}
	service := m.services["shop"]
	if n := len(service.instances); n > 4*12 {
		t.Errorf("%d instances are kept; want those of ten minutes", n)
	}
	if grown := used() - min(before, used()); grown > 8<<20 {
		t.Errorf("one service with %d instances takes %d KiB", len(service.instances), grown>>10)
	}
	runtime.KeepAlive(m)
	o := Observation{At: at(9000), Service: "many"}
	for i := range maxInstances + 50 {
		o.Instances = append(o.Instances, InstanceObservation{Instance: fmt.Sprint(i)})
	}
	m.Observe(o)
	if n := len(m.services["many"].instances); n != maxInstances {
		t.Errorf("%d instances are kept; want %d", n, maxInstances)
	}
	m.Forget("many")
	if got := m.Services(); len(got) != 1 {
		t.Errorf("services %v", got)
	}
}

func TestSaveAndLoad(t *testing.T) {
	objective := Policy{Objectives: []Objective{{Service: "shop", Percent: 99.9}}}
	m := New(objective)
	world := newModel(3)
	world.all(func(in *modelInstance) { in.failing = 0.02 })
	for range 400 {
		o := world.step()
		m.Observe(o)
		m.Evaluate(o.At)
		m.Diagnose(o.At)
	}
	m.Note(Event{At: at(world.now), Service: "shop", Kind: EventRollout, Text: "v2"})
	m.Silence(Silence{ID: "x", Until: at(1e6)})
	data, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	back := New(objective)
	if err := back.Load(data); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(back)
	if err != nil || string(again) != string(data) {
		t.Errorf("saved again it differs (%v):\n%.300s\n%.300s", err, data, again)
	}
	q := ReportRequest{From: at(world.now - 7000), To: at(world.now)}
	before, after := m.Report(q).Services[0], back.Report(q).Services[0]
	if before.Requests == 0 || before.Requests != after.Requests || before.P99 != after.P99 {
		t.Errorf("report before %d requests, p99 %v; after %d, %v", before.Requests, before.P99, after.Requests, after.P99)
	}
	rate, requests, bad := m.policy.Objectives[0].burn(m.services["shop"], 6*time.Hour, at(world.now))
	rate2, requests2, bad2 := back.policy.Objectives[0].burn(back.services["shop"], 6*time.Hour, at(world.now))
	if rate == 0 || rate != rate2 || requests != requests2 || bad != bad2 {
		t.Errorf("burn rate %v before, %v after", rate, rate2)
	}
}

func TestLoadRejects(t *testing.T) {
	f := func(data, want string) {
		t.Helper()
		m := New(Policy{})
		if err := m.Load([]byte(data)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", data, err, want)
		}
	}
	f(`nonsense`, "cannot read monitoring state")
	f(`{"version": 9}`, "version 9; want 1")
	f(`{"version": 1, "groups": {"a": null}}`, "a group is null")
	f(`{"version": 1, "alerts": {"a": null}}`, `alert "a" is null`)
	f(`{"version": 1, "windows": {"a": [{"step": 7, "index": 1}]}}`, "is damaged")
	f(`{"version": 1, "windows": {"a": [{"step": 300000000000, "index": -1}]}}`, "is damaged")
	f(`{"version": 1, "windows": {"a": [{"step": 300000000000, "index": 1, "lowest": 77, "counts": [1,2,3]}]}}`, "is damaged")
}

func FuzzLoad(f *testing.F) {
	m := New(Policy{})
	m.Observe(newModel(1).step())
	data, _ := json.Marshal(m)
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		m := New(Policy{Thresholds: []Threshold{{Metric: MetricErrorRate, Levels: []Level{{Warning, 1, 0}}}}})
		if m.Load(data) == nil {
			m.Evaluate(at(1))
			m.Diagnose(at(1))
			m.Report(ReportRequest{From: at(-3600), To: at(1)})
		}
	})
}

func TestReport(t *testing.T) {
	m := New(Policy{Thresholds: []Threshold{{Metric: MetricErrorRate, Unit: "%", Levels: []Level{{Warning, 2, 0}}}}})
	world := newModel(5)
	requests := uint64(0)
	for second := 1; second <= 900; second++ {
		world.instances[1].failing = 0
		if second > 300 && second < 420 {
			world.instances[1].failing = 0.6
		}
		if second == 500 {
			m.Note(Event{At: at(world.now), Service: "shop", Kind: EventScaled, From: 4, To: 5, Text: "from 4 to 5"})
			m.Note(Event{At: at(world.now), Service: "shop", Kind: EventRollout, Text: "v2 completed"})
		}
		o := world.step()
		for _, in := range o.Instances {
			requests += in.Requests
		}
		m.Observe(o)
		m.Evaluate(o.At)
		m.Diagnose(o.At)
	}
	r := m.Report(ReportRequest{From: at(0), To: at(900), Recommendations: []ReportRecommendation{
		{Service: "shop", What: "Lower its minimum.", Saving: 30, Confidence: 1}, {Service: "cart", What: "Stop it.", Saving: 300, Confidence: 1}, {Service: "x", What: "Nothing much.", Saving: 1, Confidence: 0.1},
	}})
	s := r.Services[0]
	if s.Requests != requests || s.Errors == 0 || s.Scalings != 1 || len(r.Scalings) != 1 || len(r.Rollouts) != 1 {
		t.Errorf("%+v", s)
	}
	if len(r.Findings) != 1 || r.Findings[0].Type != FailingInstance || r.Findings[0].ResolvedAt == nil {
		t.Errorf("findings %+v", r.Findings)
	}
	if len(r.Alerts) != 1 || r.Alerts[0].ResolvedAt == nil {
		t.Errorf("alerts %+v", r.Alerts)
	}
	if !(s.P50 > 40 && s.P50 < s.P95 && s.P95 < s.P99 && s.P99 < 1000) || s.CPU == nil || s.Instances != 4 {
		t.Errorf("p50 %v, p95 %v, p99 %v, cpu %v, instances %v", s.P50, s.P95, s.P99, s.CPU, s.Instances)
	}
	if len(s.Points) < 30 || len(s.Points) > reportPoints+1 {
		t.Errorf("%d points", len(s.Points))
	}
	var sum float64
	for i, p := range s.Points {
		sum += p.Rate
		if i > 0 && !p.At.After(s.Points[i-1].At) {
			t.Errorf("point %d is not after the one before", i)
		}
	}
	if mean := sum / float64(len(s.Points)); mean < 80 || mean > 100 {
		t.Errorf("mean rate of the points is %v; want about 90", mean)
	}
	if len(r.ToDo) != 3 || r.ToDo[0].Command != "gatewayd drain shop v1-1" || r.ToDo[1].What != "Stop it." || r.ToDo[2].What != "Lower its minimum." {
		t.Errorf("to do: %+v", r.ToDo)
	}
	if empty := m.Report(ReportRequest{From: at(-9000), To: at(-8000)}); empty.Services[0].Requests != 0 || len(empty.Findings) != 0 || len(empty.ToDo) != 0 {
		t.Errorf("before it all: %+v", empty)
	}
}

func TestJudge(t *testing.T) {
	f := func(alerts []Alert, findings []Finding, want Overall, reasons int) {
		t.Helper()
		if got, why := Judge(alerts, findings); got != want || len(why) != reasons {
			t.Errorf("%s for %v; want %s for %d reasons", got, why, want, reasons)
		}
	}
	firing := func(s Severity) Alert { return Alert{State: Firing, Severity: s} }
	f(nil, nil, Healthy, 0)
	f([]Alert{firing(Info)}, []Finding{{Severity: Info}}, Healthy, 0)
	f([]Alert{{State: Pending, Severity: Page}}, nil, Healthy, 0)
	f([]Alert{firing(Warning)}, nil, Degraded, 1)
	f([]Alert{firing(Page), {State: Firing, Severity: Warning, InhibitedBy: "x"}}, nil, Broken, 1)
	f([]Alert{{State: Firing, Severity: Critical, SilencedBy: "x"}}, []Finding{{Severity: Warning}}, Broken, 2)
}

// A service that is no longer observed has no findings, whatever its last figures were.
func TestStaleServiceHasNoFindings(t *testing.T) {
	m := New(Policy{})
	world := newModel(9)
	var last Diagnosis
	for second := 1; second <= 120; second++ {
		if second <= 40 {
			o := world.step()
			o.Wanted, o.LimitHeld = 9, "maxInstances"
			m.Observe(o)
		}
		last = m.Diagnose(at(float64(second)))
		if second == 30 && len(last.Findings) != 1 {
			t.Fatalf("%d findings while it is observed; want 1", len(last.Findings))
		}
	}
	if len(last.Findings) != 0 {
		t.Errorf("still found: %+v", last.Findings)
	}
}

// An alert that goes on for a while after the value fell does not claim that it is still there.
func TestSummaryOfAnAlertWhoseValueFell(t *testing.T) {
	m := New(Policy{Thresholds: []Threshold{{Metric: MetricQueueLength, Levels: []Level{{Warning, 10, 0}}}}})
	world := newModel(1)
	f := func(seconds, queue int, want string) {
		t.Helper()
		var e Evaluation
		for range seconds {
			o := world.step()
			o.Queue = queue
			m.Observe(o)
			e = m.Evaluate(o.At)
		}
		if len(e.Alerts) != 1 || !strings.HasSuffix(e.Alerts[0].Summary, want) {
			t.Fatalf("got %+v; want one that ends in %q", e.Alerts, want)
		}
	}
	f(60, 40, " is 40, at or above 10")
	f(60, 0, " is 0, after being at or above 10")
}

// An alert on a figure that is no longer known keeps the last one, and can be saved.
func TestAlertOnUnknownFigure(t *testing.T) {
	m := New(Policy{Thresholds: []Threshold{{Metric: MetricCPU, Levels: []Level{{Warning, 80, 0}}}}})
	world := newModel(1)
	var e Evaluation
	for second := range 60 {
		world.knowsCPU = second < 30
		o := world.step()
		for i := range o.Instances {
			o.Instances[i].CPU += 80
		}
		m.Observe(o)
		e = m.Evaluate(o.At)
	}
	if len(e.Alerts) != 1 || e.Alerts[0].Value < 80 || !strings.Contains(e.Alerts[0].Summary, "at or above 80") {
		t.Errorf("alerts %+v", e.Alerts)
	}
	if _, err := json.Marshal(m); err != nil {
		t.Error(err)
	}
}
