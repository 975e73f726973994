package cost

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// monthHours is what a month is taken for: a twelfth of 365 days.
const monthHours = 730

// Advice names a kind of recommendation.
type Advice string

// The kinds of recommendations.
const (
	LowerMinimum  Advice = "lower-minimum"
	RightSize     Advice = "right-size"
	MovePool      Advice = "move-pool"
	UseSchedule   Advice = "schedule"
	ScaleToZero   Advice = "scale-to-zero"
	RetireService Advice = "dead-service"
)

// Change is what a recommendation would change; fields that are nil or empty stay as they are.
type Change struct {
	Service      string     `json:"service"`
	MinInstances *int       `json:"minInstances,omitempty"`
	Each         *Resources `json:"each,omitempty"`
	Pool         string     `json:"pool,omitempty"`
	Schedule     *Schedule  `json:"schedule,omitempty"`
	Retire       bool       `json:"retire,omitempty"` // run none at all
}

// Schedule keeps more instances for a part of each day.
type Schedule struct {
	FromHour     int `json:"fromHour"` // 0 to 23, in the zone of the profile's facts
	Hours        int `json:"hours"`
	MinInstances int `json:"minInstances"`
}

// Replay runs the service's recent traffic against a change, in a simulator, and tells
// what share of the requests would have been slow, in [0, 1].
type Replay func(Change) (slowShare float64, err error)

// Facts is what there is to know of one service.
type Facts struct {
	Service string
	Min     int // minInstances
	Each    Resources
	Pool    string
	Pools   []Pool // it may use; Capacity and Instances are what is left of each, its own instances not counted
	Price   Price  // of Pool
	Profile *Profile
	Sizing  *Sizing // nil: nobody knows what the instances use
	Zone    *time.Location
	MaxSlow float64 // objective: share of requests that may be slow, in [0, 1]
}

// Recommendation is a change that would cost less, and has passed a replay.
type Recommendation struct {
	Type       Advice   `json:"type"`
	Service    string   `json:"service"`
	Saving     Money    `json:"savingPerMonth"`
	What       string   `json:"what"` // one sentence
	Evidence   []string `json:"evidence"`
	Risk       float64  `json:"risk"`              // share of requests that were slow in the replay
	Confidence float64  `json:"confidence"`        // in [0, 1]: 1 from a week of history on
	Config     string   `json:"config,omitempty"`  // what to write into the config file
	Command    string   `json:"command,omitempty"` // a gatewayd command line that does it at once
	Change     Change   `json:"change"`
}

// Refusal is a change that would have saved money and was not recommended. Without a Type it is about all kinds.
type Refusal struct {
	Type    Advice `json:"type,omitempty"`
	Service string `json:"service"`
	Saving  Money  `json:"savingPerMonth"`
	Reason  string `json:"reason"`
}

// Days of history that are needed before anything is recommended, before a day is known well enough to
// depend on its hours, and before a service is taken for dead.
const (
	minDays    = 1
	dailyDays  = 3
	retireDays = 7
)

// Recommend tells how a service could cost less, the most worthwhile first (saving
// times confidence). What the replay refuses, by an error or because more requests
// than MaxSlow would be slow, is told apart; so is what is missing while there is too little history.
func Recommend(f Facts, replay Replay) ([]Recommendation, []Refusal) {
	if f.Profile == nil || len(f.Profile.Hours) == 0 {
		return nil, []Refusal{{Service: f.Service, Reason: "nothing is known of it yet"}}
	}
	if n := len(f.Profile.Hours); n < minDays*24 {
		at := f.Profile.Hours[n-1].Start.Add(time.Duration(minDays*24-n) * time.Hour)
		return nil, []Refusal{{Service: f.Service, Reason: fmt.Sprintf("%d of %d hours of history are there; it begins at %s, %s and %s after %d days, %s after %d", n, minDays*24,
			at.In(f.zone()).Format("2006-01-02 15:04 MST"), UseSchedule, ScaleToZero, dailyDays, RetireService, retireDays)}}
	}
	var made []Recommendation
	var refused []Refusal
	for _, propose := range []func(Facts) (Recommendation, bool){retire, scaleToZero, lowerMinimum, schedule, rightSize, movePool} {
		r, ok := propose(f)
		if !ok || r.Saving < Unit/100 {
			continue
		}
		r.Service, r.Change.Service = f.Service, f.Service
		r.Confidence = min(f.Profile.days()/retireDays, 1)
		slow, err := replay(r.Change)
		switch {
		case err != nil:
			refused = append(refused, Refusal{r.Type, f.Service, r.Saving, fmt.Sprintf("it could not be tried: %v", err)})
			continue
		case !(slow <= f.MaxSlow):
			refused = append(refused, Refusal{r.Type, f.Service, r.Saving, fmt.Sprintf("%s%% of the requests would be slow, %s%% may be", percent(slow), percent(f.MaxSlow))})
			continue
		}
		r.Risk = slow
		made = append(made, r)
		if r.Type == RetireService || r.Type == ScaleToZero {
			break // the rest would save the same money again
		}
	}
	slices.SortStableFunc(made, func(a, b Recommendation) int {
		return cmp.Compare(float64(b.Saving)*b.Confidence, float64(a.Saving)*a.Confidence)
	})
	return made, refused
}

