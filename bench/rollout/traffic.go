package main

import (
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// traffic sends GETs at a fixed rate, open-loop: a request is due whatever became of those before.
type traffic struct {
	client *http.Client
	url    string
	stop   chan struct{}
	due    chan struct{}
	done   sync.WaitGroup

	sent, failed atomic.Int64
	last         atomic.Value // what the last failure was, a string
}

// connections bounds the requests under way; as many wait while instances hang.
const connections = 512

func newTraffic(g *gateway, rate float64) *traffic {
	t := &traffic{url: "http://" + g.web + "/", stop: make(chan struct{}), due: make(chan struct{}, 1<<16), client: &http.Client{
		Timeout:   30 * time.Second,
		Transport: &http.Transport{MaxIdleConnsPerHost: connections, DisableCompression: true},
	}}
	for range connections {
		t.done.Go(func() {
			for range t.due {
				t.one()
			}
		})
	}
	t.done.Go(func() { t.pace(rate) })
	return t
}

func (t *traffic) pace(rate float64) {
	defer close(t.due)
	began, sent := time.Now(), 0.0
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-t.stop:
			return
		case now := <-tick.C:
			for ; sent < rate*now.Sub(began).Seconds(); sent++ {
				t.due <- struct{}{}
			}
		}
	}
}

func (t *traffic) one() {
	t.sent.Add(1)
	res, err := t.client.Get(t.url)
	if err != nil {
		t.fail(err.Error())
		return
	}
	body, err := io.ReadAll(res.Body)
	res.Body.Close()
	switch {
	case err != nil:
		t.fail(err.Error())
	case res.StatusCode != http.StatusOK:
		t.fail(fmt.Sprintf("%d %.60s", res.StatusCode, body))
	}
}

func (t *traffic) fail(why string) {
	t.failed.Add(1)
	t.last.Store(why)
}

// end stops the load and waits for what is under way.
func (t *traffic) end() {
	close(t.stop)
	t.done.Wait()
	t.client.CloseIdleConnections()
}

// failures says how many requests failed, and why the last did.
func (t *traffic) failures() string {
	n := t.failed.Load()
	if n == 0 {
		return "0 failed"
	}
	return fmt.Sprintf("%d of %d FAILED (%v)", n, t.sent.Load(), t.last.Load())
}
