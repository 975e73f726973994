package balancer

import (
	"fmt"
	"strings"
)

// Algorithm names a way to pick.
type Algorithm string

// The algorithms, by the names the configuration uses.
const (
	RoundRobin       Algorithm = "round-robin"       // equal turns
	LeastConnections Algorithm = "least-connections" // fewest in flight per weight
	Weighted         Algorithm = "weighted"          // turns by weight, spread smoothly
	IPHash           Algorithm = "ip-hash"           // equal hashes to equal endpoints
	Random           Algorithm = "random"            // by weight
	P2C              Algorithm = "p2c"               // the less loaded of two random ones
	PeakEWMA         Algorithm = "peak-ewma"         // the quicker of two random ones
	Maglev           Algorithm = "maglev"            // as ip-hash; more even and a little less stable
)

// Algorithms returns all of them.
func Algorithms() []Algorithm {
	return []Algorithm{RoundRobin, LeastConnections, Weighted, IPHash, Random, P2C, PeakEWMA, Maglev}
}

// picker proposes an endpoint and does nothing else: the pool checks it, acquires it, and asks again with the next try number if
// it cannot be used. It may return nil when it sees none that can.
type picker interface {
	pick(q *Query, try int) *Endpoint
}

// hashes reports whether the endpoint follows from Query.Hash.
func (a Algorithm) hashes() bool { return a == IPHash || a == Maglev }

// looksAtLoad reports whether the picker weighs slow start itself, as a part of the load.
func (a Algorithm) looksAtLoad() bool { return a == LeastConnections || a == P2C || a == PeakEWMA }

func (a Algorithm) check() error {
	names := make([]string, 0, 8)
	for _, known := range Algorithms() {
		if a == known {
			return nil
		}
		names = append(names, string(known))
	}
	return fmt.Errorf("unexpected balancer.algorithm: %q; want one of %s", string(a), strings.Join(names, ", "))
}
