package admin

import (
	"net/http"

	"gatewayd/admin/api"
)

// route is one path of the API with one method.
type route struct {
	method, path string // the path as in the OpenAPI document
	role         Role   // the least that a caller needs
	status       int    // of a success

	// json or raw answers; raw writes the response itself.
	json func(r *http.Request) (any, error)
	raw  http.HandlerFunc

	// body and answer are values of the types that are read and written; nil where
	// there is no JSON. The OpenAPI document is held against them.
	body, answer any
}

// changes reports whether requests of this route change something.
func (rt route) changes() bool { return rt.method != http.MethodGet }

func get(path string, role Role, answer any, json func(*http.Request) (any, error)) route {
	return route{method: http.MethodGet, path: path, role: role, status: http.StatusOK, answer: answer, json: json}
}

func post(path string, role Role, body, answer any, json func(*http.Request) (any, error)) route {
	return route{method: http.MethodPost, path: path, role: role, status: http.StatusOK, body: body, answer: answer, json: json}
}

func raw(path string, role Role, handler http.HandlerFunc) route {
	return route{method: http.MethodGet, path: path, role: role, status: http.StatusOK, raw: handler}
}

// routes returns every route that has something behind it.
func (s *Server) routes() []route {
	o := &s.opts
	all := []route{
		raw("/healthz", RoleNone, healthz),
		raw("/api/v1/openapi.yaml", RoleNone, s.serveOpenAPI),
		raw("/debug/pprof/", RoleAdmin, serveProfile),
		get("/api/v1/whoami", RoleViewer, api.Whoami{}, whoami),
	}
	when := func(wired bool, routes ...route) {
		if wired {
			all = append(all, routes...)
		}
	}
	when(o.Metrics != nil, raw("/metrics", RoleNone, s.serveMetrics))
	when(o.System != nil,
		get("/readyz", RoleNone, api.Ready{}, s.ready),
		get("/api/v1/status", RoleViewer, api.Status{}, s.status))
	when(o.Services != nil,
		get("/api/v1/services", RoleViewer, []api.Service{}, s.services),
		get("/api/v1/services/{service}", RoleViewer, api.Service{}, s.service))
	when(o.History != nil,
		get("/api/v1/history", RoleViewer, []api.History{}, s.histories),
		get("/api/v1/services/{service}/history", RoleViewer, api.History{}, s.history))
	when(o.Scaler != nil,
		post("/api/v1/services/{service}/scale", RoleOperator, api.ScaleRequest{}, api.ScaleResult{}, s.scale),
		post("/api/v1/services/{service}/metrics", RoleOperator, api.PushedMetrics{}, api.Done{}, s.push))
	when(o.Drainer != nil,
		post("/api/v1/services/{service}/instances/{instance}/drain", RoleOperator, nil, api.Done{}, s.drain),
		post("/api/v1/services/{service}/instances/{instance}/undrain", RoleOperator, nil, api.Done{}, s.undrain))
	when(o.Maintenance != nil,
		post("/api/v1/services/{service}/maintenance", RoleOperator, api.MaintenanceRequest{}, api.Done{}, s.maintenance))
	when(o.Rollouts != nil, s.rolloutRoutes()...)
	when(o.Alerts != nil, get("/api/v1/alerts", RoleViewer, []api.Alert{}, s.alerts))
	when(o.Silences != nil, s.silenceRoutes()...)
	when(o.Bottlenecks != nil, get("/api/v1/bottlenecks", RoleViewer, []api.Finding{}, s.bottlenecks))
	when(o.Cost != nil,
		get("/api/v1/cost", RoleViewer, api.Cost{}, s.cost),
		get("/api/v1/cost/recommendations", RoleViewer, []api.Recommendation{}, s.recommendations))
	when(o.Resources != nil, get("/api/v1/resources", RoleViewer, api.Resources{}, s.resources))
	when(o.Reports != nil, s.reportRoute())
	when(o.Events != nil, raw("/api/v1/events", RoleViewer, s.serveEvents))
	when(o.Reloader != nil, post("/api/v1/reload", RoleAdmin, nil, api.ReloadResult{}, s.reload))
	when(o.Config != nil, get("/api/v1/config", RoleAdmin, nil, s.config))
	return all
}

func (s *Server) silenceRoutes() []route {
	create := post("/api/v1/silences", RoleOperator, api.SilenceRequest{}, api.Silence{}, s.silence)
	create.status = http.StatusCreated
	expire := route{method: http.MethodDelete, path: "/api/v1/silences/{id}", role: RoleOperator, status: http.StatusOK, answer: api.Done{}, json: s.expire}
	return []route{get("/api/v1/silences", RoleViewer, []api.Silence{}, s.silences), create, expire}
}

func (s *Server) rolloutRoutes() []route {
	start := post("/api/v1/services/{service}/rollouts", RoleOperator, api.RolloutRequest{}, api.RolloutRef{}, s.startRollout)
	start.status = http.StatusAccepted
	rollback := post("/api/v1/services/{service}/rollback", RoleOperator, nil, api.RolloutRef{}, s.rollback)
	rollback.status = http.StatusAccepted
	routes := []route{
		start, rollback,
		get("/api/v1/rollouts", RoleViewer, []api.Rollout{}, s.rollouts),
		get("/api/v1/rollouts/{id}", RoleViewer, api.Rollout{}, s.rollout),
	}
	for _, action := range []api.RolloutAction{api.ActionPause, api.ActionResume, api.ActionPromote, api.ActionAbort} {
		routes = append(routes, post("/api/v1/rollouts/{id}/"+string(action), RoleOperator, nil, api.Rollout{}, s.act(action)))
	}
	return routes
}
