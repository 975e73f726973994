package scaler

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the outputs in testdata from what the code does; commit only what you understand")

// TestTranscripts runs each testdata/*.txt: commands, one per line, each followed by what
// came of it in lines that begin with "> ". Commands:
//
//	spec KEY=VALUE...     settings of the service
//	policy KEY=VALUE...   adds a policy
//	hold N REASON | auto | pause | resume | restart
//	tick DURATION [xN] KEY=VALUE...   that much later, N times; what is not given stays as in the tick
//	before, but ready, which becomes what was wanted
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(text))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			compare(t, file, got, string(text))
		})
	}
}

func compare(t *testing.T, file, got, want string) {
	t.Helper()
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(g), len(w)) {
		a, b := "", ""
		if i < len(g) {
			a = g[i]
		}
		if i < len(w) {
			b = w[i]
		}
		if a != b {
			t.Fatalf("%s:%d:\n got %s\nwant %s", file, i+1, a, b)
		}
	}
}

// stage is what a transcript plays on.
type stage struct {
	spec   Spec
	state  State
	now    time.Time
	figure map[string]string // of the last tick
}

func play(t *testing.T, text string) string {
	t.Helper()
	st := &stage{now: monday, figure: map[string]string{}, spec: Spec{Service: "shop", MinInstances: 1, MaxInstances: 10}}
	var out strings.Builder
	for _, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		if strings.HasPrefix(line, "> ") {
			continue
		}
		fmt.Fprintln(&out, line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		reply, err := st.do(strings.Fields(line))
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		for _, r := range reply {
			fmt.Fprintln(&out, "> "+r)
		}
	}
	return out.String()
}

func (st *stage) do(f []string) ([]string, error) {
	switch f[0] {
	case "spec":
		for _, kv := range f[1:] {
			if err := setSpec(&st.spec, kv); err != nil {
				return nil, err
			}
		}
	case "policy":
		p := Policy{}
		for _, kv := range f[1:] {
			if err := setPolicy(&p, kv); err != nil {
				return nil, err
			}
		}
		st.spec.Policies = append(st.spec.Policies, p)
		for _, e := range st.spec.Validate(monday) {
			return nil, e
		}
	case "hold":
		n, err := strconv.Atoi(f[1])
		st.state.Hold = &Hold{Instances: n, Reason: strings.Join(f[2:], " "), Since: st.now}
		return nil, err
	case "auto":
		st.state.Hold = nil
	case "pause", "resume":
		st.state.Paused = f[0] == "pause"
	case "restart":
		return nil, st.restart()
	case "tick":
		return st.tick(f[1:])
	default:
		return nil, fmt.Errorf("unknown command")
	}
	return nil, nil
}

// restart keeps of the state what its JSON keeps.
func (st *stage) restart() error {
	data, err := marshal(&st.state)
	if err != nil {
		return err
	}
	st.state = State{}
	return unmarshal(data, &st.state)
}

func (st *stage) tick(f []string) ([]string, error) {
	d, err := time.ParseDuration(f[0])
	if err != nil {
		return nil, err
	}
	f = f[1:]
	times := 1
	if len(f) > 0 && strings.HasPrefix(f[0], "x") {
		if times, err = strconv.Atoi(f[0][1:]); err != nil {
			return nil, err
		}
		f = f[1:]
	}
	follow := true // what was wanted is there in the next tick, unless the script says otherwise
	for _, kv := range f {
		k, v, _ := strings.Cut(kv, "=")
		st.figure[k] = v
		follow = follow && k != "ready"
	}
	var out []string
	for i := range times {
		st.now = st.now.Add(d)
		s, err := st.sample(d)
		if err != nil {
			return nil, err
		}
		dec := Decide(&st.spec, &st.state, s, st.now)
		if follow || i == times-1 {
			st.figure["ready"] = strconv.Itoa(dec.Want)
		}
		if dec.Direction != Stay || i == times-1 {
			out = append(out, fmt.Sprintf("%s %d -> %d %s: %s", st.now.Format("15:04:05"), dec.From, dec.Want, dec.Direction, dec.Reason))
		}
	}
	// What happens once does not happen again in the next tick.
	for _, k := range []string{"failures", "started"} {
		delete(st.figure, k)
	}
	return out, nil
}
