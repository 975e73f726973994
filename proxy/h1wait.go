package proxy

import (
	"time"

	"golang.org/x/sys/unix"
)

// awaitRequest waits for the first bytes of a request. Between requests the connection holds no buffer: when
// there is nothing to read it gives its buffer back and waits for readiness without one.
func (c *h1conn) awaitRequest(lim *ListenerSettings, first bool) fate {
	if c.w > c.r {
		c.becomeBusy()
		return fateOn
	}
	patience := lim.IdleTimeout
	if first {
		patience = lim.HeaderTimeout
	}
	if c.restsUntil != 0 { // it has waited on a loop
		patience = max(time.Until(time.Unix(0, c.restsUntil)), time.Millisecond)
		c.restsUntil = 0
	}
	if !first && patience > c.server.rest && c.mayRest() {
		began := time.Now()
		switch came, timeout := c.awaitBytes(c.server.rest); {
		case came:
			c.becomeBusy()
			return fateOn
		case !timeout:
			return fateOver
		case c.goBack(began), c.restOnLoop(began.Add(patience).UnixNano()):
			return fateAway
		}
		patience -= c.server.rest
	}
	if came, _ := c.awaitBytes(patience); !came {
		return fateOver
	}
	c.becomeBusy()
	return fateOn
}

// becomeBusy ends the state in which a shutdown may close the connection. If one has tried to, the request that came in just then is
// served nevertheless, with deadlines of its own.
func (c *h1conn) becomeBusy() {
	if c.state.Swap(connBusy) == connClosing {
		c.readBy.at = 0
	}
}

// awaitBytes tells whether something came, and if not, whether the reason is that patience has passed.
func (c *h1conn) awaitBytes(patience time.Duration) (came, timeout bool) {
	c.r, c.w = 0, 0
	c.setReadDeadline(time.Now().UnixNano()+int64(patience), int64(patience)/4)
	if c.state.Load() == connClosing { // its wake-up may have come before the deadline was set
		c.nc.SetReadDeadline(past)
		c.readBy.at = 0
	}
	if c.tls != nil {
		c.giveBack()
		err := c.more()
		return err == nil, isTimeout(err)
	}
	c.fillN = 0
	if err := c.raw.Read(c.fill); err != nil {
		timeout = c.stillSilent() && isTimeout(err)
	}
	c.w = c.fillN
	return c.w > 0, timeout
}

// stillSilent looks once more after a wait has ended: its deadline may have passed in the moment in which a request came in, and that one is
// still served.
func (c *h1conn) stillSilent() (silent bool) {
	c.raw.Control(func(fd uintptr) { silent = !c.readIdle(fd) })
	return silent
}

// readIdle is the callback of awaitRequest.
func (c *h1conn) readIdle(fd uintptr) bool {
	if c.buf == nil {
		c.buf = c.server.bufs.head()
	}
	n, err := readFD(int(fd), c.buf)
	if err == unix.EAGAIN {
		c.server.bufs.release(c.buf)
		c.buf = nil
		c.giveBack()
		return false
	}
	c.fillN = max(n, 0)
	return true
}

// past is a deadline that ends a wait at once.
var past = time.Unix(1, 0)