func instances(n int) string {
	if n == 1 {
		return "1 instance"
	}
	return fmt.Sprintf("%d instances", n)
}

func percent(share float64) string { return trim(math.Round(share*10000) / 100) }

func (f *Facts) perHour() Money { return f.Price.PerHour(f.Each) }

func perMonth(perHour float64) Money { return Money(perHour * monthHours) }

// retire: nobody asked for it for a week.
func retire(f Facts) (Recommendation, bool) {
	running := f.Profile.running()
	if f.Profile.days() < retireDays || f.Profile.requests() > 0 || running == 0 {
		return Recommendation{}, false
	}
	return Recommendation{
		Type: RetireService, Saving: perMonth(running * float64(f.perHour())),
		What:     fmt.Sprintf("%s has had no request for %.0f days: stop it.", f.Service, f.Profile.days()),
		Evidence: []string{fmt.Sprintf("0 requests in %d hours", len(f.Profile.Hours)), fmt.Sprintf("%.1f instances ran", running)},
		Command:  fmt.Sprintf("gatewayd scale %s 0 --reason 'no request for %.0f days'", f.Service, f.Profile.days()),
		Change:   Change{Retire: true},
	}, true
}

// scaleToZero: there are many hours without a request.
func scaleToZero(f Facts) (Recommendation, bool) {
	if f.Min < 1 || f.Profile.days() < dailyDays || f.Profile.requests() == 0 {
		return Recommendation{}, false
	}
	idle := 0
	for _, h := range f.Profile.Hours {
		if h.Requests == 0 && h.Need == 0 {
			idle++
		}
	}
	share := float64(idle) / float64(len(f.Profile.Hours))
	if share < 0.3 {
		return Recommendation{}, false
	}
	return Recommendation{
		Type: ScaleToZero, Saving: perMonth(share * float64(f.Min) * float64(f.perHour())),
		What:     fmt.Sprintf("%s has no request in %s%% of the hours: let it scale to zero.", f.Service, percent(share)),
		Evidence: []string{fmt.Sprintf("%d of %d hours without a request", idle, len(f.Profile.Hours)), fmt.Sprintf("minInstances is %d", f.Min)},
		Config:   fmt.Sprintf("services.%s.scaling.minInstances: 0", f.Service),
		Change:   Change{MinInstances: new(int)},
	}, true
}

// lowerMinimum: even the hours that need most need less than the minimum.
func lowerMinimum(f Facts) (Recommendation, bool) {
	peak := max(f.Profile.need(1), 1)
	if peak >= f.Min {
		return Recommendation{}, false
	}
	return Recommendation{
		Type: LowerMinimum, Saving: perMonth(float64(f.Min-peak) * float64(f.perHour())),
		What:     fmt.Sprintf("%s never needed more than %s: lower its minimum from %d.", f.Service, instances(peak), f.Min),
		Evidence: []string{fmt.Sprintf("highest need in %d hours: %s", len(f.Profile.Hours), instances(f.Profile.need(1))), fmt.Sprintf("minInstances is %d", f.Min)},
		Config:   fmt.Sprintf("services.%s.scaling.minInstances: %d", f.Service, peak),
		Change:   Change{MinInstances: &peak},
	}, true
}

