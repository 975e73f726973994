package proxy

import (
	"crypto/tls"
	"regexp"
	"time"

	"gatewayd/balancer"
	"gatewayd/internal/clientaddr"
	"gatewayd/internal/compress"
	"gatewayd/internal/message"
	"gatewayd/internal/ratelimit"
	"gatewayd/internal/router"
)

// Snapshot is everything that decides requests at one time. It is immutable once published; a request
// loads it once. A change of instances or weights makes a new Snapshot that shares the sites and replaces one service.
type Snapshot struct {
	Generation uint64
	Sites      map[string]*Site // by listener name
	Services   []*ServiceView   // Route.Service is an index into it
}

// Site is what one listener serves.
type Site struct {
	Settings ListenerSettings
	Router   *router.Router[*Route]
}

// ListenerSettings are the limits of one listener. All durations and sizes are more than 0 where nothing else is said.
type ListenerSettings struct {
	Head            message.Limits
	HeaderTimeout   time.Duration // from a head's first byte to its last; the TLS handshake likewise
	BodyIdleTimeout time.Duration // silence within a request body, or a client that takes no byte of a response
	IdleTimeout     time.Duration // between requests
	MaxConnections  int64

	ConnectionRequests uint32        // after so many a connection is closed, 0: no limit
	ConnectionAge      time.Duration // the same after this time, to a second; 0: no limit
	MinRate            int64         // bytes/s that clients send of a body, or take of one, at least; 0: no limit
	RateGrace          time.Duration // waiting for a client that is always allowed, whatever MinRate says; may be 0

	Trusted *clientaddr.Trusted // peers whose word on the client is taken
	TLS     *tls.Config         // nil: plain; replaced whole when certificates change
}

// Route is what a matched request has done to it.
type Route struct {
	Name     string
	Service  int // index into Snapshot.Services, -1 with a Redirect
	Redirect *Redirect
	Stats    *RouteStats // survives snapshots

	Rewrite         Rewrite
	RequestHeaders  *HeaderRules // nil: none
	ResponseHeaders *HeaderRules
	Timeout         time.Duration // 0: none
	MaxBodyBytes    int64         // 0: none
	Retry           RetryPolicy
	RateLimit       *RateLimit
	Mirror          *Mirror
	CORS            *CORS
	Compress        *compress.Policy // nil: never
}

// Redirect answers with another location. Empty parts are the request's own.
type Redirect struct {
	To     string // the whole URL
	Scheme string
	Host   string
	Path   string
	Status int
}

// Rewrite changes path and host on the way to the service.
type Rewrite struct {
	StripPrefix string
	Path        string
	Regex       *regexp.Regexp
	Replacement string
	Host        string
}

// RetryPolicy says which failures are tried again.
type RetryPolicy struct {
	Attempts       int // after the first
	PerTryTimeout  time.Duration
	ConnectFailure bool
	Reset          bool
	Timeout        bool
	Statuses       StatusSet
	BudgetPercent  float64 // of the service's requests; see budget
	Backoff        time.Duration
	MaxBackoff     time.Duration
}

// StatusSet is a set of the statuses 500 to 599.
type StatusSet [2]uint64

// Add puts a status into the set; others than 500 to 599 are left out.
func (s *StatusSet) Add(status int) {
	if i := status - 500; i >= 0 && i < 100 {
		s[i/64] |= 1 << (i % 64)
	}
}

// Has tells whether status is in the set.
func (s *StatusSet) Has(status int) bool {
	i := status - 500
	return i >= 0 && i < 100 && s[i/64]>>(i%64)&1 != 0
}

// RateLimit bounds the requests of one key.
type RateLimit struct {
	Limiter *ratelimit.Limiter // survives snapshots while its figures stay the same
	Key     KeySource
}

// Mirror sends copies to another service.
type Mirror struct {
	Service      int // index into Snapshot.Services
	Percent      float64
	MaxBodyBytes int
}

// ServiceView is a service as one snapshot sees it.
type ServiceView struct {
	*Service // what survives snapshots

	Limit        int64         // in flight to one instance, 0: none
	QueueTimeout time.Duration // how long a request may wait for an instance
	Hold         bool          // requests wait in the queue even though nobody could serve them now: scale from zero, maintenance
	Maintenance  *Maintenance  // not nil: answered here
	HashKey      KeySource     // of ip-hash and maglev
	Affinity     *Affinity
	Timeouts     Timeouts

	Revisions []Revision
	Split     *balancer.Split // over Revisions, in their order
	Stable    int             // index of the revision that further tries go to
	Trial     bool            // a rollout tries the revisions other than Stable
	Spare     bool            // Stable has the capacity for all requests: each that fails on trial may be tried again there, beyond any budget
	Cohort    *Cohort
	Shadow    *Shadow
}

// Shadow copies a share of a service's requests to one of its revisions, whose answers nobody sees.
type Shadow struct {
	Revision int
	Percent  float64
}

// Timeouts bound what an instance does; 0 is no limit.
type Timeouts struct {
	ResponseHeader time.Duration
	StreamIdle     time.Duration
}

// Revision is one version's share of a service.
type Revision struct {
	Version string
	Pool    *balancer.Pool
	Stats   *RevisionStats // survives snapshots
}

// Cohort sends the requests that carry a field or cookie to one revision, whatever the weights say.
type Cohort struct {
	Revision int
	Header   string // lower case; empty: by cookie
	Cookie   string
	Value    string // empty: any
}

// Maintenance is the answer of a service that is closed.
type Maintenance struct {
	Body        []byte
	ContentType string
	RetryAfter  int // seconds
}

// Affinity keeps a client on its instance by a cookie.
type Affinity struct {
	Cookie string
	MaxAge int // seconds, 0: until the browser closes
	Secret []byte
}

// KeySource says what identifies a client or request.
type KeySource struct {
	Kind KeyKind
	Name string // of the header field (lower case), cookie or query parameter
}

// KeyKind is one sort of key.
type KeyKind uint8

// The sorts of keys.
const (
	KeyClientIP KeyKind = iota
	KeyHeader
	KeyCookie
	KeyQuery
	KeyHost
	KeyPath
	KeyConstant // all requests share one key
)
