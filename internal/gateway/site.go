package gateway

import (
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"gatewayd/config"
	"gatewayd/internal/clientaddr"
	"gatewayd/internal/message"
	"gatewayd/internal/ratelimit"
	"gatewayd/internal/router"
	"gatewayd/proxy"
)

// sites is the part of a snapshot that only a reload changes.
type sites struct {
	byListener map[string]*proxy.Site
	tls        map[string]*clientTLS // by listener
	routes     []*proxy.Route
	limiters   map[limiterKey]*ratelimit.Limiter
}

// limiterKey tells whether a route's limiter, and with it what its clients have used up, may be kept over a reload.
type limiterKey struct {
	route string
	rate  float64
	burst int
	key   config.KeySource
}

// buildSites turns listeners and routes into what the data path wants. order gives each service its index. What previous holds and
// did not change (limiters, counters) is kept.
func buildSites(cfg *config.Config, order map[string]int, previous *sites) (*sites, error) {
	s := &sites{byListener: map[string]*proxy.Site{}, tls: map[string]*clientTLS{}, limiters: map[limiterKey]*ratelimit.Limiter{}}
	stats := map[[2]string]*proxy.RouteStats{}
	if previous != nil {
		for _, r := range previous.routes {
			stats[[2]string{r.Stats.Route, r.Stats.Service}] = r.Stats
		}
	}
	rules := make([]router.Rule[*proxy.Route], len(cfg.Routes))
	for i := range cfg.Routes {
		rc := &cfg.Routes[i]
		r, err := s.buildRoute(rc, order, previous)
		if err != nil {
			return nil, err
		}
		if r.Stats = stats[[2]string{rc.Name, rc.Service}]; r.Stats == nil {
			r.Stats = proxy.NewRouteStats(rc.Name, rc.Service)
		}
		s.routes = append(s.routes, r)
		rules[i] = router.Rule[*proxy.Route]{
			Name: rc.Name, Hosts: rc.Match.Hosts, Methods: rc.Match.Methods, Headers: rc.Match.Headers, Query: rc.Match.Query,
			Path:  router.Path{Exact: rc.Match.Path.Exact, Prefix: rc.Match.Path.Prefix, Regex: rc.Match.Path.Regex},
			Value: r,
		}
	}
	for i := range cfg.Listeners {
		lc := &cfg.Listeners[i]
		site, err := buildSite(lc, cfg.Routes, rules)
		if err != nil {
			return nil, fmt.Errorf("cannot build listener %q: %w", lc.Name, err)
		}
		if lc.TLS != nil {
			var before *clientTLS
			if previous != nil {
				before = previous.tls[lc.Name]
			}
			t, err := newClientTLS(lc.TLS, before)
			if err != nil {
				return nil, fmt.Errorf("cannot build listener %q: %w", lc.Name, err)
			}
			s.tls[lc.Name], site.Settings.TLS = t, t.config
		}
		s.byListener[lc.Name] = site
	}
	return s, nil
}

func buildSite(lc *config.Listener, routes []config.Route, rules []router.Rule[*proxy.Route]) (*proxy.Site, error) {
	var mine []router.Rule[*proxy.Route]
	for i := range routes {
		if len(routes[i].Listeners) == 0 || slices.Contains(routes[i].Listeners, lc.Name) {
			mine = append(mine, rules[i])
		}
	}
	rt, err := router.New(mine)
	if err != nil {
		return nil, err
	}
	site := &proxy.Site{Router: rt, Settings: proxy.ListenerSettings{
		Head: message.Limits{
			HeadBytes: int(lc.Limits.HeaderBytes), FieldCount: lc.Limits.Headers, TargetBytes: int(lc.Limits.URIBytes),
		},
		HeaderTimeout: lc.Limits.HeaderTimeout, BodyIdleTimeout: lc.Limits.BodyIdleTimeout, IdleTimeout: lc.Limits.IdleTimeout,
		MaxConnections: int64(lc.Limits.MaxConnections), Trusted: clientaddr.New(lc.TrustedProxies),
		ConnectionRequests: uint32(lc.Limits.RequestsPerConnection), ConnectionAge: lc.Limits.ConnectionAge,
		MinRate: int64(lc.Limits.MinBodyRate), RateGrace: rateGrace,
	}}
	return site, nil
}

// rateGrace is how long a listener waits for a client's bodies before it asks for their rate.
const rateGrace = 5 * time.Second

