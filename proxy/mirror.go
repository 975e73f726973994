package proxy

import (
	"time"

	"gatewayd/balancer"
	"gatewayd/internal/message"
)

// maxMirrors is how many copies may be under way at a time over all services. Beyond it copies are left out: they must never
// slow down what they are a copy of.
const maxMirrors = 256

// mirrorTimeout bounds one copy.
const mirrorTimeout = 15 * time.Second

// mirror sends a copy of the request to another service, if the route says so. The response is read and thrown away.
func (x *exchange) mirror() {
	m := x.route.Mirror
	if m == nil || x.req.Upgrade != nil || x.server.opt.Rand()*100 >= m.Percent {
		return
	}
	view := x.snap.Services[m.Service]
	body, whole := x.down.wholeBody()
	if !whole || len(body) > m.MaxBodyBytes {
		view.Unmirror.Add(1)
		return
	}
	select {
	case x.server.mirrors <- struct{}{}:
	default:
		view.Unmirror.Add(1)
		return
	}
	c := mirrorCopy{server: x.server, view: view, verb: x.req.Verb, hash: view.HashKey.hash(x.req, x.client)}
	c.out = append(append(c.out, x.head...), body...)
	x.server.serving.Add(1)
	go c.send()
}

// mirrorCopy is a copy on its way.
type mirrorCopy struct {
	server *Server
	view   *ServiceView
	verb   message.Verb
	hash   uint64
	out    []byte
}

func (c *mirrorCopy) send() {
	s := c.server
	defer s.serving.Done()
	defer func() { <-s.mirrors }()
	e := c.pick()
	if e == nil {
		c.view.Unmirror.Add(1)
		return
	}
	defer c.view.Gate.Released()
	defer e.Release()
	c.view.Mirrored.Add(1)
	up, f := e.Transport.(*Transport).dial(s.ctx, mirrorTimeout)
	if f != nil {
		s.failed(e, blame(f.cause))
		return
	}
	up.buf = s.bufs.body.get()
	defer up.drop(s.bufs)
	up.nc.SetDeadline(time.Now().Add(mirrorTimeout))
	if up.begin(c.out) != nil {
		s.failed(e, balancer.Reset)
		return
	}
	var res message.Response
	for res.Status < 200 {
		if up.readHead(&res, responseLimits, s.bufs) != nil {
			s.failed(e, balancer.Reset)
			return
		}
	}
	if res.Status >= 500 {
		s.failed(e, balancer.Status5xx)
		return
	}
	e.Succeed()
}

func (c *mirrorCopy) pick() *balancer.Endpoint {
	if len(c.view.Revisions) == 0 || c.view.Maintenance != nil {
		return nil
	}
	q := balancer.Query{Hash: c.hash, Now: time.Now().UnixNano()}
	return c.view.Revisions[max(c.view.Split.Pick(), 0)].Pool.Pick(&q)
}
