package docker

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"gatewayd/internal/launch"
	"gatewayd/scaler"
)

// measureSide is how many containers are measured side by side.
const measureSide = 8

// meter turns ever growing CPU time into cores.
type meter struct {
	at  time.Time // by the Engine's clock
	cpu uint64    // ns
}

// take returns what s says. CPU is 0 at the first measurement, which has none before it to compare with.
func (m *meter) take(s container.StatsResponse, now time.Time) scaler.Usage {
	u := scaler.Usage{At: now, MemoryBytes: workingSet(s.MemoryStats)}
	cpu := s.CPUStats.CPUUsage.TotalUsage
	if passed := s.Read.Sub(m.at); !m.at.IsZero() && passed > 0 && cpu > m.cpu {
		u.CPU = float64(cpu-m.cpu) / float64(passed)
	}
	m.at, m.cpu = s.Read, cpu
	return u
}

// workingSet is the memory in use without file pages that were not used lately, as the kernel would take those back before it kills anything. The
// figure is named inactive_file in cgroup v2 and, for a group with its children, total_inactive_file in v1.
func workingSet(m container.MemoryStats) uint64 {
	idle, ok := m.Stats["total_inactive_file"]
	if !ok {
		idle = m.Stats["inactive_file"]
	}
	if idle > m.Usage {
		return 0
	}
	return m.Usage - idle
}

// measureUntil measures every running container again and again until ctx ends.
func (p *Provider) measureUntil(ctx context.Context) {
	tick := time.NewTicker(p.o.pace.measure)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			p.measureAll(ctx)
		}
	}
}

func (p *Provider) measureAll(ctx context.Context) {
	type measured struct {
		in *instance
		r  *run
	}
	var all []measured
	p.mu.Lock()
	for _, in := range p.fleet.List() {
		if in.run != nil && in.State == launch.Running {
			all = append(all, measured{in, in.run})
		}
	}
	p.mu.Unlock()
	var wg sync.WaitGroup
	slots := make(chan struct{}, measureSide)
	for _, m := range all {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			p.measure(ctx, m.in, m.r)
		})
	}
	wg.Wait()
	if len(all) > 0 {
		p.changed()
	}
}

// measure measures one container. One that cannot be measured just ended, or the Engine is away: both are seen elsewhere, and its last
// usage grows old.
func (p *Provider) measure(ctx context.Context, in *instance, r *run) {
	ctx, cancel := context.WithTimeout(ctx, p.o.pace.answer)
	defer cancel()
	stats, err := p.engine().ContainerStats(ctx, r.id, client.ContainerStatsOptions{})
	if err != nil {
		return
	}
	defer stats.Body.Close()
	var s container.StatsResponse
	if err := json.NewDecoder(stats.Body).Decode(&s); err != nil || s.Read.IsZero() {
		return
	}
	u := r.meter.take(s, time.Now())
	p.mu.Lock()
	defer p.mu.Unlock()
	if in.run == r {
		in.usage = u
	}
}
