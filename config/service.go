package config

import "time"

// Service is what routes send to: instances, how requests are spread over them,
// how many there are, and how a new version goes in.
type Service struct {
	// Name is the service's key in the file.
	Name string `key:"-"`
	// How an instance is picked for a request.
	Balancer Balancer `key:"balancer" example:"{algorithm: least-connections}"`
	// Keeps a client on its instance. Left out: each request is picked anew.
	Affinity *Affinity `key:"affinity" example:"{cookie: gw_shop, ttl: 1h}"`
	// How long instances may take.
	Timeouts Timeouts `key:"timeouts" example:"{connect: 2s, responseHeader: 30s, idle: 60s}"`
	// How it is found out whether an instance is fit for traffic.
	HealthCheck HealthCheck `key:"healthCheck" example:"{path: /health, interval: 2s, timeout: 1s, healthyThreshold: 2, unhealthyThreshold: 3, expectStatus: 200-399}"`
	// When an instance is ejected for what its traffic shows.
	Outlier Outlier `key:"outlier" example:"{consecutiveFailures: 5, baseEjection: 30s, maxEjectionPercent: 50}"`
	// How much an instance and the queue take.
	Limits ServiceLimits `key:"limits" example:"{maxConcurrencyPerInstance: 64, queue: 256, queueTimeout: 5s, panicThresholdPercent: 50, slowStart: 10s}"`
	// TLS to the instances. Left out: plain HTTP.
	TLS *ServiceTLS `key:"tls" example:"{ca: internal.pem, serverName: shop.internal}"`
	// What clients see while `gatewayd maintenance` is on.
	Maintenance Maintenance `key:"maintenance" example:"{page: maintenance.html, retryAfter: 60s}"`
	// How long an instance that leaves may take to end its requests and sessions; it gets no new ones.
	DrainTimeout time.Duration `key:"drainTimeout" default:"30s" range:"0s..24h"`
	// Instances listed by hand. A service has either instances or a provider.
	Instances []Instance `key:"instances" example:"[{address: \"127.0.0.1:9001\", weight: 2}]"`
	// What runs the instances.
	Provider *Provider `key:"provider" example:"{process: {command: [./shop, --listen, \"{{.Address}}\"]}}"`
	// The version that runs. `gatewayd deploy` changes it, and the state file keeps that; another version written here begins a rollout to it when the file is read again.
	Version string `key:"version" default:"v1" format:"name"`
	// What one instance takes.
	Resources Resources `key:"resources" example:"{cpu: 1, memory: 512MiB, pool: on-demand, priority: 10}"`
	// How many instances there are; for services with a provider.
	Scaling Scaling `key:"scaling" for:"provider" example:"{minInstances: 2, maxInstances: 10, policies: [{name: slo, type: slo, objective: {waitBelow: 100ms, percent: 99}}]}"`
	// How a new version goes in; for services with a provider.
	Rollout Rollout `key:"rollout" for:"provider" example:"{strategy: canary, steps: [{weight: 5, duration: 1m}, {weight: 50, duration: 5m}]}"`
}

func (s *Service) kind() string {
	if s.Provider != nil {
		return "provider"
	}
	return "instances"
}

// Balancer is how an instance is picked.
type Balancer struct {
	// round-robin, weighted (smooth weighted round-robin), least-connections, random, p2c (the better of two by chance), peak-ewma (by latency), ip-hash and maglev (consistent hashes).
	Algorithm Algorithm `key:"algorithm" default:"least-connections"`
	// What ip-hash and maglev hash: client-ip, header:NAME, cookie:NAME, query:NAME, host or path.
	HashKey KeySource `key:"hashKey" default:"client-ip"`
}

// Affinity binds a client to an instance by a signed cookie.
type Affinity struct {
	// The cookie's name.
	Cookie string `key:"cookie" required:"true" format:"cookie-name" example:"gw_shop"`
	// How long the client keeps it; 0s is until the browser closes.
	TTL time.Duration `key:"ttl" default:"1h" range:"0s..8760h"`
	// What the cookie is signed with; several gateways before one service need the same. Left out: the gateway makes one and keeps it in its state file.
	Secret Secret `key:"secret" example:"${AFFINITY_SECRET}"`
}

// Timeouts bounds what instances do.
type Timeouts struct {
	// Until a connection stands, TLS included.
	Connect time.Duration `key:"connect" default:"2s" range:"1ms..5m"`
	// From the last byte of the request to the end of the response's head; 0s is no limit but the route's timeout.
	ResponseHeader time.Duration `key:"responseHeader" default:"30s" range:"0s..24h"`
	// How long an unused connection is kept for the next request. Shorter than the instance's own keep-alive timeout.
	Idle time.Duration `key:"idle" default:"60s" range:"0s..24h"`
	// The longest silence within a response body or an upgraded connection; 0s is no limit.
	StreamIdle time.Duration `key:"streamIdle" default:"5m" range:"0s..24h"`
}

