package admin

import (
	"context"
	"time"
)

// Role says what a caller may do. A higher role includes the lower ones.
type Role string

// The roles, from least to most.
const (
	RoleNone     Role = ""         // open to everyone: health, readiness, metrics
	RoleViewer   Role = "viewer"   // reads
	RoleOperator Role = "operator" // also scales, deploys, drains
	RoleAdmin    Role = "admin"    // also reloads, reads the configuration and profiles
)

// includes reports whether a caller with role r may do what needs the role want.
func (r Role) includes(want Role) bool { return r.rank() >= want.rank() }

func (r Role) rank() int {
	switch r {
	case RoleAdmin:
		return 3
	case RoleOperator:
		return 2
	case RoleViewer:
		return 1
	default:
		return 0
	}
}

// Caller is who sent a request.
type Caller struct {
	Name string // of the token; "local" where no tokens are configured
	Role Role
	From string // address without the port
}

type callerKey struct{}

// CallerFrom returns who asks, in a context that an interface of this package was
// called with; the zero Caller in any other.
func CallerFrom(ctx context.Context) Caller {
	caller, _ := ctx.Value(callerKey{}).(Caller)
	return caller
}

// Change is the audit record of one request that changes something, or tried to.
type Change struct {
	Time   time.Time
	Caller Caller
	Action string // such as "POST /api/v1/services/shop/scale"
	Reason string // as the caller gave it
	Status int    // of the response
	Error  string // sent to the caller; empty when the change was made
}
