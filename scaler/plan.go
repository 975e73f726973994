package scaler

import "math"

// Share is the part of a service's traffic that a revision takes.
type Share struct {
	Revision string
	Weight   float64 // of the traffic, in any unit, 0 or more
	Stable   bool    // the revision to fall back to; at most one
	Floor    int     // instances that it keeps at any weight, such as those being tested before they get traffic
}

// Plan splits a service's total of instances, sized for its whole load, into how many
// each revision runs, in the order of shares: what its weight needs, rounded up, and
// at least one where there is any weight. With holdAll the stable revision keeps the whole
// total whatever its weight, so that the traffic can return to it at any moment; what the
// others run then comes on top and is no demand of the service. A total of 0 plans
// nothing but the floors.
func Plan(total int, shares []Share, holdAll bool) []int {
	sum := 0.0
	for _, sh := range shares {
		sum += math.Max(sh.Weight, 0)
	}
	plan := make([]int, len(shares))
	for i, sh := range shares {
		if sum > 0 && sh.Weight > 0 {
			plan[i] = ceilInt(float64(total) * sh.Weight / sum)
		}
		if sh.Stable && (holdAll || sum == 0) {
			plan[i] = total
		}
		plan[i] = max(plan[i], sh.Floor)
	}
	return plan
}
