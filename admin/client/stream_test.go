package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gatewayd/admin/api"
	"gatewayd/events"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// connect returns a client of a server with that handler.
func connect(t *testing.T, handler http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	c, err := New(server.URL, "the token")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	c.retry = time.Millisecond
	return c
}

// collect reads a stream until it ends or stop was seen, and returns what it handed on.
func collect(c *Client, q EventQuery, stop uint64) (got string, err error) {
	enough := errors.New("enough")
	err = c.Events(context.Background(), q, func(e events.Event, missed uint64) error {
		if missed > 0 {
			got += fmt.Sprintf("missed %d; ", missed)
			return nil
		}
		got += fmt.Sprintf("%d %s; ", e.ID, e.Type)
		if e.ID == stop {
			return enough
		}
		return nil
	})
	if errors.Is(err, enough) {
		err = nil
	}
	return got, err
}

func event(id int, typ string) string {
	return fmt.Sprintf("id: %d\nevent: %s\ndata: {\"id\":%d,\"type\":%q}\n\n", id, typ, id, typ)
}

func TestEventsWithoutFollow(t *testing.T) {
	var asked string
	c := connect(t, func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.String() + " " + r.Header.Get("Authorization")
		io.WriteString(w, "retry: 2000\n\n: a comment\n\nevent: missed\ndata: {\"missed\":7}\n\n"+event(8, "audit")+event(9, "audit"))
	})
	got, err := collect(c, EventQuery{Types: []string{"audit", "limit-reached"}, Service: "a b", Since: "1h"}, 0)
	if err != nil || got != "missed 7; 8 audit; 9 audit; " {
		t.Fatalf("got %q, %v", got, err)
	}
	if want := "/api/v1/events?follow=false&service=a+b&since=1h&type=audit%2Climit-reached Bearer the token"; asked != want {
		t.Fatalf("asked %q; want %q", asked, want)
	}
}

func TestFollowResumesWhereItWas(t *testing.T) {
	connections := 0
	c := connect(t, func(w http.ResponseWriter, r *http.Request) {
		connections++
		switch last := r.Header.Get("Last-Event-ID"); {
		case connections == 1 && last == "":
			io.WriteString(w, event(3, "audit")+"id: 4\nevent: audit\n") // broken off in the middle
		case connections == 2 && last == "3":
			w.WriteHeader(http.StatusBadGateway) // it restarts
		case connections == 3 && last == "3":
			io.WriteString(w, event(4, "config-reloaded"))
		default:
			t.Errorf("connection %d came with Last-Event-ID %q", connections, last)
		}
	})
	got, err := collect(c, EventQuery{Follow: true}, 4)
	if err != nil || got != "3 audit; 4 config-reloaded; " {
		t.Fatalf("got %q, %v", got, err)
	}
}

func TestFollowGivesUpWhenRefused(t *testing.T) {
	connections := 0
	c := connect(t, func(w http.ResponseWriter, _ *http.Request) {
		connections++
		if connections > 1 {
			w.WriteHeader(http.StatusUnauthorized)
			io.WriteString(w, `{"error":"the token is gone"}`)
		}
	})
	_, err := collect(c, EventQuery{Follow: true}, 0)
	var refused *api.Error
	if !errors.As(err, &refused) || refused.Status != 401 || refused.Message != "the token is gone" {
		t.Fatalf("got %v; want the refusal", err)
	}
}

func TestBrokenEvents(t *testing.T) {
	f := func(stream, want string) {
		t.Helper()
		c := connect(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, stream) })
		if _, err := collect(c, EventQuery{}, 0); err == nil || !strings.Contains(err.Error(), want) {
			t.Fatalf("got %v; want %q", err, want)
		}
	}
	f("event: audit\ndata: {\"id\":\n\n", `cannot read event "audit"`)
	f("data: "+strings.Repeat("x", maxEventBytes+1)+"\n\n", "cannot read events of")
}

func TestRefusals(t *testing.T) {
	f := func(status int, body, want string) {
		t.Helper()
		c := connect(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			io.WriteString(w, body)
		})
		_, err := c.Status(t.Context())
		var refused *api.Error
		if !errors.As(err, &refused) || refused.Status != status || !strings.Contains(err.Error(), want) {
			t.Fatalf("got %v; want %d and %q", err, status, want)
		}
	}
	f(422, `{"error":"got -1; want 0 or more","field":"cpu"}`, "cpu: got -1; want 0 or more")
	f(404, `{"error":"there is no service \"x\"","field":"service"}`, `there is no service "x"`)
	f(404, "404 page not found", "has no such page; is it the admin API of gatewayd?")
	f(500, `{}`, "answered 500 Internal Server Error")
}

func TestPathsAreEscaped(t *testing.T) {
	var asked string
	c := connect(t, func(w http.ResponseWriter, r *http.Request) {
		asked = r.Method + " " + r.URL.EscapedPath()
		io.WriteString(w, "{}")
	})
	if _, err := c.Drain(t.Context(), "a/../b", "x?y"); err != nil || asked != "POST /api/v1/services/a%2F..%2Fb/instances/x%3Fy/drain" {
		t.Fatalf("asked %q, %v", asked, err)
	}
}

func TestAddresses(t *testing.T) {
	f := func(address, want string) {
		t.Helper()
		c, err := New(address, "")
		got := ""
		if err == nil {
			got = c.base.String()
		}
		if got != want {
			t.Fatalf("%q: got %q, %v; want %q", address, got, err, want)
		}
	}
	f("127.0.0.1:9900", "http://127.0.0.1:9900")
	f("https://gw.example/base", "https://gw.example/base")
	f("localhost", "http://localhost")
	f("", "")
	f("ftp://x", "")
	f("http://", "")
	f("http://a b", "")
}
