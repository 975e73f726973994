package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"gatewayd/admin/api"
)

// On a terminal the last line is written over and never wraps; in a log figures come every figuresEvery.
func TestFiguresOnATerminalAndInALog(t *testing.T) {
	r := api.Rollout{From: "v1", Version: "v2", Weight: 5, Reason: "step 1 of 2: 12s of 1m", StartedAt: time.Now().Add(-12 * time.Second), Evidence: []api.Evidence{
		{Metric: "errorRate", Stable: 0.1, Candidate: 2.26, StableRequests: 950, CandidateRequests: 50},
		{Metric: "responseTime", Stable: 20.4, Candidate: 21.6}}}
	const figures = "v1: 950 requests, 0.1% failed, p95 20ms | v2: 50 requests, 2.3% failed, p95 22ms"
	f := func(width int, lastFigures time.Duration, want string) {
		t.Helper()
		var out bytes.Buffer
		fo := &follower{cli: &cli{program: program{stdout: &out}}, width: width, figuresAt: time.Now().Add(-lastFigures)}
		fo.showFigures(&r)
		if got := out.String(); got != want {
			t.Fatalf("got %q; want %q", got, want)
		}
	}
	line := "   12.0s    5.0%  " + figures + "; step 1 of 2: 12s of 1m"
	f(0, figuresEvery-time.Second, "")
	f(0, figuresEvery, line+"\n")
	f(200, 0, "\r"+line+eraseLine)
	f(40, 0, "\r"+line[:39]+eraseLine)
	r.Evidence = nil
	f(0, figuresEvery, "   12.0s    5.0%  step 1 of 2: 12s of 1m\n")
}

func TestWaitBearsARestartOfTheGateway(t *testing.T) {
	var stderr bytes.Buffer
	fo := &follower{cli: &cli{program: program{stderr: &stderr}}}
	away := errors.New("connection refused")
	if err := fo.bear(away); err != nil {
		t.Fatalf("got %v; want it to wait for the gateway", err)
	}
	if err := fo.bear(away); err != nil || strings.Count(stderr.String(), "trying again") != 1 {
		t.Fatalf("got %v and %q; want it said once", err, stderr.String())
	}
	fo.away = time.Now().Add(-awayLimit - time.Second)
	if err := fo.bear(away); err == nil {
		t.Fatal("it waits for ever")
	}
	if err := fo.bear(api.NotFound("rollout", "x")); err == nil {
		t.Fatal("it bears a refusal")
	}
}
