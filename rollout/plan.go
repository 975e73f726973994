package rollout

import (
	"math"
	"time"
)

// Strategy is how traffic moves from one revision to the other.
type Strategy string

// The strategies.
const (
	Canary    Strategy = "canary"     // weights by steps
	BlueGreen Strategy = "blue-green" // the whole new set beside the old, one switch
	Rolling   Strategy = "rolling"    // instances replaced in batches
)

// What WithDefaults fills in.
const (
	DefaultStartTimeout      = 10 * time.Minute
	DefaultValidationTimeout = 2 * time.Minute
	DefaultWarmCanary        = 30 * time.Second
	DefaultWarmBlueGreen     = 10 * time.Minute
	DefaultPauseLimit        = 7 * 24 * time.Hour
	DefaultBatchInterval     = 10 * time.Second
	DefaultMinRequests       = 200
	DefaultConfidence        = 0.95
	DefaultCheckInterval     = 30 * time.Second
	DefaultCohortPercent     = 5.0
)

// Plan is what a rollout is asked to do. It is never written to after New.
// A zero field means the default named at it; WithDefaults fills them in.
type Plan struct {
	Service  string   `json:"service"`
	Version  string   `json:"version"` // the candidate
	Stable   string   `json:"stable"`  // the version that runs now
	Strategy Strategy `json:"strategy"`

	Steps   []CanaryStep `json:"steps,omitempty"`   // canary only
	Rolling *Batches     `json:"rolling,omitempty"` // rolling only; default a quarter at a time, a quarter of surge

	// ManualPromotion lets a blue-green rollout wait for a promote command
	// before the switch. A canary has pause steps for that.
	ManualPromotion bool `json:"manualPromotion,omitempty"`
	// Warm is how long the old set keeps its full capacity after it lost its
	// traffic. Default 30s for canary, 10m for blue-green; rolling has none.
	Warm time.Duration `json:"warm,omitempty"`

	// Validation asks for one before the candidate gets any traffic.
	Validation bool `json:"validation,omitempty"`
	// ValidationTimeout is when the candidate's first instances must be ready and have passed the validation, if there is one. Default 2m.
	ValidationTimeout time.Duration `json:"validationTimeout,omitempty"`

	Analysis *Analysis `json:"analysis,omitempty"` // nil: figures are kept, nothing is judged
	Checks   []Check   `json:"checks,omitempty"`
	// AutoRollback rolls a bad candidate back. Without it a bad verdict pauses
	// the rollout and leaves the decision to a person; a deadline still rolls back.
	AutoRollback bool `json:"autoRollback"`

	// StartTimeout bounds each later wait for instances of the candidate to be ready. Default 10m.
	StartTimeout time.Duration `json:"startTimeout,omitempty"`
	// Deadline bounds the whole rollout, time spent paused apart. Default: one
	// hour, the warm time and three times the durations of the steps.
	Deadline time.Duration `json:"deadline,omitempty"`
	// PauseLimit bounds each pause; after it the rollout is rolled back. Default 168h.
	PauseLimit time.Duration `json:"pauseLimit,omitempty"`

	// Static says that the service's instances are listed by hand, so that
	// there is no provider to start a second set with.
	Static bool `json:"static,omitempty"`
}

// CanaryStep is one step of a canary. It sets at least one of its fields besides
// Duration. Weight and Cohort hold until a later step changes them; Mirror
// holds for its own step only.
type CanaryStep struct {
	Weight   float64       `json:"weight,omitempty"`   // percent of requests, (0, 100]; 0: as before
	Duration time.Duration `json:"duration,omitempty"` // least time under observation
	Pause    bool          `json:"pause,omitempty"`    // wait for resume or promote after Duration
	Mirror   float64       `json:"mirror,omitempty"`   // percent of requests copied to the candidate, (0, 100]
	Cohort   *Cohort       `json:"cohort,omitempty"`   // these requests go to the candidate whatever the weight
}

