package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gatewayd/events"
	"gatewayd/monitor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// peer is a receiver that answers as it is told and hands on what it got.
type peer struct {
	*httptest.Server
	got     chan string // bodies that were accepted or refused
	mu      sync.Mutex
	answers []int // to the next requests; then 200
	header  http.Header
}

func newPeer(t *testing.T, answers ...int) *peer {
	t.Helper()
	p := &peer{got: make(chan string, 100), answers: answers}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.header = r.Header
		status := 200
		if len(p.answers) > 0 {
			status, p.answers = p.answers[0], p.answers[1:]
		}
		if status == http.StatusFound {
			w.Header().Set("Location", "/elsewhere")
		}
		w.WriteHeader(status)
		io.WriteString(w, "said so")
		p.got <- r.URL.Path + " " + string(b)
	}))
	t.Cleanup(p.Close)
	return p
}

// next is what the peer gets next.
func (p *peer) next(t *testing.T) string {
	t.Helper()
	select {
	case body := <-p.got:
		return body
	case <-time.After(10 * time.Second):
		t.Fatal("nothing was delivered")
		return ""
	}
}

// none fails when the peer got something that was not asked for.
func (p *peer) none(t *testing.T) {
	t.Helper()
	select {
	case body := <-p.got:
		t.Fatalf("got %s; want nothing more", body)
	default:
	}
}

