package cost

import (
	"maps"
	"math"
	"time"
)

const (
	sizingMargin = 1.15
	leastMemory  = 16 << 20
	leastCPU     = 10 // thousandths of a core
	oomFactor    = 1.2
	oomBump      = 100 << 20
)

// Sizing learns from what the instances of a service use how much each should be given.
type Sizing struct {
	CPU    *histogram           `json:"cpu"`
	Memory *histogram           `json:"memory"` // of each instance's daily peaks
	Peaks  map[string]dailyPeak `json:"peaks"`
	First  time.Time            `json:"first"`
	Last   time.Time            `json:"last"`
	Count  int                  `json:"count"` // of samples
}

type dailyPeak struct {
	Day  time.Time `json:"day"`
	Peak float64   `json:"peak"`
}

// NewSizing knows nothing yet.
func NewSizing() *Sizing {
	return &Sizing{CPU: newCPUHistogram(), Memory: newMemoryHistogram(), Peaks: map[string]dailyPeak{}}
}

// Clone is a copy that shares nothing with s.
func (s *Sizing) Clone() *Sizing {
	c := *s
	c.CPU, c.Memory, c.Peaks = s.CPU.clone(), s.Memory.clone(), maps.Clone(s.Peaks)
	return &c
}

// Add takes in what one instance uses; call it about once a minute for each. A
// negative or unknown (NaN) figure is left out.
func (s *Sizing) Add(now time.Time, instance string, cores, memoryBytes float64) {
	if s.First.IsZero() {
		s.First = now
	}
	s.Last = now
	s.Count++
	if cores >= 0 {
		s.CPU.add(now, cores, 1)
	}
	if memoryBytes >= 0 {
		s.peak(now, instance, memoryBytes)
	}
	s.forget(now)
}

// Killed takes in that an instance died for want of memory while it used so many bytes:
// it needs a fifth or 100 MiB more, whichever is more.
func (s *Sizing) Killed(now time.Time, instance string, memoryBytes float64) {
	s.peak(now, instance, max(memoryBytes*oomFactor, memoryBytes+oomBump))
}

// peak keeps one sample a day and instance, its highest.
func (s *Sizing) peak(now time.Time, instance string, bytes float64) {
	day := now.Truncate(24 * time.Hour)
	p, known := s.Peaks[instance]
	if known && p.Day.Equal(day) {
		if bytes <= p.Peak {
			return
		}
		s.Memory.add(day, p.Peak, -1)
	}
	s.Memory.add(day, bytes, 1)
	s.Peaks[instance] = dailyPeak{day, bytes}
}

func (s *Sizing) forget(now time.Time) {
	if len(s.Peaks) < 1000 {
		return
	}
	for id, p := range s.Peaks {
		if now.Sub(p.Day) > 48*time.Hour {
			delete(s.Peaks, id)
		}
	}
}

// Size is what an instance should be given: Target, and the bounds outside of which
// what it is given now is worth a change. They narrow as history grows.
type Size struct {
	Target, Lower, Upper Resources
	Days                 float64 // of history
}

// Size is the 90th percentile and 15 %. The bounds are the vertical pod autoscaler's:
// the 95th percentile times 1+1/c and the median times (1+0.001/c)^-2, both with the margin,
// with c the days of history or the samples in days of one a minute, whichever is less.
// ok is false while there is nothing to go by.
func (s *Sizing) Size() (size Size, ok bool) {
	if s.CPU.empty() || s.Memory.empty() {
		return Size{}, false
	}
	days := s.Last.Sub(s.First).Hours() / 24
	confidence := max(min(days, float64(s.Count)/1440), 1e-6)
	at := func(q, factor float64) Resources {
		return Resources{
			MilliCPU: max(int64(math.Ceil(math.Min(s.CPU.quantile(q)*sizingMargin*factor*1000, 1e12))), leastCPU),
			Memory:   max(int64(math.Ceil(math.Min(s.Memory.quantile(q)*sizingMargin*factor, 1e15))), leastMemory),
		}
	}
	return Size{
		Target: at(0.90, 1),
		Lower:  at(0.50, math.Pow(1+0.001/confidence, -2)),
		Upper:  at(0.95, 1+1/confidence),
		Days:   days,
	}, true
}
