package admin

import (
	"net/http"
	"strings"
	"time"

	"gatewayd/admin/api"
)

const (
	maxClockSkew  = 10 * time.Second // how far in the future a pushed timestamp may lie
	maxFigureAge  = 10 * time.Minute // how old it may be
	maxInstances  = 100_000          // more is a slip of the finger, not a service
	maxTextLength = 1000             // of a reason or a message
)

func (s *Server) services(*http.Request) (any, error) { return s.opts.Services.Services(), nil }

func (s *Server) service(r *http.Request) (any, error) {
	return s.opts.Services.Service(r.PathValue("service"))
}

func (s *Server) scale(r *http.Request) (any, error) {
	req, err := readJSON[api.ScaleRequest](r)
	if err != nil {
		return nil, err
	}
	noteReason(r, req.Reason)
	if err := checkScale(req); err != nil {
		return nil, err
	}
	return s.opts.Scaler.Scale(r.Context(), r.PathValue("service"), req)
}

func checkScale(req api.ScaleRequest) error {
	switch {
	case req.Auto && req.Instances != nil:
		return api.Invalid("auto", "both auto and instances are given; want one of them")
	case req.Auto:
		return checkText("reason", req.Reason)
	case req.Instances == nil:
		return api.Invalid("instances", "it is missing; want a number of instances, or auto: true")
	case *req.Instances < 0 || *req.Instances > maxInstances:
		return api.Invalid("instances", "got %d; want 0 to %d", *req.Instances, maxInstances)
	case strings.TrimSpace(req.Reason) == "":
		return api.Invalid("reason", "it is missing; scaling by hand needs a reason")
	}
	return checkText("reason", req.Reason)
}

// checkText refuses a text that would fill the logs.
func checkText(field, text string) error {
	if len(text) > maxTextLength {
		return api.Invalid(field, "it has %d bytes; want at most %d", len(text), maxTextLength)
	}
	return nil
}

func (s *Server) push(r *http.Request) (any, error) {
	figures, err := readJSON[api.PushedMetrics](r)
	if err != nil {
		return nil, err
	}
	if err := checkFigures(figures, time.Now()); err != nil {
		return nil, err
	}
	if err := s.opts.Scaler.Push(r.Context(), r.PathValue("service"), figures); err != nil {
		return nil, err
	}
	return api.Done{Success: true}, nil
}

// checkFigures refuses what no instance can have measured. JSON has no NaN and no infinity.
func checkFigures(f api.PushedMetrics, now time.Time) error {
	given := false
	for _, figure := range []struct {
		field string
		value *float64
		most  float64 // 0: no bound
	}{
		{"cpu", f.CPU, 0}, // percent of what is given: a burst may pass 100
		{"memory", f.Memory, 0},
		{"requestRate", f.RequestRate, 0},
		{"responseTime", f.ResponseTime, 0},
		{"errorRate", f.ErrorRate, 100},
		{"activeConnections", f.ActiveConnections, 0},
		{"queueLength", f.QueueLength, 0},
	} {
		if figure.value == nil {
			continue
		}
		given = true
		if *figure.value < 0 {
			return api.Invalid(figure.field, "got %v; want 0 or more", *figure.value)
		}
		if figure.most > 0 && *figure.value > figure.most {
			return api.Invalid(figure.field, "got %v; want at most %v", *figure.value, figure.most)
		}
	}
	switch {
	case !given:
		return api.Invalid("cpu", "no figure is given; want at least one of cpu, memory, requestRate, responseTime, errorRate, activeConnections, queueLength")
	case f.Timestamp != nil && f.Timestamp.After(now.Add(maxClockSkew)):
		return api.Invalid("timestamp", "%s lies in the future", f.Timestamp.Format(time.RFC3339))
	case f.Timestamp != nil && f.Timestamp.Before(now.Add(-maxFigureAge)):
		return api.Invalid("timestamp", "%s is more than %s ago", f.Timestamp.Format(time.RFC3339), maxFigureAge)
	}
	return nil
}

func (s *Server) drain(r *http.Request) (any, error) {
	if err := s.opts.Drainer.Drain(r.Context(), r.PathValue("service"), r.PathValue("instance")); err != nil {
		return nil, err
	}
	return api.Done{Success: true}, nil
}

func (s *Server) undrain(r *http.Request) (any, error) {
	if err := s.opts.Drainer.Undrain(r.Context(), r.PathValue("service"), r.PathValue("instance")); err != nil {
		return nil, err
	}
	return api.Done{Success: true}, nil
}

func (s *Server) maintenance(r *http.Request) (any, error) {
	req, err := readJSON[api.MaintenanceRequest](r)
	if err != nil {
		return nil, err
	}
	noteReason(r, req.Message)
	switch req.Mode {
	case api.MaintenanceOn, api.MaintenanceHold, api.MaintenanceOff:
	default:
		return nil, api.Invalid("mode", "got %q; want on, off or hold", req.Mode)
	}
	if req.Mode == api.MaintenanceOff && req.For != 0 {
		return nil, api.Invalid("for", "mode off takes no duration")
	}
	if err := checkText("message", req.Message); err != nil {
		return nil, err
	}
	if err := s.opts.Maintenance.SetMaintenance(r.Context(), r.PathValue("service"), req); err != nil {
		return nil, err
	}
	return api.Done{Success: true}, nil
}
