package admin

import (
	"net/http"
	"strings"
	"time"

	"gatewayd/admin/api"
)

const (
	minSilence = time.Minute
	maxSilence = 31 * 24 * time.Hour
)

func (s *Server) silences(r *http.Request) (any, error) { return s.opts.Silences.Silences(r.Context()) }

func (s *Server) silence(r *http.Request) (any, error) {
	req, err := readJSON[api.SilenceRequest](r)
	if err != nil {
		return nil, err
	}
	noteReason(r, req.Comment)
	if err := checkSilence(req); err != nil {
		return nil, err
	}
	return s.opts.Silences.Silence(r.Context(), req)
}

func checkSilence(req api.SilenceRequest) error {
	length := time.Duration(req.For)
	switch {
	case req.Service == "" && req.Metric == "":
		return api.Invalid("service", "neither service nor metric is given; want one of them, or * for all alerts")
	case length < minSilence || length > maxSilence:
		return api.Invalid("for", "got %s; want a duration from %s to %s, such as 2h", length, minSilence, maxSilence)
	case strings.TrimSpace(req.Comment) == "":
		return api.Invalid("comment", "it is missing; others want to know why nobody hears of these alerts")
	}
	for _, text := range []struct{ field, value string }{{"service", req.Service}, {"metric", req.Metric}, {"comment", req.Comment}} {
		if err := checkText(text.field, text.value); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) expire(r *http.Request) (any, error) {
	if err := s.opts.Silences.Expire(r.Context(), r.PathValue("id")); err != nil {
		return nil, err
	}
	return api.Done{Success: true}, nil
}
