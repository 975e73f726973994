package balancer

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestSequence(t *testing.T) {
	f := func(want string, weights ...int) {
		t.Helper()
		var sb strings.Builder
		for _, i := range sequence(weights, maxTurns) {
			sb.WriteString(name(int(i)))
		}
		if sb.String() != want {
			t.Fatalf("sequence of %v = %q; want %q", weights, sb.String(), want)
		}
	}
	f("")
	f("", 0, 0)
	f("a", 1)
	f("a", 700)
	f("b", 0, 3)
	f("ab", 1, 1)
	f("ab", 50, 50)
	f("abcd", 2, 2, 2, 2)
	f("aabaaca", 5, 1, 1)
	f("aba", 2, 1)
}

// Every weight's count stays within 1 - 1/(2n-2) of its due in every prefix, the theorem's bound; and exact at the end of a cycle.
func TestSequenceBound(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	for range 300 {
		weights := make([]int, 2+r.IntN(12))
		for i := range weights {
			weights[i] = 1 + r.IntN(60)
		}
		turns := sequence(weights, MaxShareWeight)
		counts, sum := make([]float64, len(weights)), 0.0
		for _, w := range weights {
			sum += float64(w)
		}
		bound := 1 - 1/float64(2*len(weights)-2)
		for n, turn := range turns {
			counts[turn]++
			for i, w := range weights {
				if lag := float64(w)/sum*float64(n+1) - counts[i]; math.Abs(lag) > bound+1e-6 {
					t.Fatalf("weights %v: after %d turns %d lags %v; want at most %v", weights, n+1, i, lag, bound)
				}
			}
		}
		for i, w := range weights {
			if want := float64(w) / sum * float64(len(turns)); math.Abs(counts[i]-want) > 1e-6 {
				t.Fatalf("weights %v: %d has %v turns in a cycle; want %v", weights, i, counts[i], want)
			}
		}
	}
}

func TestSequenceIsCut(t *testing.T) {
	f := func(limit, wantLen int, weights ...int) {
		t.Helper()
		turns := sequence(weights, limit)
		if len(turns) != wantLen {
			t.Fatalf("weights %v: %d turns; want %d", weights, len(turns), wantLen)
		}
		counts, sum := make([]int, len(weights)), 0
		for _, i := range turns {
			counts[i]++
		}
		for _, w := range weights {
			sum += w
		}
		for i, w := range weights {
			exact := float64(w) / float64(sum) * float64(wantLen)
			if counts[i] < 1 || math.Abs(float64(counts[i])-exact) > float64(len(weights)) {
				t.Fatalf("weights %v: %d has %d of %d turns; want %v, at least 1", weights, i, counts[i], wantLen, exact)
			}
		}
	}
	f(100, 100, 997, 991)
	f(100, 100, 1, 65535)
	f(4096, 4096, 65535, 65534, 1)
	f(3, 5, 7, 11, 13, 17, 19) // no less than one turn each
}

func FuzzSequence(f *testing.F) {
	f.Add([]byte{5, 1, 1}, uint16(4096))
	f.Add([]byte{255, 254, 1, 0}, uint16(10))
	f.Fuzz(func(t *testing.T, raw []byte, limit uint16) {
		if len(raw) > 60 {
			return
		}
		weights, positive := make([]int, len(raw)), 0
		for i, b := range raw {
			if weights[i] = int(b) * 7; b > 0 {
				positive++
			}
		}
		turns := sequence(weights, int(limit))
		seen := map[uint16]bool{}
		for _, i := range turns {
			if weights[i] == 0 {
				t.Fatal(fmt.Sprintf("weights %v: %d has a turn", weights, i))
			}
			seen[i] = true
		}
		if len(seen) != positive || len(turns) > max(int(limit), positive) {
			t.Fatalf("weights %v, limit %d: %d of %d have turns, %d in all", weights, limit, len(seen), positive, len(turns))
		}
	})
}
