package cost

import (
	"slices"
	"time"
)

// profileHours is two weeks, so that each hour of a week is in it twice.
const profileHours = 14 * 24

// Profile is what a service had to do, hour by hour, for the last two weeks.
type Profile struct {
	Hours []Hour `json:"hours"` // oldest first; hours that nobody watched are missing
}

// Hour is one hour of a Profile.
type Hour struct {
	Start    time.Time `json:"start"`
	Requests uint64    `json:"requests"`
	Need     int       `json:"need"`    // the most instances the scaler asked for, bounds aside
	Running  float64   `json:"running"` // instances, mean
	Samples  int       `json:"samples"`
}

// Add takes in what was seen since the Add before: requests served, the instances the
// scaler would run if it had no minimum, and those that run.
func (p *Profile) Add(now time.Time, requests uint64, need, running int) {
	start := now.Truncate(time.Hour)
	n := len(p.Hours)
	if n == 0 || p.Hours[n-1].Start.Before(start) {
		p.Hours = append(p.Hours, Hour{Start: start})
		n++
		for n > 0 && start.Sub(p.Hours[0].Start) >= profileHours*time.Hour {
			p.Hours = slices.Delete(p.Hours, 0, 1)
			n--
		}
	}
	h := &p.Hours[n-1]
	h.Requests += requests
	h.Need = max(h.Need, need)
	h.Running += (float64(running) - h.Running) / float64(h.Samples+1)
	h.Samples++
}

// days of history, by the hours that were watched.
func (p *Profile) days() float64 { return float64(len(p.Hours)) / 24 }

func (p *Profile) requests() uint64 {
	var sum uint64
	for _, h := range p.Hours {
		sum += h.Requests
	}
	return sum
}

// running is the mean number of instances.
func (p *Profile) running() float64 {
	sum := 0.0
	for _, h := range p.Hours {
		sum += h.Running
	}
	return sum / float64(max(len(p.Hours), 1))
}

// need is the quantile q of the hourly needs.
func (p *Profile) need(q float64) int {
	needs := make([]int, 0, len(p.Hours))
	for _, h := range p.Hours {
		needs = append(needs, h.Need)
	}
	if len(needs) == 0 {
		return 0
	}
	slices.Sort(needs)
	return needs[min(int(q*float64(len(needs))), len(needs)-1)]
}
