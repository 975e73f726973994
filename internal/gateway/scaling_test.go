package gateway

import (
	"testing"
	"time"

	"gatewayd/config"
)

func TestOnlyThresholdsCoolDown(t *testing.T) {
	f := func(kind config.PolicyType, want time.Duration) {
		t.Helper()
		spec := &config.Service{}
		spec.Scaling.Policies = []config.Policy{{Name: "p", Type: kind, Timezone: "UTC", Cron: "0 8 * * *", CooldownPeriod: 300 * time.Second}}
		if got := ScalerSpec(spec).Policies[0].CooldownPeriod; got != want {
			t.Fatalf("%s: got a cooldown of %s; want %s", kind, got, want)
		}
	}
	f(config.PolicyThreshold, 300*time.Second)
	f(config.PolicyTarget, 0)
	f(config.PolicySLO, 0)
	f(config.PolicySchedule, 0)
}
