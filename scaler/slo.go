package scaler

import "time"

func wantSLO(sp *Spec, p *Policy, st *State, s *Sample, from int, now time.Time) PolicyWant {
	w := PolicyWant{Name: p.Name, Type: TypeSLO, Want: from}
	t := &st.Learned.Service
	if s.Blind || t.Mean == 0 {
		w.Stale = from > 0
		return w
	}
	q := t.station(sp, p.Objective)
	load := ratio(st.traffic.arrivals.Sum(now, 10*time.Second), st.traffic.span.Sum(now, 10*time.Second))
	need := q.instances(load + float64(s.Queue)/10)
	ps := st.policy(p.Name)
	w.Want = ps.Highest.Max(now, time.Minute, need)
	w.SLO = &Sizing{Load: load, Forecast: load, Backlog: s.Queue, ServiceTime: 1000 * t.Mean, Model: "last"}
	return w
}
