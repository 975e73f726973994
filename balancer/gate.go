package balancer

import (
	"container/list"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// What Gate.Wait returns beside the context's error.
var (
	// ErrQueueFull: as many wait as may.
	ErrQueueFull = errors.New("the queue is full")
	// ErrQueueTimeout: nothing became free in time.
	ErrQueueTimeout = errors.New("waited too long in the queue")
)

// Gate is the bounded queue of a service: first come, first served. It outlives pools and snapshots: those who wait pick anew, from whatever
// pool is current then.
//
// While nobody waits it costs a request one atomic load on each side:
//
//	if !gate.Busy() { e = pool.Pick(&q) }            // who comes while others wait goes behind them
//	if e == nil { e, err = gate.Wait(ctx, timeout, func() *Endpoint { ... }) }
//	...
//	e.Release(); gate.Released()
//
// Wake is for whoever makes room in another way: an endpoint became healthy, a limit rose, a pool was published.
type Gate struct {
	waiting atomic.Int64 // length of queue; written under mu
	limit   atomic.Int64

	mu    sync.Mutex
	queue list.List // of *waiter; protected by mu
}

// A waiter's turn is signalled through a channel of capacity 1: a signal sent while it is trying stays, and makes it try once more.
type waiter struct{ turn chan struct{} }

// NewGate returns a gate at which at most limit requests wait; 0 or less lets none wait.
func NewGate(limit int) *Gate {
	g := &Gate{}
	g.SetLimit(limit)
	return g
}

// SetLimit changes how many may wait. Those who wait already stay.
func (g *Gate) SetLimit(limit int) { g.limit.Store(int64(limit)) }

// Len returns how many wait.
func (g *Gate) Len() int { return int(g.waiting.Load()) }

// Busy reports whether somebody waits: who comes now goes to Wait, and does not pick for himself.
func (g *Gate) Busy() bool { return g.waiting.Load() != 0 }

// Released is to be called after every Endpoint.Release.
func (g *Gate) Released() {
	if g.waiting.Load() != 0 {
		g.Wake()
	}
}

// Wake makes the first in the queue try. One call is enough for any amount of room: who gets in, and who gives up, passes it on.
func (g *Gate) Wake() {
	g.mu.Lock()
	g.wakeFirst()
	g.mu.Unlock()
}

// wakeFirst wants mu held.
func (g *Gate) wakeFirst() {
	if first := g.queue.Front(); first != nil {
		select {
		case first.Value.(*waiter).turn <- struct{}{}:
		default: // it is signalled already, and has not tried since
		}
	}
}

// Wait queues until try returns an endpoint, timeout passes or ctx ends, and returns the endpoint as try acquired it, or ErrQueueFull,
// ErrQueueTimeout or the cause of ctx. A timeout of 0 or less waits for ctx only.
//
// Only the first in the queue tries, in its own goroutine, and never at the same time as another. So try should take whatever
// endpoint will do: one that insists on a certain endpoint makes all behind it wait for that one.
//
// No wake-up is lost. Room is made before Released loads waiting; a waiter adds itself to waiting before it tries. Both are
// sequentially consistent, so either Released sees the waiter and signals the first in the queue, or that waiter's first try
// comes later and sees the room. The signal reaches the first in the queue as of that moment; if it is just leaving, with an endpoint
// or without, it signals its successor after it left. So whoever is first has tried, or will try, after the last room was made.
func (g *Gate) Wait(ctx context.Context, timeout time.Duration, try func() *Endpoint) (*Endpoint, error) {
	w := &waiter{turn: make(chan struct{}, 1)}
	place, err := g.join(w)
	if err != nil {
		return nil, err
	}
	defer g.leave(place)
	var expired <-chan time.Time
	if timeout > 0 {
		timer := time.NewTimer(timeout)
		defer timer.Stop()
		expired = timer.C
	}
	for {
		select {
		case <-w.turn:
			if e := try(); e != nil {
				return e, nil
			}
		case <-expired:
			return nil, ErrQueueTimeout
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// join appends w, and signals it if it is first.
func (g *Gate) join(w *waiter) (*list.Element, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if int64(g.queue.Len()) >= g.limit.Load() {
		return nil, ErrQueueFull
	}
	place := g.queue.PushBack(w)
	g.waiting.Add(1)
	if g.queue.Len() == 1 {
		g.wakeFirst()
	}
	return place, nil
}

// leave passes the turn on, whether or not w had one: it may have been signalled for room that it did not take.
func (g *Gate) leave(place *list.Element) {
	g.mu.Lock()
	g.queue.Remove(place)
	g.waiting.Add(-1)
	g.wakeFirst()
	g.mu.Unlock()
}
