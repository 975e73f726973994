package simulate

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatewayd/scaler"
)

func TestReadTrace(t *testing.T) {
	f := func(text, wantErr string, want ...float64) {
		t.Helper()
		tr, err := ReadTrace(strings.NewReader(text))
		if wantErr != "" {
			if err == nil || !strings.Contains(err.Error(), wantErr) {
				t.Errorf("ReadTrace(%q): %v; want %q", text, err, wantErr)
			}
			return
		}
		if err != nil || len(tr.Counts) != len(want) {
			t.Errorf("ReadTrace(%q) = %v, %v; want %v", text, tr, err, want)
		}
	}
	f("t_s,requests\n0,5\n60,7\n120,0\n", "", 5, 7, 0)
	f("1000,5\n1001,7\n", "", 5, 7)
	f("", "fewer than two intervals")
	f("t_s,requests\n0,5\n", "fewer than two intervals")
	f("0,5\n60,x\n", "line 2: got \"60,x\"; want seconds and a number of requests of 0 or more")
	f("0,5\n60,-1\n", "line 2: got")
	f("0,5\n60,NaN\n", "line 2: got")
	f("0,5\n60,1\n130,1\n", "line 3: t_s 130 follows 60; want 120")
	f("0,5\n0.1,1\n", "want intervals of at least 1 s")
	f("0,5\n60\n", "wrong number of fields")
	f("0,5\n86400000,1\n", "longer than 180 days")
}

func FuzzReadTrace(f *testing.F) {
	f.Add("t_s,requests\n0,5\n60,7\n120,0\n")
	f.Add("0,5\n60,1e300\n")
	f.Fuzz(func(t *testing.T, text string) {
		tr, err := ReadTrace(strings.NewReader(text))
		if err != nil {
			return
		}
		if len(tr.Counts)*int(tr.Interval) > 100_000 {
			return
		}
		for _, r := range tr.Rates(100) {
			if !(r >= 0) || math.IsInf(r, 0) {
				t.Fatalf("rate %v", r)
			}
		}
	})
}

func TestOpenTrace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "web.csv")
	if err := os.WriteFile(path, []byte("t_s,requests\n0,1\n60,2\n120,3\n180,4\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := func(spec, wantErr, wantName string, wantRows int) {
		t.Helper()
		tr, err := OpenTrace(spec)
		if wantErr != "" {
			if err == nil || !strings.Contains(err.Error(), wantErr) {
				t.Errorf("OpenTrace(%q): %v; want %q", spec, err, wantErr)
			}
			return
		}
		if err != nil || tr.Name != wantName || len(tr.Counts) != wantRows {
			t.Errorf("OpenTrace(%q) = %+v, %v; want %s with %d rows", spec, tr, err, wantName, wantRows)
		}
	}
	f(path, "", "web", 4)
	f(path+":1-2", "", "web:1-2", 2)
	f(path+":1-9", "it has rows 0-3", "", 0)
	f(path+":2-1", "want FILE:FROM-TO with 0 <= FROM <= TO", "", 0)
	f(path+":x", "want FILE:FROM-TO", "", 0)
	f(path+"x", "cannot open trace", "", 0)
}

func TestRates(t *testing.T) {
	tr := &Trace{Interval: 10, Counts: []float64{10, 30, 10}}
	r := tr.Rates(0)
	for i, want := range map[int]float64{0: 1, 4: 1, 9: 1.9, 10: 2.1, 14: 2.9, 15: 2.9, 29: 1} {
		if math.Abs(r[i]-want) > 1e-9 {
			t.Errorf("second %d: %v; want %v", i, r[i], want)
		}
	}
	if top := highestMinute((&Trace{Interval: 60, Counts: []float64{1, 5, 2}}).Rates(600)); math.Abs(top-600) > 1e-6 {
		t.Errorf("highest minute = %v; want 600", top)
	}
}

// synthetic is one of the generated traces.
func synthetic(t *testing.T, name string, hours float64) *Trace {
	t.Helper()
	for _, tr := range Synthetic(1, hours) {
		if tr.Name == name {
			return tr
		}
	}
	t.Fatalf("no trace %q", name)
	return nil
}

