package scaler

import (
	"math"
	"testing"
)

// bruteC is Erlang's C by its definition, in logarithms so that it does not overflow.
func bruteC(a float64, c int) float64 {
	term := func(k int) float64 {
		l, _ := math.Lgamma(float64(k + 1))
		return math.Exp(float64(k)*math.Log(a) - a - l)
	}
	sum := 0.0
	for k := range c {
		sum += term(k)
	}
	last := term(c) / (1 - a/float64(c))
	return last / (sum + last)
}

func TestErlangCAgainstItsDefinition(t *testing.T) {
	for _, a := range []float64{0.01, 0.5, 1, 3.7, 20, 80.5, 150, 400} {
		for _, extra := range []float64{0.1, 1, 2.5, 7, 20} {
			c := int(a+extra*math.Sqrt(a)) + 1
			e := newErlang(a, c)
			got, want := e.waits(), bruteC(a, c)
			if math.Abs(got-want) > 1e-9 {
				t.Errorf("C(%v, %d) = %v; want %v", a, c, got, want)
			}
		}
	}
}

func TestErlangGrowsAsIfBegunThere(t *testing.T) {
	for _, a := range []float64{0.3, 12, 700, 9000} {
		c := int(a) + 1
		grown := newErlang(a, c)
		for range 40 {
			c += 4
			grown.grow(c)
			whole := newErlang(a, c)
			if got, want := grown.waits(), whole.waits(); math.Abs(got-want) > 1e-9 {
				t.Fatalf("C(%v, %d) = %v when grown; want %v", a, c, got, want)
			}
		}
	}
}

// The numbers of instances for a service time of 200 ms, 4 slots, and at most 1 % waiting
// longer than 100 ms, as computed independently for the literature's formula.
func TestStationInstances(t *testing.T) {
	q := station{slots: 4, service: 0.2, cv2: 1, wait: 0.1, slow: 0.01}
	f := func(lambda float64, want int) {
		t.Helper()
		if got := q.instances(lambda); got != want {
			t.Errorf("instances(%v) = %d; want %d", lambda, got, want)
		}
	}
	f(0, 0)
	f(-1, 0)
	f(0.001, 1)
	f(20, 2)
	f(60, 5)
	f(100, 7)
	f(200, 12)
	f(400, 22)
	f(600, 32)
}

func TestStationInstancesAgainstTrial(t *testing.T) {
	for _, q := range []station{
		{slots: 1, service: 0.05, cv2: 1, wait: 0.02, slow: 0.05},
		{slots: 16, service: 1.5, cv2: 1, wait: 0.2, slow: 0.001},
		{slots: 4, service: 0.2, cv2: 1, wait: 0.1, slow: 0.01},
	} {
		for lambda := 0.5; lambda < 150; lambda *= 1.3 {
			a := lambda * q.service
			n := 1
			for {
				c := n * q.slots
				if a < float64(c) && bruteC(a, c)*math.Exp(-(float64(c)-a)*q.wait/q.service) <= q.slow {
					break
				}
				n++
			}
			if got := q.instances(lambda); got != n {
				t.Errorf("instances(%v) of %+v = %d; want %d", lambda, q, got, n)
			}
		}
	}
}
