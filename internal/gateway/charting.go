package gateway

import (
	"context"
	"maps"
	"math"
	"slices"
	"time"

	"gatewayd/admin/api"
)

// chart notes how every service fares, once a second, after the rates were measured.
func (g *Gateway) chart(now time.Time) {
	costs := g.costPerHour()
	at := now.Round(0) // points are told by the wall clock
	for _, s := range g.ordered {
		sample := trendSample{at: at, counted: s.totals, recent: s.rates, weights: s.weights(s.trend.last.weights)}
		sample.gauges = s.gauges(now)
		sample.gauges[gaugeCost] = math.NaN()
		if costs != nil {
			sample.gauges[gaugeCost] = costs[s.name]
		}
		s.trend.add(&sample)
	}
}

// costPerHour is what each service costs now; nil where nothing has a price.
func (g *Gateway) costPerHour() map[string]float64 {
	if len(g.cfg.ResourcePools) == 0 {
		return nil
	}
	costs := map[string]float64{}
	for _, p := range g.watchers.view.Load().perHour {
		costs[p.service] += p.perHour
	}
	return costs
}

// gauges are what the service shows at this moment, but for its cost.
func (s *service) gauges(now time.Time) (v [numGauges]float64) {
	v[gaugeInFlight], v[gaugeQueue], v[gaugeTarget] = float64(s.inFlight()), float64(s.core.Gate.Len()), float64(s.target())
	v[gaugeDemand] = math.NaN()
	if s.scale.spec != nil {
		if demand, ok := s.demand(); ok {
			v[gaugeDemand] = demand
		}
	}
	var cpu, memory, cpus, memories float64
	s.each(func(_ *revision, i *instance) {
		if i.state() == api.StateReady {
			v[gaugeReady]++
		}
		u := s.usage(i)
		if c := fresh(u.CPU, now); finite(c) {
			cpu, cpus = cpu+c, cpus+1
		}
		if m := fresh(u.Memory, now); finite(m) {
			memory, memories = memory+m, memories+1
		}
	})
	v[gaugeCPU], v[gaugeMemory] = cpu/cpus, memory/memories // NaN where nobody tells
	return v
}

// weights are the shares of the revisions: before itself where they are the same.
func (s *service) weights(before map[string]float64) map[string]float64 {
	shares := map[string]float64{}
	for _, r := range s.revisions {
		shares[r.version] = r.weight
	}
	if before != nil && maps.Equal(shares, before) {
		return before
	}
	return shares
}

// History implements admin.History.
func (p ports) History(ctx context.Context, name string, window, step time.Duration) (api.History, error) {
	all, err := p.trends(ctx, window, step, func(s *service) bool { return s.name == name })
	switch {
	case err != nil:
		return api.History{}, err
	case len(all) == 0:
		return api.History{}, p.noService(name)
	}
	return all[0], nil
}

// Histories implements admin.History.
func (p ports) Histories(ctx context.Context, services []string, window, step time.Duration) ([]api.History, error) {
	return p.trends(ctx, window, step, func(s *service) bool { return services == nil || slices.Contains(services, s.name) })
}

// trends copies points in the control loop, and words them outside of it: that takes far longer.
func (p ports) trends(ctx context.Context, window, step time.Duration, wanted func(*service) bool) ([]api.History, error) {
	var names []string
	var views []trendView
	err := p.g.mail.call(ctx, func() {
		for _, s := range p.g.ordered {
			if wanted(s) {
				names, views = append(names, s.name), append(views, s.trend.view(window, step))
			}
		}
	})
	if err != nil {
		return nil, err
	}
	all := make([]api.History, len(views))
	for i := range views {
		all[i] = views[i].describe(names[i])
	}
	return all, nil
}
