package rollout

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

func canaryPlan() Plan {
	return Plan{
		Service: "demo", Version: "v2", Stable: "v1", Strategy: Canary, AutoRollback: true,
		Steps: []CanaryStep{{Weight: 5, Duration: time.Minute}},
	}
}

func TestAdmit(t *testing.T) {
	now := time.Unix(0, 0)
	f := func(running *State, version string, supersede bool, want string) {
		t.Helper()
		next := canaryPlan()
		next.Version = version
		c, err := Admit(running, next, supersede)
		got := fmt.Sprintf("%v %v", c, err)
		if c != nil {
			got = fmt.Sprintf("%s %s", c.Kind, c.Version)
		}
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	running := New("r1", canaryPlan(), now)
	f(nil, "v3", false, "<nil> <nil>")
	f(running, "v3", false, `<nil> cannot roll out "v3": rollout r1 of "demo" to "v2" is running (starting); abort it first, or ask to supersede it`)
	f(running, "v3", true, "supersede v3")
	f(running, "v2", true, `<nil> cannot roll out "v2": rollout r1 of "demo" to "v2" is running (starting) and brings in the same version`)
	Step(running, Observation{Commands: []Command{{Kind: Abort}}}, now)
	if running.Status != Aborted {
		t.Fatalf("status %s; want aborted", running.Status)
	}
	f(running, "v2", false, "<nil> <nil>")
}

func TestAccepts(t *testing.T) {
	f := func(st *State, kind CommandKind, want string) {
		t.Helper()
		err := st.Accepts(Command{Kind: kind})
		if fmt.Sprint(err) != want {
			t.Errorf("%s: got %v; want %s", kind, err, want)
		}
	}
	st := New("r1", canaryPlan(), time.Unix(0, 0))
	f(st, Pause, "<nil>")
	f(st, Promote, "<nil>")
	f(st, Rollback, "<nil>")
	f(st, Resume, `cannot resume rollout r1 of "demo" to "v2": it is not paused`)
	f(st, "dance", `unknown command "dance"; want pause, resume, promote, abort, rollback or supersede`)
	st.Phase = PhaseReturning
	f(st, Abort, `cannot abort rollout r1 of "demo" to "v2": it is going back to "v1" already`)
}

func TestViewHasTheKeysOfTheAPI(t *testing.T) {
	st := New("r1", canaryPlan(), time.Unix(0, 0))
	Step(st, Observation{Wanted: 1}, time.Unix(1, 0))
	data, err := json.Marshal(st.View())
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"id", "service", "version", "strategy", "status", "step", "steps", "weight", "reason"} {
		if !strings.Contains(string(data), `"`+key+`":`) {
			t.Errorf("no key %q in %s", key, data)
		}
	}
}

func TestRevert(t *testing.T) {
	p := canaryPlan().WithDefaults().Revert("v1")
	if errs := p.Validate(); len(errs) > 0 || p.Version != "v1" || p.Stable != "v2" || len(p.Steps) > 0 {
		t.Errorf("got %+v, %v; want a valid plan from v2 to v1 without steps", p, errs)
	}
}

// TestWithDefaultsLeavesThePlanAlone: filling in must not reach the plan it was asked of.
func TestWithDefaultsLeavesThePlanAlone(t *testing.T) {
	p := canaryPlan()
	p.Analysis = &Analysis{}
	p.Steps[0].Cohort = &Cohort{Header: "x", Value: "1"}
	p.Checks = []Check{{Name: "a", Kind: CheckHTTP, URL: "http://127.0.0.1"}}
	q := p.WithDefaults()
	if q.Analysis.MinRequests != 200 || q.Analysis.Confidence != 0.95 || q.Steps[0].Cohort.Percent != 5 ||
		q.Checks[0].Interval != 30*time.Second || q.Warm != 30*time.Second || q.Deadline != time.Hour+30*time.Second+3*time.Minute {
		t.Errorf("got %+v", q)
	}
	if p.Analysis.MinRequests != 0 || p.Steps[0].Cohort.Percent != 0 || p.Checks[0].Interval != 0 {
		t.Errorf("the plan was changed: %+v", p)
	}
	r := Plan{Strategy: Rolling}.WithDefaults()
	if r.Rolling == nil || r.Rolling.Size.Percent != 25 || r.Rolling.Surge.Percent != 25 || r.Warm != 0 {
		t.Errorf("got %+v", r.Rolling)
	}
}

