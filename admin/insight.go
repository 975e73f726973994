package admin

import (
	"bytes"
	"net/http"
	"strings"
	"time"

	"gatewayd/admin/api"
)

const (
	defaultWindow = time.Hour
	minWindow     = time.Minute
	maxWindow     = 31 * 24 * time.Hour

	defaultHistory = 5 * time.Minute
	maxHistory     = 24 * time.Hour
)

func (s *Server) alerts(*http.Request) (any, error) { return s.opts.Alerts.Alerts(), nil }

func (s *Server) histories(r *http.Request) (any, error) {
	window, step, err := historyQuery(r)
	if err != nil {
		return nil, err
	}
	var services []string
	if text := r.URL.Query().Get("service"); text != "" {
		services = strings.Split(text, ",")
	}
	return s.opts.History.Histories(r.Context(), services, window, step)
}

func (s *Server) history(r *http.Request) (any, error) {
	window, step, err := historyQuery(r)
	if err != nil {
		return nil, err
	}
	return s.opts.History.History(r.Context(), r.PathValue("service"), window, step)
}

func historyQuery(r *http.Request) (window, step time.Duration, err error) {
	query := r.URL.Query()
	if window, err = parseDuration("window", query.Get("window"), durationRange{time.Second, maxHistory, defaultHistory}); err != nil {
		return 0, 0, err
	}
	step, err = parseDuration("step", query.Get("step"), durationRange{time.Second, maxHistory, 0})
	return window, step, err
}

func (s *Server) bottlenecks(*http.Request) (any, error) {
	return s.opts.Bottlenecks.Bottlenecks(), nil
}

func (s *Server) cost(*http.Request) (any, error) { return s.opts.Cost.Cost(), nil }

func (s *Server) recommendations(*http.Request) (any, error) {
	return s.opts.Cost.Recommendations(), nil
}

func (s *Server) resources(*http.Request) (any, error) { return s.opts.Resources.Resources(), nil }

// reportRoute answers with JSON, or with a page for format=html.
func (s *Server) reportRoute() route {
	rt := raw("/api/v1/reports/performance", RoleViewer, s.serveReport)
	rt.answer = api.Report{}
	return rt
}

func (s *Server) serveReport(w http.ResponseWriter, r *http.Request) {
	window, err := parseDuration("window", r.URL.Query().Get("window"), durationRange{minWindow, maxWindow, defaultWindow})
	if err != nil {
		writeError(w, err)
		return
	}
	switch format := r.URL.Query().Get("format"); format {
	case "", "json":
		report, err := s.opts.Reports.Performance(r.Context(), window)
		if err != nil {
			writeError(w, err)
			return
		}
		writeJSON(w, http.StatusOK, report)
	case "html":
		s.servePage(w, r, window)
	default:
		writeError(w, api.Invalid("format", "got %q; want json or html", format))
	}
}

// servePage sends the report as a page. It is whole before the first byte goes out, so that a
// failure is still an error.
func (s *Server) servePage(w http.ResponseWriter, r *http.Request, window time.Duration) {
	var page bytes.Buffer
	if err := s.opts.Reports.PerformanceHTML(r.Context(), window, &page); err != nil {
		writeError(w, err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'")
	_, _ = page.WriteTo(w)
}

// durationRange is what a duration in a query may be.
type durationRange struct{ least, most, fallback time.Duration }

func parseDuration(field, text string, within durationRange) (time.Duration, error) {
	if text == "" {
		return within.fallback, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < within.least || d > within.most {
		return 0, api.Invalid(field, "got %q; want a duration from %s to %s, such as 10m", text, within.least, within.most)
	}
	return d, nil
}
