package proxy

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// loop is an event loop on one core. It owns its clients' connections and idle connections to instances, and carries on them what is plain
// and small: HTTP/1.1 over TCP whose request has arrived whole. Match, pick, rules and outcome are the exchange's, as they are on a
// goroutine. Whatever would have to wait for something else than a socket (a place in the queue, a retry's back-off), or would be a
// protocol of its own, is handed over to a goroutine with the connection as it stands; see handover.
//
// All fields are the loop goroutine's but those below mu.
type loop struct {
	server  *Server
	epoll   int
	bell    int // eventfd that ends a wait
	socks   []sock
	timers  timers
	ready   []*client // to be continued without an event
	again   []*client // ready of the next round
	spare   []*h1conn // for the next requests
	idle    []*localIdle
	round   uint64
	now     time.Time
	swept   int64  // unix nanoseconds when idle connections were last looked at
	full    bool   // there may be events that this round did not see
	in      []byte // what instances send is read into this
	out     []byte // heads are printed into this
	vector  [2]unix.Iovec
	stop    bool
	holds   bool         // keeps its place to run while it sleeps for a short time
	clients atomic.Int64 // read by those who choose a loop

	mu     sync.Mutex // protects what follows
	mail   []func()
	rung   bool
	closed bool
}

// sock is who a file descriptor belongs to. generation tells events of an earlier owner of the same number apart.
type sock struct {
	client     *client
	up         *upstreamConn
	listener   *listener
	generation int32
}

const (
	loopEvents = 512
	// loopRead is how much is read from an instance at once.
	loopRead = 128 << 10
	// maxSpare is how many h1conns are kept for reuse.
	maxSpare = 256

	epollET  = 1 << 31
	interest = unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | epollET
	broken   = unix.EPOLLHUP | unix.EPOLLERR
)

func newLoop(s *Server) (*loop, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("cannot create an epoll instance: %w", err)
	}
	bell, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(epoll)
		return nil, fmt.Errorf("cannot create an eventfd: %w", err)
	}
	l := &loop{server: s, epoll: epoll, bell: bell, in: make([]byte, loopRead), out: make([]byte, 0, loopOut), now: time.Now()}
	if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, bell, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(bell)}); err != nil {
		l.closeFiles()
		return nil, fmt.Errorf("cannot watch an eventfd: %w", err)
	}
	return l, nil
}

func (l *loop) closeFiles() {
	unix.Close(l.epoll)
	unix.Close(l.bell)
}

// post makes the loop call f. It may be called from anywhere, and returns false when the loop is over.
func (l *loop) post(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.mail = append(l.mail, f)
	if !l.rung {
		l.rung = true
		one := [8]byte{1}
		unix.Write(l.bell, one[:]) // it can fail only where it is rung already
	}
	return true
}

// run serves until it is told to stop.
func (l *loop) run() {
	defer l.server.looping.Done()
	events := make([]unix.EpollEvent, loopEvents)
	for !l.stop {
		n := l.wait(events)
		l.round++
		l.full = n == len(events)
		l.now = time.Now()
		mail := false
		// What instances sent comes first, so that a connection on which something came unasked is not used for a client's request
		// that came in the same moment.
		for i := range n {
			ev := &events[i]
			if s := l.owner(ev); s != nil && s.up != nil {
				l.onUpstream(s.up, ev.Events)
			} else if int(ev.Fd) == l.bell {
				mail = true
			}
		}
		for i := range n {
			ev := &events[i]
			switch s := l.owner(ev); {
			case s == nil:
			case s.client != nil:
				l.onClient(s.client, ev.Events)
			case s.listener != nil:
				l.accept(s.listener)
			}
		}
		if mail {
			l.readMail()
		}
		l.resumeReady()
		l.expire()
	}
	l.end()
}

// wait returns the next events. It does not sleep while clients are ready to go on.
//
// Where the process can spare it, the scheduler is not told of a short sleep: being told costs two handovers of the loop's place
// to run, and wakes the runtime's monitor, for a sleep that ends within a fraction of a millisecond on a gateway that has anything to do.
func (l *loop) wait(events []unix.EpollEvent) int {
	timeout := l.timeout()
	if len(l.ready) > 0 {
		timeout = 0
	}
	if l.holds || timeout == 0 {
		short := timeout
		if short < 0 || short > shortSleep {
			short = shortSleep
		}
		n, interrupted := epollShort(l.epoll, events, short)
		if n > 0 || interrupted || short == timeout {
			return n
		}
	}
	n, err := unix.EpollWait(l.epoll, events, timeout)
	if err != nil && err != unix.EINTR {
		panic("BUG: an epoll instance cannot be waited for: " + err.Error())
	}
	return max(n, 0)
}

// shortSleep is, in milliseconds, how long a loop sleeps at most while it keeps its place to run.
const shortSleep = 5

// timeout returns in how many milliseconds the loop has to wake up by itself.
func (l *loop) timeout() int {
	wait := int64(-1)
	if at, ok := l.timers.next(); ok {
		wait = max(at-time.Now().UnixNano(), 0)/int64(time.Millisecond) + 1
	}
	if len(l.idle) > 0 && (wait < 0 || wait > idleSweep) {
		wait = idleSweep
	}
	return int(min(wait, 1<<30))
}

