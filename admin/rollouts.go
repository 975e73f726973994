package admin

import (
	"net/http"

	"gatewayd/admin/api"
)

func (s *Server) startRollout(r *http.Request) (any, error) {
	req, err := readJSON[api.RolloutRequest](r)
	if err != nil {
		return nil, err
	}
	noteReason(r, req.Reason)
	if err := checkRollout(req); err != nil {
		return nil, err
	}
	id, err := s.opts.Rollouts.Start(r.Context(), r.PathValue("service"), req)
	return api.RolloutRef{ID: id}, err
}

func checkRollout(req api.RolloutRequest) error {
	if req.Version == "" {
		return api.Invalid("version", "it is missing; want the version to deploy")
	}
	switch req.Strategy {
	case "", "canary", "blue-green", "rolling":
	default:
		return api.Invalid("strategy", "got %q; want canary, blue-green or rolling", req.Strategy)
	}
	last := 0.0
	for _, step := range req.Steps {
		if step.Weight < last || step.Weight > 100 {
			return api.Invalid("steps", "got a weight of %v after %v; want weights that rise, up to 100", step.Weight, last)
		}
		last = step.Weight
	}
	return checkText("reason", req.Reason)
}

func (s *Server) rollback(r *http.Request) (any, error) {
	id, err := s.opts.Rollouts.Rollback(r.Context(), r.PathValue("service"))
	return api.RolloutRef{ID: id}, err
}

func (s *Server) rollouts(*http.Request) (any, error) { return s.opts.Rollouts.Rollouts(), nil }

func (s *Server) rollout(r *http.Request) (any, error) {
	return s.opts.Rollouts.Rollout(r.PathValue("id"))
}

func (s *Server) act(action api.RolloutAction) func(*http.Request) (any, error) {
	return func(r *http.Request) (any, error) {
		return s.opts.Rollouts.Act(r.Context(), r.PathValue("id"), action)
	}
}
