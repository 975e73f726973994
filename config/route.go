package config

import "time"

// Route says which requests go to which service, and what happens to them on the way.
type Route struct {
	// The name that metrics and logs use.
	Name string `key:"name" required:"true" format:"name" example:"shop"`
	// The listeners it is on. Left out: all.
	Listeners []string `key:"listeners" example:"[web]"`
	// Which requests it takes. Left out: all.
	Match Match `key:"match" example:"{hosts: [shop.example.com], path: {prefix: /api/}}"`
	// Where they go. A route has either a service or a redirect.
	Service string `key:"service" example:"shop"`
	// Answers with a redirect instead.
	Redirect *Redirect `key:"redirect" example:"{scheme: https, status: 308}"`
	// What the service sees as path and host.
	Rewrite Rewrite `key:"rewrite" example:"{stripPrefix: /api}"`
	// Changes to the header of requests.
	RequestHeaders HeaderRules `key:"requestHeaders" example:"{set: {x-team: shop}, remove: [x-internal]}"`
	// Changes to the header of responses.
	ResponseHeaders HeaderRules `key:"responseHeaders" example:"{set: {strict-transport-security: max-age=31536000}, remove: [x-powered-by]}"`
	// From the end of the request, its body included, to the beginning of the response, waiting in the queue and retries included; then 504. 0s is no limit. Upgraded connections and bodies under way are bounded by the service's timeouts.streamIdle instead.
	Timeout time.Duration `key:"timeout" default:"15s" range:"0s..24h"`
	// The largest request body; a larger one is answered with 413. 0 is no limit: bodies are streamed and take no memory.
	MaxBodyBytes Size `key:"maxBodyBytes" default:"0" range:"0.."`
	// Which failed requests are sent again.
	Retries Retries `key:"retries" example:"{attempts: 2, perTryTimeout: 5s, budgetPercent: 20}"`
	// How many requests a client may send. Left out: any number.
	RateLimit *RateLimit `key:"rateLimit" example:"{requestsPerSecond: 100, burst: 200, key: client-ip}"`
	// Sends a copy of requests to another service and drops the response. Left out: none.
	Mirror *Mirror `key:"mirror" example:"{service: shadow, percent: 10}"`
	// Answers browsers of other origins. Left out: the service does.
	CORS *CORS `key:"cors" example:"{allowOrigins: [\"https://shop.example.com\"], maxAge: 10m}"`
	// Compresses responses. Left out: they pass as they are.
	Compress *Compress `key:"compress" example:"{algorithms: [zstd, br, gzip], minBytes: 1KiB}"`
}

// Match is the conditions of a route; all of them must hold.
type Match struct {
	// Host names without port, exact or with a leading "*." that stands for one or more labels.
	Hosts []string `key:"hosts" format:"host-pattern" example:"[shop.example.com, \"*.shop.example.com\"]"`
	// The path. Left out: any.
	Path PathMatch `key:"path" example:"{prefix: /api/}"`
	// Methods. Left out: all.
	Methods []string `key:"methods" format:"method" example:"[GET, POST]"`
	// Header fields and the value each must have; "*" is any value.
	Headers map[string]string `key:"headers" format:"header" example:"{x-beta: \"1\"}"`
	// Query parameters and the value each must have; "*" is any value.
	Query map[string]string `key:"query" example:"{preview: \"*\"}"`
}

// PathMatch is a condition on the path; one of its keys at most.
type PathMatch struct {
	// The whole path.
	Exact string `key:"exact" format:"path" example:"/login"`
	// The path's beginning. Whole segments: /api takes /api and /api/x, not /apis.
	Prefix string `key:"prefix" format:"path" example:"/api/"`
	// A regular expression (RE2) for the whole path.
	Regex string `key:"regex" format:"regex" example:"/items/[0-9]+"`
}

// Redirect is an answer that sends the client elsewhere. What is not given
// stays as it was in the request; the query is kept.
type Redirect struct {
	// The whole URL; then scheme, host and path are left out, and the query is not kept.
	To string `key:"to" format:"url" example:"https://example.com/moved"`
	// The new scheme.
	Scheme Scheme `key:"scheme" example:"https"`
	// The new host, with a port where it is not the scheme's own.
	Host string `key:"host" format:"host-port" example:"www.example.com"`
	// The new path.
	Path string `key:"path" format:"path" example:"/new"`
	// 301, 302, 303, 307 or 308.
	Status int `key:"status" default:"302"`
}

