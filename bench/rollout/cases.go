package main

import (
	"fmt"
	"strings"
	"time"

	"gatewayd/admin/api"
	"gatewayd/events"
)

// benchCase is one promise and how to put it to the test.
type benchCase struct {
	name    string
	promise string
	config  string
	run     func(b *bench, g *gateway) (result, error)
}

// setting is what differs between the configs of the cases.
type setting struct {
	instances int
	errorRate string // of the version, a template
	latency   string // of the version, a template
	rollout   string // in flow style
	service   string // more lines of the service
}

// responseTimeout is how long an instance may take to answer: a hanging one is noticed after it.
const responseTimeout = 2 * time.Second

// configOf makes a config with versions named for what is wrong with them.
func configOf(s setting) string {
	if s.errorRate == "" {
		s.errorRate = "0"
	}
	if s.latency == "" {
		s.latency = "10ms"
	}
	return fmt.Sprintf(`admin: {listen: "127.0.0.1:0"}
log: {format: json}
shutdown: {timeout: 5s}
listeners: [{name: web, address: "127.0.0.1:0"}]
routes: [{name: all, service: demo, timeout: 15s}]
services:
  demo:
    provider:
      process:
        command: ["{{.Executable}}", demo-instance, --listen, "{{.Address}}", --version, "{{.Version}}", --latency, '%s', --error-rate, '%s']
        env: {DEMO_BREAK: '{{if eq .Version "v2-errors"}}errors{{else if eq .Version "v2-refuses"}}refuse{{else if eq .Version "v2-hangs"}}hang{{end}}'}
        stopTimeout: 3s
    healthCheck: {path: /health, interval: 1s}
    timeouts: {responseHeader: %s}
    scaling: {minInstances: %d, maxInstances: %d}
%s    rollout: %s
`, s.latency, s.errorRate, responseTimeout, s.instances, s.instances, s.service, s.rollout)
}

const canary = `{steps: [{weight: 5, duration: 5m}], analysis: {minRequests: 200, maxErrorRateIncrease: 1, maxLatencyIncreasePercent: 25}}`

func cases() []benchCase {
	plain := configOf(setting{instances: 4, rollout: canary})
	limited := configOf(setting{instances: 4, rollout: canary, service: "    limits: {maxConcurrencyPerInstance: 16, queue: 256}\n"})
	guarded := configOf(setting{instances: 4, rollout: canary, service: "    outlier: {consecutiveFailures: 3}\n"})
	list := []benchCase{
		broken("answers 500 to everything", "v2-errors", plain, 2*time.Second),
		broken("answers 500, 3 failures eject", "v2-errors", guarded, 2*time.Second),
		broken("refuses connections", "v2-refuses", plain, 2*time.Second),
		broken("hangs (timeout 2s)", "v2-hangs", plain, responseTimeout+2*time.Second),
		broken("hangs, 16 at a time per instance", "v2-hangs", limited, responseTimeout+2*time.Second),
		broken("three times the latency", "v2-slow", configOf(setting{instances: 4, rollout: canary,
			latency: `{{if eq .Version "v2-slow"}}60ms{{else}}20ms{{end}}`}), 10*time.Second),
		slightly(configOf(setting{instances: 4, rollout: canary, errorRate: `{{if eq .Version "v2-worse"}}0.025{{else}}0.005{{end}}`})),
		broken("blue-green that answers 500", "v2-errors", configOf(setting{instances: 4, rollout: "{strategy: blue-green, keepPrevious: 1m}"}), 2*time.Second),
		goodOne("blue-green", "    drainTimeout: 5s\n", "{strategy: blue-green, keepPrevious: 3s, validation: {requests: [{path: /health}]}}"),
		goodOne("rolling", "    drainTimeout: 5s\n", "{strategy: rolling, rolling: {batch: 1, maxSurge: 1, interval: 2s}, analysis: {minRequests: 100}}"),
		goodOne("canary", "    drainTimeout: 5s\n", "{steps: [{weight: 5, duration: 5s}, {weight: 50, duration: 5s}], keepPrevious: 2s, analysis: {minRequests: 100}}"),
	}
	return append(list, quiet())
}

// broken is a canary at 5 % that has to be out in time and must not be noticed.
func broken(name, version, config string, limit time.Duration) benchCase {
	return benchCase{name: name, config: config, promise: fmt.Sprintf("out within %s, no GET fails", limit),
		run: func(b *bench, g *gateway) (result, error) {
			t := newTraffic(g, b.rate)
			time.Sleep(2 * time.Second) // stable's figures
			id, err := g.deploy(version)
			if err != nil {
				t.end()
				return result{}, err
			}
			r, err := g.ended(id, limit+30*time.Second)
			time.Sleep(time.Second) // what was under way
			t.end()
			if err != nil {
				return result{}, fmt.Errorf("%w (%s: %s; %s)", err, r.Status, r.Reason, t.failures())
			}
			spent, err := g.spent()
			out := result{requests: candidateRequests(&r), measured: fmt.Sprintf("%.2fs, %s", spent.Seconds(), t.failures())}
			out.kept = err == nil && r.Status == api.RolloutRolledBack && spent <= limit && t.failed.Load() == 0
			return out, err
		}}
}

