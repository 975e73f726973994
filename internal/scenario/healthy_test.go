package scenario

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"gatewayd/admin/api"
	"gatewayd/monitor"
)

// shortest is how long healthy load lasts unless GATEWAYD_SOAK says otherwise.
const shortest = 25 * time.Second

// soak is what GATEWAYD_SOAK asks for; 0 where it is not set.
func soak(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("GATEWAYD_SOAK")
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("GATEWAYD_SOAK: %v", err)
	}
	return d
}

// TestHealthyNoise has load that rises, falls and flickers, answers whose times vary as much as they last, three in a thousand requests
// that fail, a scaler that follows, and one release after another. Nothing of that is a bottleneck.
func TestHealthyNoise(t *testing.T) {
	t.Parallel()
	lasts := max(soak(t), shortest)
	w := start(t, setup{instances: 2, demo: "--latency 40ms --burn 1ms --error-rate 0.3%", service: `
    limits: {maxConcurrencyPerInstance: 16}
    resources: {cpu: 0.2, memory: 128MiB}
    scaling:
      minInstances: 2
      maxInstances: 8
      scaleDownStabilization: 20s
      policies: [{name: wait, type: slo, objective: {waitBelow: 100ms, percent: 99}}, {name: cpu, type: target, targetMetric: cpu, target: 45}]
      metricsWindow: 10s
    rollout: {strategy: rolling, rolling: {batch: 1, maxSurge: 1, interval: 1s}}
`})
	o, l := w.watch(), w.open(40)
	began := time.Now()
	versions := w.releases(lasts)
	w.within(lasts+patience, "the end of the healthy load", func() bool {
		since := time.Since(began)
		l.set(wave(since))
		return since >= lasts
	})
	if findings := o.strangers(""); len(findings) > 0 {
		if len(o.strangers(monitor.Gateway)) == 0 {
			o.excuse("")
		}
		t.Errorf("healthy for %s, and yet:\n%s", lasts, strings.Join(findings, "\n"))
	}
	answered, failed := l.answered.Load(), l.failed.Load()
	t.Logf("%d requests in %s, %d of them failed, %d releases", answered, lasts, failed, versions())
	if share := float64(failed) / float64(answered); answered < int64(20*lasts.Seconds()) || share > 0.015 {
		t.Errorf("%d of %d requests failed; want the 0.3 %% that are meant to", failed, answered)
	}
}

// wave is between 30 and 60 requests a second within two minutes, with a quarter more or less from moment to moment.
func wave(since time.Duration) float64 {
	slow := 45 + 15*math.Sin(2*math.Pi*since.Minutes()/2)
	return slow * (0.75 + rand.Float64()/2)
}

// releases deploys a new version again and again until lasts is over; how many were deployed is told in the end.
func (w *world) releases(lasts time.Duration) (count func() int) {
	ctx, cancel := context.WithTimeout(context.Background(), lasts)
	ended := make(chan struct{})
	deployed := 0
	go func() {
		defer close(ended)
		tick := time.NewTicker(8 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			if _, err := w.admin.Deploy(ctx, "shop", api.RolloutRequest{Version: fmt.Sprintf("v%d", deployed+2)}); err != nil {
				continue // the one before is under way
			}
			deployed++
			tick.Reset(45 * time.Second)
		}
	}()
	w.t.Cleanup(func() { cancel(); <-ended })
	return func() int { cancel(); <-ended; return deployed }
}
