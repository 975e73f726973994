package config

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

func (v *validator) routes() {
	listeners := make([]string, len(v.c.Listeners))
	for i, l := range v.c.Listeners {
		listeners[i] = l.Name
	}
	names, matches := map[string]string{}, map[string]string{}
	for i := range v.c.Routes {
		r, path := &v.c.Routes[i], index("routes", i)
		v.unique(names, r.Name, path+".name")
		for j, name := range r.Listeners {
			if !slices.Contains(listeners, name) && name != "" {
				v.unknownName(index(path+".listeners", j), name, "listener", listeners)
			}
		}
		v.match(path+".match", &r.Match)
		v.destination(path, r)
		v.route(path, r)
		v.sameMatch(matches, path, r)
	}
}

func (v *validator) match(path string, m *Match) {
	var given []string
	for _, p := range []struct{ key, value string }{{"exact", m.Path.Exact}, {"prefix", m.Path.Prefix}, {"regex", m.Path.Regex}} {
		if p.value != "" {
			given = append(given, p.key)
		}
	}
	if len(given) > 1 {
		v.fail(path+".path."+given[1], "got "+strings.Join(given, " and "), "one of exact, prefix and regex")
	}
	v.repeated(path+".hosts", m.Hosts)
	v.repeated(path+".methods", m.Methods)
	v.repeatedFields(path+".headers", m.Headers)
}

// repeated reports what stands in a list twice; upper and lower case are the same.
func (v *validator) repeated(path string, list []string) {
	seen := make(map[string]bool, len(list))
	for i, s := range list {
		lower := strings.ToLower(s)
		if seen[lower] && s != "" {
			v.fail(index(path, i), "got "+quote(s)+" again", "it once")
		}
		seen[lower] = true
	}
}

// repeatedFields reports header fields that differ in upper and lower case only.
func (v *validator) repeatedFields(path string, fields map[string]string) {
	seen := make(map[string]string, len(fields))
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		lower := strings.ToLower(name)
		if first, ok := seen[lower]; ok {
			v.fail(join(path, name), "got "+quote(name)+" besides "+quote(first), "one of them; they are the same field")
		}
		seen[lower] = name
	}
}

// destination checks where a route leads: to a service or, by redirect, elsewhere.
func (v *validator) destination(path string, r *Route) {
	v.exactlyOne(path, "service", "redirect")
	v.serviceNamed(path+".service", r.Service)
	if r.Redirect != nil && v.sound(path+".redirect") {
		v.redirect(path+".redirect", r.Redirect)
	}
	if m := r.Mirror; m != nil {
		v.serviceNamed(path+".mirror.service", m.Service)
		if m.Service == r.Service && m.Service != "" {
			v.fail(path+".mirror.service", "got "+quote(m.Service)+", the route's own service", "another service")
		}
		if r.Redirect != nil {
			v.fail(path+".mirror", "got a mirror on a redirect", "it left out")
		}
	}
}

func (v *validator) redirect(path string, r *Redirect) {
	parts := r.Scheme != "" || r.Host != "" || r.Path != ""
	switch {
	case r.To != "" && parts:
		v.fail(path+".to", "got to besides scheme, host or path", "either to or the others")
	case r.To == "" && !parts && v.sound(path+".to", path+".scheme", path+".host", path+".path"):
		v.fail(path, "got none of to, scheme, host, path", "at least one of them")
	}
	switch r.Status {
	case 301, 302, 303, 307, 308:
	default:
		v.fail(path+".status", fmt.Sprintf("got %d", r.Status), "301, 302, 303, 307 or 308")
	}
}

func (v *validator) route(path string, r *Route) {
	w, at := &r.Rewrite, path+".rewrite"
	if w.Path != "" && (w.StripPrefix != "" || w.Regex != "") {
		v.fail(at+".path", "got path besides stripPrefix or regex", "path alone; it replaces the whole path")
	}
	if w.Replacement != "" && w.Regex == "" && v.sound(at+".regex") {
		v.fail(at+".replacement", "got a replacement without regex", "both, or none")
	}
	v.repeatedFields(path+".requestHeaders.set", r.RequestHeaders.Set)
	v.repeatedFields(path+".responseHeaders.set", r.ResponseHeaders.Set)
	if re := &r.Retries; re.MaxBackoff < re.Backoff && v.sound(path+".retries.backoff", path+".retries.maxBackoff") {
		v.fail(path+".retries.maxBackoff", fmt.Sprintf("got %s, less than backoff %s", short(re.MaxBackoff), short(re.Backoff)), "backoff or more")
	}
	if re := &r.Retries; r.Timeout > 0 && re.PerTryTimeout > r.Timeout && v.sound(path+".timeout", path+".retries.perTryTimeout") {
		v.fail(path+".retries.perTryTimeout", fmt.Sprintf("got %s, more than the route's timeout %s", short(re.PerTryTimeout), short(r.Timeout)), "less than timeout")
	}
	if l := r.RateLimit; l != nil {
		v.rateLimit(path+".rateLimit", l)
	}
	if c := r.CORS; c != nil && c.AllowCredentials && slices.Contains(c.AllowOrigins, "*") {
		v.fail(path+".cors.allowCredentials", `got true with the origin "*"`, "false, or the origins by name")
	}
}

func (v *validator) rateLimit(path string, l *RateLimit) {
	if l.Burst == 0 {
		l.Burst = max(1, int(math.Ceil(l.RequestsPerSecond)))
	}
	switch l.Key.Kind {
	case KeyQuery, KeyHost, KeyPath:
		v.fail(path+".key", "got "+quote(l.Key.String()), "client-ip, header:NAME, cookie:NAME or route")
	}
}

// sameMatch reports a route that never gets a request, because an earlier one
// takes all that match it.
func (v *validator) sameMatch(seen map[string]string, path string, r *Route) {
	if !v.sound(path, path+".match", path+".listeners") {
		return
	}
	key := matchKey(r)
	if first, ok := seen[key]; ok {
		v.fail(path+".match", "got the same conditions as "+first, "others; this route would never get a request")
		return
	}
	seen[key] = path
}

// matchKey is equal for routes with the same conditions.
func matchKey(r *Route) string {
	m := &r.Match
	var b strings.Builder
	for _, list := range [][]string{r.Listeners, m.Hosts, {m.Path.Exact, m.Path.Prefix, m.Path.Regex}, m.Methods} {
		for _, s := range list {
			fmt.Fprintf(&b, "%q,", s)
		}
		b.WriteByte(';')
	}
	for _, fields := range []map[string]string{m.Headers, m.Query} {
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			fmt.Fprintf(&b, "%q=%q,", name, fields[name])
		}
		b.WriteByte(';')
	}
	return b.String()
}
