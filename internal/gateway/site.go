package gateway

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"

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
	s := &sites{byListener: map[string]*proxy.Site{}, limiters: map[limiterKey]*ratelimit.Limiter{}}
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
	if lc.TLS != nil {
		if site.Settings.TLS, err = listenerTLS(lc.TLS); err != nil {
			return nil, err
		}
	}
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

// listenerTLS reads certificates and builds the configuration of one listener. The certificate is chosen by SNI; the first serves clients
// without SNI or with an unknown name.
func listenerTLS(t *config.ListenerTLS) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
	if t.MinVersion == config.TLS13 {
		c.MinVersion = tls.VersionTLS13
	}
	for _, pair := range t.Certificates {
		cert, err := tls.LoadX509KeyPair(pair.Cert, pair.Key)
		if err != nil {
			return nil, fmt.Errorf("cannot load certificate %q with key %q: %w", pair.Cert, pair.Key, err)
		}
		c.Certificates = append(c.Certificates, cert)
	}
	if a := t.ClientAuth; a != nil {
		pool, err := loadCA(a.CA)
		if err != nil {
			return nil, err
		}
		c.ClientCAs, c.ClientAuth = pool, tls.RequireAndVerifyClientCert
		if a.Mode == config.ClientAuthRequest {
			c.ClientAuth = tls.VerifyClientCertIfGiven
		}
	}
	return c, nil
}

func loadCA(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read certificate authorities: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("cannot read certificate authorities in %q: no PEM certificate in it", path)
	}
	return pool, nil
}

// upstreamTLS is how the instances of a service are connected to. It is made anew only when its settings or the content of its files change, so
// that a reload leaves connections alone.
type upstreamTLS struct {
	base    *tls.Config
	key     string                 // tells whether two are the same
	byHost  map[string]*tls.Config // with the name that the certificate must carry
	hostsMu sync.Mutex             // protects byHost
}

// config returns the settings, nil for plain connections.
func (u *upstreamTLS) config() *tls.Config {
	if u == nil {
		return nil
	}
	return u.base
}

// forHost returns the settings for instances on a host, where no name is configured.
func (u *upstreamTLS) forHost(host string) *tls.Config {
	u.hostsMu.Lock()
	defer u.hostsMu.Unlock()
	c := u.byHost[host]
	if c == nil {
		c = u.base.Clone()
		c.ServerName = host
		u.byHost[host] = c
	}
	return c
}

// newUpstreamTLS returns previous where nothing changed.
func newUpstreamTLS(t *config.ServiceTLS, previous *upstreamTLS) (*upstreamTLS, error) {
	if t == nil {
		return nil, nil
	}
	key := fmt.Sprintf("%+v", *t)
	for _, path := range []string{t.CA, t.ClientCert, t.ClientKey} {
		if path == "" {
			continue
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("cannot read a file of tls: %w", err)
		}
		key += fmt.Sprintf("|%x", xxhash.Sum64(content))
	}
	if previous != nil && previous.key == key {
		return previous, nil
	}
	base, err := serviceTLS(t)
	return &upstreamTLS{base: base, key: key, byHost: map[string]*tls.Config{}}, err
}

// serviceTLS builds the configuration of connections to instances.
func serviceTLS(t *config.ServiceTLS) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName, InsecureSkipVerify: t.InsecureSkipVerify,
		NextProtos: []string{"http/1.1"}, ClientSessionCache: tls.NewLRUClientSessionCache(64)}
	if t.CA != "" {
		pool, err := loadCA(t.CA)
		if err != nil {
			return nil, err
		}
		c.RootCAs = pool
	}
	if t.ClientCert != "" {
		cert, err := tls.LoadX509KeyPair(t.ClientCert, t.ClientKey)
		if err != nil {
			return nil, fmt.Errorf("cannot load client certificate %q with key %q: %w", t.ClientCert, t.ClientKey, err)
		}
		c.Certificates = []tls.Certificate{cert}
	}
	return c, nil
}