// schedule: the minimum is needed for a part of the day only.
func schedule(f Facts) (Recommendation, bool) {
	if f.Profile.days() < dailyDays || f.Profile.need(1) < f.Min || f.Min < 2 {
		return Recommendation{}, false
	}
	need := f.needByHour()
	best, saved := Schedule{}, 0
	low := 0
	for from := range 24 {
		for hours := 1; hours < 24; hours++ {
			outside := 1
			for h := hours; h < 24; h++ {
				outside = max(outside, need[(from+h)%24])
			}
			if s := (f.Min - outside) * (24 - hours); s > saved {
				best, saved, low = Schedule{FromHour: from, Hours: hours, MinInstances: f.Min}, s, outside
			}
		}
	}
	if saved == 0 {
		return Recommendation{}, false
	}
	return Recommendation{
		Type: UseSchedule, Saving: perMonth(float64(saved) / 24 * float64(f.perHour())),
		What:     fmt.Sprintf("%s needs %s from %02d:00 for %d h a day, and no more than %d otherwise: use a schedule.", f.Service, instances(f.Min), best.FromHour, best.Hours, low),
		Evidence: []string{fmt.Sprintf("highest need by hour of the day over %.0f days: %v", f.Profile.days(), need)},
		Config: fmt.Sprintf("services.%s.scaling: {minInstances: %d, policies: [{name: busy-hours, type: schedule, cron: \"0 %d * * *\", timezone: %s, minInstances: %d, duration: %dh}]}",
			f.Service, low, best.FromHour, f.zone(), f.Min, best.Hours),
		Change: Change{MinInstances: &low, Schedule: &best},
	}, true
}

func (f *Facts) zone() *time.Location { return cmp.Or(f.Zone, time.UTC) }

// needByHour is the highest need in each hour of the day. An hour with no
// data counts as one that needs the minimum.
func (f *Facts) needByHour() [24]int {
	var need [24]int
	for h := range need {
		need[h] = -1
	}
	for _, h := range f.Profile.Hours {
		at := h.Start.In(f.zone()).Hour()
		need[at] = max(need[at], h.Need)
	}
	for h := range need {
		if need[h] < 0 {
			need[h] = f.Min
		}
	}
	return need
}

// rightSize: the instances are given more than the upper bound of what they need.
func rightSize(f Facts) (Recommendation, bool) {
	if f.Sizing == nil {
		return Recommendation{}, false
	}
	size, ok := f.Sizing.Size()
	if !ok || size.Days < minDays {
		return Recommendation{}, false
	}
	each := f.Each
	var evidence []string
	if each.MilliCPU > size.Upper.MilliCPU {
		each.MilliCPU = size.Target.MilliCPU
		evidence = append(evidence, fmt.Sprintf("cpu: given %s cores, 90th percentile and 15 %%: %s", trim(f.Each.Cores()), trim(size.Target.Cores())))
	}
	if each.Memory > size.Upper.Memory {
		each.Memory = size.Target.Memory
		evidence = append(evidence, fmt.Sprintf("memory: given %d MiB, 90th percentile of daily peaks and 15 %%: %d", f.Each.Memory>>20, size.Target.Memory>>20))
	}
	if len(evidence) == 0 {
		return Recommendation{}, false
	}
	saved := float64(f.perHour()-f.Price.PerHour(each)) * f.Profile.running()
	return Recommendation{
		Type: RightSize, Saving: perMonth(saved), Evidence: evidence,
		What:   fmt.Sprintf("Instances of %s use less than they are given: give each %s cores and %d MiB.", f.Service, trim(each.Cores()), each.Memory>>20),
		Config: fmt.Sprintf("services.%s.resources: {cpu: %s, memory: %dMiB}", f.Service, trim(each.Cores()), (each.Memory+1<<20-1)>>20),
		Change: Change{Each: &each},
	}, true
}

// movePool: one that is cheaper has room for the most that were needed.
func movePool(f Facts) (Recommendation, bool) {
	best, cheapest := "", f.perHour()
	peak := max(f.Profile.need(1), f.Min)
	for i := range f.Pools {
		p := &f.Pools[i]
		room := p.room()
		if price := p.Price.PerHour(f.Each); p.Name != f.Pool && price < cheapest && room.fits(f.Each, peak) == peak {
			best, cheapest = p.Name, price
		}
	}
	if best == "" {
		return Recommendation{}, false
	}
	saved := float64(f.perHour()-cheapest) * f.Profile.running()
	return Recommendation{
		Type: MovePool, Saving: perMonth(saved),
		What:     fmt.Sprintf("%s would cost less in pool %s.", f.Service, best),
		Evidence: []string{fmt.Sprintf("an instance costs %s per hour in %s, %s in %s", f.perHour(), f.Pool, cheapest, best), fmt.Sprintf("%s has room for the %d instances needed at most", best, peak)},
		Config:   fmt.Sprintf("services.%s.resources.pool: %s", f.Service, best),
		Change:   Change{Pool: best},
	}, true
}
