package monitor

import "time"

// tier is a ring of cells of one width.
type tier struct {
	step  time.Duration
	cells []cell
}

func (t *tier) at(index int64) *cell { return &t.cells[index%int64(len(t.cells))] }

func (t *tier) index(at time.Time) int64 { return at.UnixNano() / int64(t.step) }

// covers says whether the ring still holds what is age old.
func (t *tier) covers(age time.Duration) bool {
	return age <= t.step*time.Duration(len(t.cells)-1)
}

// series holds the same observations at several widths, finest first.
type series struct {
	tiers []tier
	first time.Time // of the first observation; zero: none
	last  time.Time

	// restarted is when the finer rings began anew while the coarser ones were
	// loaded; zero: never. Long windows that begin before it take the coarser ones.
	restarted time.Time
}

type width struct {
	step  time.Duration
	count int
}

// What is kept of a service reaches back a week: three days for burn rates, 24
// hours in five-minute steps for reports, an hour in ten-second steps for baselines.
func serviceWidths() []width {
	return []width{{time.Second, 120}, {10 * time.Second, 361}, {5 * time.Minute, 289}, {time.Hour, 169}}
}

func revisionWidths() []width {
	return []width{{time.Second, 60}, {10 * time.Second, 181}}
}

// The five-minute steps of an instance show a leak that takes hours.
func instanceWidths() []width {
	return []width{{time.Second, 60}, {10 * time.Second, 61}, {5 * time.Minute, 73}}
}

func newSeries(widths []width) series {
	var s series
	for _, w := range widths {
		s.tiers = append(s.tiers, tier{step: w.step, cells: make([]cell, w.count)})
	}
	return s
}

// add takes c in at time at. What is older than a ring reaches is not taken into that ring.
func (s *series) add(at time.Time, c *cell) {
	for i := range s.tiers {
		t := &s.tiers[i]
		index := t.index(at)
		to := t.at(index)
		if to.index > index {
			continue
		}
		if to.index < index {
			to.reset(index)
		}
		to.merge(c)
		to.latency.Merge(c.latency)
	}
	if s.first.IsZero() {
		s.first = at
	}
	if at.After(s.last) {
		s.last = at
	}
}

// each calls visit with every cell that holds observations of (from, to],
// oldest first, from the finest ring that reaches back to from. A coarse ring gives
// whole cells, so that (from, to] begins up to half a cell earlier or later.
func (s *series) each(from, to time.Time, visit func(*cell)) {
	s.tierFor(to.Sub(from), to).each(from, to, visit)
}

func (t *tier) each(from, to time.Time, visit func(*cell)) {
	last := t.index(to)
	first := t.index(from) + 1
	if t.step > time.Second {
		first = t.index(from.Add(t.step / 2)) // cells that lie in it with more than half
	}
	first = max(first, last-int64(len(t.cells))+1)
	for i := first; i <= last; i++ {
		if c := t.at(i); c.index == i && c.ticks > 0 {
			visit(c)
		}
	}
}

// tierFor is the finest ring that holds what was span before to. The rings end at
// the newest observation, so that a to in the past reaches further back.
func (s *series) tierFor(span time.Duration, to time.Time) *tier {
	age := span + max(s.last.Sub(to), 0)
	for i := range s.tiers {
		if i < firstSavedTier && span >= 30*time.Minute && to.Add(-span).Before(s.restarted) && len(s.tiers) > firstSavedTier {
			continue
		}
		if s.tiers[i].covers(age) {
			return &s.tiers[i]
		}
	}
	return &s.tiers[len(s.tiers)-1]
}

// counts sums (from, to] without latencies.
func (s *series) counts(from, to time.Time) cell {
	var sum cell
	s.each(from, to, func(c *cell) { sum.merge(c) })
	return sum
}

// sum sums (from, to] with latencies. The result is the caller's.
func (s *series) sum(from, to time.Time) cell {
	var sum cell
	s.each(from, to, func(c *cell) {
		sum.merge(c)
		sum.latency.Merge(c.latency)
	})
	return sum
}

// start is when a cell of the ring began.
func (t *tier) start(c *cell) time.Time { return time.Unix(0, c.index*int64(t.step)) }