// The numbers are what the autoscalers scored when this was written; a change that
// moves them by more than the tolerance should be able to say why.
func TestScoresOfAllAutoscalers(t *testing.T) {
	r, err := Run(Options{Trace: synthetic(t, "flash-crowd", 2), Spec: SuiteSpec(), Peak: 200})
	if err != nil {
		t.Fatal(err)
	}
	f := func(name string, j, slow float64) {
		t.Helper()
		for _, s := range r.Scores {
			if s.Name != name {
				continue
			}
			if math.Abs(s.J-j) > 0.04*j || math.Abs(s.SlowPercent-slow) > 0.1+0.15*slow {
				t.Errorf("%s: J %.3f, slow %.2f %%; want %.3f, %.2f", name, s.J, s.SlowPercent, j, slow)
			}
			return
		}
		t.Errorf("no score of %q", name)
	}
	f("slo", 1.104, 0.15)
	f(NameHPACPU, 1.776, 3.09)
	f(NameHPARequests, 1.255, 0.46)
	f(NameKPA, 1.201, 0.46)
	f(NameStatic, 2.013, 0)
	f(NameClairvoyant, 1.043, 0.17)
}

func TestSLOOnTracesOfDifferentCharacter(t *testing.T) {
	f := func(delay time.Duration, mostJ, mostSlow, mostTurns float64) {
		t.Helper()
		r, err := Suite{Traces: Synthetic(3, 1), OnlySpec: true, Peak: 100, Plant: Plant{StartDelay: delay}}.Run()
		if err != nil {
			t.Fatal(err)
		}
		if o := r.Overall[0]; o.J > mostJ || o.WorstSlow > mostSlow || o.WorstFlips > mostTurns {
			t.Errorf("start-up delay %v: %+v; want J at most %v, slow %v %%, %v turns/h", delay, o, mostJ, mostSlow, mostTurns)
		}
	}
	f(5*time.Second, 1.4, 1.5, 20)
	f(30*time.Second, 2, 6, 20)
}

// Clients that all wake on the hour are met by what was seen in the hours before.
func TestJobsOnTheHourAreForeseen(t *testing.T) {
	var counts []float64
	for minute := range 12 * 60 {
		rate := 100.
		if minute%60 < 5 {
			rate = 260
		}
		counts = append(counts, 60*rate)
	}
	r, err := Run(Options{Trace: &Trace{Interval: 60, Counts: counts}, Spec: SuiteSpec(), OnlySpec: true})
	if err != nil {
		t.Fatal(err)
	}
	if s := r.Scores[0]; s.SlowPercent > 1.2 || s.RelativeCost > 1.2 {
		t.Errorf("%.2f %% slow at %.2f times the least cost; want at most 1.2 and 1.2", s.SlowPercent, s.RelativeCost)
	}
}

func TestSteadyLoadIsLeftAlone(t *testing.T) {
	r, err := Run(Options{Trace: &Trace{Interval: 60, Counts: slicesOf(60*60, 300)}, Spec: SuiteSpec(), OnlySpec: true})
	if err != nil {
		t.Fatal(err)
	}
	s := r.Scores[0]
	actions := 0
	for i := 3600; i < len(s.wants); i++ {
		if s.wants[i] != s.wants[i-1] {
			actions++
		}
	}
	if actions > 4 {
		t.Errorf("%d scaling actions in 4 hours of 60/s; want at most one an hour", actions)
	}
	if s.SlowPercent > 1 {
		t.Errorf("%.2f %% slow; want at most 1", s.SlowPercent)
	}
}

func slicesOf(v float64, n int) []float64 {
	s := make([]float64, n)
	for i := range s {
		s[i] = v
	}
	return s
}

func TestStepOfTen(t *testing.T) {
	counts := append(slicesOf(60, 1800), slicesOf(600, 900)...)
	r, err := Run(Options{Trace: &Trace{Interval: 1, Counts: counts}, Spec: SuiteSpec(), OnlySpec: true})
	if err != nil {
		t.Fatal(err)
	}
	s := r.Scores[0]
	if n := s.wants[1802]; n < 30 {
		t.Errorf("three seconds after the step %d are wanted; want the 32 that are needed, or nearly", n)
	}
	if s.Most > 75 {
		t.Errorf("up to %d are wanted; 32 are needed, and some for the backlog", s.Most)
	}
}

