package proxy

import (
	"crypto/tls"
	"net/netip"
	"time"

	"gatewayd/balancer"
	"gatewayd/internal/clientaddr"
	"gatewayd/internal/message"
)

// exchange carries one request from match to outcome. Its memory is used again for the next request of the connection.
type exchange struct {
	server *Server
	down   downstream
	req    *message.Request
	tls    *tls.ConnectionState
	peer   netip.AddrPort

	snap  *Snapshot
	site  *Site
	route *Route
	view  *ServiceView // as of the last pick

	clock     *time.Time // of an event loop: when the event at hand came; nil: there is none
	start     time.Time
	now       int64 // start in unix nanoseconds
	client    netip.Addr
	forward   clientaddr.Forward
	requestID []byte
	idBuf     [36]byte
	trace     trace

	query    balancer.Query
	bound    []byte // affinity token that the client sent, nil: none
	endpoint *balancer.Endpoint
	held     bool           // endpoint is acquired and has to be released
	revision *Revision      // of endpoint
	turn     *RevisionStats // of the revision that cohort, session or weights chose; nil: not chosen yet

	next         *balancer.Endpoint // acquired for another try, nil: none
	nextRevision *Revision

	head    []byte // of the request as it goes upstream, from the pool
	res     message.Response
	ans     answer
	attempt int
	current attempt
	// bodySpent: some of the request body was read and is not here any more, so there is no second try.
	bodySpent bool
	encoder   *encoding // of the present response, nil: it passes as it is
	outcome   outcome
	entered   bool // the request is counted as being at its service
	recorded  bool
	copies    []*mirrorCopy // that wait for the body; the pump's while it runs
}

// outcome is what is left to tell of a request.
type outcome struct {
	status    int
	cause     Cause
	firstByte time.Duration // from the start to the response's first byte
	queued    time.Duration
	held      time.Duration // of queued: while the service held all requests
	bytesIn   int64
	bytesOut  int64
	upgraded  bool
}

// serve answers one request and tells whether the connection may carry another. It is the only place that recovers: a
// defect that one request runs into costs that request and no other.
func (x *exchange) serve(c *h1conn) (keep bool) {
	x.begin(c.server, c, &c.req)
	x.tls, x.peer = c.tls, c.peer
	defer func() {
		if p := recover(); p != nil {
			x.recovered(p)
			keep = false
		}
	}()
	return x.finish(x.run(c.ln.name))
}

// finish tells the client what went wrong, if something did, and counts the request. It returns whether the connection may carry
// another.
func (x *exchange) finish(f *failure) (keep bool) {
	if f != nil {
		x.fail(f)
	}
	x.leave()
	x.record()
	return !x.down.ending() && !x.outcome.upgraded
}

// enter and leave count the requests that are at a service.
func (x *exchange) enter() {
	x.view.Arrivals.Add(1)
	x.view.InFlight.Add(1)
	x.entered = true
}

func (x *exchange) leave() {
	if x.entered {
		x.entered = false
		x.view.InFlight.Add(-1)
	}
}

func (x *exchange) begin(s *Server, down downstream, req *message.Request) {
	x.server, x.down, x.req = s, down, req
	x.start = x.time()
	x.now = x.start.UnixNano()
	x.route, x.view, x.endpoint, x.revision = nil, nil, nil, nil
	x.bound, x.turn, x.attempt, x.bodySpent, x.encoder, x.recorded = nil, nil, 0, false, nil, false
	x.outcome, x.current = outcome{}, attempt{}
	x.ans.reset()
	x.query.Reset()
}

// time is the present time, as well as whoever serves the exchange knows it: an event loop asks once for each event.
func (x *exchange) time() time.Time {
	if x.clock != nil {
		return *x.clock
	}
	return time.Now()
}

// release gives the exchange's buffers back while its connection is idle, and at its end.
func (x *exchange) release(bufs *buffers) {
	if x.head != nil {
		bufs.release(x.head)
		x.head = nil
	}
}

// run returns nil when the client got an answer, be it of the instance or of a rule.
func (x *exchange) run(listener string) *failure {
	if done, f := x.prepare(listener); done || f != nil {
		return f
	}
	if f := x.acquire(); f != nil {
		return f
	}
	return x.tryAll()
}

