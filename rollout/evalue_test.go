package rollout

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestEValueIsFair adds up an e-value over all outcomes of small samples: for no pair of rates that the
// null allows may the sum exceed 1.
func TestEValueIsFair(t *testing.T) {
	f := func(na, nb int, bet rates, margin float64) {
		t.Helper()
		for a := 0.01; a < 1; a += 0.07 {
			for b := 0.005; b <= a+margin && b < 1; b += 0.05 {
				sum := 0.0
				for xa := 0; xa <= na; xa++ {
					for xb := 0; xb <= nb; xb++ {
						e := math.Exp(logE(sample{float64(na), float64(xa)}, sample{float64(nb), float64(xb)}, bet, margin))
						sum += pmf(na, xa, a) * pmf(nb, xb, b) * e
					}
				}
				if sum > 1+1e-9 {
					t.Fatalf("the e-value's mean is %g at rates %g and %g; want at most 1", sum, a, b)
				}
			}
		}
	}
	f(1, 1, rates{0.1, 0.5}, 0)
	f(6, 1, rates{0.01, 0.95}, 0.005)
	f(5, 3, rates{0.3, 0.7}, 0.1)
	f(1, 6, rates{0.5, 0.6}, 0.05)
	f(4, 4, rates{0.001, 0.999}, 0)
	f(3, 2, rates{0.2, 0.25}, 0.1) // a bet within the null is none

	limit := func(n int, bet, most float64) {
		t.Helper()
		for b := 0.005; b <= most; b += 0.005 {
			sum := 0.0
			for x := 0; x <= n; x++ {
				sum += pmf(n, x, b) * math.Exp(logELimit(sample{float64(n), float64(x)}, bet, most))
			}
			if sum > 1+1e-9 {
				t.Fatalf("the e-value's mean is %g at rate %g; want at most 1", sum, b)
			}
		}
	}
	limit(5, 0.5, 0.05)
	limit(8, 0.06, 0.05)
	limit(3, 0.01, 0.05) // a bet within the limit is none
}

// pmf is the probability of x of n at rate p.
func pmf(n, x int, p float64) float64 {
	c := 1.0
	for i := range x {
		c *= float64(n-i) / float64(i+1)
	}
	return c * math.Pow(p, float64(x)) * math.Pow(1-p, float64(n-x))
}

// TestNearestNull against a search that tries everything.
func TestNearestNull(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	kl := func(p, q float64) float64 { return p*math.Log(p/q) + (1-p)*math.Log((1-p)/(1-q)) }
	for range 300 {
		bet := rates{stable: clampRate(rng.Float64() * rng.Float64())}
		margin := rng.Float64() * 0.1
		bet.candidate = above(bet.stable+margin, rng.Float64())
		na, nb := math.Exp(8*rng.Float64()), math.Exp(8*rng.Float64())
		if bet.candidate <= bet.stable+margin {
			continue
		}
		best, at := math.Inf(1), 0.0
		for i := 1; i < 20000; i++ {
			x := bet.stable + (bet.candidate-margin-bet.stable)*float64(i)/20000
			if d := na*kl(bet.stable, x) + nb*kl(bet.candidate, x+margin); d < best {
				best, at = d, x
			}
		}
		got := nearestNull(na, nb, bet, margin)
		if math.Abs(got-at) > (bet.candidate-bet.stable)/10000 {
			t.Fatalf("nearestNull(%g, %g, %+v, %g) = %g; want %g", na, nb, bet, margin, got, at)
		}
	}
}

// TestMixtureSpendsItsWeightOnce: as long as nothing was learned, however late, the value is 1.
func TestMixtureSpendsItsWeightOnce(t *testing.T) {
	var m Mixture
	if m.value() != 1 {
		t.Fatalf("an empty mixture is worth %g; want 1", m.value())
	}
	for _, at := range []float64{0, 10, 31, 95, 100, 4000, 1e6} {
		m.add([]float64{0, 0, 0}, at)
		if math.Abs(m.value()-1) > 1e-9 {
			t.Fatalf("after %g s the value is %g; want 1", at, m.value())
		}
	}
	m.add([]float64{2000, 0, 0}, 1e6)
	if m.value() != 1e12 {
		t.Fatalf("value %g; want the cut at 1e12", m.value())
	}
}

// TestMixtureForgetsCredit: an hour of good behaviour does not outweigh two bad minutes.
func TestMixtureForgetsCredit(t *testing.T) {
	var m Mixture
	for s := range 3600 {
		m.add([]float64{-0.1}, float64(s))
	}
	if v := m.value(); v > 1 {
		t.Fatalf("good behaviour is worth %g; want at most 1", v)
	}
	for s := range 120 {
		m.add([]float64{0.1}, 3600+float64(s))
	}
	if v := m.value(); v < 3 {
		t.Fatalf("two bad minutes after a good hour are worth %g; want more than 3", v)
	}
}
