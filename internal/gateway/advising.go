package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gatewayd/admin/api"
	"gatewayd/config"
	"gatewayd/cost"
	"gatewayd/scaler"
	"gatewayd/scaler/simulate"
)

// advice is how services could cost less. It is immutable once stored.
type advice struct {
	made     []advised
	withheld []api.Withheld
}

// advised is one recommendation with the figures that it rests on.
type advised struct {
	cost.Recommendation
	figures []api.Figure
}

const (
	adviseFirst = 10 * time.Second
	adviseEvery = 10 * time.Minute
)

// subject is a service for which there may be advice.
type subject struct {
	facts   cost.Facts
	spec    *scaler.Spec
	plant   simulate.Plant
	history history
}

// advise looks every few minutes how services could cost less. What it finds was tried in the simulator before, which takes its time;
// therefore it runs beside everything else and works on copies.
func (g *Gateway) advise(ctx context.Context) error {
	t := time.NewTimer(adviseFirst)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		if subjects, err := g.subjects(ctx); err == nil {
			g.watchers.advice.Store(recommend(ctx, subjects))
		}
		t.Reset(adviseEvery)
	}
}

// subjects collects what is known of all services that are scaled.
func (g *Gateway) subjects(ctx context.Context) ([]*subject, error) {
	var list []*subject
	if err := g.mail.call(ctx, func() {
		for _, s := range g.ordered {
			if pool := g.mainPool(s); s.scale.spec != nil && pool != "" {
				list = append(list, g.subject(s, pool))
			}
		}
	}); err != nil {
		return nil, err
	}
	err := g.watchers.mail.call(ctx, func() {
		for _, sub := range list {
			if s := g.watchers.watch.services[sub.facts.Service]; s != nil {
				sub.history = s.history.copied()
				sub.facts.Profile, sub.facts.Sizing = &sub.history.Profile, sub.history.Sizing
			}
		}
	})
	return list, err
}

func (g *Gateway) subject(s *service, pool string) *subject {
	p, learned := &g.watchers.placing, &s.scale.state.Learned.Service
	sub := &subject{spec: s.scale.spec, plant: simulate.Plant{
		Slots: s.spec.Limits.MaxConcurrencyPerInstance, ServiceTime: time.Duration(learned.Mean * float64(time.Second)), ServiceCV: 1,
		StartDelay: s.scale.state.Starts.Delay(s.scale.spec.StartDelay), QueueTimeout: s.spec.Limits.QueueTimeout, WaitBelow: s.scale.spec.WaitBelow(),
	}}
	sub.facts = cost.Facts{Service: s.name, Min: s.spec.Scaling.MinInstances, Each: s.size(), Pool: pool, Zone: time.UTC, MaxSlow: maxSlow(s.spec)}
	sub.facts.Price = p.price(sub.facts.Pool)
	others := g.usage(s)
	for i := range p.pools {
		sub.facts.Pools = append(sub.facts.Pools, roomIn(p.pools[i], others.pools[p.pools[i].Name]))
	}
	return sub
}

// mainPool is where most of its instances are, or the next one would be; empty where there are no pools.
func (g *Gateway) mainPool(s *service) string {
	most, name := 0, ""
	for pool, n := range s.pooled() {
		if n > most || n == most && pool < name {
			most, name = n, pool
		}
	}
	if name == "" {
		name = g.chooser(s)()
	}
	return name
}

// roomIn is what others leave of a pool. What is full is told by a capacity too small for anything, since 0 is no limit.
func roomIn(p cost.Pool, others cost.Use) cost.Pool {
	left := func(capacity, used int64) int64 {
		if capacity == 0 {
			return 0
		}
		return max(capacity-used, 1)
	}
	p.Capacity.MilliCPU = left(p.Capacity.MilliCPU, others.MilliCPU)
	p.Capacity.Memory = left(p.Capacity.Memory, others.Memory)
	if p.Instances > 0 && others.Instances >= p.Instances {
		p.Capacity = cost.Resources{MilliCPU: 1, Memory: 1}
	} else if p.Instances > 0 {
		p.Instances -= others.Instances
	}
	return p
}

// maxSlow is the share of requests that may be slow: what the strictest slo policy leaves, else one in a hundred.
func maxSlow(spec *config.Service) float64 {
	share := 0.01
	for i := range spec.Scaling.Policies {
		if p := &spec.Scaling.Policies[i]; p.Enabled && p.Type == config.PolicySLO {
			share = min(share, 1-p.Objective.Percent.Fraction())
		}
	}
	return share
}

// recommend works out all advice, the most worthwhile first.
func recommend(ctx context.Context, subjects []*subject) *advice {
	a := &advice{}
	for _, sub := range subjects {
		if ctx.Err() != nil {
			break
		}
		made, refused := cost.Recommend(sub.facts, sub.replay)
		for _, r := range made {
			a.made = append(a.made, advised{r, sub.figures(&r)})
		}
		for _, r := range refused {
			a.withheld = append(a.withheld, api.Withheld{Service: r.Service, Type: string(r.Type), SavingPerMonth: r.Saving.Units(), Reason: r.Reason})
		}
	}
	slices.SortStableFunc(a.made, func(a, b advised) int {
		return cmp.Compare(float64(b.Saving)*b.Confidence, float64(a.Saving)*a.Confidence)
	})
	return a
}