// prepare does all that comes before an endpoint is picked, up to the head that goes to the instance. It waits for nothing. done means that a
// rule has answered the request.
func (x *exchange) prepare(listener string) (done bool, f *failure) {
	x.snap = x.server.snapshot.Load()
	x.site = x.snap.Sites[listener]
	if x.site == nil {
		return false, failNoRoute
	}
	x.identify()
	if done, f := x.answerHere(); done || f != nil {
		return done, f
	}
	found := x.site.Router.Match(x.req, x.req.Host)
	if !found.Found {
		if found.Allowed != 0 {
			x.ans.add("Allow", x.site.Router.AppendAllow(nil, found.Allowed))
			return false, failMethod
		}
		return false, failNoRoute
	}
	x.route = found.Value
	if done, f := x.applyRules(); done || f != nil {
		return done, f
	}
	x.view = x.snap.Services[x.route.Service]
	x.enter()
	return x.prepareRequest()
}

// identify finds out who the client is and under what names the request is known.
func (x *exchange) identify() {
	x.forward = x.site.Settings.Trusted.Identify(x.peer, x.req.Fields, x.tls != nil)
	x.client = x.forward.Client
	x.requestID = x.server.requestID(x.idBuf[:0], x.req, x.forward.Trusted)
	x.beginTrace()
}

// answerHere deals with what never goes to an instance.
func (x *exchange) answerHere() (done bool, f *failure) {
	switch x.req.Verb {
	case message.VerbConnect, message.VerbTrace:
		x.ans.add("Allow", allowedMethods)
		return false, failMethod
	case message.VerbOptions:
		if x.req.MaxForwards == 0 || len(x.req.Path) == 1 && x.req.Path[0] == '*' {
			x.ans.add("Allow", allowedMethods)
			return true, x.reply(200, nil)
		}
	}
	if x.req.Fields.Get(message.KindVia) != nil && x.loops() {
		return false, failLoop
	}
	if x.tls != nil && misdirected(x.tls, x.req.Host) {
		return false, failMisdirected
	}
	return false, nil
}

var allowedMethods = []byte("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")

// prepareRequest does what the service says before it is asked, and prints the head.
func (x *exchange) prepareRequest() (done bool, f *failure) {
	if m := x.view.Maintenance; m != nil {
		return true, x.replyMaintenance(m)
	}
	if x.route.MaxBodyBytes > 0 && x.req.ContentLength > x.route.MaxBodyBytes {
		return false, failTooLarge
	}
	x.bindSession()
	if x.view.HashKey.Kind != KeyClientIP || needsHash(x.view) {
		x.query.Hash = x.view.HashKey.hash(x.req, x.client)
	}
	if x.head == nil {
		x.head = x.server.bufs.head()
	}
	x.head = x.appendRequestHead(x.head[:0])
	x.mirror()
	return false, nil
}

// tryAll tries endpoints, the one that is acquired first, until one answers or nothing may be tried any more.
func (x *exchange) tryAll() *failure {
	for {
		f := x.try()
		if !x.again(f) {
			return f
		}
	}
}

// again ends a try and tells whether there is another one, whose endpoint is then acquired.
func (x *exchange) again(f *failure) bool {
	x.endTry(f)
	return f != nil && x.retry(f)
}

// endTry settles with the endpoint of a try and gives it back.
func (x *exchange) endTry(f *failure) {
	x.settleEndpoint(f)
	x.releaseEndpoint()
}

// releaseEndpoint gives the endpoint back and lets the next in the queue have it.
func (x *exchange) releaseEndpoint() {
	if !x.held {
		return
	}
	x.held = false
	x.endpoint.Release()
	x.view.Gate.Released()
}

// settleEndpoint tells the endpoint, and whoever watches outliers, how its try went.
func (x *exchange) settleEndpoint(f *failure) {
	e := x.endpoint
	switch {
	case f == nil && x.outcome.status < 500:
		e.Succeed()
	case f == nil:
		x.server.failed(e, balancer.Status5xx)
	case f.blamesEndpoint():
		x.server.failed(e, blame(f.cause))
	}
	if f.is(CauseStatus) || f == nil || f.blamesEndpoint() {
		x.revision.Stats.Requests.Add(1)
		if f != nil || x.outcome.status >= 500 {
			x.revision.Stats.Errors.Add(1)
		}
	}
}

func blame(c Cause) balancer.Cause {
	switch c {
	case CauseStatus:
		return balancer.Status5xx
	case CauseResponseTimeout, CauseTryTimeout, CauseRouteTimeout, CauseBodyTimeout:
		return balancer.Timeout
	case CauseReset, CauseMalformedResponse, CauseBodyReset:
		return balancer.Reset
	}
	return balancer.Connect
}

func (x *exchange) recovered(p any) {
	x.server.logPanic("request", p)
	x.current.abandon()
	if x.encoder != nil {
		x.encoder.err = errBrokenOff
		x.endCompression() // the error is the one set above
	}
	x.releaseEndpoint()
	x.unclaim()
	if x.recorded {
		return // the client has its answer
	}
	x.finish(failPanic)
}
