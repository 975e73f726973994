// Command load sends bounded traffic to one URL at a fixed rate and reports what came of it. The rate is open-loop: requests
// are due at fixed times whatever became of those before, and latency counts from when a request was due, so
// that a server that stalls is not spared the requests it kept from being sent (coordinated omission).
package main

import (
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	url := flag.String("url", "http://127.0.0.1:8080/", "where to; loopback only unless -anywhere")
	rates := flag.String("rate", "200", "requests per second, or several with commas, each for one step")
	step := flag.Duration("step", 30*time.Second, "how long each rate lasts")
	workers := flag.Int("connections", 128, "connections, and so requests under way at once")
	anywhere := flag.Bool("anywhere", false, "allow other than loopback addresses")
	flag.Parse()
	if err := run(*url, *rates, *step, *workers, *anywhere); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func run(url, rates string, step time.Duration, workers int, anywhere bool) error {
	if !anywhere && !strings.HasPrefix(url, "http://127.0.0.1") && !strings.HasPrefix(url, "http://localhost") && !strings.HasPrefix(url, "http://[::1]") {
		return fmt.Errorf("-url: got %q; want a loopback address, or -anywhere", url)
	}
	var plan []float64
	for _, text := range strings.Split(rates, ",") {
		r, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		if err != nil || r <= 0 || r > 1e6 {
			return fmt.Errorf("-rate: got %q; want numbers above 0 with commas between", text)
		}
		plan = append(plan, r)
	}
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, syscall.SIGINT, syscall.SIGTERM)
	l := newLoad(url, workers)
	defer l.close()
	fmt.Printf("%8s  %10s  %8s  %8s  %8s  %8s  %8s\n", "rate/s", "answered/s", "p50", "p99", "p99.9", "not 2xx", "failed")
	for _, rate := range plan {
		stopped := l.step(rate, step, interrupted)
		fmt.Println(l.report(rate))
		if stopped {
			break
		}
	}
	return nil
}

// load is a pool of workers that each send one request at a time.
type load struct {
	client *http.Client
	url    string
	due    chan time.Time
	done   sync.WaitGroup

	mu      sync.Mutex // protects took
	took    []time.Duration
	notOK   atomic.Int64
	failed  atomic.Int64
	began   time.Time
	elapsed time.Duration
}

func newLoad(url string, workers int) *load {
	l := &load{url: url, due: make(chan time.Time, 1<<20), client: &http.Client{
		Timeout:   30 * time.Second,
		Transport: &http.Transport{MaxIdleConnsPerHost: workers, MaxConnsPerHost: workers, DisableCompression: true},
	}}
	for range workers {
		l.done.Go(l.work)
	}
	return l
}

func (l *load) work() {
	for due := range l.due {
		res, err := l.client.Get(l.url)
		if err != nil {
			l.failed.Add(1)
			continue
		}
		_, err = io.Copy(io.Discard, res.Body)
		res.Body.Close()
		switch {
		case err != nil:
			l.failed.Add(1)
			continue
		case res.StatusCode < 200 || res.StatusCode > 299:
			l.notOK.Add(1)
		}
		took := time.Since(due)
		l.mu.Lock()
		l.took = append(l.took, took)
		l.mu.Unlock()
	}
}

// step sends at one rate for a time and tells whether it was interrupted.
func (l *load) step(rate float64, d time.Duration, interrupted <-chan os.Signal) (stopped bool) {
	l.mu.Lock()
	l.took = l.took[:0]
	l.mu.Unlock()
	l.notOK.Store(0)
	l.failed.Store(0)
	l.began = time.Now()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	sent := 0
	for now := range tick.C {
		passed := now.Sub(l.began)
		for due := float64(sent) / rate; due <= min(passed, d).Seconds(); due = float64(sent) / rate {
			select {
			case l.due <- l.began.Add(time.Duration(due * float64(time.Second))):
			default: // a million requests wait: the server is gone
			}
			sent++
		}
		select {
		case <-interrupted:
			stopped = true
		default:
		}
		if passed >= d || stopped {
			break
		}
	}
	l.elapsed = time.Since(l.began)
	return stopped
}

func (l *load) report(rate float64) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	slices.Sort(l.took)
	q := func(q float64) time.Duration {
		if len(l.took) == 0 {
			return 0
		}
		return l.took[min(len(l.took)-1, int(q*float64(len(l.took))))].Round(10 * time.Microsecond)
	}
	return fmt.Sprintf("%8.0f  %10.1f  %8s  %8s  %8s  %8d  %8d", rate, float64(len(l.took))/l.elapsed.Seconds(), q(0.5), q(0.99), q(0.999),
		l.notOK.Load(), l.failed.Load())
}

func (l *load) close() {
	close(l.due)
	l.done.Wait()
	l.client.CloseIdleConnections()
}
