package proxy

import (
	"context"
	"time"

	"gatewayd/balancer"
	"gatewayd/internal/message"
)

// maxMirrors is how many copies may be under way at a time over all services. Beyond it copies are left out: they must never
// slow down what they are a copy of.
const maxMirrors = 256

// mirrorTimeout bounds one copy.
const mirrorTimeout = 15 * time.Second

// shadowBody is the largest request body that is copied to another revision.
const shadowBody = 64 << 10

// mirror sends copies of the request where the route, or a rollout of the service, says so. The responses are read and thrown away.
func (x *exchange) mirror() {
	if m := x.route.Mirror; m != nil && x.server.opt.Rand()*100 < m.Percent {
		view := x.snap.Services[m.Service]
		if len(view.Revisions) > 0 && view.Maintenance == nil {
			x.copyTo(view, max(view.Split.Pick(), 0), m.MaxBodyBytes)
		}
	}
	if s := x.view.Shadow; s != nil && x.server.opt.Rand()*100 < s.Percent {
		x.copyTo(x.view, s.Revision, shadowBody)
	}
}

// copyTo sends a copy to a revision of a service, unless its body is too large to be kept or too many copies are under way. A
// body that is still to come is collected as it passes.
func (x *exchange) copyTo(view *ServiceView, revision, maxBody int) {
	if x.req.ContentLength > int64(maxBody) || x.req.Upgrade != nil {
		view.Unmirror.Add(1)
		return
	}
	select {
	case x.server.mirrors <- struct{}{}:
	default:
		view.Unmirror.Add(1)
		return
	}
	c := &mirrorCopy{server: x.server, view: view, revision: &view.Revisions[revision], room: maxBody}
	if needsHash(view) {
		c.hash = view.HashKey.hash(x.req, x.client)
	}
	c.out = append(c.out, x.head...)
	body, whole := x.down.wholeBody()
	if !whole {
		x.copies = append(x.copies, c)
		return
	}
	c.out = append(c.out, body...)
	c.start()
}

// collect adds a piece of the body, n bytes in the framing they are sent in, to the copies that wait for it.
func (x *exchange) collect(framed []byte, n int) {
	kept := x.copies[:0]
	for _, c := range x.copies {
		if c.room -= n; c.room < 0 {
			c.leaveOut()
			continue
		}
		c.out = append(c.out, framed...)
		kept = append(kept, c)
	}
	x.copies = kept
}

// sendCopies sends the copies whose body has come.
func (x *exchange) sendCopies() {
	for _, c := range x.copies {
		c.start()
	}
	x.copies = x.copies[:0]
}

// dropCopies leaves out the copies whose body never came.
func (x *exchange) dropCopies() {
	for _, c := range x.copies {
		c.leaveOut()
	}
	x.copies = x.copies[:0]
}

// mirrorCopy is a copy on its way.
type mirrorCopy struct {
	server   *Server
	view     *ServiceView
	revision *Revision
	hash     uint64
	out      []byte
	room     int // for more of the body
}

func (c *mirrorCopy) start() {
	c.server.serving.Add(1)
	go c.run()
}

// leaveOut gives the copy up before it was sent.
func (c *mirrorCopy) leaveOut() {
	c.view.Unmirror.Add(1)
	<-c.server.mirrors
}

func (c *mirrorCopy) run() {
	s := c.server
	defer s.serving.Done()
	defer func() { <-s.mirrors }()
	defer s.contain("mirrored request")
	q := balancer.Query{Hash: c.hash, Now: time.Now().UnixNano()}
	e := c.revision.Pool.Pick(&q)
	if e == nil {
		c.view.Unmirror.Add(1)
		return
	}
	defer c.view.Gate.Released()
	defer e.Release()
	c.view.Mirrored.Add(1)
	cause, failed := c.send(e)
	c.revision.Stats.Requests.Add(1)
	if !failed {
		e.Succeed()
		return
	}
	c.revision.Stats.Errors.Add(1)
	s.failed(e, cause)
}

// send does one exchange on a connection of its own and counts it as any other.
func (c *mirrorCopy) send(e *balancer.Endpoint) (cause balancer.Cause, failed bool) {
	s := c.server
	began := time.Now()
	up, f := e.Transport.(*Transport).dial(s.ctx, mirrorTimeout)
	if f != nil {
		return blame(f.cause), true
	}
	up.buf = s.bufs.body()
	defer up.drop(s.bufs)
	up.nc.SetDeadline(began.Add(mirrorTimeout))
	stop := context.AfterFunc(s.ctx, func() { up.nc.SetDeadline(past) })
	defer stop()
	if err := up.begin(c.out, mirrorTimeout); err != nil {
		return blame(failureOf(err).cause), true
	}
	var res message.Response
	for res.Status < 200 {
		if err := up.readHead(&res, responseLimits, s.bufs); err != nil {
			return blame(failureOf(err).cause), true
		}
	}
	e.Observe(time.Since(began), time.Now().UnixNano())
	c.revision.Stats.FirstByte.Observe(time.Since(began))
	return balancer.Status5xx, res.Status >= 500
}
