package demo

import (
	"fmt"
	"time"

	"github.com/valyala/fasthttp"
)

// Fault is a way of being broken.
type Fault string

// The faults. All but Unhealthy leave /health well.
const (
	FaultNone      Fault = ""
	FaultErrors    Fault = "errors"    // 500 to everything
	FaultSlow      Fault = "slow"      // ten times the latency, and at least a second
	FaultHang      Fault = "hang"      // no answer until it is repaired or stopped
	FaultRefuse    Fault = "refuse"    // the process lives, but from the next request on it takes no connection; beyond repair
	FaultUnhealthy Fault = "unhealthy" // /health answers 503, the rest is well
	FaultBurn      Fault = "burn"      // ten times the CPU time, and at least 5 ms
	FaultLeak      Fault = "leak"      // 1 MiB more memory each second, up to 1 GiB
	FaultHoard     Fault = "hoard"     // opens files and keeps them, up to 95 % of what it may have open, 10,000 at most
)

const (
	slowFactor  = 10
	slowAtLeast = time.Second
	burnFactor  = 10
	burnAtLeast = 5 * time.Millisecond
)

// faultState is a fault with a channel that is closed when another takes its place.
type faultState struct {
	fault    Fault
	replaced chan struct{}
}

// Break makes the instance misbehave from now on; FaultNone repairs it.
func (s *Server) Break(fault Fault) error {
	switch fault {
	case FaultNone, FaultErrors, FaultSlow, FaultHang, FaultRefuse, FaultUnhealthy, FaultBurn, FaultLeak, FaultHoard:
	default:
		return fmt.Errorf("mode: got %q; want errors, slow, hang, refuse, unhealthy, burn, leak, hoard, or nothing to repair", fault)
	}
	if old := s.state.Swap(&faultState{fault, make(chan struct{})}); old != nil {
		close(old.replaced)
	}
	return nil
}

// refuse cuts the connection of a request, and closes the listener with the first that is not about the instance's
// health: an instance that never was well would get no requests to refuse.
func (s *Server) refuse(ctx *fasthttp.RequestCtx) bool {
	if s.state.Load().fault != FaultRefuse && !s.deaf.Load() {
		return false
	}
	if string(ctx.Path()) == "/health" && !s.deaf.Load() {
		return false
	}
	if s.deaf.CompareAndSwap(false, true) {
		s.listener.Close()
	}
	ctx.Conn().Close()
	return true
}
