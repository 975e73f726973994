package demo

import (
	"fmt"
	"math"
	"math/rand/v2"
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
)

const (
	slowFactor  = 10
	slowAtLeast = time.Second
)

// faultState is a fault with a channel that is closed when another takes its place.
type faultState struct {
	fault    Fault
	replaced chan struct{}
}

// Break makes the instance misbehave from now on; FaultNone repairs it.
func (s *Server) Break(fault Fault) error {
	switch fault {
	case FaultNone, FaultErrors, FaultSlow, FaultHang, FaultRefuse, FaultUnhealthy:
	default:
		return fmt.Errorf("mode: got %q; want errors, slow, hang, refuse, unhealthy, or nothing to repair", fault)
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

// work takes the time of one request in one of the slots, and reports whether it went well. A slot
// that is waited for is part of the time.
func (s *Server) work() bool {
	state := s.state.Load()
	if state.fault == FaultHang {
		select {
		case <-state.replaced:
		case <-s.done:
		}
	}
	if s.slots != nil {
		s.slots <- struct{}{}
		defer func() { <-s.slots }()
	}
	if d := s.duration(state.fault); d > 0 {
		time.Sleep(d)
	}
	return state.fault != FaultErrors && rand.Float64() >= s.opts.ErrorRate
}

// duration draws how long one request takes. A lognormal variable with mean m and a coefficient of
// variation of 1 is exp(N(ln m - s²/2, s²)) with s² = ln 2.
func (s *Server) duration(fault Fault) time.Duration {
	mean := s.opts.Latency
	if fault == FaultSlow {
		mean = max(mean*slowFactor, slowAtLeast)
	}
	if mean == 0 || s.opts.Fixed {
		return mean
	}
	return time.Duration(float64(mean) * math.Exp(rand.NormFloat64()*math.Sqrt(math.Ln2)-math.Ln2/2))
}
