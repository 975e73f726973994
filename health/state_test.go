package health

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// twin is State as one would write it without thinking of cost: it keeps every result.
type twin struct {
	p       Policy
	results []bool
	times   []time.Time
	status  Status
}

func (w *twin) observe(good bool, now time.Time) Status {
	w.results, w.times = append(w.results, good), append(w.times, now)
	row, everGood := 0, false
	for _, r := range w.results {
		if r == good {
			row++
		} else {
			row = 0
		}
	}
	for _, r := range w.results[:len(w.results)-1] {
		everGood = everGood || r
	}
	switch {
	case good && (!everGood || row >= w.p.HealthyThreshold):
		w.status = Healthy
	case !good && row >= w.p.UnhealthyThreshold && (w.status != Starting || now.Sub(w.times[0]) >= w.p.StartPeriod):
		w.status = Unhealthy
	}
	return w.status
}

func TestStateAgainstTwin(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		p := Policy{HealthyThreshold: 1 + rnd.IntN(4), UnhealthyThreshold: 1 + rnd.IntN(4), StartPeriod: time.Duration(1+rnd.IntN(20)) * time.Second}
		s, w := NewState(p), twin{p: p, status: Starting}
		now := time.Unix(1000, 0)
		goodShare := rnd.Float64()
		for i := range 60 {
			now = now.Add(time.Duration(rnd.IntN(3)) * time.Second)
			good := rnd.Float64() < goodShare
			var r Result
			if !good {
				r.Err = errors.New("bad")
			}
			before := s.Status()
			tr := s.Observe(r, now)
			want := w.observe(good, now)
			if s.Status() != want || tr.From != before || tr.To != want || tr.Changed() != (tr.Reason != "") {
				t.Fatalf("%+v after %v: got %+v, status %s; want %s", p, w.results[:i+1], tr, s.Status(), want)
			}
		}
	}
}

func TestNext(t *testing.T) {
	p := Policy{Interval: 2 * time.Second, FastFraction: 0.25, Jitter: 0.1, StartInterval: 200 * time.Millisecond}
	bad := errors.New("bad")
	// f wants the wait after those results to lie between least and most.
	f := func(results []error, least, most time.Duration) {
		t.Helper()
		s := NewState(p)
		now := time.Unix(1000, 0)
		for _, err := range results {
			s.Observe(Result{Err: err}, now)
		}
		lo := s.Next(now, func() float64 { return 0 }).Sub(now)
		hi := s.Next(now, func() float64 { return 1 }).Sub(now)
		if lo != least || hi != most {
			t.Fatalf("got %s to %s; want %s to %s", lo, hi, least, most)
		}
	}
	const ms = time.Millisecond
	f(nil, 0, 0)
	f([]error{bad}, 180*ms, 220*ms)
	f([]error{nil}, 200*ms, 2000*ms) // once spread over the interval
	f([]error{nil, nil}, 1800*ms, 2200*ms)
	f([]error{nil, bad}, 450*ms, 550*ms)
	f([]error{nil, bad, bad, bad}, 1800*ms, 2200*ms)
	f([]error{nil, bad, bad, bad, nil}, 450*ms, 550*ms)
}

func TestWithPolicyKeepsTheStatus(t *testing.T) {
	s := NewState(Policy{Interval: time.Second})
	now := time.Unix(1000, 0)
	s.Observe(Result{}, now)
	c := s.WithPolicy(Policy{Interval: time.Minute, UnhealthyThreshold: 1})
	if c.Status() != Healthy {
		t.Fatalf("got %s", c.Status())
	}
	if tr := c.Observe(Result{Err: errors.New("bad")}, now); tr.To != Unhealthy {
		t.Fatalf("the new threshold does not hold: %+v", tr)
	}
	if s.Status() != Healthy {
		t.Fatal("the copy changed its origin")
	}
}

func TestPolicyValidate(t *testing.T) {
	f := func(p Policy, want string) {
		t.Helper()
		err := p.Validate()
		if want == "" && err == nil {
			return
		}
		if err == nil || !strings.HasPrefix(err.Error(), want) || want == "" {
			t.Fatalf("got %v; want %q", err, want)
		}
	}
	f(Policy{}, "")
	f(Policy{}.WithDefaults(), "")
	f(Policy{Interval: -1}, "interval: got -1ns; want more than 0s")
	f(Policy{HealthyThreshold: -1}, "healthyThreshold: got -1; want 1 or more")
	f(Policy{UnhealthyThreshold: -1}, "unhealthyThreshold: got -1")
	f(Policy{StartPeriod: -1}, "startPeriod: got")
	f(Policy{StartInterval: -1}, "startInterval: got")
	f(Policy{FastFraction: 1.5}, "fastFraction: got 1.5; want a number in (0, 1]")
	f(Policy{Jitter: 1}, "jitter: got 1; want a number in [0, 1)")
}
