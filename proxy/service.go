package proxy

import (
	"sync"
	"sync/atomic"

	"gatewayd/balancer"
	"gatewayd/internal/histogram"
)

// Service is what a service keeps over all snapshots: its queue and what was counted. Create it once per name.
type Service struct {
	Name string
	Gate *balancer.Gate // the bounded queue of requests that wait for an instance

	Arrivals  atomic.Uint64       // requests matched to the service, those refused included
	Slow      atomic.Uint64       // requests that waited longer than SlowWait, or were refused for want of room
	QueueWait histogram.Histogram // of every request that had to wait
	InFlight  atomic.Int64        // requests between match and end, waiting ones included
	budget    budget
	retries   [numRetryReasons]atomic.Uint64
	Mirrored  atomic.Uint64 // copies sent
	Unmirror  atomic.Uint64 // copies left out: too many under way, or the body is too large
	slowAfter atomic.Int64  // nanoseconds
}

// NewService returns a service whose queue holds at most queue requests.
func NewService(name string, queue int) *Service {
	s := &Service{Name: name, Gate: balancer.NewGate(queue)}
	s.slowAfter.Store(int64(DefaultSlowWait))
	return s
}

// retryReason is why a request was tried again, as gatewayd_retries_total has it.
type retryReason uint8

const (
	retryConnect retryReason = iota
	retryReset
	retryTimeout
	retryStatus
	retryStale
	numRetryReasons
)

var retryReasonNames = [numRetryReasons]string{"connect-failure", "reset", "timeout", "status", "stale-connection"}

// EachRetryReason calls f for every reason with how many requests were tried again for it.
func (s *Service) EachRetryReason(f func(reason string, n uint64)) {
	for i := range s.retries {
		f(retryReasonNames[i], s.retries[i].Load())
	}
}

// RevisionStats is what one revision of a service counted.
type RevisionStats struct {
	Service, Version string
	Duration         histogram.Histogram // from the request's first byte to the response's last
	FirstByte        histogram.Histogram // from the request's end to the response's first byte
	Requests         atomic.Uint64       // with an answer of this revision, or a failure that it is to blame for
	Errors           atomic.Uint64       // of those: 5xx and failures
}

// NewRevisionStats returns zeroed counters.
func NewRevisionStats(service, version string) *RevisionStats {
	return &RevisionStats{Service: service, Version: version}
}

// RouteStats counts the requests of one route by revision and status.
type RouteStats struct {
	Route, Service string
	none           codes // answered without a revision: no instance, limits, redirects

	mu    sync.Mutex // serialises growing cells
	cells atomic.Pointer[[]routeCell]
}

type routeCell struct {
	rev   *RevisionStats
	codes *codes
}

// NewRouteStats returns zeroed counters.
func NewRouteStats(route, service string) *RouteStats {
	s := &RouteStats{Route: route, Service: service}
	s.cells.Store(&[]routeCell{})
	return s
}

// count adds one request. rev is nil where no revision answered.
func (s *RouteStats) count(rev *RevisionStats, status int) {
	if rev == nil {
		s.none.add(status)
		return
	}
	for _, c := range *s.cells.Load() {
		if c.rev == rev {
			c.codes.add(status)
			return
		}
	}
	s.grow(rev).add(status)
}

func (s *RouteStats) grow(rev *RevisionStats) *codes {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := *s.cells.Load()
	for _, c := range old {
		if c.rev == rev {
			return c.codes
		}
	}
	cells := append(append([]routeCell(nil), old...), routeCell{rev, new(codes)})
	s.cells.Store(&cells)
	return cells[len(cells)-1].codes
}

// Forget drops the counters of revisions that keep says are gone.
func (s *RouteStats) Forget(keep func(*RevisionStats) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var cells []routeCell
	for _, c := range *s.cells.Load() {
		if keep(c.rev) {
			cells = append(cells, c)
		}
	}
	s.cells.Store(&cells)
}

// Each calls f for every revision and status with requests. version is empty where none answered.
func (s *RouteStats) Each(f func(version string, status int, n uint64)) {
	s.none.each("", f)
	for _, c := range *s.cells.Load() {
		c.codes.each(c.rev.Version, f)
	}
}

// codes counts by status; pages of one hundred are made as they are needed.
type codes struct{ pages [5]atomic.Pointer[codePage] }

type codePage [100]atomic.Uint64

func (c *codes) add(status int) {
	i := status/100 - 1
	if i < 0 || i >= len(c.pages) {
		return
	}
	page := c.pages[i].Load()
	if page == nil {
		c.pages[i].CompareAndSwap(nil, new(codePage))
		page = c.pages[i].Load()
	}
	page[status%100].Add(1)
}

func (c *codes) each(version string, f func(string, int, uint64)) {
	for i := range c.pages {
		page := c.pages[i].Load()
		if page == nil {
			continue
		}
		for j := range page {
			if n := page[j].Load(); n > 0 {
				f(version, (i+1)*100+j, n)
			}
		}
	}
}
