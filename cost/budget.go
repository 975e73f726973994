package cost

import (
	"cmp"
	"fmt"
	"time"
)

// Budget is what all services together are meant to cost. Zero fields do not bound.
type Budget struct {
	MaxPerHour Money
	PerMonth   Money
	// WarnShare is the part of PerMonth from which a forecast is a warning; one beyond PerMonth is critical then. 0: a forecast
	// beyond PerMonth is a warning.
	WarnShare float64
}

// BudgetKind says which bound a BudgetAlert is about.
type BudgetKind string

// The kinds of budget alerts.
const (
	BudgetPerHour  BudgetKind = "cost-per-hour"
	BudgetForecast BudgetKind = "budget-forecast"
	BudgetSpent    BudgetKind = "budget-spent"
)

// BudgetAlert tells that a budget is in danger, or gone.
type BudgetAlert struct {
	Kind     BudgetKind
	Critical bool // else a warning
	Value    Money
	Limit    Money
	Text     string // one line, for people
}

// nearHour is the part of MaxPerHour from which it is near.
const nearHour = 0.9

// Check tells what of the budget is in danger by s: critical when the month's is spent or
// the hourly one reached, a warning when the forecast exceeds the month's (see WarnShare), or nine tenths of the
// hourly one are in use. A forecast needs a day of the month to be told.
func (b Budget) Check(s Statement) []BudgetAlert {
	var list []BudgetAlert
	if b.MaxPerHour > 0 && float64(s.Total.PerHour) >= nearHour*float64(b.MaxPerHour) {
		list = append(list, BudgetAlert{
			Kind: BudgetPerHour, Critical: s.Total.PerHour >= b.MaxPerHour, Value: s.Total.PerHour, Limit: b.MaxPerHour,
			Text: fmt.Sprintf("instances cost %s per hour, the limit is %s", s.Total.PerHour, b.MaxPerHour),
		})
	}
	switch {
	case b.PerMonth <= 0:
	case s.Total.Month >= b.PerMonth:
		list = append(list, BudgetAlert{
			Kind: BudgetSpent, Critical: true, Value: s.Total.Month, Limit: b.PerMonth,
			Text: fmt.Sprintf("this month has cost %s, its budget is %s", s.Total.Month, b.PerMonth),
		})
	case float64(s.Total.Forecast) > cmp.Or(b.WarnShare, 1)*float64(b.PerMonth) && s.At.Sub(s.Since) >= 24*time.Hour:
		list = append(list, BudgetAlert{
			Kind: BudgetForecast, Critical: b.WarnShare > 0 && s.Total.Forecast > b.PerMonth, Value: s.Total.Forecast, Limit: b.PerMonth,
			Text: fmt.Sprintf("this month will cost %s if the last week is a guide, its budget is %s", s.Total.Forecast, b.PerMonth),
		})
	}
	return list
}

// PoolIdle is what a pool whose whole capacity is paid for costs per hour without
// anybody using it, and its share of the pool's cost: capacity less max(given, used)
// of all instances in it, never less than none. A pool without capacity has no idle part.
func PoolIdle(p Pool, instances []Instance) (perHour Money, share float64) {
	// An instance's own price per hour is not paid for capacity that stands idle.
	price := p.Price
	price.InstanceHour = 0
	whole := price.PerHour(p.Capacity)
	if whole <= 0 {
		return 0, 0
	}
	allocated := Money(0)
	for _, in := range instances {
		if in.Pool == p.Name {
			in.Price = price
			allocated += rateOf(in).Cost
		}
	}
	perHour = max(whole-allocated, 0)
	return perHour, float64(perHour) / float64(whole)
}
