package gateway

import (
	"time"

	"gatewayd/cost"
)

// history is what is kept of a service to tell how it could cost less.
type history struct {
	Profile cost.Profile `json:"profile"`
	Sizing  *cost.Sizing `json:"sizing"`
	Traffic traffic      `json:"traffic"`
}

// complete makes up for what an earlier program did not write.
func (h *history) complete() {
	if h.Sizing == nil || h.Sizing.CPU == nil || h.Sizing.Memory == nil || h.Sizing.Peaks == nil {
		h.Sizing = cost.NewSizing()
	}
	if len(h.Traffic.Minutes) != minutesOfDay {
		h.Traffic = traffic{Minutes: make([]uint32, minutesOfDay)}
	}
}

const minutesOfDay = 24 * 60

// traffic is how many requests came in each minute of the last 24 hours, by the minute of the day in UTC.
type traffic struct {
	Last    int64    `json:"last"` // newest minute, since 1970
	Minutes []uint32 `json:"minutes"`
}

func (t *traffic) add(now time.Time, n uint64) {
	minute := now.Unix() / 60
	if minute > t.Last {
		for m := max(t.Last+1, minute-minutesOfDay+1); m <= minute; m++ {
			t.Minutes[m%minutesOfDay] = 0
		}
		t.Last = minute
	}
	at := &t.Minutes[minute%minutesOfDay]
	*at = uint32(min(uint64(*at)+n, 1<<32-1))
}

// copied is a history that its reader may keep.
func (h *history) copied() history {
	c := *h
	c.Profile.Hours = append([]cost.Hour(nil), h.Profile.Hours...)
	c.Traffic.Minutes = append([]uint32(nil), h.Traffic.Minutes...)
	c.Sizing = h.Sizing.Clone()
	return c
}
