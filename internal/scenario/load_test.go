package scenario

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// load sends requests to a world until the test ends.
type load struct {
	w        *world
	client   fasthttp.HostClient
	rate     atomic.Uint64 // bits of a float64, requests/s
	user     func() string // of the next request
	body     []byte        // if there is one it is posted to /echo, and wanted back compressed
	answered atomic.Int64
	failed   atomic.Int64 // without an answer, or with 5xx
}

// mostInFlight bounds what an open loop lets pile up.
const mostInFlight = 256

func (w *world) newLoad() *load {
	l := &load{w: w, user: func() string { return fmt.Sprint(rand.IntN(1000)) }}
	l.client = fasthttp.HostClient{Addr: w.web, MaxConns: 2 * mostInFlight, MaxIdemponentCallAttempts: 1}
	return l
}

// loop runs fn until the test ends; fn returns soon after ctx does.
func (l *load) loop(fn func(ctx context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { fn(ctx) })
	l.w.t.Cleanup(func() {
		cancel()
		running.Wait()
		l.client.CloseIdleConnections()
	})
}

// open sends rate requests a second on average.
func (w *world) open(rate float64) *load {
	l := w.newLoad()
	l.open(rate)
	return l
}

// open sends at random times (a Poisson process), whatever became of the requests before.
func (l *load) open(rate float64) {
	l.set(rate)
	l.loop(func(ctx context.Context) {
		var running sync.WaitGroup
		defer running.Wait()
		slots := make(chan struct{}, mostInFlight)
		next := time.Now()
		timer := time.NewTimer(0)
		defer timer.Stop()
		for {
			next = next.Add(time.Duration(rand.ExpFloat64() / l.now() * float64(time.Second)))
			timer.Reset(time.Until(next))
			select {
			case <-ctx.Done():
				return
			case <-timer.C:
			}
			select {
			case slots <- struct{}{}:
				user := l.user()
				running.Go(func() { l.send(user); <-slots })
			default: // nobody would wait for so long
			}
		}
	})
}

// closed has n clients that each send a request when they got the answer to the one before.
func (w *world) closed(n int) *load {
	l := w.newLoad()
	l.closed(n)
	return l
}

func (l *load) closed(n int) {
	for range n {
		l.loop(func(ctx context.Context) {
			for ctx.Err() == nil {
				l.send(l.user())
			}
		})
	}
}

func (l *load) set(rate float64) { l.rate.Store(math.Float64bits(rate)) }
func (l *load) now() float64     { return math.Float64frombits(l.rate.Load()) }

func (l *load) send(user string) {
	req, res := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(res)
	req.SetRequestURI("http://" + l.w.web + "/")
	req.Header.Set("X-User", user)
	if l.body != nil {
		req.SetRequestURI("http://" + l.w.web + "/echo")
		req.Header.SetMethod(fasthttp.MethodPost)
		req.Header.SetContentType("text/plain")
		req.Header.Set("Accept-Encoding", "br")
		req.SetBodyRaw(l.body)
	}
	req.SetTimeout(40 * time.Second)
	if err := l.client.Do(req, res); err != nil || res.StatusCode() >= 500 {
		l.failed.Add(1)
	}
	l.answered.Add(1)
}

// untilAnswered waits until n more requests came back.
func (l *load) untilAnswered(n int64) {
	l.w.t.Helper()
	goal := l.answered.Load() + n
	l.w.until(fmt.Sprintf("%d more answers", n), func() bool { return l.answered.Load() >= goal })
}
