package admin

import (
	"bytes"
	"net/http"
	"time"

	"gatewayd/admin/api"
)

const (
	defaultWindow = time.Hour
	minWindow     = time.Minute
	maxWindow     = 31 * 24 * time.Hour
)

func (s *Server) alerts(*http.Request) (any, error) { return s.opts.Alerts.Alerts(), nil }

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
	window, err := parseWindow(r.URL.Query().Get("window"))
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

func parseWindow(text string) (time.Duration, error) {
	if text == "" {
		return defaultWindow, nil
	}
	window, err := time.ParseDuration(text)
	if err != nil || window < minWindow || window > maxWindow {
		return 0, api.Invalid("window", "got %q; want a duration from %s to %s, such as 24h", text, minWindow, maxWindow)
	}
	return window, nil
}
