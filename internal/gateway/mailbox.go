package gateway

import (
	"context"
	"sync"
)

// mailbox holds the functions that the control loop is to run, in their order. Posting never blocks, because those who post
// may be serving a request.
type mailbox struct {
	mu    sync.Mutex // protects queue
	queue []func()
	wake  chan struct{} // holds a token when queue may hold something
}

func newMailbox() *mailbox { return &mailbox{wake: make(chan struct{}, 1)} }

// post has the loop run fn soon.
func (m *mailbox) post(fn func()) {
	m.mu.Lock()
	m.queue = append(m.queue, fn)
	m.mu.Unlock()
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// take returns what was posted since the last call.
func (m *mailbox) take() []func() {
	m.mu.Lock()
	defer m.mu.Unlock()
	fns := m.queue
	m.queue = nil
	return fns
}

// call has the loop run fn and waits until it has, or ctx ends.
func (m *mailbox) call(ctx context.Context, fn func()) error {
	done := make(chan struct{})
	m.post(func() { defer close(done); fn() })
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
