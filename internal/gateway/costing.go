package gateway

import (
	"math"
	"time"

	"gatewayd/admin/api"
	"gatewayd/config"
	"gatewayd/cost"
	"gatewayd/monitor"
)

const (
	profileEvery = 10 * time.Second
	sizeEvery    = time.Minute
)

// account books what runs, and learns what services need.
func (w *watch) account(seen *sighting) {
	now := seen.at
	profile, size := now.Sub(w.profiled) >= profileEvery, now.Sub(w.sized) >= sizeEvery
	var all []cost.Instance
	for i := range seen.services {
		ss := &seen.services[i]
		s := w.services[ss.name]
		running := 0
		for k := range ss.instances {
			si := &ss.instances[k]
			if !si.exists {
				continue
			}
			running++
			if ss.scaled || si.pool != "" {
				all = append(all, costed(ss, si, seen.cfg))
			}
			if size && !si.usage.At.IsZero() {
				s.Sizing.Add(now, si.id, si.usage.CPU, float64(si.usage.MemoryBytes))
			}
		}
		if profile {
			s.Profile.Add(now, s.profiledRequests, ss.demand(s.profiledRequests, running), running)
			s.profiledRequests = 0
		}
	}
	if profile {
		w.profiled = now
	}
	if size {
		w.sized = now
	}
	w.ledger.Observe(now, all)
	w.statement = w.ledger.Statement()
	w.checkBudget(seen.cfg)
}

// demand is how many instances the load needs, for the profile: none where there is no load, and what runs where no policy looks at it.
func (ss *seenService) demand(requests uint64, running int) int {
	busy := ss.queue
	for i := range ss.instances {
		if e := ss.instances[i].endpoint; e != nil {
			busy += int(e.InFlight())
		}
	}
	switch {
	case requests == 0 && busy == 0:
		return 0
	case ss.need >= 0:
		return ss.need
	}
	return running
}

func costed(ss *seenService, si *seenInstance, cfg *config.Config) cost.Instance {
	in := cost.Instance{ID: si.id, Service: ss.name, Revision: si.revision, Pool: si.pool, Started: si.started, Given: eachOf(ss.spec)}
	for i := range cfg.ResourcePools {
		if cfg.ResourcePools[i].Name == si.pool {
			in.Price = cost.Price(cfg.ResourcePools[i].Price)
		}
	}
	if !si.usage.At.IsZero() {
		in.Usage = &cost.Resources{MilliCPU: int64(math.Round(si.usage.CPU * 1000)), Memory: int64(si.usage.MemoryBytes)}
	}
	return in
}

// checkBudget raises an alert for what of the budget is in danger.
func (w *watch) checkBudget(cfg *config.Config) {
	b := cost.Budget{MaxPerHour: cost.FromUnits(cfg.ResourceLimits.MaxCostPerHour), PerMonth: cost.FromUnits(cfg.Cost.MonthlyBudget),
		WarnShare: cfg.Cost.WarnPercent.Fraction()}
	found := map[string]bool{}
	for _, a := range b.Check(w.statement) {
		severity := monitor.Warning
		if a.Critical {
			severity = monitor.Critical
		}
		found[string(a.Kind)] = true
		w.monitor.Assert(monitor.Condition{Key: string(a.Kind), Severity: severity, Value: a.Value.Units(), Threshold: a.Limit.Units(),
			Unit: " " + cfg.Cost.Currency, Summary: a.Text})
	}
	for kind := range w.budget {
		if !found[kind] {
			w.monitor.Retract(kind, "")
		}
	}
	w.budget = found
}

// describeCost is the statement as the API shows it.
func (w *watch) describeCost() api.Cost {
	st := &w.statement
	out := api.Cost{
		Currency: w.cfg.Cost.Currency, PerHour: st.Total.PerHour.Units(), Today: st.Total.Today.Units(), Month: st.Total.Month.Units(),
		Forecast: st.Total.Forecast.Units(), Per1000Requests: units(st.Total.Per1000), IdlePercent: 100 * st.Total.IdleShare, Services: []api.ServiceCost{},
	}
	if b := w.cfg.Cost.MonthlyBudget; b > 0 {
		out.MonthlyBudget = &b
	}
	running := w.ledger.Running()
	for _, e := range st.Entries {
		out.Services = append(out.Services, api.ServiceCost{
			Service: e.Service, Revision: e.Revision, Pool: e.Pool, Instances: running[e.Key], PerHour: e.PerHour.Units(), Today: e.Today.Units(),
			Month: e.Month.Units(), Per1000Requests: units(e.Per1000), IdlePercent: 100 * e.IdleShare,
		})
	}
	return out
}

func units(m *cost.Money) *float64 {
	if m == nil {
		return nil
	}
	u := m.Units()
	return &u
}

// poolCost is what one service costs in one pool.
type poolCost struct {
	service, pool string
	perHour       float64
}

// poolCosts sums revisions up, and keeps what costs nothing at present out once it is gone.
func (w *watch) poolCosts() []poolCost {
	var list []poolCost
	running := w.ledger.Running()
	at := map[[2]string]int{}
	for _, e := range w.statement.Entries {
		if running[e.Key] == 0 {
			continue
		}
		k := [2]string{e.Service, e.Pool}
		i, known := at[k]
		if !known {
			i = len(list)
			at[k] = i
			list = append(list, poolCost{service: e.Service, pool: e.Pool})
		}
		list[i].perHour += e.PerHour.Units()
	}
	return list
}

// Cost implements admin.Cost.
func (p ports) Cost() api.Cost {
	c := p.g.watchers.view.Load().cost
	c.Services = append([]api.ServiceCost{}, c.Services...)
	c.Withheld = append([]api.Withheld{}, p.g.watchers.advice.Load().withheld...)
	return c
}