func TestFaults(t *testing.T) {
	run := func(name string) Score {
		t.Helper()
		tr := synthetic(t, "flash-crowd", 2)
		faults, err := FaultCase(name, tr)
		if err != nil {
			t.Fatal(err)
		}
		r, err := Run(Options{Trace: tr, Spec: SuiteSpec(), OnlySpec: true, Peak: 100, Faults: faults})
		if err != nil {
			t.Fatal(err)
		}
		return r.Scores[0]
	}
	whole := run("none")
	if s := run("metrics-out"); s.FellWhileBlind != 0 {
		t.Errorf("without figures the service shrank by %d", s.FellWhileBlind)
	}
	if s := run("failed-starts"); s.SlowPercent > whole.SlowPercent+0.5 || s.RelativeCost > whole.RelativeCost+0.15 {
		t.Errorf("with failing starts %.2f %% slow at %.2f; want about %.2f at %.2f", s.SlowPercent, s.RelativeCost, whole.SlowPercent, whole.RelativeCost)
	}
	if s := run("aborted-rollout"); s.SlowAfterAbort > 1 {
		t.Errorf("%.2f %% slow in the two minutes after an abort; want at most 1", s.SlowAfterAbort)
	}
	if _, err := FaultCase("fire", synthetic(t, "noisy-site", 1)); err == nil || !strings.Contains(err.Error(), "aborted-rollout") {
		t.Errorf("an unknown fault: %v; want the names of the known", err)
	}
}

func TestRunRefuses(t *testing.T) {
	if _, err := Run(Options{}); err == nil || !strings.Contains(err.Error(), "no trace given") {
		t.Errorf("without a trace: %v", err)
	}
	bad := SuiteSpec()
	bad.Slots = 0
	_, err := Run(Options{Trace: synthetic(t, "noisy-site", 1), Spec: bad})
	var field scaler.FieldError
	if !errors.As(err, &field) || field.Field != "policies[0].type" {
		t.Errorf("a spec without slots: %v; want the field named", err)
	}
}

func TestPoliciesThatThePlantCannotServeAreNamed(t *testing.T) {
	sp := SuiteSpec()
	sp.Policies = append(sp.Policies,
		scaler.Policy{Name: "ram", Metric: scaler.MetricMemory, ScaleUpThreshold: 80, ScaleDownThreshold: 10, ScaleUpStep: 1, ScaleDownStep: 1},
		scaler.Policy{Name: "cpu", Metric: scaler.MetricCPU, ScaleUpThreshold: 80, ScaleDownThreshold: 10, ScaleUpStep: 1, ScaleDownStep: 1})
	o := newOwn(sp, 4)
	if len(o.notes) != 1 || !strings.Contains(o.notes[0], "ram") || sp.Policies[1].Disabled {
		t.Errorf("notes %q, the caller's policy disabled: %v; want one about ram, false", o.notes, sp.Policies[1].Disabled)
	}
}

func TestReportsAreWritten(t *testing.T) {
	r, err := Run(Options{Trace: synthetic(t, "social-stream", 1), Spec: SuiteSpec(), Peak: 60})
	if err != nil {
		t.Fatal(err)
	}
	var table, svg bytes.Buffer
	if err := r.WriteTable(&table); err != nil || strings.Count(table.String(), "\n") < 9 {
		t.Errorf("table: %v\n%s", err, table.String())
	}
	if err := r.WriteSVG(&svg); err != nil {
		t.Fatal(err)
	}
	panels := 0
	for d := xml.NewDecoder(&svg); ; {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("the picture is no XML: %v", err)
		}
		if e, ok := tok.(xml.StartElement); ok && e.Name.Local == "path" {
			panels++
		}
	}
	if panels != 3*len(r.Scores) {
		t.Errorf("%d paths in the picture; want three for each of %d autoscalers", panels, len(r.Scores))
	}
	data, err := json.Marshal(r)
	if err != nil || !bytes.Contains(data, []byte(`"relativeCost"`)) {
		t.Errorf("JSON: %v %s", err, data)
	}
	failing := &failAfter{n: 100}
	if err := r.WriteSVG(failing); err == nil {
		t.Error("a writer that fails goes unnoticed")
	}
}

type failAfter struct{ n int }

func (f *failAfter) Write(p []byte) (int, error) {
	if f.n -= len(p); f.n < 0 {
		return 0, errors.New("full")
	}
	return len(p), nil
}
