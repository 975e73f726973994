// Package notify carries alerts and events to whoever asked for them: alerts as JSON, in Slack's webhook format or to the Alertmanager's v2
// API, events as JSON, one request for each.
//
// A message is tried again with growing pauses until it is delivered, refused for good or too old. What waits survives a restart, as
// does how far each event hook has come, by way of Options.State and Options.Save: everything arrives at least once. Receivers do not wait
// for each other. The package decides nothing about what is worth telling.
//
// Sender.Run owns one goroutine for each receiver and each hook until it returns.
package notify

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"gatewayd/events"
	"gatewayd/monitor"
)

// Kind is the format and protocol of a receiver.
type Kind string

// The kinds of receivers.
const (
	Webhook      Kind = "webhook"      // the monitor.Notification as JSON
	Slack        Kind = "slack"        // Slack's incoming webhooks, and those that understand them
	Alertmanager Kind = "alertmanager" // the v2 API of the Prometheus Alertmanager
)

// Receiver is somebody who is told of alerts.
type Receiver struct {
	Kind        Kind
	URL         string // for Alertmanager: /api/v2/alerts is added where the path does not end so
	Headers     map[string]string
	MinSeverity monitor.Severity // a group that never was as grave is not told; 0: all are
	Timeout     time.Duration    // of one attempt; 0: 5 s
}

// ID names the receiver in the state and the log. The path and the query of its URL, which often are secrets, cannot be read from it.
func (r Receiver) ID() string { return identify(string(r.Kind), r.URL, "") }

// Hook is somebody who gets events.
type Hook struct {
	URL     string
	Headers map[string]string
	Types   []events.Type // empty: all
	Service string        // empty: all, and what belongs to none
	Timeout time.Duration // of one attempt; 0: 5 s
}

// ID names the hook in the state and the log, like Receiver.ID. The filter is part of it: with another one a hook begins anew.
func (h Hook) ID() string { return identify("events", h.URL, fmt.Sprint(h.Types, h.Service)) }

func (h *Hook) wants(e *events.Event) bool {
	return (len(h.Types) == 0 || slices.Contains(h.Types, e.Type)) && (h.Service == "" || h.Service == e.Service)
}

func identify(kind, address, filter string) string {
	host := ""
	if u, err := url.Parse(address); err == nil {
		host = u.Host
	}
	sum := fnv.New64a()
	sum.Write([]byte(address + filter))
	return fmt.Sprintf("%s %s #%08x", kind, host, uint32(sum.Sum64()))
}

// State is what a Sender has not finished. It travels as JSON.
type State struct {
	Receivers map[string]Backlog `json:"receivers,omitempty"` // by Receiver.ID
	Hooks     map[string]uint64  `json:"hooks,omitempty"`     // by Hook.ID: the last event that is done
}

// Backlog is what a receiver still has to be told, and what an Alertmanager believes to fire.
type Backlog struct {
	Queue  []monitor.Notification     `json:"queue,omitempty"`
	Active map[string][]monitor.Alert `json:"active,omitempty"` // by group
}

// Bus is where events come from; *events.Bus is one.
type Bus interface {
	Subscribe() *events.Subscription
	SubscribeAfter(id uint64) *events.Subscription
}

// Options say how a Sender works. Only Log is needed.
type Options struct {
	Bus    Bus               // nil: hooks are not served
	State  State             // of an earlier run
	Save   func(State) error // keeps the state; the Sender owns nothing of what it gave. nil: it is lost
	Source string            // URL under which people find this gateway; may be empty
	Log    *slog.Logger

	RetryFirst time.Duration // pause after the first failure, about; 0: 1 s
	RetryMost  time.Duration // longest pause; 0: 1 min
	Resend     time.Duration // how often an Alertmanager is told again what fires; 0: 1 min
}

const (
	defaultTimeout = 5 * time.Second
	maxQueue       = 100            // messages for one receiver; more push the oldest out
	alertsAge      = 24 * time.Hour // older messages are given up
	eventsAge      = time.Hour      // older events are given up
	saveEvery      = 500 * time.Millisecond
)

