package admin

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"gatewayd/admin/api"
)

// newHandler puts the routes behind what holds for every request: known host names,
// security headers, JSON for what does not exist.
func (s *Server) newHandler(routes []route) http.Handler {
	mux := http.NewServeMux()
	for _, rt := range routes {
		mux.Handle(rt.method+" "+rt.path, s.guard(rt))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		setSecurityHeaders(w.Header())
		if !s.access.Load().admitsHost(r.Host) {
			writeError(w, &api.Error{Status: http.StatusMisdirectedRequest, Field: "Host",
				Message: fmt.Sprintf("got %q; want localhost, an IP address or one of admin.hosts", r.Host)})
			return
		}
		h, pattern := mux.Handler(r)
		switch {
		case pattern != "":
			mux.ServeHTTP(w, r)
		case s.opts.Dashboard != nil && !isAPI(r.URL.Path):
			s.opts.Dashboard.ServeHTTP(w, r)
		default:
			answerUnknown(w, r, h)
		}
	})
}

// isAPI reports whether path belongs to the API and never to the dashboard.
func isAPI(path string) bool {
	return strings.HasPrefix(path, "/api/") || strings.HasPrefix(path, "/debug/")
}

// setSecurityHeaders forbids browsers to do anything with a response but show it to who asked. The
// dashboard replaces the content policy with its own.
func setSecurityHeaders(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// answerUnknown sends the 404 or 405 of fallback, which the mux chose, as JSON.
func answerUnknown(w http.ResponseWriter, r *http.Request, fallback http.Handler) {
	probe := &statusRecorder{header: http.Header{}}
	fallback.ServeHTTP(probe, r)
	if probe.status == http.StatusMethodNotAllowed {
		allowed := probe.header.Get("Allow")
		w.Header().Set("Allow", allowed)
		writeError(w, &api.Error{Status: probe.status, Message: fmt.Sprintf("%s does not accept %s; want %s", r.URL.Path, r.Method, allowed)})
		return
	}
	writeError(w, &api.Error{Status: http.StatusNotFound, Message: fmt.Sprintf("this gateway does not serve %s; /api/v1/openapi.yaml lists what it does", r.URL.Path)})
}

// statusRecorder takes a response and keeps its status and header only.
type statusRecorder struct {
	header http.Header
	status int
}

func (p *statusRecorder) Header() http.Header         { return p.header }
func (p *statusRecorder) WriteHeader(status int)      { p.status = status }
func (p *statusRecorder) Write(b []byte) (int, error) { return len(b), nil }

// guard lets a request through to its route when it comes from no other site and its sender
// has the role, and records what it changed.
func (s *Server) guard(rt route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if rt.role == RoleNone {
			s.answer(w, r, rt)
			return
		}
		if err := checkSite(r); err != nil {
			writeError(w, err)
			return
		}
		caller, authErr := s.authenticate(r)
		if authErr != nil {
			writeError(w, authErr)
			return
		}
		change := Change{Time: time.Now(), Caller: caller, Action: r.Method + " " + r.URL.Path}
		ctx := context.WithValue(r.Context(), callerKey{}, caller)
		ctx = context.WithValue(ctx, changeKey{}, &change)
		change.Status, change.Error = s.authorised(w, r.WithContext(ctx), rt, caller)
		if rt.changes() && s.opts.Audit != nil {
			s.opts.Audit(change)
		}
	})
}

// authorised answers r if the caller's role allows it, and returns how it did.
func (s *Server) authorised(w http.ResponseWriter, r *http.Request, rt route, caller Caller) (status int, failure string) {
	if !caller.Role.includes(rt.role) {
		err := &api.Error{Status: http.StatusForbidden,
			Message: fmt.Sprintf("token %q has the role %s; this needs %s", caller.Name, caller.Role, rt.role)}
		return writeError(w, err), err.Error()
	}
	if rt.changes() {
		if err := checkContentType(r); err != nil {
			return writeError(w, err), err.Error()
		}
	}
	return s.answer(w, r, rt)
}

// answer runs the route. A panic in it is one failed request and no more.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, rt route) (status int, failure string) {
	defer func() {
		if p := recover(); p != nil && p != http.ErrAbortHandler {
			s.opts.Log.Error("admin request panicked", "path", r.URL.Path, "err", p)
			status, failure = writeError(w, fmt.Errorf("internal error in %s", r.URL.Path)), "internal error"
		}
	}()
	r.Body = http.MaxBytesReader(w, r.Body, maxBodyBytes)
	if rt.raw != nil {
		rt.raw(w, r)
		return http.StatusOK, ""
	}
	v, err := rt.json(r)
	if err != nil {
		return writeError(w, err), err.Error()
	}
	writeJSON(w, rt.status, v)
	return rt.status, ""
}

// checkSite refuses what another site made a browser send. Browsers say so in Sec-Fetch-Site, older ones
// in Origin; other clients send neither.
func checkSite(r *http.Request) *api.Error {
	site := r.Header.Get("Sec-Fetch-Site")
	foreign := site != "" && site != "same-origin" && site != "none"
	if foreign || http.NewCrossOriginProtection().Check(r) != nil {
		return &api.Error{Status: http.StatusForbidden, Message: "requests from other sites are refused"}
	}
	return nil
}

type changeKey struct{}

// noteReason puts the reason that a caller gave into the audit record of its request.
func noteReason(r *http.Request, reason string) {
	if change, ok := r.Context().Value(changeKey{}).(*Change); ok {
		change.Reason = reason
	}
}
