package gateway

import (
	"net/http"
	"net/url"

	"gatewayd/admin/api"
	"gatewayd/cost"
	"gatewayd/monitor"
)

// actionOf is the call of the admin API that does what a remedy's command does; nil for one that changes nothing.
func actionOf(r monitor.Remedy) *api.Action {
	switch r.Verb {
	case monitor.RemedyScale:
		return scaleAction(r.Service, r.Instances, r.Reason)
	case monitor.RemedyDrain:
		return &api.Action{Method: http.MethodPost, Path: servicePath(r.Service) + "/instances/" + url.PathEscape(r.Instance) + "/drain"}
	case monitor.RemedyRollback:
		return &api.Action{Method: http.MethodPost, Path: servicePath(r.Service) + "/rollback"}
	}
	return nil
}

// adviceAction is likewise for a recommendation: of those with a command there is only one that stops a service.
func adviceAction(r *cost.Recommendation) *api.Action {
	if r.Type != cost.RetireService || r.Command == "" {
		return nil
	}
	return scaleAction(r.Service, 0, r.What)
}

func scaleAction(service string, instances int, reason string) *api.Action {
	return &api.Action{Method: http.MethodPost, Path: servicePath(service) + "/scale", Body: &api.ScaleRequest{Instances: &instances, Reason: reason}}
}

func servicePath(name string) string { return "/api/v1/services/" + url.PathEscape(name) }