func (s *sites) buildRoute(rc *config.Route, order map[string]int, previous *sites) (*proxy.Route, error) {
	r := &proxy.Route{
		Name: rc.Name, Service: -1, Timeout: rc.Timeout, MaxBodyBytes: int64(rc.MaxBodyBytes),
		RequestHeaders: headerRules(rc.RequestHeaders), ResponseHeaders: headerRules(rc.ResponseHeaders),
		Retry: retryPolicy(&rc.Retries), CORS: cors(rc.CORS),
		Rewrite: proxy.Rewrite{StripPrefix: rc.Rewrite.StripPrefix, Path: rc.Rewrite.Path, Replacement: rc.Rewrite.Replacement, Host: rc.Rewrite.Host},
	}
	if rc.Rewrite.Regex != "" {
		re, err := regexp.Compile(rc.Rewrite.Regex)
		if err != nil {
			return nil, fmt.Errorf("cannot compile rewrite.regex of route %q: %w", rc.Name, err)
		}
		r.Rewrite.Regex = re
	}
	if rd := rc.Redirect; rd != nil {
		r.Redirect = &proxy.Redirect{To: rd.To, Scheme: string(rd.Scheme), Host: rd.Host, Path: rd.Path, Status: rd.Status}
	}
	if rc.Service != "" {
		r.Service = order[rc.Service]
	}
	if m := rc.Mirror; m != nil {
		r.Mirror = &proxy.Mirror{Service: order[m.Service], Percent: float64(m.Percent), MaxBodyBytes: int(m.MaxBodyBytes)}
	}
	if err := s.addCompression(r, rc.Compress); err != nil {
		return nil, fmt.Errorf("cannot set up compression of route %q: %w", rc.Name, err)
	}
	return r, s.addLimiter(r, rc, previous)
}

func (s *sites) addLimiter(r *proxy.Route, rc *config.Route, previous *sites) error {
	if rc.RateLimit == nil {
		return nil
	}
	k := limiterKey{rc.Name, rc.RateLimit.RequestsPerSecond, rc.RateLimit.Burst, rc.RateLimit.Key}
	var l *ratelimit.Limiter
	if previous != nil {
		l = previous.limiters[k]
	}
	if l == nil {
		var err error
		if l, err = ratelimit.New(ratelimit.Options{Rate: k.rate, Burst: k.burst}); err != nil {
			return fmt.Errorf("cannot set up the rate limit of route %q: %w", rc.Name, err)
		}
	}
	s.limiters[k] = l
	r.RateLimit = &proxy.RateLimit{Limiter: l, Key: keySource(rc.RateLimit.Key)}
	return nil
}

func headerRules(h config.HeaderRules) *proxy.HeaderRules {
	order := make([]string, 0, len(h.Set))
	for name := range h.Set {
		order = append(order, name)
	}
	sort.Strings(order)
	return proxy.NewHeaderRules(h.Set, order, h.Remove)
}

func retryPolicy(rc *config.Retries) proxy.RetryPolicy {
	p := proxy.RetryPolicy{
		Attempts: rc.Attempts, PerTryTimeout: rc.PerTryTimeout, BudgetPercent: float64(rc.BudgetPercent),
		Backoff: rc.Backoff, MaxBackoff: rc.MaxBackoff,
	}
	for _, on := range rc.On {
		switch on {
		case config.RetryConnectFailure:
			p.ConnectFailure = true
		case config.RetryReset:
			p.Reset = true
		case config.RetryTimeout:
			p.Timeout = true
		default:
			if status, err := strconv.Atoi(string(on)); err == nil {
				p.Statuses.Add(status)
			}
		}
	}
	return p
}

func cors(c *config.CORS) *proxy.CORS {
	if c == nil {
		return nil
	}
	return &proxy.CORS{
		Origins: c.AllowOrigins, Methods: strings.Join(c.AllowMethods, ", "), Headers: strings.Join(c.AllowHeaders, ", "),
		Expose: strings.Join(c.ExposeHeaders, ", "), Credentials: c.AllowCredentials, MaxAge: int(c.MaxAge / time.Second),
	}
}

// keySource reads "client-ip", "route", "host", "path" or "header:NAME", "cookie:NAME", "query:NAME".
func keySource(k config.KeySource) proxy.KeySource {
	kind, name, _ := strings.Cut(k.String(), ":")
	switch kind {
	case "header":
		return proxy.KeySource{Kind: proxy.KeyHeader, Name: strings.ToLower(name)}
	case "cookie":
		return proxy.KeySource{Kind: proxy.KeyCookie, Name: name}
	case "query":
		return proxy.KeySource{Kind: proxy.KeyQuery, Name: name}
	case "host":
		return proxy.KeySource{Kind: proxy.KeyHost}
	case "path":
		return proxy.KeySource{Kind: proxy.KeyPath}
	case "route":
		return proxy.KeySource{Kind: proxy.KeyConstant}
	}
	return proxy.KeySource{Kind: proxy.KeyClientIP}
}
