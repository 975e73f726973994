package balancer

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const second = int64(1e9)

// start is when the tests' endpoints became healthy.
const start = 1_000_000 * second

// healthy returns one healthy member per weight, named a, b, c, ...
func healthy(weights ...int) []Member {
	members := make([]Member, len(weights))
	for i, w := range weights {
		members[i] = Member{Endpoint: newHealthy(name(i)), Weight: w}
	}
	return members
}

func newHealthy(id string) *Endpoint {
	e := NewEndpoint(Identity{Service: "shop", Revision: "v1", Instance: id, Address: "127.0.0.1:1"})
	e.SetHealthy(true, start)
	return e
}

func name(i int) string {
	if i < 26 {
		return string(rune('a' + i))
	}
	return fmt.Sprintf("i%d", i)
}

func ones(n int) []int {
	w := make([]int, n)
	for i := range w {
		w[i] = 1
	}
	return w
}

func mustPool(t testing.TB, o Options) *Pool {
	t.Helper()
	if o.Rand == nil {
		o.Rand = rand.New(rand.NewPCG(1, 2)).Uint64
	}
	p, err := NewPool(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// pickMany picks and releases n times, each with another hash, and returns how often each endpoint came.
func pickMany(p *Pool, now int64, n int) map[*Endpoint]int {
	counts := map[*Endpoint]int{}
	for i := range n {
		q := Query{Now: now, Hash: uint64(i)}
		e := p.Pick(&q)
		counts[e]++
		if e != nil {
			e.Release()
		}
	}
	return counts
}

// near tells whether got, a count of n independent draws of probability share, is within five standard deviations.
func near(got, n int, share float64) bool {
	want := share * float64(n)
	return math.Abs(float64(got)-want) <= 5*math.Sqrt(want*(1-share))+1
}

func forAll(t *testing.T, f func(t *testing.T, a Algorithm)) {
	for _, a := range Algorithms() {
		t.Run(string(a), func(t *testing.T) { f(t, a) })
	}
}