// resumeReady goes on with those who are ready. Those who become ready meanwhile have their turn in the next round.
func (l *loop) resumeReady() {
	l.ready, l.again = l.again, l.ready
	for _, cl := range l.again {
		cl.queued = false
		if !cl.closed {
			l.guard(cl, 0, (*loop).proceed)
		}
	}
	clear(l.again)
	l.again = l.again[:0]
}

func (l *loop) readMail() {
	var n [8]byte
	unix.Read(l.bell, n[:])
	l.mu.Lock()
	mail := l.mail
	l.mail, l.rung = nil, false
	l.mu.Unlock()
	for _, f := range mail {
		f()
	}
}

// owner returns whose event it is, nil if its owner is gone.
func (l *loop) owner(ev *unix.EpollEvent) *sock {
	if int(ev.Fd) >= len(l.socks) {
		return nil
	}
	if s := &l.socks[ev.Fd]; s.generation == ev.Pad {
		return s
	}
	return nil
}

// watch makes the loop the owner of a file descriptor.
func (l *loop) watch(fd int, s sock) error { return l.watchFor(fd, s, interest) }

func (l *loop) watchFor(fd int, s sock, events uint32) error {
	for fd >= len(l.socks) {
		l.socks = append(l.socks, make([]sock, max(64, len(l.socks)))...)
	}
	s.generation = l.socks[fd].generation + 1
	ev := unix.EpollEvent{Events: events, Fd: int32(fd), Pad: s.generation}
	if err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &ev); err != nil {
		return err
	}
	l.socks[fd] = s
	return nil
}

// unwatch gives a file descriptor up.
func (l *loop) unwatch(fd int) {
	unix.EpollCtl(l.epoll, unix.EPOLL_CTL_DEL, fd, nil) // it can fail only for one that is not watched
	l.disown(fd)
}

func (l *loop) disown(fd int) {
	s := &l.socks[fd]
	*s = sock{generation: s.generation + 1}
}

// guard runs a step for a client. A defect that a request runs into costs that request and no other.
func (l *loop) guard(cl *client, mask uint32, step func(*loop, *client, uint32)) {
	l.now = time.Now()
	defer func() {
		if p := recover(); p != nil {
			l.recovered(cl, p)
		}
	}()
	step(l, cl, mask)
}

func (l *loop) recovered(cl *client, p any) {
	if cl.closed || cl.c == nil || !cl.state.serving() {
		l.server.logPanic("event loop", p)
		if !cl.closed {
			l.close(cl)
		}
		return
	}
	cl.c.x.recovered(p)
	l.afterResponse(cl, false)
}

// end closes everything. Nothing is posted any more.
func (l *loop) end() {
	l.mu.Lock()
	l.closed = true
	mail := l.mail
	l.mail = nil
	l.mu.Unlock()
	for _, f := range mail {
		f()
	}
	for fd := range l.socks {
		if cl := l.socks[fd].client; cl != nil {
			l.cut(cl)
		}
	}
	for _, p := range l.idle {
		p.purge()
	}
	l.closeFiles()
}

// loops are the event loops of a server.
type loops struct {
	all []*loop
}

// startLoops starts as many loops as the options say, once.
func (s *Server) startLoops() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opt.Loops <= 0 || s.loops != nil || s.closed {
		return nil
	}
	var all []*loop
	for range s.opt.Loops {
		l, err := newLoop(s)
		if err != nil {
			for _, l := range all {
				l.closeFiles()
			}
			return err
		}
		all = append(all, l)
	}
	s.loops = &loops{all: all}
	for _, l := range all {
		l.holds = s.opt.SpareProc
		s.looping.Add(1)
		go l.run()
	}
	return nil
}

// each posts f to every loop.
func (s *Server) eachLoop(f func(*loop)) {
	s.mu.Lock()
	ls := s.loops
	s.mu.Unlock()
	if ls == nil {
		return
	}
	for _, l := range ls.all {
		l.post(func() { f(l) })
	}
}

// leave counts a connection out that is over.
func (l *loop) leave() {
	l.clients.Add(-1)
	s := l.server
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onLoops--
	s.lookEmpty()
}

// passOn counts a connection over from a loop to a goroutine, unless it comes too late.
func (l *loop) passOn(c *h1conn) bool {
	l.clients.Add(-1)
	s := l.server
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onLoops--
	if s.closed {
		s.lookEmpty()
		return false
	}
	s.conns[c] = struct{}{}
	s.serving.Add(1)
	return true
}

// closeIdle closes the connections that wait for a request, or wakes those that rest, to end by themselves. One that has arrived by now is still served.
func (l *loop) closeIdle() {
	for fd := range l.socks {
		cl := l.socks[fd].client
		switch {
		case cl == nil:
		case cl.state == clientResting:
			l.wake(cl)
		case cl.state == clientIdle && cl.c == nil:
			l.guard(cl, 0, (*loop).readLast)
		}
	}
}

func (l *loop) readLast(cl *client, _ uint32) {
	l.readRequest(cl)
	if !cl.closed && cl.state == clientIdle && cl.c == nil {
		l.close(cl)
	}
}
