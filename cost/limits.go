package cost

import "fmt"

// Limits bound what all services together may take. Zero fields do not limit.
type Limits struct {
	MaxCPU         int64 // thousandths of a core
	MaxMemory      int64 // bytes
	MaxInstances   int
	MaxCostPerHour Money
}

// Use is what instances take and cost.
type Use struct {
	Resources
	Instances int   `json:"instances"`
	PerHour   Money `json:"perHour"`
}

// Plus adds n instances of each at perHour apiece.
func (u Use) Plus(n int, each Resources, perHour Money) Use {
	return Use{u.Resources.plus(each.times(n)), u.Instances + n, u.PerHour + perHour*Money(n)}
}

// Ask is a wish to run Want instances of one revision, whoever has it: a scaler, a
// person, a rollout that needs a surge.
type Ask struct {
	Want    int
	Have    int       // run now
	Min     int       // the service's bounds
	Max     int       // 0: none
	Each    Resources // of one instance
	PerHour Money     // of one instance
	Others  Use       // everything else that runs, other revisions of the service included
}

// What may hold an Ask back.
const (
	HeldByMin         = "minInstances"
	HeldByMax         = "maxInstances"
	HeldByInstances   = "resourceLimits.maxInstances"
	HeldByCPU         = "resourceLimits.maxCpu"
	HeldByMemory      = "resourceLimits.maxMemory"
	HeldByCostPerHour = "resourceLimits.maxCostPerHour"
)

// Clamped is what an Ask may have.
type Clamped struct {
	Instances int    `json:"instances"`
	Held      string `json:"held,omitempty"`   // the bound that changed it, as a config key; empty: none
	Reason    string `json:"reason,omitempty"` // one line, for people
}

// Clamp bounds an Ask. The limits on all services win over the service's minimum, but no
// limit takes away what runs: it only keeps more from being started.
func (l Limits) Clamp(a Ask) Clamped {
	c := Clamped{Instances: max(a.Want, 0)}
	if c.Instances < a.Min {
		c = Clamped{a.Min, HeldByMin, fmt.Sprintf("%d wanted, at least %d kept", a.Want, a.Min)}
	}
	if a.Max > 0 && c.Instances > a.Max {
		c = Clamped{a.Max, HeldByMax, fmt.Sprintf("%d wanted, at most %d allowed", c.Instances, a.Max)}
	}
	room, held, why := l.room(a)
	allowed := max(room, min(c.Instances, a.Have))
	if c.Instances > allowed {
		c = Clamped{allowed, held, fmt.Sprintf("%d wanted, %d possible: %s", c.Instances, allowed, why)}
	}
	return c
}

// room is how many instances the limits on all services leave for a, and which of
// them is the tightest.
func (l Limits) room(a Ask) (room int, held, why string) {
	room = int(^uint(0) >> 1)
	tighten := func(limit, used, each int64, key, text string) {
		if limit <= 0 || each <= 0 {
			return
		}
		if n := int(max((limit-used)/each, 0)); n < room {
			room, held, why = n, key, text
		}
	}
	tighten(int64(l.MaxInstances), int64(a.Others.Instances), 1, HeldByInstances,
		fmt.Sprintf("all services may have %d instances, the others have %d", l.MaxInstances, a.Others.Instances))
	tighten(l.MaxCPU, a.Others.MilliCPU, a.Each.MilliCPU, HeldByCPU,
		fmt.Sprintf("all services may have %s cores, the others have %s", trim(float64(l.MaxCPU)/1000), trim(a.Others.Cores())))
	tighten(l.MaxMemory, a.Others.Memory, a.Each.Memory, HeldByMemory,
		fmt.Sprintf("all services may have %d MiB, the others have %d", l.MaxMemory>>20, a.Others.Memory>>20))
	tighten(int64(l.MaxCostPerHour), int64(a.Others.PerHour), int64(a.PerHour), HeldByCostPerHour,
		fmt.Sprintf("all services may cost %s per hour, the others cost %s", l.MaxCostPerHour, a.Others.PerHour))
	return room, held, why
}
