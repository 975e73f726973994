package balancer

import (
	"cmp"
	"slices"
)

// sequence returns a cycle of turns, as indexes into weights, in which each index comes as often as its weight over the greatest
// common divisor of all, and as evenly as possible: in the first t turns of the endless repetition index i has come
// t*w[i]/W times, more or less by less than 1. This is R. Tijdeman's solution of the chairman assignment problem (Discrete Mathematics 32,
// 1980), which proves a bound of 1 - 1/(2n-2) for n weights. The widespread "smooth" round-robin (add each weight, take the greatest,
// subtract the sum) has no such bound, and looks the same for few weights: 5, 1, 1 is a a b a a c a.
//
// The method: every turn each index gains w/W of claim, and the one chosen loses 1. Only those with a claim of at least 1/(2n-2) may be
// chosen, and of them the one is that would be the first to exceed 1 - 1/(2n-2).
//
// If the cycle would be longer than limit, it is cut to the larger of limit and the number of weights: shares are then rounded, and none
// falls below one turn in a cycle. Weights of 0 get no turn; negative ones are not allowed.
func sequence(weights []int, limit int) []uint16 {
	claims, length := newClaims(weights, limit)
	if len(claims) == 0 {
		return nil
	}
	turns := make([]uint16, length)
	for t := range turns {
		turns[t] = uint16(nextTurn(claims))
	}
	return turns
}

type claim struct {
	index int
	gain  float64 // per turn; they add up to 1
	now   float64
}

// newClaims returns those with a weight and the length of the cycle.
func newClaims(weights []int, limit int) (claims []claim, length int) {
	divisor, sum := 0, 0
	for _, w := range weights {
		divisor = gcd(divisor, w)
		sum += w
	}
	if sum == 0 {
		return nil, 0
	}
	for i, w := range weights {
		if w > 0 {
			claims = append(claims, claim{index: i, gain: float64(w / divisor)})
		}
	}
	length = sum / divisor
	total := float64(length)
	if longest := max(limit, len(claims)); length > longest {
		length = longest
		total = roundGains(claims, length)
	}
	for i := range claims {
		claims[i].gain /= total
	}
	return claims, length
}

// roundGains turns the gains into whole turns of a cycle of the given length, by largest remainder, with one turn at least.
func roundGains(claims []claim, length int) (total float64) {
	sum := 0.0
	for _, c := range claims {
		sum += c.gain
	}
	spare := length - len(claims)
	order := make([]claim, len(claims))
	left := spare
	for i, c := range claims {
		exact := c.gain / sum * float64(spare)
		whole := float64(int(exact))
		claims[i].gain = 1 + whole
		left -= int(whole)
		order[i] = claim{index: i, now: exact - whole}
	}
	slices.SortStableFunc(order, func(a, b claim) int { return cmp.Compare(b.now, a.now) })
	for _, c := range order[:left] {
		claims[c.index].gain++
	}
	return float64(length)
}

func nextTurn(claims []claim) int {
	if len(claims) == 1 {
		return claims[0].index
	}
	const rounding = 1e-9
	margin := 1 / float64(2*len(claims)-2)
	best, soonest := -1, 0.0
	for i := range claims {
		c := &claims[i]
		c.now += c.gain
		if c.now < margin-rounding {
			continue
		}
		if left := (1 - margin - c.now) / c.gain; best < 0 || left < soonest {
			best, soonest = i, left
		}
	}
	if best < 0 {
		panic("BUG: the claims add up to nothing")
	}
	claims[best].now--
	return claims[best].index
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
