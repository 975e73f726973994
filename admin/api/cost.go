package api

// Cost is what the running instances cost.
type Cost struct {
	Currency        string        `json:"currency"`
	PerHour         float64       `json:"perHour"` // now
	Today           float64       `json:"today"`
	Month           float64       `json:"month"`                   // this calendar month so far
	Forecast        float64       `json:"forecast"`                // for the whole month
	Per1000Requests *float64      `json:"per1000Requests"`         // null without requests
	IdlePercent     float64       `json:"idlePercent"`             // paid for and not used
	MonthlyBudget   *float64      `json:"monthlyBudget,omitempty"` // as configured
	Services        []ServiceCost `json:"services"`
	Withheld        []Withheld    `json:"withheld"` // what is not recommended, and why
}

// ServiceCost is the part of one revision in one pool.
type ServiceCost struct {
	Service         string   `json:"service"`
	Revision        string   `json:"revision"`
	Pool            string   `json:"pool"`
	Instances       int      `json:"instances"`
	PerHour         float64  `json:"perHour"`
	Today           float64  `json:"today"`
	Month           float64  `json:"month"`
	Per1000Requests *float64 `json:"per1000Requests"`
	IdlePercent     float64  `json:"idlePercent"`
}

// Recommendation is a change that would save money and keep the objectives.
type Recommendation struct {
	ID             string   `json:"id"`
	Service        string   `json:"service"`
	Type           string   `json:"type"`   // lower-minimum, right-size, move-pool, schedule, scale-to-zero, dead-service
	Change         string   `json:"change"` // one sentence
	SavingPerMonth float64  `json:"savingPerMonth"`
	Evidence       []Figure `json:"evidence"`
	Risk           string   `json:"risk"`       // low, medium, high, and why
	Confidence     float64  `json:"confidence"` // 0 to 1
	Command        string   `json:"command,omitempty"`
	Action         *Action  `json:"action,omitempty"` // what Command calls
}

// Withheld is a recommendation that was not made: its replay broke the objective, or too little is known yet.
type Withheld struct {
	Service        string  `json:"service"`
	Type           string  `json:"type,omitempty"` // empty: all types
	SavingPerMonth float64 `json:"savingPerMonth"` // that it would have brought; 0: unknown
	Reason         string  `json:"reason"`
}

// Amounts are quantities of what instances take.
type Amounts struct {
	CPU         float64 `json:"cpu"` // cores
	MemoryBytes uint64  `json:"memoryBytes"`
	Instances   int     `json:"instances"`
}

// Resources is what there is to run instances on, and what is taken.
type Resources struct {
	Pools  []Pool         `json:"pools"`
	Limits ResourceLimits `json:"limits"`
}

// Pool is one place to run instances.
type Pool struct {
	Name        string       `json:"name"`
	Capacity    Amounts      `json:"capacity"`
	Used        Amounts      `json:"used"`
	Utilisation float64      `json:"utilisation"` // percent of the scarcest
	PerHour     float64      `json:"perHour"`
	Allocations []Allocation `json:"allocations"`
}

// Allocation is what one service takes of a pool.
type Allocation struct {
	Service  string  `json:"service"`
	Revision string  `json:"revision"`
	Used     Amounts `json:"used"`
}

// ResourceLimits are the configured bounds over all pools; nil means no bound.
type ResourceLimits struct {
	MaxCPU         *float64 `json:"maxCpu,omitempty"`
	MaxMemoryBytes *uint64  `json:"maxMemoryBytes,omitempty"`
	MaxInstances   *int     `json:"maxInstances,omitempty"`
	MaxCostPerHour *float64 `json:"maxCostPerHour,omitempty"`
	Used           Amounts  `json:"used"`
	PerHour        float64  `json:"perHour"`
}
