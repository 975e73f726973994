package proxy

import (
	"time"

	"gatewayd/internal/message"
)

// DefaultSlowWait is the wait from which on a request counts as slow where no objective says otherwise.
const DefaultSlowWait = 100 * time.Millisecond

// SetSlowWait sets from which wait on a request counts as slow.
func (s *Service) SetSlowWait(d time.Duration) { s.slowAfter.Store(int64(d)) }

// record counts the request and writes it to the access log, after the last byte of its response.
func (x *exchange) record() {
	x.recorded = true
	x.dropCopies()
	took := x.time().Sub(x.start)
	o := &x.outcome
	o.bytesOut = max(o.bytesOut, x.down.sentBytes())
	x.endTrace(took)
	if x.route != nil {
		x.recordRoute(took)
	} else {
		x.server.unmatched.count(nil, o.status)
	}
	if x.server.opt.AccessLog != nil {
		x.writeAccessLog(took)
	}
}

func (x *exchange) recordRoute(took time.Duration) {
	var rev *RevisionStats
	if x.revision != nil {
		rev = x.revision.Stats
		if !x.outcome.upgraded {
			rev.Duration.Observe(took)
		}
	}
	x.route.Stats.count(rev, x.outcome.status)
	if x.view == nil {
		return
	}
	if x.outcome.queued > time.Duration(x.view.slowAfter.Load()) || x.outcome.refusedForRoom() {
		x.view.Slow.Add(1)
	}
}

// refusedForRoom tells whether there were too few instances for the request.
func (o *outcome) refusedForRoom() bool {
	return o.cause == CauseQueueFull || o.cause == CauseQueueTimeout
}

// recordRefusal records a request whose head was refused before there was an exchange.
func (x *exchange) recordRefusal(c *h1conn, f *failure) {
	x.begin(c.server, c, &c.req)
	x.tls, x.peer = c.tls, c.peer
	x.client = c.peer.Addr()
	x.requestID = nil
	x.outcome.status, x.outcome.cause = f.status, f.cause
	if c.req.Verb == message.VerbOther && c.req.Path == nil {
		c.req.Reset()
	}
	x.record()
}
