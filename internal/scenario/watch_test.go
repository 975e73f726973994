package scenario

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gatewayd/admin/api"
	"gatewayd/monitor"
)

// watch collects every finding of warning level or worse that a gateway tells of while the test runs.
type watch struct {
	t    *testing.T
	mu   sync.Mutex // protects seen
	seen map[string]sighting
}

type sighting struct {
	api.Finding
	at time.Time
}

func (w *world) watch() *watch {
	o := &watch{t: w.t, seen: map[string]sighting{}}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			if findings, err := w.admin.Bottlenecks(ctx); err == nil {
				o.note(findings)
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	}()
	w.t.Cleanup(func() { cancel(); <-ended })
	return o
}

func (o *watch) note(findings []api.Finding) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, f := range findings {
		if _, known := o.seen[f.ID]; !known && f.Severity != monitor.Info.String() {
			o.seen[f.ID] = sighting{f, time.Now()}
		}
	}
}

// find returns the first finding of a type, of an instance if one is given.
func (o *watch) find(kind monitor.FindingType, instance string) (sighting, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, s := range o.seen {
		if s.Type == string(kind) && (instance == "" || s.Instance == instance) {
			return s, true
		}
	}
	return sighting{}, false
}

// strangers are the findings of other types.
func (o *watch) strangers(kind monitor.FindingType) []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var list []string
	for _, id := range slices.Sorted(maps.Keys(o.seen)) {
		if s := o.seen[id]; s.Type != string(kind) {
			list = append(list, describe(s.Finding))
		}
	}
	return list
}

// excuse skips the test where the machine has so much to do that the gateway is late, which is the trouble then, and rightly named.
func (o *watch) excuse(kind monitor.FindingType) {
	o.t.Helper()
	if f, found := o.find(monitor.Gateway, ""); found && kind != monitor.Gateway && strings.Contains(f.Cause, "its delay") {
		o.t.Skipf("this machine has too much to do: %s", describe(f.Finding))
	}
}

func describe(f api.Finding) string {
	text := fmt.Sprintf("%s %s: %s", f.Severity, f.ID, f.Cause)
	for _, e := range f.Evidence {
		text += fmt.Sprintf(" [%s %.3g%s]", e.Name, e.Value, e.Unit)
	}
	return text
}

// lookedAt is for how long after the trouble began nothing else may be named; with GATEWAYD_SOAK it is as long as a type may take.
func lookedAt(t *testing.T) time.Duration {
	if soak(t) > 0 {
		return 30 * time.Second
	}
	return 20 * time.Second
}

// expect waits until the type is named, for the instance if one is given, and fails if another one is.
func (w *world) expect(o *watch, kind monitor.FindingType, instance string) {
	w.t.Helper()
	w.expectSince(time.Now(), o, kind, instance)
}

// expectSince is expect for trouble that began before.
func (w *world) expectSince(sick time.Time, o *watch, kind monitor.FindingType, instance string) {
	w.t.Helper()
	var found sighting
	named := false
	deadline := time.Now().Add(patience)
	w.within(2*patience, "it to be named, and nothing else", func() bool {
		if !named {
			found, named = o.find(kind, instance)
		}
		return named && time.Since(sick) > lookedAt(w.t) || time.Now().After(deadline)
	})
	others := o.strangers(kind)
	if !named || len(others) > 0 {
		o.excuse(kind)
	}
	if !named {
		w.t.Fatalf("%s was not named within %s; instead: %s", kind, patience, strings.Join(others, "\n"))
	}
	w.t.Logf("%s named after %.1f s: %s", kind, found.at.Sub(sick).Seconds(), describe(found.Finding))
	if len(others) > 0 {
		w.t.Errorf("named besides %s:\n%s", kind, strings.Join(others, "\n"))
	}
}