// Cohort picks requests by one header or one cookie.
type Cohort struct {
	Header string `json:"header,omitempty"`
	Cookie string `json:"cookie,omitempty"`
	Value  string `json:"value"` // exact
	// Percent is the share of the load that the cohort is expected to be, in
	// (0, 100]; capacity is started for it beforehand. Default 5.
	Percent float64 `json:"percent,omitempty"`
}

// Batches is how a rolling rollout replaces instances.
type Batches struct {
	Size        Amount `json:"size"`        // instances of the candidate added per batch; at least one
	Surge       Amount `json:"surge"`       // instances above what the load needs
	Unavailable Amount `json:"unavailable"` // instances below what the load needs
	// Interval is how long a batch must stay healthy before the next. Default 10s.
	Interval time.Duration `json:"interval,omitempty"`
}

// Amount is a number of instances, or a percentage of what the load needs.
type Amount struct {
	Count   int     `json:"count,omitempty"`
	Percent float64 `json:"percent,omitempty"` // [0, 100]; used when Count is 0
}

// up is the amount of n, fractions rounded up.
func (a Amount) up(n int) int {
	if a.Count > 0 {
		return a.Count
	}
	return ceil(float64(n) * a.Percent / 100)
}

// down is the amount of n, fractions rounded down: what may be missing is rounded this way.
func (a Amount) down(n int) int {
	if a.Count > 0 {
		return a.Count
	}
	return int(math.Floor(float64(n)*a.Percent/100 + 1e-9))
}

func (a Amount) zero() bool { return a.Count == 0 && a.Percent == 0 }

// Analysis is what the judge holds the candidate to.
type Analysis struct {
	// MinRequests is how many candidate requests a step needs before it may
	// pass, and a rollout before a small effect may fail it. Default 200.
	MinRequests int `json:"minRequests,omitempty"`
	// MaxErrorRateIncrease is the tolerated increase over stable in percentage points, [0, 100]; 0: none.
	MaxErrorRateIncrease float64 `json:"maxErrorRateIncrease"`
	// MaxLatencyIncreasePercent is the tolerated slowdown against stable in percent, >= 0; 0: none.
	MaxLatencyIncreasePercent float64 `json:"maxLatencyIncreasePercent"`
	// Confidence is one minus the share of good candidates that may be rolled
	// back, all tests and all looks together, in [0.5, 1). Default 0.95.
	Confidence float64 `json:"confidence,omitempty"`

	// Absolute limits for the candidate alone; 0: none.
	MaxErrorRate float64 `json:"maxErrorRate,omitempty"` // percent
	MaxP95Ms     float64 `json:"maxP95Ms,omitempty"`
	MaxP99Ms     float64 `json:"maxP99Ms,omitempty"`
}

// CheckKind is what an own check asks.
type CheckKind string

// The kinds of own checks.
const (
	CheckHTTP       CheckKind = "http"       // passes on status 200 to 399
	CheckExec       CheckKind = "exec"       // passes on exit code 0
	CheckPrometheus CheckKind = "prometheus" // passes while the query's value is within Min and Max
)

// Check is an own check, run by the owner for as long as the candidate has traffic.
type Check struct {
	Name     string        `json:"name"`
	Kind     CheckKind     `json:"kind"`
	URL      string        `json:"url,omitempty"`      // http: what is asked; prometheus: its address
	Command  []string      `json:"command,omitempty"`  // exec
	Query    string        `json:"query,omitempty"`    // prometheus
	Min      *float64      `json:"min,omitempty"`      // prometheus; nil: no lower limit
	Max      *float64      `json:"max,omitempty"`      // prometheus; nil: no upper limit
	Interval time.Duration `json:"interval,omitempty"` // default 30s
	// FailureLimit is how many failures in a row are borne; one more rolls back.
	FailureLimit int `json:"failureLimit,omitempty"`
}

