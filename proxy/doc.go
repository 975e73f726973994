// Package proxy is the data path: it listens, reads requests, matches them to a
// route, picks an endpoint, exchanges request and response with it, and records the outcome.
//
// Everything a request needs to be decided stands in one immutable Snapshot, which
// the owner builds and publishes whole; a request loads it once. What must outlive a
// snapshot (endpoints, their counters and connections, a service's queue) hangs on long-lived
// objects that snapshots point to.
//
// One goroutine serves one client connection. It owns that connection's buffers and
// its exchange, and starts a second goroutine only for a request body that streams or a tunnel. Bodies
// stream in both directions through buffers of at most 64 KiB, which go back to a
// pool while a connection is idle.
//
// Beside the goroutines there may be event loops, one per core, which carry what is plain and small: HTTP/1.1 over
// TCP whose request has arrived whole. A loop owns its clients' connections and a part of the idle connections to instances, and runs
// the same exchange step by step. Whatever would have to wait for more than a socket is handed over to a goroutine
// with the connection as it stands, and comes back once it is plain and small again. See loop.go, loophandover.go and loopreturn.go.
//
// What HTTP/1.1 and other protocols have in common (match, pick, exchange, outcome) is written
// against the small downstream interface; h1 is its implementation for HTTP/1.x.
//
// The package knows no config file and no clock but its own deadlines; it scales nothing and checks no health. It
// reports each outcome to the endpoint's counters and through Options.
package proxy
