package proxy

// Cause says in one word why a request did not get an instance's answer. It stands in the access log as
// upstream=CAUSE, in metrics, and in the body that the client gets.
type Cause string

// The causes. The comment names the status that goes with each.
const (
	CauseNone Cause = ""

	// The client's doing.
	CauseMalformed     Cause = "malformed-request"  // 400 and its kin
	CauseNoRoute       Cause = "no-route"           // 404
	CauseMethod        Cause = "method-not-allowed" // 405
	CauseBodyTooLarge  Cause = "body-too-large"     // 413
	CauseClientGone    Cause = "client-gone"        // 499, never sent
	CauseClientTimeout Cause = "client-timeout"     // 408
	CauseMisdirected   Cause = "misdirected"        // 421
	CauseRateLimited   Cause = "rate-limited"       // 429
	CauseLoop          Cause = "loop"               // 508

	// The service's state.
	CauseMaintenance  Cause = "maintenance"   // 503
	CauseNoInstance   Cause = "no-instance"   // 503: none is fit for traffic
	CauseQueueFull    Cause = "queue-full"    // 503
	CauseQueueTimeout Cause = "queue-timeout" // 503
	CauseShutdown     Cause = "shutdown"      // 503

	// The instance's doing.
	CauseConnectRefused     Cause = "connect-refused"     // 502
	CauseConnectTimeout     Cause = "connect-timeout"     // 504
	CauseConnectUnreachable Cause = "connect-unreachable" // 502
	CauseConnectFailed      Cause = "connect-failed"      // 502: any other reason, no file descriptors among them
	CauseTLS                Cause = "tls-handshake"       // 502
	CauseReset              Cause = "reset"               // 502: reset or closed before the head was complete
	CauseMalformedResponse  Cause = "malformed-response"  // 502
	CauseResponseTimeout    Cause = "response-timeout"    // 504: no head within responseHeader
	CauseTryTimeout         Cause = "per-try-timeout"     // 504
	CauseRouteTimeout       Cause = "route-timeout"       // 504
	CauseStatus             Cause = "status"              // an error status of the instance's own that a retry was for
	CauseBodyReset          Cause = "body-reset"          // broke off after the head was sent: the connection is aborted
	CauseBodyTimeout        Cause = "body-timeout"        // the same, by silence

	// The gateway's own.
	CausePanic Cause = "panic" // 500
)

// failure is why an exchange ends without an instance's answer.
type failure struct {
	status     int
	cause      Cause
	detail     string // for the client, in plain words; no address, no error text of the system
	retryAfter int    // seconds, 0: none
}

func (f *failure) is(c Cause) bool { return f != nil && f.cause == c }

// unsent tells whether the instance provably did not see the request.
func (f *failure) unsent() bool {
	switch f.cause {
	case CauseConnectRefused, CauseConnectTimeout, CauseConnectUnreachable, CauseConnectFailed, CauseTLS:
		return true
	}
	return false
}

// blamesEndpoint tells whether the failure counts against the endpoint. What the client did, and what the gateway
// refused by itself, does not.
func (f *failure) blamesEndpoint() bool {
	switch f.cause {
	case CauseConnectRefused, CauseConnectTimeout, CauseConnectUnreachable, CauseConnectFailed, CauseTLS, CauseReset,
		CauseMalformedResponse, CauseResponseTimeout, CauseTryTimeout, CauseRouteTimeout, CauseStatus,
		CauseBodyReset, CauseBodyTimeout:
		return true
	}
	return false
}

var (
	failNoRoute      = &failure{status: 404, cause: CauseNoRoute, detail: "no route matches this request"}
	failMethod       = &failure{status: 405, cause: CauseMethod, detail: "this method is not allowed here"}
	failTooLarge     = &failure{status: 413, cause: CauseBodyTooLarge, detail: "the request body is larger than allowed"}
	failClientGone   = &failure{status: 499, cause: CauseClientGone}
	failMisdirected  = &failure{status: 421, cause: CauseMisdirected, detail: "this host is not served on this connection"}
	failLoop         = &failure{status: 508, cause: CauseLoop, detail: "the request came through this gateway already"}
	failNoInstance   = &failure{status: 503, cause: CauseNoInstance, detail: "no instance of the service can take the request", retryAfter: 1}
	failQueueFull    = &failure{status: 503, cause: CauseQueueFull, detail: "the service is at its limit and its queue is full", retryAfter: 1}
	failQueueTimeout = &failure{status: 503, cause: CauseQueueTimeout, detail: "the service was at its limit for too long", retryAfter: 1}
	failShutdown     = &failure{status: 503, cause: CauseShutdown, detail: "the gateway is shutting down", retryAfter: 1}
	failPanic        = &failure{status: 500, cause: CausePanic, detail: "the gateway failed on this request"}

	failReset            = &failure{status: 502, cause: CauseReset, detail: "the instance closed the connection before it answered"}
	failMalformedAnswer  = &failure{status: 502, cause: CauseMalformedResponse, detail: "the instance sent a malformed response"}
	failResponseTimeout  = &failure{status: 504, cause: CauseResponseTimeout, detail: "the instance did not answer in time"}
	failTryTimeout       = &failure{status: 504, cause: CauseTryTimeout, detail: "the instance did not answer in time"}
	failRouteTimeout     = &failure{status: 504, cause: CauseRouteTimeout, detail: "the service did not answer in time"}
	failConnectRefused   = &failure{status: 502, cause: CauseConnectRefused, detail: "the instance refused the connection"}
	failConnectTimeout   = &failure{status: 504, cause: CauseConnectTimeout, detail: "the instance did not accept the connection in time"}
	failConnectNoRoute   = &failure{status: 502, cause: CauseConnectUnreachable, detail: "the instance cannot be reached"}
	failConnect          = &failure{status: 502, cause: CauseConnectFailed, detail: "the instance cannot be connected to"}
	failTLS              = &failure{status: 502, cause: CauseTLS, detail: "no secure connection to the instance could be made"}
	failBodyReset        = &failure{status: 502, cause: CauseBodyReset}
	failBodyTimeout      = &failure{status: 504, cause: CauseBodyTimeout}
	failClientBodyStall  = &failure{status: 408, cause: CauseClientTimeout, detail: "the request body did not arrive in time"}
	failClientHeadStall  = &failure{status: 408, cause: CauseClientTimeout, detail: "the request head did not arrive in time"}
	failClientBadBody    = &failure{status: 400, cause: CauseMalformed, detail: "the request body is malformed"}
	failClientIncomplete = &failure{status: 400, cause: CauseMalformed, detail: "the request body is incomplete"}
)