// Rewrite is what changes in the request line and host on the way to the service.
type Rewrite struct {
	// Taken from the path's beginning, in whole segments; what is left begins with /.
	StripPrefix string `key:"stripPrefix" format:"path" example:"/api"`
	// A new path instead of the request's.
	Path string `key:"path" format:"path" example:"/index.html"`
	// A regular expression (RE2); what it finds in the path becomes replacement.
	Regex string `key:"regex" format:"regex" example:"^/v[0-9]+/"`
	// What stands for a match of regex; $1 or ${name} is a group (write $${name} in the file).
	Replacement string `key:"replacement" example:"/"`
	// The Host that the service sees. Left out: the client's.
	Host string `key:"host" format:"host-port" example:"shop.internal"`
}

// HeaderRules changes header fields: first remove, then set.
type HeaderRules struct {
	// Fields and their new values.
	Set map[string]string `key:"set" format:"header-rule" example:"{x-team: shop}"`
	// Fields to remove.
	Remove []string `key:"remove" format:"header-rule" example:"[x-internal]"`
}

// Retries says which failed requests are sent again: idempotent ones, or those
// that certainly did not reach an instance, as long as no byte of a response went out.
type Retries struct {
	// How often a request may be sent again after the first time; 0 is never.
	Attempts int `key:"attempts" default:"2" range:"0..10"`
	// The time for each try, within the route's timeout; 0s is no limit of its own.
	PerTryTimeout time.Duration `key:"perTryTimeout" default:"0s" range:"0s..24h"`
	// What counts as failed: connect-failure, reset (the connection broke before the response), timeout (of one try), or a status from 500 to 599.
	On []RetryCondition `key:"on" default:"[connect-failure, reset, \"502\", \"503\"]" format:"retry-condition"`
	// Retries as a share of the requests of the service, both over the last 10 seconds; beyond it failures are passed on. 20 retries within 10 seconds are always allowed.
	BudgetPercent Percent `key:"budgetPercent" default:"20"`
	// The mean wait before the first retry; it doubles with each, and is random between 0 and twice the mean.
	Backoff time.Duration `key:"backoff" default:"25ms" range:"0s..1m"`
	// The longest wait.
	MaxBackoff time.Duration `key:"maxBackoff" default:"250ms" range:"0s..10m"`
}

// RateLimit is a limit by the generic cell rate algorithm; what is over it is
// answered with 429 and Retry-After.
type RateLimit struct {
	// The lasting rate of one key.
	RequestsPerSecond float64 `key:"requestsPerSecond" required:"true" range:"0.001..10000000" example:"100"`
	// How many requests may come at once. Left out: requestsPerSecond, and 1 at least.
	Burst int `key:"burst" range:"1..10000000" example:"200"`
	// Who shares a limit: client-ip, header:NAME, cookie:NAME, or route for all together.
	Key KeySource `key:"key" default:"client-ip"`
}

// Mirror copies requests to another service.
type Mirror struct {
	// The service that gets the copies.
	Service string `key:"service" required:"true" example:"shadow"`
	// The share of requests that is copied.
	Percent Percent `key:"percent" default:"100"`
	// Requests with a larger body are not copied: the copy is kept in memory.
	MaxBodyBytes Size `key:"maxBodyBytes" default:"64KiB" range:"0..64MiB"`
}

// CORS answers preflight requests and adds the header fields that browsers want.
type CORS struct {
	// Origins as SCHEME://HOST[:PORT], with "*." for any subdomain; "*" alone is any origin.
	AllowOrigins []string `key:"allowOrigins" required:"true" format:"origin" example:"[\"https://*.example.com\"]"`
	// Methods beyond the simple ones.
	AllowMethods []string `key:"allowMethods" default:"[GET, HEAD, POST]" format:"method"`
	// Request fields that scripts may set.
	AllowHeaders []string `key:"allowHeaders" format:"header" example:"[content-type]"`
	// Response fields that scripts may read.
	ExposeHeaders []string `key:"exposeHeaders" format:"header" example:"[x-request-id]"`
	// Cookies and the like are allowed; not together with the origin "*".
	AllowCredentials bool `key:"allowCredentials" default:"false"`
	// How long a browser may keep the answer to a preflight request.
	MaxAge time.Duration `key:"maxAge" default:"10m" range:"0s..24h"`
}

// Compress compresses responses that are not compressed yet, where client and response allow it.
type Compress struct {
	// The codings that may be used; of those that a client likes equally the first wins.
	Algorithms []Compression `key:"algorithms" default:"[zstd, br, gzip]"`
	// Shorter responses pass as they are.
	MinBytes Size `key:"minBytes" default:"1KiB" range:"0..1GiB"`
	// Media types that are compressed, exact or as TYPE/*.
	Types []string `key:"types" default:"[text/*, application/json, application/javascript, application/xml, application/wasm, image/svg+xml]" format:"media-type"`
}
