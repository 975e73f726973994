package monitor

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write testdata/*.txt anew")

// A transcript is blocks of commands, a line of dashes, and what they gave. Time is in minutes
// and seconds since the beginning; observations come each second.
func TestAlertTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			d := &alertDriver{m: New(Policy{})}
			var out []string
			for _, block := range strings.Split(strings.TrimSpace(string(data)), "\n\n") {
				commands, _, _ := strings.Cut(block, "\n----")
				commands = strings.TrimSuffix(commands, "----")
				d.out.Reset()
				for line := range strings.Lines(commands) {
					if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
						d.run(line)
					}
				}
				out = append(out, strings.TrimRight(commands, "\n")+"\n----\n"+d.out.String())
			}
			got := strings.Join(out, "\n")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if got != string(data) {
				t.Errorf("%s gives\n%s", file, got)
			}
		})
	}
}

type alertDriver struct {
	m      *Monitor
	policy Policy
	now    float64
	out    strings.Builder
}

func (d *alertDriver) printf(format string, args ...any) {
	fmt.Fprintf(&d.out, "%02d:%02d ", int(d.now)/60, int(d.now)%60)
	fmt.Fprintf(&d.out, format+"\n", args...)
}

// options reads name=value; what has no = comes back as words.
func options(fields []string) (words []string, opts map[string]string) {
	opts = map[string]string{}
	for _, f := range fields {
		if name, value, ok := strings.Cut(f, "="); ok {
			opts[name] = value
		} else {
			words = append(words, f)
		}
	}
	return words, opts
}

func duration(text string) time.Duration {
	if text == "" {
		return 0
	}
	v, err := time.ParseDuration(text)
	if err != nil {
		panic(err)
	}
	return v
}

func float(text, otherwise string) float64 {
	v, err := strconv.ParseFloat(orDefault(text, otherwise), 64)
	if err != nil {
		panic(err)
	}
	return v
}

func (d *alertDriver) run(line string) {
	words, o := options(strings.Fields(line))
	switch words[0] {
	case "threshold":
		d.policy.Thresholds = append(d.policy.Thresholds, d.threshold(words[1], o))
	case "objective":
		d.policy.Objectives = append(d.policy.Objectives, Objective{Service: "shop", Percent: float(words[1], ""), LatencyBelow: duration(o["below"])})
	case "drop":
		d.policy.Thresholds = nil
		d.m.SetPolicy(d.policy)
	case "notify":
		d.policy.Notify.MinSeverity, _ = ParseSeverity(words[1])
	case "run":
		d.traffic(duration(words[1]), o)
	case "wave":
		d.wave(duration(words[1]), duration(o["period"]), float(o["low"], ""), float(o["high"], ""))
	case "silence":
		below, _ := ParseSeverity(o["below"])
		d.m.Silence(Silence{ID: words[1], Service: o["service"], Metric: o["metric"], Below: below, Until: at(d.now).Add(duration(o["for"]))})
	case "unsilence":
		d.m.Unsilence(words[1])
	case "scaled":
		d.m.Note(Event{At: at(d.now), Service: "shop", Kind: EventScaled, Text: strings.Join(words[1:], " "), Grace: duration(o["grace"])})
	case "assert":
		s, _ := ParseSeverity(words[2])
		d.m.Assert(Condition{Key: words[1], Severity: s, Summary: strings.Join(words[3:], " ")})
	case "retract":
		d.m.Retract(words[1], "")
	case "forget":
		d.m.Forget(words[1])
	case "restart":
		d.restart()
	default:
		panic("unknown command: " + line)
	}
	if words[0] == "threshold" || words[0] == "objective" || words[0] == "notify" {
		d.m.SetPolicy(d.policy)
	}
}

func (d *alertDriver) threshold(metric string, o map[string]string) Threshold {
	t := Threshold{Metric: metric, Unit: o["unit"], For: duration(o["for"]), KeepFiring: duration(o["keep"]), Below: o["below"] != ""}
	for s := Info; s <= Page; s++ {
		if text := o[s.String()]; text != "" {
			raise, clear, _ := strings.Cut(text, "/")
			t.Levels = append(t.Levels, Level{s, float(raise, ""), float(clear, "0")})
		}
	}
	return t
}

func (d *alertDriver) restart() {
	data, err := json.Marshal(d.m)
	if err != nil {
		panic(err)
	}
	d.m = New(d.policy)
	if err := d.m.Load(data); err != nil {
		panic(err)
	}
}

// traffic observes for so long a service with the given rate, errors in percent, latency and queue.
func (d *alertDriver) traffic(span time.Duration, o map[string]string) {
	rate, errors := float(o["rate"], "1000"), float(o["errors"], "0")
	latency := duration(orDefault(o["latency"], "20ms"))
	for end := d.now + span.Seconds(); d.now < end; {
		d.now++
		in := InstanceObservation{Instance: "i", Revision: "v1", Weight: 1, CPU: Unknown(), Memory: Unknown()}
		if o["cpu"] != "" {
			in.CPU = float(o["cpu"], "")
		}
		in.Requests = uint64(rate)
		in.Errors = uint64(rate * errors / 100)
		in.Latency.Add(latency, uint32(rate))
		d.m.Observe(Observation{At: at(d.now), Service: orDefault(o["service"], "shop"), Arrived: uint64(rate), CostPerHour: Unknown(), Queue: int(float(o["queue"], "0")), Instances: []InstanceObservation{in}})
		d.evaluate()
	}
}

// wave is a square wave of errors.
func (d *alertDriver) wave(span, period time.Duration, low, high float64) {
	for end := d.now + span.Seconds(); d.now < end; {
		for _, errors := range []float64{high, low} {
			d.traffic(period/2, map[string]string{"errors": fmt.Sprint(errors)})
		}
	}
}

func (d *alertDriver) evaluate() {
	e := d.m.Evaluate(at(d.now))
	for _, a := range e.Raised {
		d.printf("raised %s %s at %s%s%s", a.Severity, a.ID, number(a.Value), a.Unit, muted(a))
	}
	for _, a := range e.Resolved {
		d.printf("resolved %s %s", a.Severity, a.ID)
	}
	for _, n := range e.Notifications {
		d.printf("NOTIFY %s %s %s %s", n.Reason, n.Status, n.Severity, n.Key)
		if n.Peak > n.Severity {
			d.printf("  was %s", n.Peak)
		}
		for _, a := range n.Firing {
			d.printf("  %s: %s", a.Severity, a.Summary)
			for _, c := range a.Context {
				d.printf("    %s", c)
			}
		}
		for _, a := range n.Resolved {
			d.printf("  over: %s", a.ID)
		}
	}
}

func muted(a Alert) string {
	switch {
	case a.InhibitedBy != "":
		return ", told by " + a.InhibitedBy
	case a.SilencedBy != "":
		return ", silenced by " + a.SilencedBy
	case a.Held != nil:
		return ", held"
	}
	return ""
}
