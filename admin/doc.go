// Package admin answers the admin API: state and changes of the system as JSON,
// the event stream, metrics, health of the gateway itself, and profiles. It
// guards all of it: tokens with roles, loopback only without tokens, no
// cross-site requests, no rebound host names, a limit on failed logins, and an audit
// record of each change.
//
// It knows the rest of the gateway through the small interfaces in ports.go only.
// What is nil there has no route and does not appear in the OpenAPI document. The package
// decides nothing about services.
//
// Server.Run owns the listener and the goroutines of net/http until it returns.
package admin
