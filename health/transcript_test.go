package health

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite testdata/*.txt with what the machines say now; commit only what you understand")

// Each transcript is commands, and below each what it led to. Time passes only by "+DURATION".
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) { replay(t, file) })
	}
}

func replay(t *testing.T, file string) {
	old, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	m := &machines{t: t, now: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)}
	m.begin = m.now
	var b strings.Builder
	lines := bufio.NewScanner(strings.NewReader(string(old)))
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "  ") {
			continue // what it said before
		}
		fmt.Fprintln(&b, line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		for _, said := range m.do(strings.Fields(line)) {
			fmt.Fprintln(&b, "  "+said)
		}
	}
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if b.String() != string(old) {
		t.Fatalf("%s changed; got\n%s", file, b.String())
	}
}

// machines are what a transcript speaks to: one State and one Outlier.
type machines struct {
	t          *testing.T
	begin, now time.Time
	state      State
	outlier    *Outlier
}

func (m *machines) do(words []string) []string {
	m.t.Helper()
	command, args := words[0], words[1:]
	if d, ok := strings.CutPrefix(command, "+"); ok {
		m.now = m.now.Add(m.duration(d))
		if len(args) == 0 {
			return nil
		}
		command, args = args[0], args[1:]
	}
	switch command {
	case "check", "good", "bad", "report":
		return m.doState(command, args)
	}
	return m.doOutlier(command, args)
}

func (m *machines) doState(command string, args []string) []string {
	switch command {
	case "check": // interval healthyThreshold unhealthyThreshold startPeriod
		m.state = NewState(Policy{Interval: m.duration(args[0]), HealthyThreshold: m.number(args[1]), UnhealthyThreshold: m.number(args[2]), StartPeriod: m.duration(args[3])})
		return nil
	case "good":
		return m.observed(m.state.Observe(Result{Duration: 3 * time.Millisecond}, m.now))
	case "bad":
		return m.observed(m.state.Observe(Result{Err: fmt.Errorf("%s", strings.Join(args, " "))}, m.now))
	}
	r := m.state.Report()
	return []string{fmt.Sprintf("%s since %s, %d good and %d failed in a row, %d of %d failed, last error %q",
		r.Status, m.clock(r.Since), r.Successes, r.Failures, r.FailuresTotal, r.Checks, r.LastError)}
}

func (m *machines) observed(t Transition) []string {
	next := m.state.Next(m.now, func() float64 { return 0.5 }).Sub(m.now)
	if !t.Changed() {
		return []string{fmt.Sprintf("%s: %s; again in %s", m.clock(t.At), t.To, next)}
	}
	return []string{fmt.Sprintf("%s: %s -> %s (%s); again in %s", m.clock(t.At), t.From, t.To, t.Reason, next)}
}

func (m *machines) doOutlier(command string, args []string) []string {
	var out []Decision
	one := func(d Decision, ok bool) {
		if ok {
			out = append(out, d)
		}
	}
	switch command {
	case "pool": // consecutiveFailures baseEjection maxEjection maxEjectionPercent
		p := DefaultOutlierPolicy()
		p.ConsecutiveFailures, p.BaseEjection = m.number(args[0]), m.duration(args[1])
		p.MaxEjection, p.MaxEjectionPercent = m.duration(args[2]), m.number(args[3])
		m.outlier = NewOutlier(p)
	case "members":
		out = m.outlier.SetMembers(args, m.now)
	case "fail": // id kind times
		for range m.number(args[2]) {
			one(m.outlier.Failure(args[0], FailureKind(args[1]), m.now))
		}
	case "streak": // id kind length
		one(m.outlier.Streak(args[0], m.number(args[2]), FailureKind(args[1]), m.now))
	case "ok":
		m.outlier.Success(args[0])
	case "passed": // id [recovered]
		one(m.outlier.CheckPassed(args[0], len(args) > 1, m.now))
	case "tick":
		out = m.outlier.Tick(m.now)
	case "windows": // id=failures/requests ...
		var windows []Window
		for _, a := range args {
			id, figures, _ := strings.Cut(a, "=")
			failures, requests, _ := strings.Cut(figures, "/")
			windows = append(windows, Window{ID: id, Failures: m.number(failures), Requests: m.number(requests)})
		}
		out = m.outlier.Evaluate(windows, m.now)
	default:
		m.t.Fatalf("unknown command %q", command)
	}
	said := []string{}
	for _, d := range out {
		said = append(said, fmt.Sprintf("%s: %s %s: %s", m.clock(d.At), d.Action, d.ID, d.Reason))
	}
	return said
}

func (m *machines) clock(t time.Time) string { return t.Sub(m.begin).String() }

func (m *machines) duration(s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		m.t.Fatal(err)
	}
	return d
}

func (m *machines) number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		m.t.Fatal(err)
	}
	return n
}
