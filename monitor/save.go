package monitor

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

const savedVersion = 1

// saved is what outlives a restart: the five-minute and hourly windows of services, which
// burn rates and reports need, alerts with all that was told of them, silences and history.
type saved struct {
	Version  int                    `json:"version"`
	Windows  map[string][]savedCell `json:"windows"`
	Machines []savedMachine         `json:"machines"`
	Alerts   map[string]*Alert      `json:"alerts"`
	Silences map[string]Silence     `json:"silences"`
	Groups   map[string]*group      `json:"groups"`
	History  history                `json:"history"`
}

type savedMachine struct {
	Rule     string   `json:"rule"`
	Service  string   `json:"service"`
	Severity Severity `json:"severity"`
	machine
}

type savedCell struct {
	Step     time.Duration `json:"step"`
	Index    int64         `json:"index"`
	Ticks    uint32        `json:"ticks"`
	Requests uint64        `json:"requests,omitempty"`
	Errors   uint64        `json:"errors,omitempty"`
	Arrived  uint64        `json:"arrived,omitempty"`
	Rejected uint64        `json:"rejected,omitempty"`
	Lowest   int           `json:"lowest,omitempty"`
	Counts   []uint32      `json:"counts,omitempty"`
	Sum      float64       `json:"sum,omitempty"`
	Square   float64       `json:"square,omitempty"`
	Gauges   [8][3]float32 `json:"gauges"`
}

// firstSavedTier: what is finer is of no use after a restart.
const firstSavedTier = 2

// MarshalJSON saves all that is worth keeping over a restart.
func (m *Monitor) MarshalJSON() ([]byte, error) {
	s := saved{Version: savedVersion, Windows: map[string][]savedCell{}, Alerts: m.alerts, Silences: m.silences, Groups: m.groups, History: m.history}
	for _, sv := range m.sortedServices() {
		cells := []savedCell{}
		for i := firstSavedTier; i < len(sv.series.tiers); i++ {
			t := &sv.series.tiers[i]
			t.each(sv.series.last.Add(-t.step*time.Duration(len(t.cells))), sv.series.last, func(c *cell) {
				cells = append(cells, saveCell(t.step, c))
			})
		}
		s.Windows[sv.name] = cells
	}
	for key, machine := range m.machines {
		s.Machines = append(s.Machines, savedMachine{key.rule, key.service, key.severity, *machine})
	}
	slices.SortFunc(s.Machines, func(a, b savedMachine) int {
		return compareKeys(machineKey{a.Rule, a.Service, a.Severity}, machineKey{b.Rule, b.Service, b.Severity})
	})
	return json.Marshal(s)
}

// Load takes over what MarshalJSON saved, into a Monitor that has seen nothing. On error it is unchanged.
func (m *Monitor) Load(data []byte) error {
	var s saved
	if err := json.Unmarshal(data, &s); err != nil {
		return fmt.Errorf("cannot read monitoring state: %w", err)
	}
	if s.Version != savedVersion {
		return fmt.Errorf("cannot read monitoring state: version %d; want %d", s.Version, savedVersion)
	}
	services := map[string]*service{}
	for name, cells := range s.Windows {
		sv, err := loadService(name, cells)
		if err != nil {
			return fmt.Errorf("cannot read monitoring state of service %q: %w", name, err)
		}
		services[name] = sv
	}
	for _, g := range s.Groups {
		if g == nil {
			return fmt.Errorf("cannot read monitoring state: a group is null")
		}
		g.Told, g.Over = orEmpty(g.Told), orEmpty(g.Over)
	}
	for id, a := range s.Alerts {
		if a == nil {
			return fmt.Errorf("cannot read monitoring state: alert %q is null", id)
		}
	}
	m.services = services
	m.alerts, m.silences, m.groups, m.history = orEmpty(s.Alerts), orEmpty(s.Silences), orEmpty(s.Groups), s.History
	for _, sm := range s.Machines {
		m.machines[machineKey{sm.Rule, sm.Service, sm.Severity}] = &sm.machine
	}
	m.history.endFindings()
	return nil
}

func orEmpty[M ~map[K]V, K comparable, V any](m M) M {
	if m == nil {
		return M{}
	}
	return m
}

// endFindings: a finding that held before a restart is found again if it still holds.
func (h *history) endFindings() {
	for i := range h.Findings {
		if f := &h.Findings[i]; f.ResolvedAt == nil {
			end := f.Evidence.To
			f.ResolvedAt = &end
		}
	}
}

func saveCell(step time.Duration, c *cell) savedCell {
	s := savedCell{
		Step: step, Index: c.index, Ticks: c.ticks, Requests: c.requests, Errors: c.errors, Arrived: c.arrived, Rejected: c.rejected,
		Lowest: c.latency.lowest, Counts: slices.Clone(c.latency.counts), Sum: c.latency.sum, Square: c.latency.square,
	}
	for i, g := range c.gauges() {
		s.Gauges[i] = [3]float32{g.sum, g.max, float32(g.n)}
	}
	return s
}

func (c *cell) gauges() [8]*gauge {
	return [8]*gauge{&c.cpu, &c.memory, &c.queue, &c.inFlight, &c.slots, &c.instances, &c.wanted, &c.cost}
}

func loadService(name string, cells []savedCell) (*service, error) {
	sv := newService(name, time.Time{})
	for _, s := range cells {
		i := slices.IndexFunc(sv.series.tiers, func(t tier) bool { return t.step == s.Step })
		if i < firstSavedTier || s.Index < 0 || s.Lowest < 0 || s.Lowest+len(s.Counts) > latencyBuckets {
			return nil, fmt.Errorf("window of %v at %d is damaged", s.Step, s.Index)
		}
		t := &sv.series.tiers[i]
		c := t.at(s.Index)
		if c.index > s.Index {
			continue
		}
		*c = cell{index: s.Index, ticks: s.Ticks, requests: s.Requests, errors: s.Errors, arrived: s.Arrived, rejected: s.Rejected}
		c.latency = Latency{lowest: s.Lowest, counts: s.Counts, sum: s.Sum, square: s.Square}
		for _, n := range s.Counts {
			c.latency.count += uint64(n)
		}
		for k, g := range c.gauges() {
			*g = gauge{s.Gauges[k][0], s.Gauges[k][1], uint32(max(s.Gauges[k][2], 0))}
		}
		start := t.start(c)
		sv.series.last = later(sv.series.last, start)
		if sv.series.first.IsZero() || start.Before(sv.series.first) {
			sv.series.first = start
		}
	}
	sv.known, sv.series.restarted = sv.series.last, sv.series.last
	return sv, nil
}

func compareKeys(a, b machineKey) int {
	return cmp.Or(cmp.Compare(a.service, b.service), cmp.Compare(a.rule, b.rule), cmp.Compare(a.severity, b.severity))
}
