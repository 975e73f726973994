package simulate

import (
	"math"
	"time"

	"gatewayd/internal/window"
	"gatewayd/scaler"
)

// autoscaler is asked once per tick how many instances it wants.
type autoscaler interface {
	want(s *scaler.Sample, now time.Time) int
}

// Names of the autoscalers that every run compares.
const (
	NameStatic      = "static peak"
	NameClairvoyant = "clairvoyant"
	NameHPACPU      = "HPA cpu 80%"
	NameHPARequests = "HPA requests 70%"
	NameKPA         = "KPA default"
)

// hpa is the Kubernetes horizontal pod autoscaler (autoscaling/v2) with its
// defaults: every 15 s the mean of a 15 s sample that is 8 s old, a tolerance of 0.1, starting
// pods counted as idle when it grows, at most +4 or +100 % per 15 s, and the highest
// recommendation of 5 minutes when it shrinks.
type hpa struct {
	slots   int
	target  float64 // of cpu: busy share; of requests: per second and instance
	byCPU   bool
	limits  limits
	busy    *window.Ring
	load    *window.Ring
	ready   *window.Ring
	span    *window.Ring
	highest window.Extreme
	next    time.Time
	last    int
}

const (
	hpaPeriod    = 15 * time.Second
	hpaLag       = 8 * time.Second
	hpaTolerance = 0.1
	hpaStabilise = 5 * time.Minute
)

type limits struct{ min, max int }

func (l limits) clamp(n int) int { return min(max(n, l.min), l.max) }

func newHPA(pl Plant, byCPU bool, target float64, l limits, start int) *hpa {
	ring := func() *window.Ring { return window.NewRing(time.Second, 60) }
	return &hpa{slots: pl.Slots, target: target, byCPU: byCPU, limits: l, last: start, busy: ring(), load: ring(), ready: ring(), span: ring()}
}

func (h *hpa) want(s *scaler.Sample, now time.Time) int {
	if s.Blind {
		return h.last // a metric that failed: no decision
	}
	h.busy.Record(now, s.BusySlots*s.Span.Seconds())
	h.ready.Record(now, float64(s.Ready*h.slots)*s.Span.Seconds())
	h.load.Record(now, float64(s.Arrivals))
	h.span.Record(now, s.Span.Seconds())
	if now.Before(h.next) {
		return h.last
	}
	h.next = now.Add(hpaPeriod)
	read := now.Add(-hpaLag)
	n := h.recommend(s, read)
	n = h.highest.Max(now, hpaStabilise, n)
	n = min(n, max(h.last+4, 2*h.last))
	h.last = h.limits.clamp(n)
	return h.last
}

func (h *hpa) recommend(s *scaler.Sample, read time.Time) int {
	present := s.Ready + s.Starting
	if h.byCPU {
		measured, seconds := h.ready.Sum(read, hpaPeriod), h.span.Sum(read, hpaPeriod)
		if measured == 0 {
			return present
		}
		return h.byUsage(h.busy.Sum(read, hpaPeriod)/seconds, measured/seconds/float64(h.slots), s)
	}
	span := h.span.Sum(read, hpaPeriod)
	if span == 0 {
		return present
	}
	rate := h.load.Sum(read, hpaPeriod) / span
	if present > 0 && math.Abs(rate/(h.target*float64(present))-1) <= hpaTolerance {
		return present
	}
	return int(math.Ceil(rate / h.target))
}

// byUsage is the replica calculator's way with the busy slots that were measured on some
// instances: those that became ready since have no figure yet, and count as idle
// when it would grow, like the starting ones, and as fully busy when it would shrink.
func (h *hpa) byUsage(busy, measured float64, s *scaler.Sample) int {
	slots := float64(h.slots)
	present := s.Ready + s.Starting
	missing := math.Max(float64(s.Ready)-measured, 0)
	ratio := busy / (measured * slots) / h.target
	if math.Abs(ratio-1) <= hpaTolerance {
		return present
	}
	n := measured + missing
	if ratio > 1 {
		n += float64(s.Starting)
	} else {
		busy += missing * slots
	}
	adjusted := busy / (n * slots) / h.target
	if math.Abs(adjusted-1) <= hpaTolerance || (adjusted > 1) != (ratio > 1) {
		return present
	}
	return int(math.Ceil(adjusted*n - 1e-9))
}

// kpa is Knative's pod autoscaler with its defaults: every 2 s the mean concurrency over
// 60 s, queued requests included, over 70 % of the slots; within 6 s twice what
// is ready makes it panic, in which it follows the 6 s mean and only grows, until 60 s
// after the last sign.
type kpa struct {
	target  float64
	limits  limits
	conc    *window.Ring
	next    time.Time
	last    int
	panicAt time.Time // of the last sign; zero: not in panic
	most    int
}

const (
	kpaStable = 60 * time.Second
	kpaPanic  = 6 * time.Second
)

func newKPA(pl Plant, l limits, start int) *kpa {
	return &kpa{target: 0.7 * float64(pl.Slots), limits: l, last: start, conc: window.NewRing(time.Second, 60)}
}

func (k *kpa) want(s *scaler.Sample, now time.Time) int {
	if s.Blind {
		return k.last
	}
	k.conc.Record(now, s.BusySlots+float64(s.Queue))
	if now.Before(k.next) {
		return k.last
	}
	k.next = now.Add(2 * time.Second)
	stable, _ := k.conc.Mean(now, kpaStable)
	short, _ := k.conc.Mean(now, kpaPanic)
	ready := max(s.Ready, 1)
	bound := func(n int) int { return min(max(n, ready/2), 1000*ready) }
	wantStable := bound(int(math.Ceil(stable / k.target)))
	wantPanic := bound(int(math.Ceil(short / k.target)))
	over := math.Ceil(short/k.target)/float64(ready) >= 2
	switch {
	case over:
		if k.panicAt.IsZero() {
			k.most = 0
		}
		k.panicAt = now
	case !k.panicAt.IsZero() && now.Sub(k.panicAt) >= kpaStable:
		k.panicAt = time.Time{}
	}
	if k.panicAt.IsZero() {
		k.last = k.limits.clamp(wantStable)
		return k.last
	}
	k.most = max(k.most, wantStable, wantPanic, k.last)
	k.last = k.limits.clamp(k.most)
	return k.last
}

// fixed wants what it was told for each second: the static peak, the clairvoyant.
type fixed struct {
	plan []int // one per second, or one for all
	span float64
}

func (f *fixed) want(s *scaler.Sample, _ time.Time) int {
	f.span += s.Span.Seconds()
	return f.plan[min(int(f.span), len(f.plan)-1)]
}