// Sender delivers. All methods may be called from several goroutines.
type Sender struct {
	opt     Options
	client  *http.Client
	changed chan struct{} // holds a token when receivers or hooks were replaced

	mu      sync.Mutex // protects all below
	want    []Receiver
	hooks   []Hook
	queues  map[string]*queue // by Receiver.ID
	done    map[string]uint64 // by Hook.ID
	unsaved bool
	counts  map[string]Count
}

// Count is what became of messages for one receiver or hook, since the start.
type Count struct {
	Delivered, Retried, GivenUp uint64
	Queued                      int    // alerts only
	LastError                   string // empty: the last attempt succeeded
}

// queue is what one receiver has to be told, oldest first.
type queue struct {
	Backlog
	sending bool          // the first message is on its way and may not be changed
	wake    chan struct{} // holds a token when the queue may hold something
}

// New returns a Sender that has nobody to tell.
func New(opt Options) *Sender {
	opt.RetryFirst = cmp.Or(opt.RetryFirst, time.Second)
	opt.RetryMost = cmp.Or(opt.RetryMost, time.Minute)
	opt.Resend = cmp.Or(opt.Resend, time.Minute)
	s := &Sender{
		opt: opt, changed: make(chan struct{}, 1), queues: map[string]*queue{}, done: map[string]uint64{}, counts: map[string]Count{},
		client: &http.Client{
			Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 2, IdleConnTimeout: 2 * time.Minute},
			// A redirected POST would become a GET and look delivered.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	for id, b := range opt.State.Receivers {
		s.queues[id] = newQueue(b)
	}
	for id, n := range opt.State.Hooks {
		s.done[id] = n
	}
	return s
}

func newQueue(b Backlog) *queue {
	if b.Active == nil {
		b.Active = map[string][]monitor.Alert{}
	}
	return &queue{Backlog: b, wake: make(chan struct{}, 1)}
}

// Set replaces all receivers and hooks. One that stays keeps what waits for it; what waits for one that goes is dropped.
func (s *Sender) Set(receivers []Receiver, hooks []Hook) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.want, s.hooks = unique(receivers, Receiver.ID), unique(hooks, Hook.ID)
	ids := map[string]bool{}
	for _, r := range s.want {
		ids[r.ID()] = true
		if s.queues[r.ID()] == nil {
			s.queues[r.ID()] = newQueue(Backlog{})
		}
	}
	for _, h := range s.hooks {
		ids[h.ID()] = true
	}
	deleteOthers(s.queues, ids)
	deleteOthers(s.done, ids)
	deleteOthers(s.counts, ids)
	s.unsaved = true
	poke(s.changed)
}

func unique[T any](list []T, id func(T) string) []T {
	seen := map[string]bool{}
	return slices.DeleteFunc(slices.Clone(list), func(v T) bool {
		again := seen[id(v)]
		seen[id(v)] = true
		return again
	})
}

func deleteOthers[V any](m map[string]V, keep map[string]bool) {
	for id := range m {
		if !keep[id] {
			delete(m, id)
		}
	}
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Notify queues n for every receiver that is to hear of it. It never waits.
func (s *Sender) Notify(n monitor.Notification) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.want {
		if max(n.Peak, n.Severity) < r.MinSeverity {
			continue
		}
		q := s.queues[r.ID()]
		q.add(n)
		s.unsaved = true
		poke(q.wake)
	}
}

// add appends n. A message of the same group that waits is replaced, for n holds the whole state of the group; only
// what the older one told as resolved is carried over.
func (q *queue) add(n monitor.Notification) {
	first := 0
	if q.sending {
		first = 1
	}
	for i := len(q.Queue) - 1; i >= first; i-- {
		if q.Queue[i].Key != n.Key {
			continue
		}
		n.Resolved = mergeResolved(q.Queue[i], n)
		q.Queue = slices.Delete(q.Queue, i, i+1)
		break
	}
	if len(q.Queue) >= maxQueue {
		q.Queue = slices.Delete(q.Queue, first, first+1)
	}
	q.Queue = append(q.Queue, n)
}

