package admin

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gatewayd/events"
)

// newBus returns a bus of that capacity with n events of alternating types, one a second
// up to now.
func newBus(capacity, n int) *events.Bus {
	bus := events.New(events.Options{Capacity: capacity})
	for i := range n {
		typ, service := events.InstanceHealthy, "shop"
		if i%2 == 1 {
			typ, service = events.ComponentScaled, "cart"
		}
		bus.Publish(time.Now().Add(time.Duration(i+1-n)*time.Second), events.Event{Type: typ, Service: service, Message: fmt.Sprint("event ", i+1)})
	}
	return bus
}

// streamed returns ids of events and other messages of a stream, such as "1 2 missed".
func streamed(body string) string {
	var got []string
	for line := range strings.Lines(body) {
		switch name, value, _ := strings.Cut(strings.TrimSpace(line), ": "); {
		case name == "id":
			got = append(got, value)
		case line == "event: missed\n", name == "":
			got = append(got, value)
		}
	}
	return strings.TrimSpace(strings.Join(strings.Fields(strings.Join(got, " ")), " "))
}

func TestReplay(t *testing.T) {
	f := func(query, lastID, want string) {
		t.Helper()
		s := newServer(t, Options{Events: newBus(4, 6)})
		q := request{path: "/api/v1/events?follow=false" + query}
		if lastID != "" {
			q.header = map[string]string{"Last-Event-ID": lastID}
		}
		w := do(s, q)
		if got := streamed(w.Body.String()); w.Code != 200 || got != want {
			t.Fatalf("%s after %q: got %d %q; want %q", query, lastID, w.Code, got, want)
		}
	}
	f("", "", "3 4 5 6")
	f("&since=1500ms", "", "5 6")
	f("&since=0s", "", "")
	f("&since="+time.Now().Add(-time.Hour).UTC().Format(time.RFC3339), "", "3 4 5 6")
	f("&type=component-scaled", "", "4 6")
	f("&type=component-scaled,instance-healthy", "", "3 4 5 6")
	f("&type=component-scaled&type=instance-healthy", "", "3 4 5 6")
	f("&type=audit", "", "")
	f("&service=shop", "", "3 5")
	f("", "4", "5 6")
	f("", "6", "")
	f("", "1", "missed 3 4 5 6")
	f("&since=0s", "4", "5 6") // a browser that connects again
	f("", "77", "missed 3 4 5 6")
}

func TestEventQueriesAreChecked(t *testing.T) {
	s := newServer(t, Options{Events: newBus(4, 6)})
	f := func(query, lastID, field string) {
		t.Helper()
		q := request{path: "/api/v1/events?" + query}
		if lastID != "" {
			q.header = map[string]string{"Last-Event-ID": lastID}
		}
		expect(t, s, q, 422, fmt.Sprintf("%q:%q", "field", field))
	}
	f("type=nope", "", "type")
	f("type=audit,", "", "type")
	f("since=yesterday", "", "since")
	f("since=-1h", "", "since")
	f("follow=maybe", "", "follow")
	f("", "x", "Last-Event-ID")
	f("", "-1", "Last-Event-ID")
}

func TestStreamFormat(t *testing.T) {
	bus := events.New(events.Options{})
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	bus.Publish(at, events.Event{Type: events.ComponentScaled, Service: "shop", Message: "two\nlines", Data: map[string]any{"from": 2, "to": 3}})
	bus.Publish(at, events.Event{Type: events.Audit, Data: map[string]any{"bad": func() {}}})
	s := newServer(t, Options{Events: bus})
	w := do(s, request{path: "/api/v1/events?follow=false"})
	want := "retry: 2000\n\n" +
		"id: 1\nevent: component-scaled\n" +
		`data: {"id":1,"type":"component-scaled","time":"2026-01-02T03:04:05Z","service":"shop","severity":"info","message":"two\nlines","data":{"from":2,"to":3}}` + "\n\n" +
		"id: 2\nevent: audit\n" +
		`data: {"error":"cannot encode event 2: json: unsupported type: func()"}` + "\n\n"
	if got := w.Body.String(); got != want || w.Header().Get("Content-Type") != "text/event-stream" {
		t.Fatalf("got:\n%s\nwant:\n%s", got, want)
	}
}

