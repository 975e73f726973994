package config

// enum is what a string type with a fixed set of values has.
type enum interface{ Values() []string }

// Role is what the bearer of an admin token may do.
type Role string

// Roles, each with the rights of those before it.
const (
	RoleViewer   Role = "viewer"
	RoleOperator Role = "operator"
	RoleAdmin    Role = "admin"
)

// Values are the roles that a file may name.
func (Role) Values() []string { return names(RoleViewer, RoleOperator, RoleAdmin) }

// LogLevel is the least severe line that is logged.
type LogLevel string

// Log levels, as in log/slog.
const (
	LevelDebug LogLevel = "debug"
	LevelInfo  LogLevel = "info"
	LevelWarn  LogLevel = "warn"
	LevelError LogLevel = "error"
)

// Values are the levels that a file may name.
func (LogLevel) Values() []string { return names(LevelDebug, LevelInfo, LevelWarn, LevelError) }

// LogFormat is how a line of a log looks.
type LogFormat string

// Log formats.
const (
	FormatText LogFormat = "text"
	FormatJSON LogFormat = "json"
)

// Values are the formats that a file may name.
func (LogFormat) Values() []string { return names(FormatText, FormatJSON) }

// TLSVersion is a version of TLS.
type TLSVersion string

// TLS versions.
const (
	TLS12 TLSVersion = "1.2"
	TLS13 TLSVersion = "1.3"
)

// Values are the versions that a file may name.
func (TLSVersion) Values() []string { return names(TLS12, TLS13) }

// ClientAuthMode is what is asked of clients in the handshake.
type ClientAuthMode string

// Client authentication modes.
const (
	ClientAuthRequire ClientAuthMode = "require"
	ClientAuthRequest ClientAuthMode = "request"
)

// Values are the modes that a file may name.
func (ClientAuthMode) Values() []string { return names(ClientAuthRequire, ClientAuthRequest) }

// Scheme is the scheme of a URL.
type Scheme string

// Schemes.
const (
	SchemeHTTP  Scheme = "http"
	SchemeHTTPS Scheme = "https"
)

// Values are the schemes that a file may name.
func (Scheme) Values() []string { return names(SchemeHTTP, SchemeHTTPS) }

// Compression is a content coding.
type Compression string

// Content codings.
const (
	CompressionGzip   Compression = "gzip"
	CompressionBrotli Compression = "br"
	CompressionZstd   Compression = "zstd"
)

// Values are the codings that a file may name.
func (Compression) Values() []string {
	return names(CompressionGzip, CompressionBrotli, CompressionZstd)
}

// RetryCondition is a kind of failure: one of the constants, or a status from "500" to "599".
type RetryCondition string

// Retry conditions that are not a status.
const (
	RetryConnectFailure RetryCondition = "connect-failure"
	RetryReset          RetryCondition = "reset"
	RetryTimeout        RetryCondition = "timeout"
)

// Algorithm is a way to pick an instance.
type Algorithm string

// Balancing algorithms.
const (
	RoundRobin       Algorithm = "round-robin"
	LeastConnections Algorithm = "least-connections"
	Weighted         Algorithm = "weighted"
	IPHash           Algorithm = "ip-hash"
	Random           Algorithm = "random"
	P2C              Algorithm = "p2c"
	PeakEWMA         Algorithm = "peak-ewma"
	Maglev           Algorithm = "maglev"
)

// Values are the algorithms that a file may name.
func (Algorithm) Values() []string {
	return names(RoundRobin, LeastConnections, Weighted, IPHash, Random, P2C, PeakEWMA, Maglev)
}

// CheckType is a kind of health check.
type CheckType string

// Kinds of health checks.
const (
	CheckHTTP CheckType = "http"
	CheckTCP  CheckType = "tcp"
	CheckGRPC CheckType = "grpc"
	CheckNone CheckType = "none"
)

// Values are the kinds that a file may name.
func (CheckType) Values() []string { return names(CheckHTTP, CheckTCP, CheckGRPC, CheckNone) }

// OnExit is what becomes of instances when the gateway ends.
type OnExit string

// Fates of instances.
const (
	ExitStop  OnExit = "stop"
	ExitAdopt OnExit = "adopt"
)

// Values are the fates that a file may name.
func (OnExit) Values() []string { return names(ExitStop, ExitAdopt) }

// PullPolicy is when a container image is fetched.
type PullPolicy string

// Pull policies.
const (
	PullMissing PullPolicy = "missing"
	PullAlways  PullPolicy = "always"
	PullNever   PullPolicy = "never"
)

