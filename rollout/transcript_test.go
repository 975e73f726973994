package rollout

import (
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the output lines of testdata/*.txt; commit only what you understand")

// TestTranscripts plays testdata/*.txt. Lines that begin with "  " are output;
// all others are commands to a small world in which a rollout runs:
//
//	plan STRATEGY [steps=5/1m,25/5m,pause,mirror:10/1m,header:x-beta=1/1m] [key=value ...]
//	world key=value ...   wanted=4 rate=100 errors=0.5,0.5 latency=20,20 starts=ok|fail|hang provider=ok|away cohort=40 tick=500ms
//	run DURATION          steps until then, or until the rollout ends
//	kill v1|v2 N          instances that stop being ready and are not started again until "world starts=ok"
//	command KIND [VERSION]
//	validation|check:NAME ok|fail|inconclusive [DETAIL]
//	status                what the API shows
//	crash                 the gateway is gone for an hour; what Reissue returns
//
// Each file is played twice, the second time with the state sent through JSON before every step.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 20 {
		t.Fatalf("cannot find the transcripts: %d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(text), false)
			if again := play(t, string(text), true); again != got {
				t.Fatalf("through JSON at every step the transcript differs:\n%s", diff(got, again))
			}
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(text) {
				t.Fatalf("the transcript differs; -update rewrites it:\n%s", diff(string(text), got))
			}
		})
	}
}

func diff(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(w), len(g)) {
		a, b := "", ""
		if i < len(w) {
			a = w[i]
		}
		if i < len(g) {
			b = g[i]
		}
		if a != b {
			return fmt.Sprintf("line %d\nwant %s\ngot  %s", i+1, a, b)
		}
	}
	return "none"
}

func play(t *testing.T, text string, throughJSON bool) string {
	t.Helper()
	w := newWorld(t, throughJSON)
	var out strings.Builder
	for _, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		if strings.HasPrefix(line, "  ") {
			continue
		}
		out.WriteString(line + "\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		w.out.Reset()
		w.command(strings.Fields(line))
		out.WriteString(w.out.String())
	}
	return out.String()
}

// bounds of the test's latency buckets: each 20 % above the last, from 5 ms.
var bounds = func() []float64 {
	var b []float64
	for x := 5.0; x < 5000; x *= 1.2 {
		b = append(b, x)
	}
	return b
}()

func bucket(ms float64) int {
	for i, b := range bounds {
		if ms <= b {
			return i
		}
	}
	return len(bounds)
}

// world is a provider, a load and a scaler that do as they are told.
type world struct {
	t           *testing.T
	throughJSON bool
	out         strings.Builder
	st          *State
	now, start  time.Time

	wanted, rate     float64
	cohort           float64    // percent of the requests that are the cohort's; 0: as many as the plan expects
	errors, latency  [2]float64 // stable, candidate
	starts, provider string
	tick             time.Duration

	asked, ready [2]int // as the actions say, and as it is
	down         [2]int // killed
	weights      Weights
	failures     int
	credit       [4]float64 // fractions of requests and errors that have not come yet
	next         Observation
}

func newWorld(t *testing.T, throughJSON bool) *world {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return &world{
		t: t, throughJSON: throughJSON, now: start, start: start, wanted: 4, rate: 100,
		errors: [2]float64{0, 0}, latency: [2]float64{20, 20}, starts: "ok", provider: "ok", tick: 500 * time.Millisecond,
	}
}

func (w *world) command(f []string) {
	switch {
	case f[0] == "plan":
		w.plan(f[1:])
	case f[0] == "world":
		for _, kv := range f[1:] {
			w.set(kv)
		}
	case f[0] == "run":
		d, err := time.ParseDuration(f[1])
		if err != nil {
			w.t.Fatal(err)
		}
		w.run(d)
	case f[0] == "kill":
		i := map[string]int{"v1": 0, "v2": 1}[f[1]]
		n := w.int(f[2])
		w.down[i] += n
		w.ready[i] = max(0, w.ready[i]-n)
	case f[0] == "command":
		c := Command{Kind: CommandKind(f[1]), By: "anna"}
		if len(f) > 2 {
			c.Version = f[2]
		}
		if err := w.st.Accepts(c); err != nil {
			w.printf("  refused: %v\n", err)
		}
		w.next.Commands = append(w.next.Commands, c)
	case f[0] == "validation":
		w.next.Validation = result("", f[1:])
	case strings.HasPrefix(f[0], "check:"):
		w.next.Checks = append(w.next.Checks, *result(strings.TrimPrefix(f[0], "check:"), f[1:]))
	case f[0] == "status":
		v := w.st.View()
		w.printf("  %s, %s, step %d of %d, weight %s%%: %s\n", v.Status, v.Phase, v.Step, v.Steps, number(v.Weight), v.Reason)
		if v.Evidence != nil {
			e := v.Evidence.Evidence
			w.printf("  %s: %s\n", v.Evidence.Outcome, v.Evidence.Sentence)
			for _, x := range []Figures{e.Stable, e.Candidate} {
				w.printf("  %s: %s requests, %s%% errors, p50 %s, p95 %s\n", x.Version, number(x.Requests), number(x.ErrorRate), ms(x.P50Ms), ms(x.P95Ms))
			}
		}
	case f[0] == "crash":
		w.now = w.now.Add(time.Hour)
		w.st = w.roundTrip(w.st)
		for _, a := range Reissue(w.st) {
			w.printf("  again: %s\n", a)
			w.apply(a)
		}
	default:
		w.t.Fatalf("unknown command %q", f)
	}
}

func result(name string, f []string) *CheckResult {
	return &CheckResult{Name: name, OK: f[0] == "ok", Inconclusive: f[0] == "inconclusive", Detail: strings.Join(f[1:], " ")}
}

func (w *world) printf(format string, args ...any) { fmt.Fprintf(&w.out, format, args...) }

func (w *world) int(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

func (w *world) float(s string) float64 {
	x, err := strconv.ParseFloat(s, 64)
	if err != nil {
		w.t.Fatal(err)
	}
	return x
}

func (w *world) set(kv string) {
	k, v, _ := strings.Cut(kv, "=")
	pair := func(p *[2]float64) {
		a, b, _ := strings.Cut(v, ",")
		*p = [2]float64{w.float(a), w.float(b)}
	}
	switch k {
	case "wanted":
		w.wanted = w.float(v)
	case "rate":
		w.rate = w.float(v)
	case "errors":
		pair(&w.errors)
	case "latency":
		pair(&w.latency)
	case "starts":
		w.starts = v
		if v == "ok" {
			w.down = [2]int{}
		}
	case "provider":
		w.provider = v
	case "cohort":
		w.cohort = w.float(v)
	case "tick":
		w.tick = w.duration(v)
	default:
		w.t.Fatalf("unknown setting %q", kv)
	}
}

func (w *world) duration(s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

// plan begins a rollout, after stable has been brought to what is wanted.
func (w *world) plan(f []string) {
	p := Plan{Service: "demo", Version: "v2", Stable: "v1", Strategy: Strategy(f[0]), AutoRollback: true}
	for _, kv := range f[1:] {
		k, v, _ := strings.Cut(kv, "=")
		w.planField(&p, k, v)
	}
	if errs := p.Validate(); len(errs) > 0 {
		for _, e := range errs {
			w.printf("  %s\n", e)
		}
		return
	}
	w.ready[0], w.asked[0] = int(w.wanted), int(w.wanted)
	w.st = New("r1", p, w.now)
}

func (w *world) planField(p *Plan, k, v string) {
	analysis := func() *Analysis {
		if p.Analysis == nil {
			a := DefaultAnalysis()
			p.Analysis = &a
		}
		return p.Analysis
	}
	batches := func() *Batches {
		if p.Rolling == nil {
			p.Rolling = &Batches{}
		}
		return p.Rolling
	}
	switch k {
	case "steps":
		for _, s := range strings.Split(v, ",") {
			p.Steps = append(p.Steps, w.step(s))
		}
	case "version":
		p.Version = v
	case "stable":
		p.Stable = v
	case "static":
		p.Static = true
	case "warm":
		p.Warm = w.duration(v)
	case "validation":
		p.Validation, p.ValidationTimeout = true, w.duration(v)
	case "manual":
		p.ManualPromotion = true
	case "autoRollback":
		p.AutoRollback = v == "true"
	case "startTimeout":
		p.StartTimeout = w.duration(v)
	case "deadline":
		p.Deadline = w.duration(v)
	case "pauseLimit":
		p.PauseLimit = w.duration(v)
	case "minRequests":
		analysis().MinRequests = w.int(v)
	case "maxErrorRate":
		analysis().MaxErrorRate = w.float(v)
	case "maxP95":
		analysis().MaxP95Ms = w.float(v)
	case "confidence":
		analysis().Confidence = w.float(v)
	case "size":
		batches().Size = w.amount(v)
	case "surge":
		batches().Surge = w.amount(v)
	case "unavailable":
		batches().Unavailable = w.amount(v)
	case "interval":
		batches().Interval = w.duration(v)
	case "check":
		p.Checks = append(p.Checks, Check{Name: v, Kind: CheckHTTP, URL: "http://127.0.0.1/" + v, FailureLimit: 1})
	default:
		w.t.Fatalf("unknown plan field %q", k)
	}
}

func (w *world) amount(s string) Amount {
	if p, ok := strings.CutSuffix(s, "%"); ok {
		return Amount{Percent: w.float(p)}
	}
	return Amount{Count: w.int(s)}
}

// step reads 5/1m, pause, 25/1m/pause, mirror:10/1m and header:x-beta=1/1m.
func (w *world) step(text string) CanaryStep {
	var s CanaryStep
	for _, part := range strings.Split(text, "/") {
		kind, value, _ := strings.Cut(part, ":")
		switch {
		case part == "pause":
			s.Pause = true
		case kind == "mirror":
			s.Mirror = w.float(value)
		case kind == "header":
			name, v, _ := strings.Cut(value, "=")
			s.Cohort = &Cohort{Header: name, Value: v}
		case strings.TrimLeft(part, "-0123456789.") == "":
			s.Weight = w.float(part)
		default:
			s.Duration = w.duration(part)
		}
	}
	return s
}

func (w *world) roundTrip(st *State) *State {
	data, err := json.Marshal(st)
	if err != nil {
		w.t.Fatalf("cannot store the state: %v", err)
	}
	out := new(State)
	if err := json.Unmarshal(data, out); err != nil {
		w.t.Fatalf("cannot load the state: %v", err)
	}
	return out
}

func (w *world) run(d time.Duration) {
	for end := w.now.Add(d); w.now.Before(end) && !w.st.Status.Ended(); {
		w.now = w.now.Add(w.tick)
		w.turn()
	}
}

// turn moves the world by one tick and steps.
func (w *world) turn() {
	obs := w.observe()
	w.next = Observation{}
	if w.throughJSON {
		w.st = w.roundTrip(w.st)
	}
	for _, a := range Step(w.st, obs, w.now) {
		w.printf("  %s %s\n", clock(w.now.Sub(w.start)), a)
		w.apply(a)
	}
}

func clock(d time.Duration) string { return fmt.Sprintf("%7.1fs", d.Seconds()) }

func (w *world) apply(a Action) {
	role := map[string]int{"v1": 0, "v2": 1}[a.Version]
	switch a.Kind {
	case SetInstances:
		w.asked[role] = a.Count
	case SetWeights:
		w.weights = *a.Weights
	case Retire:
		w.asked[role] = 0
	}
}

// observe is what the gateway would see after one more tick: what was asked
// for is ready one tick later, and traffic goes by the weights to what is ready.
func (w *world) observe() Observation {
	obs := w.next
	obs.Wanted, obs.BoundsMs, obs.ProviderAway = int(w.wanted), bounds, w.provider == "away"
	all := w.rate * w.tick.Seconds()
	part := w.weights.Candidate / 100
	if w.weights.Cohort != nil {
		share := w.weights.Cohort.Percent
		if w.cohort > 0 {
			share = w.cohort
		}
		part += (1 - part) * share / 100
	}
	obs.Stable.Traffic = w.traffic(0, all*(1-part))
	obs.Candidate.Traffic = w.traffic(1, all*(part+(1-part)*w.weights.Mirror/100))
	for i, seen := range []*RevisionSeen{&obs.Stable, &obs.Candidate} {
		seen.Ready = w.ready[i]
		if w.provider == "away" {
			*seen = RevisionSeen{Traffic: seen.Traffic}
			continue
		}
		want := max(0, w.asked[i]-w.down[i])
		switch {
		case want <= w.ready[i]:
			w.ready[i] = want
		case i == 0 || w.starts == "ok":
			w.ready[i] = want
		case w.starts == "fail":
			w.failures++
		}
		seen.Starting = max(0, w.asked[i]-seen.Ready)
	}
	obs.Candidate.StartFailures = w.failures
	if w.failures > 0 {
		obs.Candidate.Detail = "exit status 3"
	}
	return obs
}

func (w *world) traffic(i int, n float64) Traffic {
	whole := func(c *float64, x float64) uint64 {
		*c += x
		k := math.Floor(*c + 1e-9)
		*c -= k
		return uint64(k)
	}
	t := Traffic{Requests: whole(&w.credit[2*i], n), Latency: make([]uint64, len(bounds)+1)}
	t.Errors = min(t.Requests, whole(&w.credit[2*i+1], float64(t.Requests)*w.errors[i]/100))
	t.Latency[bucket(w.latency[i])] = t.Requests - t.Errors
	return t
}
