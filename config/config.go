package config

import (
	"maps"
	"slices"
	"time"
)

// Config is a whole configuration file.
type Config struct {
	// The admin API, dashboard and metrics.
	Admin Admin `key:"admin" example:"{listen: 127.0.0.1:9900}"`
	// What is kept over restarts.
	State State `key:"state" example:"{path: gatewayd.db, retention: {age: 720h}}"`
	// The gateway's own log, on standard error.
	Log Log `key:"log" example:"{level: info, format: json}"`
	// One line for each request. Left out: none.
	AccessLog *AccessLog `key:"accessLog" example:"{path: \"-\", format: json}"`
	// Export of spans by OTLP. Left out: trace context is passed on, nothing is exported.
	Tracing *Tracing `key:"tracing" example:"{endpoint: \"http://127.0.0.1:4318\", samplePercent: 1}"`
	// What happens between SIGTERM and the end of the process.
	Shutdown Shutdown `key:"shutdown" example:"{delay: 5s, timeout: 30s}"`
	// Where clients connect.
	Listeners []Listener `key:"listeners" required:"true" example:"[{name: web, address: \":8080\"}]"`
	// What requests are matched to. The most specific route wins: exact host before wildcard before any; exact path before the longest prefix before regex; then the one with more conditions on methods, headers and query; then the first in the file.
	Routes []Route `key:"routes" example:"[{name: shop, match: {path: {prefix: /}}, service: shop}]"`
	// What routes send to, by name.
	Services map[string]*Service `key:"services" format:"name" example:"{shop: {instances: [{address: \"127.0.0.1:9001\"}]}}"`
	// Holds scaling for all services.
	Scaling GlobalScaling `key:"scaling" example:"{paused: false}"`
	// Where instances are placed, with what there is and what it costs.
	ResourcePools []ResourcePool `key:"resourcePools" example:"[{name: on-demand, capacity: {cpu: 16, memory: 32GiB, instances: 20}, price: {cpuHour: 0.0316, memoryGiBHour: 0.0042}}]"`
	// What all instances of all services may take together. It bounds scaling, manual scaling and rollouts alike.
	ResourceLimits ResourceLimits `key:"resourceLimits" example:"{maxCpu: 100, maxMemory: 32GiB, maxInstances: 50, maxCostPerHour: 100}"`
	// The budget, and how costs are printed.
	Cost Cost `key:"cost" example:"{currency: USD, monthlyBudget: 500, warnPercent: 80}"`
	// Alerts and objectives, and who hears of them.
	Monitor Monitor `key:"monitor" example:"{thresholds: [{metric: errorRate, warning: 2, critical: 5, for: 30s}]}"`
	// Delivery of events to others.
	Events Events `key:"events" example:"{webhooks: [{url: \"https://ops.example.com/hook\", types: [component-scaled]}]}"`
}

// ServiceNames are the names of the services in alphabetical order.
func (c *Config) ServiceNames() []string { return slices.Sorted(maps.Keys(c.Services)) }

// Admin is the admin API with its dashboard and metrics.
type Admin struct {
	// Where it listens. Any other than a loopback address needs tokens.
	Listen string `key:"listen" default:"127.0.0.1:9900" format:"address"`
	// Host names under which the API answers, besides the address it listens on and localhost. Requests for other hosts are refused, so that a web page cannot reach the API by rebinding a name.
	Hosts []string `key:"hosts" format:"host" example:"[gateway.example.com]"`
	// Who may use it. Without tokens everyone on this machine may do everything.
	Tokens []Token `key:"tokens" example:"[{name: ops, role: operator, value: \"${OPS_TOKEN}\"}]"`
}

// Token lets its bearer use the admin API.
type Token struct {
	// The name that the audit trail shows.
	Name string `key:"name" required:"true" format:"name" example:"ops"`
	// viewer reads, operator also scales and deploys, admin changes everything.
	Role Role `key:"role" required:"true"`
	// What is sent as "Authorization: Bearer VALUE"; 16 characters or more.
	Value Secret `key:"value" required:"true" format:"token-value" example:"${OPS_TOKEN}"`
}

// State is the file that keeps targets, holds, history and events over restarts.
type State struct {
	// The database file. A relative path is taken from the folder in which gatewayd was started.
	Path string `key:"path" default:"gatewayd.db"`
	// How much of the past is kept.
	Retention Retention `key:"retention" example:"{age: 720h, events: 10000}"`
}