// Values are the policies that a file may name.
func (PullPolicy) Values() []string { return names(PullMissing, PullAlways, PullNever) }

// PolicyType is a kind of scaling policy.
type PolicyType string

// Kinds of scaling policies.
const (
	PolicyThreshold PolicyType = "threshold"
	PolicyTarget    PolicyType = "target"
	PolicySLO       PolicyType = "slo"
	PolicySchedule  PolicyType = "schedule"
)

// Values are the kinds that a file may name.
func (PolicyType) Values() []string {
	return names(PolicyThreshold, PolicyTarget, PolicySLO, PolicySchedule)
}

// Metric is a signal of a service.
type Metric string

// Metrics with their units.
const (
	MetricCPU               Metric = "cpu"               // percent of what an instance is given
	MetricMemory            Metric = "memory"            // percent of what an instance is given
	MetricRequestRate       Metric = "requestRate"       // per instance and second
	MetricResponseTime      Metric = "responseTime"      // milliseconds, p95
	MetricErrorRate         Metric = "errorRate"         // percent of requests
	MetricActiveConnections Metric = "activeConnections" // in flight per instance
	MetricQueueLength       Metric = "queueLength"       // requests
)

// Values are the metrics that a file may name.
func (Metric) Values() []string {
	return names(MetricCPU, MetricMemory, MetricRequestRate, MetricResponseTime, MetricErrorRate,
		MetricActiveConnections, MetricQueueLength)
}

// AlertMetric is what a threshold watches: a Metric or one of the constants below.
type AlertMetric string

// Metrics of alerts beyond those of scaling.
const (
	MetricRejectedRate AlertMetric = "rejectedRate" // percent of the requests that came
	MetricRestarts     AlertMetric = "restarts"     // of instances, within the window
	MetricCostPerHour  AlertMetric = "costPerHour"  // in cost.currency
)

// Values are the metrics that a file may name.
func (AlertMetric) Values() []string {
	return append(Metric.Values(""), names(MetricRejectedRate, MetricRestarts, MetricCostPerHour)...)
}

// Strategy is a way to bring in a new version.
type Strategy string

// Rollout strategies.
const (
	StrategyCanary    Strategy = "canary"
	StrategyBlueGreen Strategy = "blue-green"
	StrategyRolling   Strategy = "rolling"
)

// Values are the strategies that a file may name.
func (Strategy) Values() []string { return names(StrategyCanary, StrategyBlueGreen, StrategyRolling) }

// Unit is the unit of an alert's thresholds.
type Unit string

// Units.
const (
	UnitMilliseconds Unit = "ms"
	UnitPercent      Unit = "%"
	UnitPerSecond    Unit = "/s"
)

// Values are the units that a file may name.
func (Unit) Values() []string {
	return names(UnitMilliseconds, UnitPercent, UnitPerSecond)
}

// NotifyType is a format and protocol of alert messages.
type NotifyType string

// Kinds of receivers.
const (
	NotifyWebhook      NotifyType = "webhook"
	NotifySlack        NotifyType = "slack"
	NotifyAlertmanager NotifyType = "alertmanager"
)

// Values are the kinds that a file may name.
func (NotifyType) Values() []string { return names(NotifyWebhook, NotifySlack, NotifyAlertmanager) }

// Severity is how bad an alert is.
type Severity string

// Severities in rising order.
const (
	SeverityInfo     Severity = "info"
	SeverityWarning  Severity = "warning"
	SeverityCritical Severity = "critical"
	SeverityPage     Severity = "page"
)

// Values are the severities that a file may name.
func (Severity) Values() []string {
	return names(SeverityInfo, SeverityWarning, SeverityCritical, SeverityPage)
}

// EventType is a kind of event that the gateway tells of.
type EventType string

// Values are the types that a file may name.
func (EventType) Values() []string {
	return []string{
		"component-scaled", "instance-started", "instance-stopped", "instance-healthy", "instance-unhealthy",
		"instance-ejected", "instance-draining", "bottleneck-detected", "bottleneck-resolved", "performance-alert", "alert-resolved",
		"deployment-started", "deployment-step", "deployment-completed", "deployment-rolled-back", "deployment-failed",
		"config-reloaded", "config-rejected", "limit-reached", "maintenance-changed", "state-set-aside", "audit",
	}
}

func names[T ~string](values ...T) []string {
	s := make([]string, len(values))
	for i, v := range values {
		s[i] = string(v)
	}
	return s
}
