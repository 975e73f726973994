package admin

import (
	"io"
	"net/http"
	"net/http/pprof"
	"strings"
	"time"

	"gatewayd/admin/api"
	"gatewayd/internal/metrics"
)

// healthz says that the process answers, and nothing else: a gateway whose services are
// down must not be restarted for that.
func healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, "ok\n")
}

func (s *Server) ready(*http.Request) (any, error) {
	if err := s.opts.System.Ready(); err != nil {
		return nil, api.Unavailable("%v", err)
	}
	return api.Ready{Ready: true}, nil
}

func (s *Server) status(*http.Request) (any, error) { return s.opts.System.Status(), nil }

func whoami(r *http.Request) (any, error) {
	caller := CallerFrom(r.Context())
	return api.Whoami{Name: caller.Name, Role: string(caller.Role), From: caller.From}, nil
}

func (s *Server) config(*http.Request) (any, error) { return s.opts.Config.EffectiveConfig(), nil }

func (s *Server) reload(r *http.Request) (any, error) { return s.opts.Reloader.Reload(r.Context()) }

func (s *Server) serveMetrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", metrics.ContentType)
	_, _ = s.opts.Metrics.WriteTo(w) // the scraper went away
}

// serveProfile answers as net/http/pprof does. Profiles take as long as their reader asks for.
func serveProfile(w http.ResponseWriter, r *http.Request) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // not supported: none is set
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	switch name := strings.TrimPrefix(r.URL.Path, "/debug/pprof/"); name {
	case "cmdline":
		pprof.Cmdline(w, r)
	case "profile":
		pprof.Profile(w, r)
	case "symbol":
		pprof.Symbol(w, r)
	case "trace":
		pprof.Trace(w, r)
	default:
		pprof.Index(w, r)
	}
}
