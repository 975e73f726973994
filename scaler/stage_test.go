package scaler

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

func marshal(v any) ([]byte, error)      { return json.Marshal(v) }
func unmarshal(data []byte, v any) error { return json.Unmarshal(data, v) }

func setSpec(sp *Spec, kv string) (err error) {
	k, v, _ := strings.Cut(kv, "=")
	switch k {
	case "min":
		sp.MinInstances, err = strconv.Atoi(v)
	case "max":
		sp.MaxInstances, err = strconv.Atoi(v)
	case "slots":
		sp.Slots, err = strconv.Atoi(v)
	case "disabled":
		sp.Disabled = v == "true"
	case "window":
		sp.MetricsWindow, err = time.ParseDuration(v)
	case "stabilizeUp":
		sp.StabilizeUp, err = time.ParseDuration(v)
	case "stabilizeDown":
		sp.StabilizeDown, err = time.ParseDuration(v)
	case "idle":
		sp.IdleTimeout, err = time.ParseDuration(v)
	case "startDelay":
		sp.StartDelay, err = time.ParseDuration(v)
	default:
		err = fmt.Errorf("unknown setting %q", k)
	}
	return err
}

func setPolicy(p *Policy, kv string) (err error) {
	k, v, _ := strings.Cut(kv, "=")
	switch k {
	case "name":
		p.Name = v
	case "type":
		p.Type = PolicyType(v)
	case "metric":
		p.Metric = Metric(v)
	case "up":
		p.ScaleUpThreshold, err = strconv.ParseFloat(v, 64)
	case "down":
		p.ScaleDownThreshold, err = strconv.ParseFloat(v, 64)
	case "upStep":
		p.ScaleUpStep, err = strconv.Atoi(v)
	case "downStep":
		p.ScaleDownStep, err = strconv.Atoi(v)
	case "cooldown":
		p.CooldownPeriod, err = time.ParseDuration(v)
	case "target":
		p.Target, err = strconv.ParseFloat(v, 64)
	case "cron":
		p.CronText = strings.ReplaceAll(v, "_", " ")
		p.Cron, err = ParseCron(p.CronText, "Europe/Berlin")
	case "duration":
		p.Duration, err = time.ParseDuration(v)
	case "instances":
		p.MinInstances, err = strconv.Atoi(v)
	case "wait":
		p.Objective.WaitBelow, err = time.ParseDuration(v)
	case "percent":
		p.Objective.Percent, err = strconv.ParseFloat(v, 64)
	default:
		err = fmt.Errorf("unknown setting %q", k)
	}
	return err
}

// sample builds one from the figures: rate, done, errors, slow, inFlight, busy, queue, ready,
// starting, failed, cpu (one value, or values of the instances with / between them, of which
// "-" is missing, "!" is stale, "?" missing for long), memory likewise, p95, service, blind, failures, started, cap,
// cost, pushCPU, pushQueue.
func (st *stage) sample(span time.Duration) (*Sample, error) {
	s := &Sample{Span: span, BusySlots: -1, ServiceCV: 1}
	num := func(k string) float64 {
		v, err := strconv.ParseFloat(st.figure[k], 64)
		if err != nil {
			return 0
		}
		return v
	}
	per := func(k string) int { return int(math.Round(num(k) * span.Seconds())) }
	s.Arrivals, s.Completions, s.Errors, s.Slow = per("rate"), per("done"), per("errors"), per("slow")
	if _, ok := st.figure["done"]; !ok {
		s.Completions = s.Arrivals
	}
	s.InFlight, s.Queue = int(num("inFlight")), int(num("queue"))
	s.Ready, s.Starting, s.Failed = int(num("ready")), int(num("starting")), int(num("failed"))
	s.Blind = st.figure["blind"] == "true"
	s.StartFailures = int(num("failures"))
	s.ServiceTime = time.Duration(num("service") * float64(time.Millisecond))
	if v := num("p95"); v > 0 {
		s.ResponseTime = Reading{v, st.now}
	}
	if v, ok := st.figure["started"]; ok {
		d, err := time.ParseDuration(v)
		if err != nil {
			return nil, err
		}
		s.StartDelays = []StartDelay{{Revision: "v1", Took: d}}
	}
	if v, ok := st.figure["cap"]; ok && v != "" {
		s.Caps = append(s.Caps, Cap{BoundCap, "pool on-demand: cpu", int(num("cap"))})
	}
	if v, ok := st.figure["cost"]; ok && v != "" {
		s.Caps = append([]Cap{{BoundCost, "resourceLimits.maxCostPerHour", int(num("cost"))}}, s.Caps...)
	}
	if v := num("pushCPU"); v > 0 {
		s.Pushed.CPU = Reading{v, st.now}
	}
	if v := num("pushQueue"); v > 0 {
		s.Pushed.QueueLength = Reading{v, st.now}
	}
	st.instances(s)
	return s, nil
}

func (st *stage) instances(s *Sample) {
	values := func(k string) []string {
		v := strings.Split(st.figure[k], "/")
		for len(v) < s.Ready {
			v = append(v, v[len(v)-1])
		}
		return v
	}
	reading := func(v string) Reading {
		if strings.HasPrefix(v, "!") {
			x, _ := strconv.ParseFloat(v[1:], 64)
			return Reading{x, st.now.Add(-2 * time.Minute)}
		}
		x, err := strconv.ParseFloat(v, 64)
		if err != nil {
			return Reading{}
		}
		return Reading{x, st.now}
	}
	cpu, memory := values("cpu"), values("memory")
	for i := range s.Ready {
		age := time.Minute
		if cpu[i] == "?" {
			age = time.Hour
		}
		s.Instances = append(s.Instances, InstanceSample{ID: fmt.Sprint("i", i), ReadySince: st.now.Add(-age), CPU: reading(cpu[i]), Memory: reading(memory[i])})
	}
}
