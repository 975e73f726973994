package monitor

import "testing"

func TestRemedyCommand(t *testing.T) {
	f := func(r Remedy, want string) {
		t.Helper()
		if got := r.Command(); got != want {
			t.Errorf("%+v: got %q; want %q", r, got, want)
		}
	}
	f(Remedy{}, "")
	f(Remedy{Verb: RemedyScale, Service: "shop", Instances: 6, Reason: "queue with busy instances"}, "gatewayd scale shop 6 --reason 'queue with busy instances'")
	f(Remedy{Verb: RemedyScale, Service: "it's", Reason: "quiet"}, `gatewayd scale 'it'\''s' 0 --reason quiet`)
	f(Remedy{Verb: RemedyDrain, Service: "shop", Instance: "v1-3"}, "gatewayd drain shop v1-3")
	f(Remedy{Verb: RemedyRollback, Service: "a b"}, "gatewayd rollback 'a b'")
	f(Remedy{Verb: RemedyCost}, "gatewayd cost")
}