// maxReplayed bounds the requests of a replay, and so its time to about a second.
const maxReplayed = 5e6

// replay runs the last day's traffic against a change and tells which share of its requests would have been slow. Another pool or another size
// changes nothing that the simulator knows of: these are held to what the service does as it is.
func (sub *subject) replay(c cost.Change) (float64, error) {
	var requests float64
	trace := &simulate.Trace{Name: sub.facts.Service, Interval: 60, Counts: make([]float64, minutesOfDay)}
	for i, n := range sub.history.Traffic.Minutes {
		trace.Counts[i] = float64(n)
		requests += float64(n)
	}
	if requests == 0 {
		return 0, nil
	}
	if c.Retire {
		return 1, nil
	}
	if sub.plant.ServiceTime <= 0 {
		return 0, errors.New("the time that a request takes is not known yet")
	}
	plant := sub.plant
	if err := thin(trace, &plant, requests); err != nil {
		return 0, err
	}
	report, err := simulate.Run(simulate.Options{Trace: trace, Spec: sub.changed(c), Plant: plant, OnlySpec: true})
	if err != nil {
		return 0, err
	}
	return report.Scores[0].SlowPercent / 100, nil
}

// thin makes a replay of very many requests affordable: a part of the requests to instances with that part of the slots. The number of
// instances stays the same; the waits get longer if anything, since fewer slots even out less.
func thin(trace *simulate.Trace, plant *simulate.Plant, requests float64) error {
	if requests <= maxReplayed || plant.Slots < 1 {
		return nil
	}
	slots := max(int(float64(plant.Slots)*maxReplayed/requests), 1)
	share := float64(slots) / float64(plant.Slots)
	if requests*share > 4*maxReplayed {
		return fmt.Errorf("%.0f million requests a day are too many to replay", requests/1e6)
	}
	for i := range trace.Counts {
		trace.Counts[i] *= share
	}
	plant.Slots = slots
	return nil
}

// changed is how the service is scaled after a change.
func (sub *subject) changed(c cost.Change) *scaler.Spec {
	spec := *sub.spec
	spec.Policies = slices.Clone(spec.Policies)
	if c.MinInstances != nil {
		spec.MinInstances = *c.MinInstances
	}
	if s := c.Schedule; s != nil {
		expr := fmt.Sprintf("0 %d * * *", s.FromHour)
		cron, err := scaler.ParseCron(expr, "")
		if err != nil {
			panic("BUG: the schedule of a recommendation cannot be parsed: " + err.Error())
		}
		spec.Policies = append(spec.Policies, scaler.Policy{Name: "recommended-hours", Type: scaler.TypeSchedule, Cron: cron, CronText: expr,
			Duration: time.Duration(s.Hours) * time.Hour, MinInstances: s.MinInstances})
	}
	if len(spec.Policies) == 0 || spec.Disabled {
		spec.MaxInstances = max(spec.MinInstances, 1) // nothing would scale it up
	}
	return &spec
}

// Recommendations implements admin.Cost.
func (p ports) Recommendations() []api.Recommendation {
	out := []api.Recommendation{}
	for _, r := range p.g.watchers.advice.Load().made {
		out = append(out, describeAdvice(&r))
	}
	return out
}

func describeAdvice(r *advised) api.Recommendation {
	change := fmt.Sprintf("%s (%s)", r.What, strings.Join(r.Evidence, "; "))
	if r.Config != "" {
		change += " In the config: " + r.Config
	}
	risk := "low"
	switch {
	case r.Risk >= 0.01:
		risk = "high"
	case r.Risk >= 0.001:
		risk = "medium"
	}
	return api.Recommendation{
		ID: string(r.Type) + "/" + r.Service, Service: r.Service, Type: string(r.Type), Change: change, SavingPerMonth: r.Saving.Units(),
		Evidence: r.figures, Risk: fmt.Sprintf("%s: %.2f %% of the last day's requests were slow in the replay", risk, 100*r.Risk),
		Confidence: r.Confidence, Command: r.Command, Action: adviceAction(&r.Recommendation),
	}
}

// figures are what a recommendation rests on.
func (sub *subject) figures(r *cost.Recommendation) []api.Figure {
	peak, requests := 0, 0.0
	for _, h := range sub.history.Profile.Hours {
		peak = max(peak, h.Need)
	}
	for _, n := range sub.history.Traffic.Minutes {
		requests += float64(n)
	}
	return []api.Figure{
		{Name: "history", Value: float64(len(sub.history.Profile.Hours)), Unit: "h"},
		{Name: "highest need", Value: float64(peak), Unit: "instances"},
		{Name: "minInstances", Value: float64(sub.facts.Min)},
		{Name: "requests of the last day", Value: requests},
		{Name: "slow in the replay", Value: 100 * r.Risk, Unit: "%"},
	}
}