// stage is a running sender.
type stage struct {
	*Sender
	t     *testing.T
	log   *safeBuffer
	state State // as saved last
	mu    sync.Mutex
	stop  context.CancelFunc
	done  chan error
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func run(t *testing.T, opt Options) *stage {
	t.Helper()
	s := &stage{t: t, log: &safeBuffer{}, done: make(chan error, 1)}
	opt.Log = slog.New(slog.NewTextHandler(s.log, nil))
	opt.RetryFirst, opt.RetryMost = time.Millisecond, 5*time.Millisecond
	opt.Save = func(st State) error {
		b, err := json.Marshal(st) // what a store would do
		if err != nil {
			return err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.state = State{}
		return json.Unmarshal(b, &s.state)
	}
	s.Sender = New(opt)
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	go func() { s.done <- s.Run(ctx) }()
	t.Cleanup(func() { s.end() })
	return s
}

// end stops the sender and returns what it kept.
func (s *stage) end() State {
	s.t.Helper()
	if s.stop != nil {
		s.stop()
		if err := <-s.done; err != nil {
			s.t.Error(err)
		}
		s.stop = nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

func (s *stage) eventually(what string, ok func() bool) {
	s.t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			s.t.Fatalf("waited in vain for: %s\n%s", what, s.log)
		}
	}
}

var began = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func alert(metric string, severity monitor.Severity) monitor.Alert {
	return monitor.Alert{ID: metric + "/shop", Metric: metric, Service: "shop", Severity: severity, State: monitor.Firing, Since: began,
		Value: 1200, Threshold: 1000, Unit: "ms", Summary: metric + " of shop is 1200 ms"}
}

func over(a monitor.Alert) monitor.Alert {
	end := began.Add(time.Minute)
	a.State, a.ResolvedAt = monitor.Resolved, &end
	return a
}

// message is about alerts of one group that fire, and those that do not any more.
func message(firing, resolved []monitor.Alert) monitor.Notification {
	n := monitor.Notification{Key: "shop@1", Group: "shop", At: time.Now(), Status: monitor.Resolved, Firing: firing, Resolved: resolved,
		Title: "shop <& co>", Text: "details\n"}
	if len(firing) > 0 {
		n.Status = monitor.Firing
	}
	for _, a := range append(firing, resolved...) {
		n.Severity = max(n.Severity, a.Severity)
	}
	n.Peak = n.Severity
	return n
}

func TestTriesAgainUntilDelivered(t *testing.T) {
	p := newPeer(t, 500, 503, 429)
	s := run(t, Options{})
	s.Set([]Receiver{{Kind: Webhook, URL: p.URL + "/secret", Headers: map[string]string{"Authorization": "Bearer x"}}}, nil)
	slow := alert("responseTime", monitor.Warning)
	s.Notify(message([]monitor.Alert{slow}, nil))
	var first string
	for i := range 4 {
		body := p.next(t)
		if i == 0 {
			first = body
		}
		if body != first {
			t.Fatalf("attempt %d sent %s; want the same again", i, body)
		}
	}
	var n monitor.Notification
	if err := json.Unmarshal([]byte(strings.TrimPrefix(first, "/secret ")), &n); err != nil || n.Firing[0].ID != slow.ID {
		t.Fatalf("got %s, %v; want the notification as JSON", first, err)
	}
	if got := p.header.Get("Authorization") + p.header.Get("Content-Type"); got != "Bearer xapplication/json" {
		t.Fatalf("got header %q", got)
	}
	id := Receiver{Kind: Webhook, URL: p.URL + "/secret"}.ID()
	s.eventually("the count", func() bool { return s.Counts()[id] == Count{Delivered: 1, Retried: 3} })
	if log := s.log.String(); strings.Contains(log, "/secret") || strings.Count(log, "it is tried again") != 1 || strings.Count(log, "delivered again") != 1 {
		t.Fatalf("got log %s; want each transition once, and no URL", log)
	}
	if st := s.end(); len(st.Receivers) != 0 {
		t.Fatalf("got %+v; want nothing left", st)
	}
}

func TestWhatIsRefusedForGoodDoesNotBlock(t *testing.T) {
	f := func(status int) {
		t.Helper()
		p := newPeer(t, status)
		s := run(t, Options{})
		s.Set([]Receiver{{Kind: Webhook, URL: p.URL}}, nil)
		a := message([]monitor.Alert{alert("a", monitor.Warning)}, nil)
		b := message([]monitor.Alert{alert("b", monitor.Warning)}, nil)
		b.Key = "shop@2"
		s.Notify(a)
		p.next(t)
		s.Notify(b)
		if got := p.next(t); !strings.Contains(got, "shop@2") {
			t.Fatalf("got %s; want the next message", got)
		}
		s.eventually("the count", func() bool {
			c := s.Counts()[Receiver{Kind: Webhook, URL: p.URL}.ID()]
			return c.GivenUp == 1 && c.Delivered == 1
		})
		s.end()
	}
	f(400)
	f(404)
	f(302) // a redirected POST would be a GET
}

func TestOnlyTheGraveEnough(t *testing.T) {
	f := func(min, severity, peak monitor.Severity, want bool) {
		t.Helper()
		s := New(Options{})
		r := Receiver{Kind: Webhook, URL: "http://a/", MinSeverity: min}
		s.Set([]Receiver{r}, nil)
		n := message([]monitor.Alert{alert("a", severity)}, nil)
		n.Peak = peak
		s.Notify(n)
		if got := s.Counts()[r.ID()].Queued == 1; got != want {
			t.Fatalf("at least %s: severity %s, peak %s: queued %v", min, severity, peak, got)
		}
	}
	f(monitor.Warning, monitor.Warning, monitor.Warning, true)
	f(monitor.Warning, monitor.Info, monitor.Info, false)
	f(monitor.Critical, monitor.Warning, monitor.Warning, false)
	f(monitor.Critical, monitor.Warning, monitor.Critical, true) // who was told the trouble is told its end
	f(0, monitor.Info, monitor.Info, true)
}

func TestANewerMessageReplacesOneThatWaits(t *testing.T) {
	q := newQueue(Backlog{})
	a, b, c := alert("a", monitor.Warning), alert("b", monitor.Warning), alert("c", monitor.Warning)
	q.add(message([]monitor.Alert{a, b, c}, nil))
	q.add(message([]monitor.Alert{c}, []monitor.Alert{over(a), over(b)}))
	other := message([]monitor.Alert{c}, nil)
	other.Key = "search@1"
	q.add(other)
	q.add(message([]monitor.Alert{b}, []monitor.Alert{over(c)})) // b is back
	keys, resolved := []string{}, []string{}
	for _, n := range q.Queue {
		keys = append(keys, n.Key)
		for _, r := range n.Resolved {
			resolved = append(resolved, r.Metric)
		}
	}
	if !reflect.DeepEqual(keys, []string{"search@1", "shop@1"}) || !reflect.DeepEqual(resolved, []string{"c", "a"}) {
		t.Fatalf("got %v with %v resolved; want one message of each group, with what ended and stayed so", keys, resolved)
	}
	// The one on its way is not touched.
	q.sending = true
	other.Title = "again"
	q.add(other)
	if len(q.Queue) != 3 || q.Queue[0].Title == "again" {
		t.Fatalf("got %d messages, the first titled %q; want the one on its way as it was", len(q.Queue), q.Queue[0].Title)
	}
	for range 3 * maxQueue {
		other.Key += "x"
		q.add(other)
	}
	if len(q.Queue) != maxQueue || q.Queue[0].Key != "search@1" {
		t.Fatalf("got %d messages; want %d, the one on its way among them", len(q.Queue), maxQueue)
	}
}

func TestSurvivesARestart(t *testing.T) {
	down := httptest.NewServer(nil)
	address := down.Listener.Addr().String()
	down.Close()
	r := Receiver{Kind: Slack, URL: "http://" + address + "/T1/B2"}
	s := run(t, Options{})
	s.Set([]Receiver{r}, nil)
	s.Notify(message([]monitor.Alert{alert("a", monitor.Critical)}, nil))
	s.eventually("a failure", func() bool { return s.Counts()[r.ID()].Retried > 0 })
	kept := s.end()
	if len(kept.Receivers[r.ID()].Queue) != 1 {
		t.Fatalf("got %+v; want the message kept", kept)
	}

	p := newPeer(t)
	moved := Receiver{Kind: Slack, URL: p.URL}
	// The same receiver is one with the same URL: let the kept message be of the one that is up now.
	kept.Receivers[moved.ID()] = kept.Receivers[r.ID()]
	s = run(t, Options{State: kept})
	s.Set([]Receiver{moved}, nil)
	want := `/ {"text":"*shop &lt;&amp; co&gt;*","attachments":[{"color":"danger","fallback":"shop &lt;&amp; co&gt;","text":"details","ts":`
	if got := strings.NewReplacer(`\u0026`, "&").Replace(p.next(t)); !strings.HasPrefix(got, want) {
		t.Fatalf("got %s; want %s", got, want)
	}
	s.eventually("an empty queue", func() bool { return s.Counts()[moved.ID()].Queued == 0 })
	if st := s.end(); len(st.Receivers) != 0 {
		t.Fatalf("got %+v; want the other receiver's message dropped with it", st)
	}
}

func TestReceiversChangeLive(t *testing.T) {
	p, q := newPeer(t), newPeer(t)
	s := run(t, Options{})
	one, two := Receiver{Kind: Webhook, URL: p.URL}, Receiver{Kind: Webhook, URL: q.URL}
	s.Set([]Receiver{one, one}, nil)
	s.Notify(message([]monitor.Alert{alert("a", monitor.Warning)}, nil))
	p.next(t)
	s.Set([]Receiver{one, two}, nil)
	s.Notify(message([]monitor.Alert{alert("b", monitor.Warning)}, nil))
	p.next(t)
	q.next(t)
	s.Set([]Receiver{two}, nil)
	s.Notify(message([]monitor.Alert{alert("c", monitor.Warning)}, nil))
	q.next(t)
	s.end()
	p.none(t)
	q.none(t)
}

func TestEventHooks(t *testing.T) {
	bus := events.New(events.Options{})
	p := newPeer(t, 500)
	h := Hook{URL: p.URL + "/hook", Types: []events.Type{events.ComponentScaled, events.LimitReached}, Service: "shop"}
	s := run(t, Options{Bus: bus})
	bus.Publish(began, events.Event{Type: events.ComponentScaled, Service: "shop", Message: "before anybody asked"})
	s.Set(nil, []Hook{h})
	publish := func(t events.Type, service, text string) {
		bus.Publish(time.Now(), events.Event{Type: t, Service: service, Message: text})
	}
	// A hook gets what is published once it runs; the first event that arrives shows that it does.
	s.eventually("the first event", func() bool {
		publish(events.LimitReached, "shop", "first")
		select {
		case got := <-p.got:
			return strings.Contains(got, "first")
		default:
			return false
		}
	})
	publish(events.ComponentScaled, "other", "not of this service")
	publish(events.ConfigReloaded, "shop", "not of this type")
	publish(events.ComponentScaled, "shop", "last")
	for {
		got := p.next(t)
		if strings.Contains(got, "not of") || strings.Contains(got, "before") || !strings.HasPrefix(got, "/hook {") {
			t.Fatalf("got %s; want only what was asked for", got)
		}
		if strings.Contains(got, "last") {
			break
		}
	}
	s.eventually("the last one to be done", func() bool { return s.Counts()[h.ID()].Delivered > 1 })
	kept := s.end()

	publish(events.ComponentScaled, "shop", "while nobody looked")
	s = run(t, Options{Bus: bus, State: kept})
	s.Set(nil, []Hook{h})
	for {
		got := p.next(t)
		if strings.Contains(got, "while nobody looked") {
			break
		}
		if !strings.Contains(got, "last") { // at least once
			t.Fatalf("got %s; want to go on where it was", got)
		}
	}
	s.end()
}
