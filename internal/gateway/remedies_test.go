package gateway

import (
	"encoding/json"
	"testing"

	"gatewayd/cost"
	"gatewayd/monitor"
)

func TestActions(t *testing.T) {
	f := func(r monitor.Remedy, want string) {
		t.Helper()
		got, err := json.Marshal(actionOf(r))
		if err != nil || string(got) != want {
			t.Errorf("%+v: got %s, %v; want %s", r, got, err, want)
		}
	}
	f(monitor.Remedy{}, `null`)
	f(monitor.Remedy{Verb: monitor.RemedyCost}, `null`)
	f(monitor.Remedy{Verb: monitor.RemedyScale, Service: "shop", Instances: 6, Reason: "queue"}, `{"method":"POST","path":"/api/v1/services/shop/scale","body":{"instances":6,"reason":"queue"}}`)
	f(monitor.Remedy{Verb: monitor.RemedyDrain, Service: "a/b", Instance: "v1 3"}, `{"method":"POST","path":"/api/v1/services/a%2Fb/instances/v1%203/drain"}`)
	f(monitor.Remedy{Verb: monitor.RemedyRollback, Service: "shop"}, `{"method":"POST","path":"/api/v1/services/shop/rollback"}`)

	retire := cost.Recommendation{Type: cost.RetireService, Service: "shop", What: "nobody asks for it", Command: "gatewayd scale shop 0"}
	if got := adviceAction(&retire); *got.Body.Instances != 0 || got.Body.Reason != "nobody asks for it" || got.Path != "/api/v1/services/shop/scale" {
		t.Errorf("got %+v; want to scale shop to 0", got)
	}
	if got := adviceAction(&cost.Recommendation{Type: cost.ScaleToZero, Service: "shop"}); got != nil {
		t.Errorf("got %+v for what has to be written into the config; want nothing", got)
	}
}