// Retention bounds the persisted history.
type Retention struct {
	// What is older is dropped.
	Age time.Duration `key:"age" default:"720h" range:"1h.."`
	// The newest events kept.
	Events int `key:"events" default:"10000" range:"100..1000000"`
	// The newest scaling decisions kept for each service.
	Decisions int `key:"decisions" default:"1000" range:"10..100000"`
	// The newest rollouts kept for each service.
	Rollouts int `key:"rollouts" default:"100" range:"1..10000"`
}

// Log is the gateway's own log.
type Log struct {
	// The least severe lines that are written.
	Level LogLevel `key:"level" default:"info"`
	// How a line looks.
	Format LogFormat `key:"format" default:"text"`
}

// AccessLog is the log of requests.
type AccessLog struct {
	// A file, or "-" for standard output.
	Path string `key:"path" default:"-"`
	// How a line looks.
	Format LogFormat `key:"format" default:"json"`
}

// Tracing exports a span for each sampled request.
type Tracing struct {
	// The OTLP/HTTP receiver; /v1/traces is added where the URL has no path.
	Endpoint string `key:"endpoint" required:"true" format:"url" example:"\"http://127.0.0.1:4318\""`
	// The share of requests that begin a trace here; one that comes with trace context keeps its own decision.
	SamplePercent Percent `key:"samplePercent" default:"1"`
	// The service.name of the spans.
	ServiceName string `key:"serviceName" default:"gatewayd"`
	// Header fields sent with each export, such as an API key.
	Headers map[string]Secret `key:"headers" format:"header" example:"{x-api-key: \"${OTLP_KEY}\"}"`
}

// Shutdown is the way from SIGTERM to the end of the process.
type Shutdown struct {
	// How long new connections are still taken after /readyz has begun to fail, so that whoever balances in front notices.
	Delay time.Duration `key:"delay" default:"0s" range:"0s..1h"`
	// How long requests and upgraded connections in flight may take to end after that; then they are cut.
	Timeout time.Duration `key:"timeout" default:"30s" range:"0s..24h"`
}

// GlobalScaling holds scaling for all services.
type GlobalScaling struct {
	// No service is scaled by policies while this is true; manual scaling, restarts of dead instances and rollouts still work.
	Paused bool `key:"paused" default:"false"`
}

// ResourcePool is a place for instances with a capacity and a price.
type ResourcePool struct {
	// The name that services use in resources.pool.
	Name string `key:"name" required:"true" format:"name" example:"on-demand"`
	// What the pool holds.
	Capacity Capacity `key:"capacity" example:"{cpu: 16, memory: 32GiB, instances: 20}"`
	// What an instance in it costs. The parts add up.
	Price Price `key:"price" example:"{cpuHour: 0.0316, memoryGiBHour: 0.0042}"`
}

// Capacity is what a pool holds; 0 is unlimited.
type Capacity struct {
	// CPU cores.
	CPU float64 `key:"cpu" default:"0" range:"0..1000000"`
	// Memory.
	Memory Size `key:"memory" default:"0" range:"0.."`
	// Instances, whatever their size.
	Instances int `key:"instances" default:"0" range:"0..100000"`
}

// Price is what an instance costs for each hour that it runs, in cost.currency.
type Price struct {
	// For each core it is given.
	CPUHour float64 `key:"cpuHour" default:"0" range:"0..1000000"`
	// For each GiB of memory it is given.
	MemoryGiBHour float64 `key:"memoryGiBHour" default:"0" range:"0..1000000"`
	// For each instance, whatever its size.
	InstanceHour float64 `key:"instanceHour" default:"0" range:"0..1000000"`
}

// ResourceLimits is what all services may take together; 0 is unlimited.
type ResourceLimits struct {
	// CPU cores.
	MaxCPU float64 `key:"maxCpu" default:"0" range:"0..1000000"`
	// Memory.
	MaxMemory Size `key:"maxMemory" default:"0" range:"0.."`
	// Instances.
	MaxInstances int `key:"maxInstances" default:"0" range:"0..100000"`
	// Money per hour, in cost.currency.
	MaxCostPerHour float64 `key:"maxCostPerHour" default:"0" range:"0..1000000000"`
}

// Cost is the budget.
type Cost struct {
	// Printed with amounts; nothing is converted.
	Currency string `key:"currency" default:"USD"`
	// What a calendar month may cost; 0 is no budget.
	MonthlyBudget float64 `key:"monthlyBudget" default:"0" range:"0..1000000000000"`
	// The share of the budget at which the alert is a warning, by what the month will cost at the present rate; over 100 % it is critical.
	WarnPercent Percent `key:"warnPercent" default:"80"`
}