// WithDefaults returns the plan with its zero fields filled in. The plan p is not changed.
func (p Plan) WithDefaults() Plan {
	p.StartTimeout = orDuration(p.StartTimeout, DefaultStartTimeout)
	p.ValidationTimeout = orDuration(p.ValidationTimeout, DefaultValidationTimeout)
	p.PauseLimit = orDuration(p.PauseLimit, DefaultPauseLimit)
	switch p.Strategy {
	case Canary:
		p.Warm = orDuration(p.Warm, DefaultWarmCanary)
	case BlueGreen:
		p.Warm = orDuration(p.Warm, DefaultWarmBlueGreen)
	case Rolling:
		p.Rolling = p.Rolling.withDefaults()
	}
	p.Steps = stepsWithDefaults(p.Steps)
	if p.Analysis != nil {
		a := p.Analysis.withDefaults()
		p.Analysis = &a
	}
	checks := make([]Check, len(p.Checks))
	for i, c := range p.Checks {
		c.Interval = orDuration(c.Interval, DefaultCheckInterval)
		checks[i] = c
	}
	p.Checks = checks
	if p.Deadline == 0 {
		p.Deadline = time.Hour + p.Warm + 3*p.observed()
	}
	return p
}

// DefaultAnalysis tolerates one percentage point more errors and a quarter more latency.
func DefaultAnalysis() Analysis {
	return Analysis{MaxErrorRateIncrease: 1, MaxLatencyIncreasePercent: 25}.withDefaults()
}

func (a Analysis) withDefaults() Analysis {
	if a.MinRequests == 0 {
		a.MinRequests = DefaultMinRequests
	}
	if a.Confidence == 0 {
		a.Confidence = DefaultConfidence
	}
	return a
}

func (b *Batches) withDefaults() *Batches {
	quarter := Amount{Percent: 25}
	if b == nil {
		b = &Batches{Size: quarter, Surge: quarter}
	}
	out := *b
	if out.Size.zero() {
		out.Size = quarter
	}
	if out.Surge.zero() && out.Unavailable.zero() {
		out.Surge = quarter
	}
	out.Interval = orDuration(out.Interval, DefaultBatchInterval)
	return &out
}

func stepsWithDefaults(steps []CanaryStep) []CanaryStep {
	out := make([]CanaryStep, len(steps))
	for i, s := range steps {
		if s.Cohort != nil && s.Cohort.Percent == 0 {
			c := *s.Cohort
			c.Percent = DefaultCohortPercent
			s.Cohort = &c
		}
		out[i] = s
	}
	return out
}

// Trim returns the plan without what its strategy has no use for, as when a
// person asks for another strategy than the one the config describes.
func (p Plan) Trim() Plan {
	if p.Strategy != Canary {
		p.Steps = nil
	}
	if p.Strategy != BlueGreen {
		p.ManualPromotion = false
	}
	if p.Strategy == Rolling {
		p.Warm = 0
	} else {
		p.Rolling = nil
	}
	return p
}

// observed is the time that the plan's steps or batches take at least.
func (p Plan) observed() time.Duration {
	var sum time.Duration
	for _, s := range p.Steps {
		sum += s.Duration
	}
	if p.Rolling != nil {
		batches := 1.0
		if p.Rolling.Size.Percent > 0 {
			batches = math.Ceil(100 / p.Rolling.Size.Percent)
		}
		sum += time.Duration(batches) * p.Rolling.Interval
	}
	return sum
}

// Revert is the plan that brings the version to back after p was completed: at once, without
// steps, but only onto instances that are ready.
func (p Plan) Revert(to string) Plan {
	return Plan{
		Service:      p.Service,
		Version:      to,
		Stable:       p.Version,
		Strategy:     BlueGreen,
		Warm:         DefaultWarmCanary,
		AutoRollback: true,
		StartTimeout: p.StartTimeout,
	}.WithDefaults()
}

func orDuration(d, fallback time.Duration) time.Duration {
	if d == 0 {
		return fallback
	}
	return d
}

// ceil rounds up, and takes what is a rounding error above a whole number for that number.
func ceil(x float64) int { return int(math.Ceil(x - 1e-9)) }
