package notify

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"gatewayd/events"
	"gatewayd/monitor"
)

// failure is why an attempt failed.
type failure struct {
	text  string
	final bool          // another attempt would fail too
	after time.Duration // the other side asked for so long a pause
}

// serve delivers one receiver's queue until ctx ends.
func (s *Sender) serve(ctx context.Context, r Receiver, q *queue) {
	resend := time.NewTicker(s.opt.Resend)
	defer resend.Stop()
	failures := 0
	for ctx.Err() == nil {
		n, ok := s.first(q)
		if !ok {
			select {
			case <-ctx.Done():
			case <-q.wake:
			case <-resend.C:
				s.remind(ctx, r, q)
			}
			continue
		}
		failed := s.deliver(ctx, r, q, n)
		if ctx.Err() != nil {
			s.release(q)
			return
		}
		if failed == nil || failed.final || time.Since(n.At) > alertsAge {
			s.finish(r, q, n, failed)
			failures = 0
			continue
		}
		s.release(q)
		failures++
		s.note(r.ID(), failed, false)
		wait(ctx, max(s.pause(failures), failed.after))
	}
}

// first takes the oldest message, which stays in the queue until finish.
func (s *Sender) first(q *queue) (monitor.Notification, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(q.Queue) == 0 {
		return monitor.Notification{}, false
	}
	q.sending = true
	return q.Queue[0], true
}

// release lets the oldest message be replaced by a newer one.
func (s *Sender) release(q *queue) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q.sending = false
}

// finish takes the oldest message off the queue, delivered or given up.
func (s *Sender) finish(r Receiver, q *queue, n monitor.Notification, failed *failure) {
	s.mu.Lock()
	q.sending = false
	q.Queue = q.Queue[1:]
	if failed == nil && r.Kind == Alertmanager {
		q.active(n)
	}
	s.unsaved = true
	s.mu.Unlock()
	s.note(r.ID(), failed, true)
}

// note counts an attempt, and logs when deliveries begin to fail, succeed again, or something is lost.
func (s *Sender) note(id string, failed *failure, done bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.counts[id]
	before := c.LastError
	c.LastError = ""
	switch {
	case failed == nil:
		c.Delivered++
		if before != "" {
			s.opt.Log.Info("messages are delivered again", "receiver", id)
		}
	case done:
		c.GivenUp++
		c.LastError = failed.text
		s.opt.Log.Error("a message was not delivered and is given up", "receiver", id, "reason", failed.text)
	default:
		c.Retried++
		c.LastError = failed.text
		if before == "" {
			s.opt.Log.Warn("a message cannot be delivered; it is tried again", "receiver", id, "reason", failed.text)
		}
	}
	s.counts[id] = c
}

// deliver makes one attempt.
func (s *Sender) deliver(ctx context.Context, r Receiver, q *queue, n monitor.Notification) *failure {
	var body any
	address := r.URL
	switch r.Kind {
	case Slack:
		body = slackMessage(&n)
	case Alertmanager:
		s.mu.Lock()
		body = s.managerAlerts(q, &n, time.Now())
		s.mu.Unlock()
		address = managerURL(r.URL)
	default:
		body = n
	}
	return s.post(ctx, request{address, r.Headers, r.Timeout}, body)
}

// request says where a body is posted.
type request struct {
	url     string
	headers map[string]string
	timeout time.Duration
}

func (s *Sender) post(ctx context.Context, to request, body any) *failure {
	b, err := json.Marshal(body)
	if err != nil {
		return &failure{text: fmt.Sprintf("cannot encode: %v", err), final: true}
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(to.timeout, defaultTimeout))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.url, bytes.NewReader(b))
	if err != nil {
		return &failure{text: "its URL cannot be used", final: true}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "gatewayd")
	for k, v := range to.headers {
		req.Header.Set(k, v)
	}
	res, err := s.client.Do(req)
	if err != nil {
		var wrapped *url.Error // its text would tell the URL, which often is a secret
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return &failure{text: err.Error()}
	}
	defer res.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if res.StatusCode/100 == 2 {
		return nil
	}
	return &failure{
		text:  fmt.Sprintf("status %d: %.200q", res.StatusCode, answer),
		final: !retryable(res.StatusCode),
		after: retryAfter(res.Header.Get("Retry-After")),
	}
}

func retryable(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return status >= 500
}

// maxRetryAfter bounds what the other side may ask for.
const maxRetryAfter = 10 * time.Minute

func retryAfter(header string) time.Duration {
	n, err := strconv.Atoi(header)
	if err != nil || n < 0 {
		return 0
	}
	return min(time.Duration(n)*time.Second, maxRetryAfter)
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// serveHook posts the events that a hook wants, one after the other, from where it had come before.
func (s *Sender) serveHook(ctx context.Context, h Hook) {
	sub := s.subscribe(h)
	for {
		e, missed, err := sub.Next(ctx)
		if err != nil {
			return
		}
		if missed > 0 {
			s.opt.Log.Warn("an event hook was too slow: events were left out", "receiver", h.ID(), "events", missed)
		}
		if h.wants(&e) && !s.deliverEvent(ctx, h, e) {
			return
		}
		s.mu.Lock()
		s.done[h.ID()] = e.ID
		s.unsaved = true
		s.mu.Unlock()
	}
}

func (s *Sender) subscribe(h Hook) *events.Subscription {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id, known := s.done[h.ID()]; known {
		return s.opt.Bus.SubscribeAfter(id)
	}
	return s.opt.Bus.Subscribe()
}

// deliverEvent tries until the event is delivered or given up; false: ctx ended before.
func (s *Sender) deliverEvent(ctx context.Context, h Hook, e events.Event) bool {
	for failures := 1; ; failures++ {
		failed := s.post(ctx, request{h.URL, h.Headers, h.Timeout}, e)
		if ctx.Err() != nil && failed != nil {
			return false
		}
		if failed == nil || failed.final || time.Since(e.Time) > eventsAge {
			s.note(h.ID(), failed, true)
			return true
		}
		s.note(h.ID(), failed, false)
		wait(ctx, max(s.pause(failures), failed.after))
	}
}