// pipe is a response that keeps what was flushed; its writes block while it is held.
type pipe struct {
	header http.Header
	hold   sync.Mutex
	mu     sync.Mutex // protects the field below
	sent   bytes.Buffer
}

func (p *pipe) Header() http.Header { return p.header }
func (p *pipe) WriteHeader(int)     {}
func (p *pipe) Flush()              {}

func (p *pipe) Write(b []byte) (int, error) {
	p.hold.Lock()
	defer p.hold.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sent.Write(b)
}

func (p *pipe) take() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	text := p.sent.String()
	p.sent.Reset()
	return streamed(text)
}

// follow opens a live stream within a synctest bubble and returns what it writes to; stop
// ends it and waits for its end.
func follow(t *testing.T, s *Server, path string) (p *pipe, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := httptest.NewRequestWithContext(ctx, "GET", path, nil)
	r.Host, r.RemoteAddr = "localhost", "127.0.0.1:1"
	p = &pipe{header: http.Header{}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Handler().ServeHTTP(p, r)
	}()
	synctest.Wait()
	return p, func() { cancel(); <-done }
}

func TestFollowAndHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := newBus(8, 2)
		s := newServer(t, Options{Events: bus, Heartbeat: 10 * time.Second})
		live, stopLive := follow(t, s, "/api/v1/events?type=audit")
		replay, stopReplay := follow(t, s, "/api/v1/events?since=1h")
		defer stopLive()
		defer stopReplay()
		f := func(p *pipe, want string) {
			t.Helper()
			synctest.Wait()
			if got := p.take(); got != want {
				t.Fatalf("got %q; want %q", got, want)
			}
		}
		f(live, "")
		f(replay, "1 2")
		bus.Publish(time.Now(), events.Event{Type: events.Audit})
		bus.Publish(time.Now(), events.Event{Type: events.ConfigReloaded})
		f(live, "3")
		f(replay, "3 4")
		time.Sleep(10 * time.Second)
		f(live, "still here")
	})
}

func TestSlowReaderNeitherBlocksNorMissesSilently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := newBus(100, 0)
		s := newServer(t, Options{Events: bus})
		p, stop := follow(t, s, "/api/v1/events")
		defer stop()
		p.take()
		p.hold.Lock()
		for range 1000 { // would deadlock the bubble if the reader could hold it up
			bus.Publish(time.Now(), events.Event{Type: events.Audit})
		}
		p.hold.Unlock()
		synctest.Wait()
		got := p.take()
		if !strings.Contains(got, "missed 901 902") || !strings.HasSuffix(got, " 1000") {
			t.Fatalf("got %.80q; want a word about what was missed, then 901 to 1000", got)
		}
	})
}

func TestStreamsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, Options{Events: newBus(8, 0), MaxStreams: 1})
		_, stop := follow(t, s, "/api/v1/events")
		expect(t, s, request{path: "/api/v1/events"}, 503, "1 event streams are open already")
		stop()
		expect(t, s, request{path: "/api/v1/events?follow=false"}, 200, "")
	})
}

func TestHeadOfAStreamEnds(t *testing.T) {
	s := newServer(t, Options{Events: newBus(8, 1)})
	if w := do(s, request{method: "HEAD", path: "/api/v1/events"}); w.Code != 200 || w.Header().Get("Content-Type") != "text/event-stream" {
		t.Fatalf("got %d %v; want the head of a stream", w.Code, w.Header())
	}
}

func TestRunServesAndStops(t *testing.T) {
	bus := newBus(8, 1)
	ln := listen(t, "127.0.0.1:0")
	s := newServer(t, Options{Events: bus})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, ln) }()

	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	resp, err := client.Get("http://" + ln.Addr().String() + "/api/v1/events?since=1h")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() && lines.Text() != "id: 1" {
	}
	cancel() // the stream is open and must not hold the stop up
	for lines.Scan() {
	}
	if err := lines.Err(); err != nil {
		t.Fatalf("the stream broke with %v; want a clean end", err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestRunRefusesOpenAddressWithoutTokens(t *testing.T) {
	ln := listen(t, "0.0.0.0:0")
	err := newServer(t, Options{}).Run(t.Context(), ln)
	if err == nil || !strings.Contains(err.Error(), "admin.tokens") {
		t.Fatalf("got %v; want a word about admin.tokens", err)
	}
	if _, err := ln.Accept(); err == nil {
		t.Fatal("the listener is still open")
	}
}
