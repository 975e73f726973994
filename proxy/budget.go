package proxy

import (
	"sync"
	"time"
)

// budget bounds retries to a share of the requests, both over the last budgetWindow. A whole window rather than a moment counts, so that
// a burst of failures (an instance dies with everything it was working on) is retried, while a service that keeps failing
// does not get its load multiplied. The idea is that of Finagle's RetryBudget.
type budget struct {
	mu      sync.Mutex // protects what follows; taken for retries only
	seconds [budgetWindow]budgetSecond
	last    mark
	rate    float64 // requests per second, between the last two marks
}

type budgetSecond struct {
	second  int64
	retries int64
}

// mark is how many requests there had been at some time.
type mark struct {
	at       int64 // unix nanoseconds
	requests uint64
}

const (
	budgetWindow = 10 // seconds
	// freeRetries within a window are allowed whatever the share, so that a quiet service can retry at all.
	freeRetries = 20
)

// take counts one retry if the budget has room for it. requests is how many there have been since the service began.
func (b *budget) take(now int64, requests uint64, percent float64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if elapsed := now - b.last.at; elapsed >= int64(time.Second) {
		b.rate = float64(requests-b.last.requests) / (float64(elapsed) / 1e9)
		b.last = mark{now, requests}
	}
	second := now / int64(time.Second)
	used := int64(0)
	for i := range b.seconds {
		if s := &b.seconds[i]; second-s.second < budgetWindow {
			used += s.retries
		}
	}
	recent := b.rate*budgetWindow + float64(requests-b.last.requests)
	if float64(used) >= max(freeRetries, recent*percent/100) {
		return false
	}
	slot := &b.seconds[second%budgetWindow]
	if slot.second != second {
		*slot = budgetSecond{second: second}
	}
	slot.retries++
	return true
}