func TestTrim(t *testing.T) {
	f := func(s Strategy, want string) {
		t.Helper()
		p := canaryPlan()
		p.Strategy, p.ManualPromotion, p.Warm, p.Rolling = s, true, time.Minute, &Batches{}
		p = p.Trim()
		if errs := p.Validate(); len(errs) > 0 {
			t.Errorf("%s: %v", s, errs)
		}
		if got := fmt.Sprint(len(p.Steps), p.ManualPromotion, p.Warm, p.Rolling != nil); got != want {
			t.Errorf("%s: got %s; want %s", s, got, want)
		}
	}
	f(Canary, "1 false 1m0s false")
	f(BlueGreen, "0 true 1m0s false")
	f(Rolling, "0 false 0s true")
}

func TestValidateChecks(t *testing.T) {
	low, high := 1.0, 2.0
	f := func(c Check, want ...string) {
		t.Helper()
		p := canaryPlan()
		p.Checks = []Check{c}
		var got []string
		for _, e := range p.Validate() {
			got = append(got, e.Error())
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
	f(Check{Name: "a", Kind: CheckHTTP, URL: "http://127.0.0.1"})
	f(Check{Name: "a", Kind: CheckExec, Command: []string{"true"}})
	f(Check{Name: "a", Kind: CheckPrometheus, URL: "http://127.0.0.1:9090", Query: "up", Min: &low, Max: &high})
	f(Check{Name: "a"}, `checks[0].kind: got ""; want http, exec or prometheus`)
	f(Check{Kind: CheckHTTP}, "checks[0].name: is missing; want a name for messages", "checks[0].url: is missing; want the URL to ask")
	f(Check{Name: "a", Kind: CheckExec}, "checks[0].command: is missing; want the command and its arguments")
	f(Check{Name: "a", Kind: CheckPrometheus},
		"checks[0].url: is missing; want the address of a Prometheus, such as http://127.0.0.1:9090",
		"checks[0].query: is missing; want a PromQL query with one value", "checks[0]: has no limit; want min, max or both")
	f(Check{Name: "a", Kind: CheckPrometheus, URL: "x", Query: "up", Min: &high, Max: &low}, "checks[0].min: got 2; want at most max, which is 1")
	f(Check{Name: "a", Kind: CheckHTTP, URL: "x", FailureLimit: -1, Interval: -time.Second},
		"checks[0].interval: got -1s; want a duration that is not negative", "checks[0].failureLimit: got -1; want 0 or more")
}

// TestClockSetBack: time that runs backwards counts as none.
func TestClockSetBack(t *testing.T) {
	st := New("r1", canaryPlan(), time.Unix(1000, 0))
	Step(st, Observation{Wanted: 1}, time.Unix(1001, 0))
	Step(st, Observation{Wanted: 1}, time.Unix(10, 0))
	Step(st, Observation{Wanted: 1}, time.Unix(12, 0))
	if st.Clocks.Total != 3*time.Second {
		t.Errorf("clock %s; want 1s before and 2s after the clock was set back", st.Clocks.Total)
	}
	Step(st, Observation{Wanted: 1}, time.Unix(5000, 0))
	if st.Clocks.Total != 3*time.Second+MaxGap {
		t.Errorf("clock %s; want a long gap to count for %s", st.Clocks.Total, MaxGap)
	}
}

// A rollout that waited for another to go back, and is not wanted any more, ends without an action.
func TestWithdraw(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	st := New("demo-2", Plan{Service: "demo", Version: "v3", Stable: "v1", Strategy: BlueGreen}, now)
	st.Withdraw("superseded by v4 before it began", now.Add(time.Second))
	if v := st.View(); v.Status != Aborted || v.Reason != "superseded by v4 before it began" || !v.UpdatedAt.Equal(now.Add(time.Second)) {
		t.Fatalf("got %+v; want it aborted with its reason", v)
	}
	if got := Step(st, Observation{Wanted: 4}, now.Add(2*time.Second)); len(got) != 0 || len(Reissue(st)) != 0 {
		t.Fatalf("got %v and %v; want nothing to be done", got, Reissue(st))
	}
	if err := st.Accepts(Command{Kind: Resume}); err == nil {
		t.Fatal("it can be resumed")
	}
}
