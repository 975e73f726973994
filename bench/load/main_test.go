package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestSendsAtTheRate(t *testing.T) {
	var seen atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if seen.Add(1)%10 == 0 {
			w.WriteHeader(503)
		}
	}))
	defer s.Close()
	l := newLoad(s.URL, 4)
	if l.step(1000, 200*time.Millisecond, make(chan os.Signal)) {
		t.Fatal("stopped though nobody interrupted")
	}
	l.close()
	if got := seen.Load(); got != 201 {
		t.Fatalf("got %d requests; want 201: one at the beginning and one each millisecond", got)
	}
	if got := l.notOK.Load(); got != 20 {
		t.Fatalf("got %d answers that are not 2xx; want 20", got)
	}
}

func TestRefusesOtherAddresses(t *testing.T) {
	f := func(url, rate, want string) {
		t.Helper()
		err := run(url, rate, time.Millisecond, 1, false)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Fatalf("got %v; want an error about %s", err, want)
		}
	}
	f("http://192.0.2.1/", "1", "-url")
	f("http://127.0.0.1:1/", "0", "-rate")
	f("http://127.0.0.1:1/", "1,x", "-rate")
}