func mergeResolved(old, n monitor.Notification) []monitor.Alert {
	is := func(id string) func(monitor.Alert) bool { return func(a monitor.Alert) bool { return a.ID == id } }
	merged := slices.Clone(n.Resolved)
	for _, a := range old.Resolved {
		if !slices.ContainsFunc(n.Firing, is(a.ID)) && !slices.ContainsFunc(merged, is(a.ID)) {
			merged = append(merged, a)
		}
	}
	return merged
}

// Counts tells what became of messages, by the ID of the receiver or hook.
func (s *Sender) Counts() map[string]Count {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]Count{}
	for _, r := range s.want {
		c := s.counts[r.ID()]
		c.Queued = len(s.queues[r.ID()].Queue)
		out[r.ID()] = c
	}
	for _, h := range s.hooks {
		out[h.ID()] = s.counts[h.ID()]
	}
	return out
}

// Run delivers until ctx ends, and keeps what is left.
func (s *Sender) Run(ctx context.Context) error {
	var workers sync.WaitGroup
	running := map[string]running{}
	defer s.client.CloseIdleConnections()
	save := time.NewTicker(saveEvery)
	defer save.Stop()
	for {
		select {
		case <-ctx.Done():
			for _, r := range running {
				r.stop()
			}
			workers.Wait()
			return s.save()
		case <-s.changed:
			s.reconcile(ctx, &workers, running)
		case <-save.C:
			if err := s.save(); err != nil {
				s.opt.Log.Error("cannot keep what is to be delivered: after a restart some of it is lost", "err", err)
			}
		}
	}
}

// running is a worker that can be stopped; settings tells whether it has to be, because they changed.
type running struct {
	settings string
	stop     context.CancelFunc
}

// reconcile starts and stops workers so that there is one for each receiver and hook.
func (s *Sender) reconcile(ctx context.Context, workers *sync.WaitGroup, now map[string]running) {
	s.mu.Lock()
	defer s.mu.Unlock()
	type work struct {
		settings string
		run      func(context.Context)
	}
	wanted := map[string]work{}
	for _, r := range s.want {
		q := s.queues[r.ID()]
		wanted[r.ID()] = work{fmt.Sprintf("%v %p", r, q), func(ctx context.Context) { s.serve(ctx, r, q) }}
	}
	if s.opt.Bus != nil {
		for _, h := range s.hooks {
			wanted[h.ID()] = work{fmt.Sprint(h), func(ctx context.Context) { s.serveHook(ctx, h) }}
		}
	}
	for id, r := range now {
		if wanted[id].settings != r.settings {
			r.stop()
			delete(now, id)
		}
	}
	for id, w := range wanted {
		if _, runs := now[id]; runs {
			continue
		}
		life, stop := context.WithCancel(ctx)
		now[id] = running{w.settings, stop}
		workers.Go(func() { w.run(life) })
	}
}

// save keeps the state if it changed.
func (s *Sender) save() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.unsaved || s.opt.Save == nil {
		return nil
	}
	st := State{Receivers: map[string]Backlog{}, Hooks: map[string]uint64{}}
	for id, q := range s.queues {
		if len(q.Queue) > 0 || len(q.Active) > 0 {
			st.Receivers[id] = q.Backlog
		}
	}
	for id, n := range s.done {
		st.Hooks[id] = n
	}
	if err := s.opt.Save(st); err != nil {
		return fmt.Errorf("cannot keep the state of deliveries: %w", err)
	}
	s.unsaved = false
	return nil
}

// pause is how long to wait after so many failures in a row: it doubles, and is spread over half of itself.
func (s *Sender) pause(failures int) time.Duration {
	d := s.opt.RetryFirst
	for range failures - 1 {
		if d *= 2; d >= s.opt.RetryMost {
			d = s.opt.RetryMost
			break
		}
	}
	return d/2 + time.Duration(rand.Int64N(int64(d/2)+1))
}
