package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatewayd/admin/api"
)

// A thousand requests come at once to a service that sleeps: all are answered, and no instance ever has more than it may have.
func TestBurstAtZero(t *testing.T) {
	t.Parallel()
	const burst, limit = 1000, 8
	service := strings.NewReplacer("maxInstances: 6", "maxInstances: 3, policies: [{name: wait, type: slo, objective: {waitBelow: 100ms, percent: 99}}]",
		`"{{.Version}}"]`, `"{{.Version}}", --latency, 5ms]`).Replace(
		demoService(0, fmt.Sprintf("    limits: {maxConcurrencyPerInstance: %d, queue: %d, queueTimeout: 30s}\n", limit, burst)))
	w := start(t, configFile(strings.Replace(oneRoute, "service: demo", "service: demo, timeout: 60s", 1), service))
	if n := len(w.service("demo").Revisions[0].Instances); n != 0 {
		t.Fatalf("got %d instances; want a service that sleeps", n)
	}
	done := make(chan struct{})
	var most atomic.Int64
	var watch sync.WaitGroup
	watch.Go(func() {
		for {
			for _, r := range w.service("demo").Revisions {
				for _, i := range r.Instances {
					most.Store(max(most.Load(), int64(i.InFlight)))
				}
			}
			select {
			case <-done:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	})
	c := &http.Client{Timeout: 60 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: burst}}
	defer c.CloseIdleConnections()
	var all sync.WaitGroup
	var failed atomic.Int64
	var last atomic.Value
	for range burst {
		all.Go(func() {
			res, err := c.Get(w.url("/"))
			if err != nil {
				failed.Add(1)
				last.Store(err.Error())
				return
			}
			defer res.Body.Close()
			if b, err := io.ReadAll(res.Body); err != nil || res.StatusCode != 200 {
				failed.Add(1)
				last.Store(fmt.Sprintf("%d %q %v", res.StatusCode, b, err))
			}
		})
	}
	all.Wait()
	close(done)
	watch.Wait()
	if n := failed.Load(); n > 0 {
		t.Errorf("%d of %d requests to a sleeping service failed, the last with %v", n, burst, last.Load())
	}
	if n := most.Load(); n > limit {
		t.Errorf("an instance had %d requests in flight; want at most %d", n, limit)
	}
}

func TestPushedFiguresThatCannotBe(t *testing.T) {
	t.Parallel()
	w := start(t, configFile(oneRoute, demoService(1, "")))
	w.untilReady(1)
	id := w.service("demo").Revisions[0].Instances[0].ID
	ctx := context.Background()
	number := func(v float64) *float64 { return &v }
	at := func(d time.Duration) *time.Time { t := time.Now().Add(d); return &t }
	f := func(service string, figures api.PushedMetrics, status int, field string) {
		t.Helper()
		_, err := w.admin.Push(ctx, service, figures)
		if status == 200 {
			if err != nil {
				t.Errorf("%+v: got %v; want it taken", figures, err)
			}
			return
		}
		var refused *api.Error
		if !errors.As(err, &refused) || refused.Status != status || refused.Field != field {
			t.Errorf("%+v: got %v; want status %d and field %q", figures, err, status, field)
		}
	}
	f("demo", api.PushedMetrics{CPU: number(75)}, 200, "")
	f("demo", api.PushedMetrics{Instance: id, CPU: number(75), Memory: number(10)}, 200, "")
	f("demo", api.PushedMetrics{CPU: number(-1)}, 422, "cpu")
	f("demo", api.PushedMetrics{QueueLength: number(-0.5)}, 422, "queueLength")
	f("demo", api.PushedMetrics{ErrorRate: number(101)}, 422, "errorRate")
	f("demo", api.PushedMetrics{CPU: number(1), Timestamp: at(time.Hour)}, 422, "timestamp")
	f("demo", api.PushedMetrics{CPU: number(1), Timestamp: at(-time.Hour)}, 422, "timestamp")
	f("demo", api.PushedMetrics{Instance: "v1-none", CPU: number(1)}, 422, "instance")
	f("demo", api.PushedMetrics{Instance: id, RequestRate: number(1)}, 422, "requestRate")
	f("shop", api.PushedMetrics{CPU: number(1)}, 404, "service")
	// What JSON itself cannot say, or says wrongly.
	raw := func(body, field string) {
		t.Helper()
		res, err := http.Post("http://"+w.addrs["admin"].String()+"/api/v1/services/demo/metrics", "application/json", bytes.NewReader([]byte(body)))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		answer, _ := io.ReadAll(res.Body)
		if res.StatusCode/100 != 4 || !strings.Contains(string(answer), field) {
			t.Errorf("%s: got %d %s; want a refusal that names %q", body, res.StatusCode, answer, field)
		}
	}
	raw(`{"cpu": NaN}`, "error")
	raw(`{"cpu": "high"}`, "cpu")
	raw(`{"cpu": 1e999}`, "cpu")
	raw(`{"cpuu": 1}`, "cpuu")
	raw(`{}`, "cpu")
}
