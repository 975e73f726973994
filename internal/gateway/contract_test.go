package gateway

import (
	"slices"
	"testing"

	"gatewayd/balancer"
	"gatewayd/config"
	"gatewayd/events"
	"gatewayd/scaler"
)

// The config names things that other packages define, without importing them: here is where both are known.
func TestConfigNamesWhatTheOtherPackagesHave(t *testing.T) {
	f := func(what string, names []string, has func(string) bool) {
		t.Helper()
		for _, name := range names {
			if !has(name) {
				t.Errorf("%s %q can be configured and does not exist", what, name)
			}
		}
	}
	f("event type", config.EventType("").Values(), func(n string) bool { return events.Type(n).Valid() })
	f("algorithm", config.Algorithm("").Values(), func(n string) bool { return slices.Contains(balancer.Algorithms(), balancer.Algorithm(n)) })
	f("metric", config.Metric("").Values(), func(n string) bool { return slices.Contains(scaler.Metrics(), scaler.Metric(n)) })
	for _, e := range events.Types() {
		if !slices.Contains(config.EventType("").Values(), string(e)) {
			t.Errorf("event type %q cannot be configured in a filter", e)
		}
	}
}
