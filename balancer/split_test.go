package balancer

import (
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
)

func shares(weights ...int) []Share {
	s := make([]Share, len(weights))
	for i, w := range weights {
		s[i] = Share{Revision: "v" + name(i), Weight: w}
	}
	return s
}

func mustSplit(t testing.TB, shares []Share, previous *Split) *Split {
	t.Helper()
	s, err := NewSplit(shares, previous)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSplitFixedCases(t *testing.T) {
	f := func(want int, weights ...int) {
		t.Helper()
		s := mustSplit(t, shares(weights...), nil)
		for range 5 {
			if got := s.Pick(); got != want {
				t.Fatalf("weights %v: picked %d; want %d", weights, got, want)
			}
		}
	}
	f(-1)
	f(-1, 0)
	f(-1, 0, 0)
	f(0, 1)
	f(0, 100, 0)
	f(1, 0, 100)
}

// Any stretch of consecutive picks has within 2 of its due, whatever its length and wherever it begins.
func TestSplitIsExactInAnyWindow(t *testing.T) {
	f := func(weights ...int) {
		t.Helper()
		s := mustSplit(t, shares(weights...), nil)
		const picks = 3000
		sum := 0.0
		for _, w := range weights {
			sum += float64(w)
		}
		lowest, highest := make([]float64, len(weights)), make([]float64, len(weights))
		lags := make([]float64, len(weights))
		for range picks {
			lags[s.Pick()]--
			for i, w := range weights {
				lags[i] += float64(w) / sum
				lowest[i], highest[i] = min(lowest[i], lags[i]), max(highest[i], lags[i])
				if highest[i]-lowest[i] > 2 {
					t.Fatalf("weights %v: revision %d is off by %v over some window; want at most 2", weights, i, highest[i]-lowest[i])
				}
			}
		}
	}
	f(50, 50)
	f(95, 5)
	f(99, 1)
	f(9999, 1)
	f(9973, 27)
	f(90, 5, 5)
	f(61, 17, 13, 9)
}

// Weights that change all the time, faster than the canary has a turn: the sum still follows them.
func TestSplitFollows(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 3))
	f := func(n int) {
		t.Helper()
		var s *Split
		lags, lowest, highest := make([]float64, n), make([]float64, n), make([]float64, n)
		for range 3000 {
			weights := make([]int, n)
			sum := 0
			for i := range weights {
				weights[i] = 1 + r.IntN(30)
				sum += weights[i]
			}
			s = mustSplit(t, shares(weights...), s)
			for range 1 + r.IntN(4) {
				lags[s.Pick()]--
				for i, w := range weights {
					lags[i] += float64(w) / float64(sum)
					lowest[i], highest[i] = min(lowest[i], lags[i]), max(highest[i], lags[i])
				}
			}
		}
		for i := range lags {
			if width := highest[i] - lowest[i]; width > 4 {
				t.Fatalf("%d revisions: %d is off by %v over some stretch of 3000 changes of weight; want at most 4", n, i, width)
			}
		}
	}
	f(2)
	f(3)
	f(5)
}

func TestSplitFollowsByRevision(t *testing.T) {
	before := mustSplit(t, shares(99, 1), nil)
	for before.Pick() == 0 { // the canary had its turn just now
	}
	canary := 0
	after := before
	for range 50 { // the same weights, listed in the other order, published again after each pick
		after = mustSplit(t, []Share{{Revision: "vb", Weight: 1}, {Revision: "va", Weight: 99}}, after)
		if after.Pick() == 0 {
			canary++
		}
	}
	if canary != 0 {
		t.Fatalf("the canary had %d turns in 50 after its last; want 0 at 1 %%", canary)
	}
	if same := mustSplit(t, shares(99, 1), before); same.next != before.next {
		t.Fatal("the same split counts anew")
	}
}

func TestSplitConcurrently(t *testing.T) {
	s := mustSplit(t, shares(90, 10), nil)
	var wg sync.WaitGroup
	counts := make([]int, 4)
	for g := range counts {
		wg.Go(func() {
			for range 2500 {
				counts[g] += s.Pick()
			}
		})
	}
	wg.Wait()
	if got := counts[0] + counts[1] + counts[2] + counts[3]; got != 1000 {
		t.Fatalf("the canary got %d of 10000 at 10 %%; want 1000", got)
	}
}

func TestBoundShare(t *testing.T) {
	pool := mustPool(t, Options{Algorithm: Random, Members: healthy(1), AffinitySecret: secret})
	s := mustSplit(t, []Share{{"v1", pool, 100}, {"v2", pool, 0}}, nil)
	f := func(token string, want int) {
		t.Helper()
		if got := s.BoundShare(token); got != want {
			t.Fatalf("share of %q = %d; want %d", token, got, want)
		}
	}
	f(Token(secret, "v1", "a"), 0)
	f(Token(secret, "v2", "gone"), 1)
	f(Token(secret, "v3", "a"), -1)
	f(Token([]byte("other"), "v1", "a"), -1)
	f(RevisionToken(secret, "v1"), -1)
	f("", -1)
	if s.Len() != 2 || s.Share(1).Revision != "v2" {
		t.Fatalf("%d shares, the second %q; want 2, v2", s.Len(), s.Share(1).Revision)
	}
	token := Token(secret, "v2", "a")
	if n := testing.AllocsPerRun(100, func() { s.BoundShare(token); s.Pick() }); n != 0 {
		t.Fatalf("%v allocations; want 0", n)
	}
}

func TestNewSplitErrors(t *testing.T) {
	f := func(weight int, want string) {
		t.Helper()
		if _, err := NewSplit(shares(1, weight), nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Fatalf("error %v; want %q in it", err, want)
		}
	}
	f(-1, `revision "vb": got weight -1; want 0 to 10000`)
	f(10001, `got weight 10001`)
}