// slightly is a canary with two points more errors, to be caught before its 3000th request.
func slightly(config string) benchCase {
	const limit = 3000
	return benchCase{name: "2.5 % errors against 0.5 %", config: config, promise: "caught before 3000 of its requests",
		run: func(b *bench, g *gateway) (result, error) {
			t := newTraffic(g, b.rate)
			defer t.end()
			time.Sleep(2 * time.Second)
			id, err := g.deploy("v2-worse")
			if err != nil {
				return result{}, err
			}
			r, err := g.ended(id, time.Duration(limit/(0.05*b.rate)*1.1*float64(time.Second)))
			if err != nil {
				return result{requests: candidateRequests(&r)}, err
			}
			spent, err := g.spent()
			out := result{requests: candidateRequests(&r), measured: fmt.Sprintf("%.1fs", spent.Seconds())}
			out.kept = r.Status == api.RolloutRolledBack && out.requests < limit
			return out, err
		}}
}

// goodOne is a rollout that completes while requests and WebSockets go on.
func goodOne(strategy, service, rollout string) benchCase {
	config := configOf(setting{instances: 4, rollout: rollout, service: service})
	return benchCase{name: strategy + " under load", config: config, promise: "no request fails, no WebSocket cut before its drain deadline",
		run: func(b *bench, g *gateway) (result, error) {
			t := newTraffic(g, b.rate)
			sockets := make([]*webSocket, 16)
			for i := range sockets {
				var err error
				if sockets[i], err = openWebSocket(g); err != nil {
					t.end()
					return result{}, err
				}
			}
			id, err := g.deploy("v2")
			if err != nil {
				t.end()
				return result{}, err
			}
			r, err := g.ended(id, time.Minute)
			time.Sleep(7 * time.Second) // the drain of the old ones
			t.end()
			if err != nil {
				return result{}, fmt.Errorf("%w (%s: %s; %s)", err, r.Status, r.Reason, t.failures())
			}
			early, cut, err := earlyCuts(g, sockets)
			out := result{requests: t.sent.Load(), measured: fmt.Sprintf("%s, %d of %d cut early", t.failures(), early, cut)}
			out.kept = err == nil && r.Status == api.RolloutCompleted && t.failed.Load() == 0 && early == 0 && cut == len(sockets)
			return out, err
		}}
}

// earlyCuts counts the WebSockets that were cut, and those before the drain of their instance had ended.
func earlyCuts(g *gateway, sockets []*webSocket) (early, cut int, err error) {
	for _, w := range sockets {
		at := w.cut.Load()
		w.nc.Close()
		if at == 0 {
			continue
		}
		cut++
		started, err := g.first("the start of "+w.instance, func(e *events.Event) bool {
			return e.Type == events.InstanceStarted && e.Data["address"] == w.instance
		})
		if err != nil {
			return early, cut, err
		}
		drains, err := g.first("the drain of "+w.instance, func(e *events.Event) bool {
			return e.Type == events.InstanceDraining && e.Instance == started.Instance
		})
		if err != nil {
			return early, cut, err
		}
		text, _ := drains.Data["deadline"].(string)
		deadline, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return early, cut, err
		}
		if time.Unix(0, at).Before(deadline) {
			early++
		}
	}
	return early, cut, nil
}

// quiet is a service with one request a minute: no verdict, and the reason says what is missing.
func quiet() benchCase {
	config := configOf(setting{instances: 1, rollout: "{steps: [{weight: 50, duration: 10s}, {weight: 90, duration: 10s}]}"})
	return benchCase{name: "one request a minute", config: config, promise: "no verdict, and what is missing is said",
		run: func(b *bench, g *gateway) (result, error) {
			id, err := g.deploy("v2-errors")
			if err != nil {
				return result{}, err
			}
			t := newTraffic(g, 1.0/60)
			defer t.end()
			select {
			case <-time.After(150 * time.Second):
			case <-b.ctx.Done():
				return result{}, b.ctx.Err()
			}
			r, err := g.admin.Rollout(g.ctx, id)
			if err != nil {
				return result{}, err
			}
			return result{requests: candidateRequests(&r), measured: r.Reason,
				kept: r.Status == api.RolloutRunning && r.Step == 1 && strings.Contains(r.Reason, "missing")}, nil
		}}
}

func candidateRequests(r *api.Rollout) int64 {
	if len(r.Evidence) == 0 {
		return 0
	}
	return int64(r.Evidence[0].CandidateRequests)
}