// HealthCheck is the active check of each instance.
type HealthCheck struct {
	// http, tcp (a connection can be made), grpc (grpc.health.v1), or none: an instance is fit as soon as it has an address. Left out: http where a path is given, else tcp.
	Type CheckType `key:"type" example:"http"`
	// http: the path that is asked for. Left out: /.
	Path string `key:"path" for:"http" format:"path-query" example:"/health"`
	// The port that is checked; 0 is the instance's own.
	Port int `key:"port" default:"0" range:"0..65535"`
	// http and grpc: the Host that is sent. Left out: the instance's address.
	Host string `key:"host" for:"http,grpc" format:"host-port" example:"shop.internal"`
	// http: header fields.
	Headers map[string]string `key:"headers" for:"http" format:"header" example:"{x-check: \"1\"}"`
	// grpc: the name that is asked about. Left out: the whole process.
	ServiceName string `key:"serviceName" for:"grpc" example:"shop.v1.Shop"`
	// From one check to the next.
	Interval time.Duration `key:"interval" default:"2s" range:"10ms..1h"`
	// The interval while results contradict the state. Left out: a quarter of interval.
	FastInterval time.Duration `key:"fastInterval" range:"1ms..1h" example:"500ms"`
	// How long a new instance that was never healthy counts as starting instead of unhealthy.
	StartPeriod time.Duration `key:"startPeriod" default:"1m" range:"1ms..1h"`
	// The interval for an instance that is starting; never more than interval.
	StartInterval time.Duration `key:"startInterval" default:"200ms" range:"10ms..1h"`
	// How far an interval varies at random, so that checks do not march in step.
	JitterPercent Percent `key:"jitterPercent" default:"10" range:"0..50"`
	// How long a check may take.
	Timeout time.Duration `key:"timeout" default:"1s" range:"1ms..10m"`
	// Good checks in a row that make an unhealthy instance healthy; a new one needs one.
	HealthyThreshold int `key:"healthyThreshold" default:"2" range:"1..100"`
	// Failed checks in a row that make an instance unhealthy.
	UnhealthyThreshold int `key:"unhealthyThreshold" default:"3" range:"1..100"`
	// http: the statuses that are good, as ranges and single ones with commas between.
	ExpectStatus StatusRanges `key:"expectStatus" for:"http" default:"200-399"`
}

func (h *HealthCheck) kind() string { return string(h.Type) }

// Outlier ejects instances whose traffic fails.
type Outlier struct {
	// Failed requests in a row (5xx, no connection, reset, timeout) that eject an instance; 0 switches this off.
	ConsecutiveFailures int `key:"consecutiveFailures" default:"5" range:"0..10000"`
	// How long the first ejection lasts; each further one lasts one baseEjection longer.
	BaseEjection time.Duration `key:"baseEjection" default:"30s" range:"100ms..24h"`
	// The longest ejection.
	MaxEjection time.Duration `key:"maxEjection" default:"5m" range:"100ms..24h"`
	// The share of instances that may be ejected at a time; one always may where there are two or more.
	MaxEjectionPercent Percent `key:"maxEjectionPercent" default:"50"`
	// An instance is ejected too when its share of successes lies so many standard deviations below the mean, and 5 points at least; needs 5 instances with 100 requests each in 10 s. 0 switches this off.
	SuccessRateStdev float64 `key:"successRateStdev" default:"1.9" range:"0..10"`
}

// ServiceLimits bounds what is in flight and what waits.
type ServiceLimits struct {
	// Requests in flight to one instance; what is over waits in the queue. 0 is no limit.
	MaxConcurrencyPerInstance int `key:"maxConcurrencyPerInstance" default:"64" range:"0..1000000"`
	// Requests that may wait; what is over is answered with 503 and Retry-After at once.
	Queue int `key:"queue" default:"256" range:"0..100000"`
	// How long a request may wait; then 503.
	QueueTimeout time.Duration `key:"queueTimeout" default:"5s" range:"0s..1h"`
	// Where a smaller share of the instances is fit, all are used again; 0 switches this off.
	PanicThresholdPercent Percent `key:"panicThresholdPercent" default:"50"`
	// How long the share of a new instance grows to its full size; 0s is at once.
	SlowStart time.Duration `key:"slowStart" default:"10s" range:"0s..1h"`
}

// ServiceTLS is TLS to the instances.
type ServiceTLS struct {
	// PEM file of the authorities that are trusted. Left out: the system's.
	CA string `key:"ca" example:"internal.pem"`
	// The name that the certificate must carry, sent as SNI too. Left out: the host part of the address.
	ServerName string `key:"serverName" format:"host" example:"shop.internal"`
	// Takes any certificate. For tests.
	InsecureSkipVerify bool `key:"insecureSkipVerify" default:"false"`
	// PEM file of the gateway's own certificate, where instances ask for one.
	ClientCert string `key:"clientCert" example:"gateway.pem"`
	// Its private key.
	ClientKey string `key:"clientKey" example:"gateway.key"`
}

// Maintenance is what clients see while a service is in maintenance.
type Maintenance struct {
	// An HTML file. Left out: a short text.
	Page string `key:"page" example:"maintenance.html"`
	// The Retry-After of the answer.
	RetryAfter time.Duration `key:"retryAfter" default:"60s" range:"1s..24h"`
}

// Instance is one that was listed by hand.
type Instance struct {
	// HOST:PORT; it is the instance's id too.
	Address string `key:"address" required:"true" format:"instance-address" example:"\"127.0.0.1:9001\""`
	// Its share of the traffic against the others; 0 drains it.
	Weight int `key:"weight" default:"1" range:"0..1000"`
}

// Resources is what one instance takes, for placing it, for its cost and, where the provider can, as its limit.
type Resources struct {
	// CPU cores; 0 is not known.
	CPU float64 `key:"cpu" default:"0" range:"0..100000"`
	// Memory; 0 is not known.
	Memory Size `key:"memory" default:"0" range:"0.."`
	// The resource pool. Left out: the cheapest that has room.
	Pool string `key:"pool" example:"on-demand"`
	// Who gets instances first where there is not enough for all; the higher one.
	Priority int `key:"priority" default:"0" range:"0..1000"`
}
