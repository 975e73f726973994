package balancer

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// owners maps many keys through a fresh pool.
func owners(t *testing.T, a Algorithm, members []Member, previous *Pool) ([]string, *Pool) {
	t.Helper()
	p := mustPool(t, Options{Algorithm: a, Members: members, Previous: previous})
	keys := make([]string, 10_000)
	for i := range keys {
		e := p.Pick(&Query{Now: start, Hash: uint64(i)})
		keys[i] = e.ID
		e.Release()
	}
	return keys, p
}

func moved(a, b []string) float64 {
	n := 0
	for i := range a {
		if a[i] != b[i] {
			n++
		}
	}
	return float64(n) / float64(len(a))
}

// One of n that comes or goes moves 1/n of the keys: exactly those of its own with ip-hash, a few more with maglev.
func TestMovement(t *testing.T) {
	f := func(a Algorithm, n int, excess float64) {
		t.Helper()
		members := healthy(ones(n)...)
		all, p := owners(t, a, members, nil)
		for i, m := range members {
			if i%13 != 0 {
				continue
			}
			rest := append(append([]Member{}, members[:i]...), members[i+1:]...)
			fewer, q := owners(t, a, rest, p)
			own := 0
			for k := range all {
				if all[k] == m.Endpoint.ID {
					own++
				} else if all[k] != fewer[k] && a == IPHash {
					t.Fatalf("%s: key %d moved from %s, which stayed", a, k, all[k])
				}
			}
			share := moved(all, fewer)
			if share > 1/float64(n)*1.35+excess || share < float64(own)/float64(len(all)) {
				t.Fatalf("%s: %v of the keys moved with 1 of %d", a, share, n)
			}
			if again, _ := owners(t, a, members, q); moved(all, again) != 0 {
				t.Fatalf("%s: %s came back and did not get its keys back", a, m.Endpoint.ID)
			}
		}
	}
	f(IPHash, 2, 0)
	f(IPHash, 10, 0)
	f(IPHash, 40, 0)
	f(Maglev, 2, 0.02)
	f(Maglev, 10, 0.05)
	f(Maglev, 40, 0.05)
}

func TestHashIgnoresTheOrderOfMembers(t *testing.T) {
	for _, a := range []Algorithm{IPHash, Maglev} {
		members := healthy(1, 2, 3, 4, 5)
		before, _ := owners(t, a, members, nil)
		rand.New(rand.NewPCG(1, 1)).Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
		if after, _ := owners(t, a, members, nil); moved(before, after) != 0 {
			t.Fatalf("%s: keys moved when the members were listed in another order", a)
		}
	}
}

func TestHashShares(t *testing.T) {
	f := func(a Algorithm, tolerance float64, weights ...int) {
		t.Helper()
		keys, _ := owners(t, a, healthy(weights...), nil)
		counts, sum := map[string]int{}, 0
		for _, id := range keys {
			counts[id]++
		}
		for _, w := range weights {
			sum += w
		}
		for i, w := range weights {
			want := float64(len(keys)) * float64(w) / float64(sum)
			if d := float64(counts[name(i)]) - want; d > want*tolerance || d < -want*tolerance {
				t.Fatalf("%s, weights %v: %s has %d keys; want %v", a, weights, name(i), counts[name(i)], want)
			}
		}
	}
	f(IPHash, 0.1, 1, 1, 1, 1, 1)
	f(IPHash, 0.1, 1, 2, 3, 4)
	f(IPHash, 0.3, ones(40)...)
	f(Maglev, 0.1, 1, 1, 1, 1, 1)
	f(Maglev, 0.1, 1, 2, 3, 4)
	f(Maglev, 0.3, ones(40)...)
}

// Maglev's promise: shares equal to within a slot, or to a slot per unit of the greatest weight.
func TestMaglevSlots(t *testing.T) {
	f := func(weights ...int) {
		t.Helper()
		m := newMaglev(healthy(weights...)).(*maglev)
		counts, sum := make([]int, len(weights)), 0
		for _, i := range m.slots {
			counts[i]++
		}
		for _, w := range weights {
			sum += w
		}
		for i, w := range weights {
			want := float64(maglevSize) * float64(w) / float64(sum)
			if d := float64(counts[i]) - want; d > 1.5 || d < -1.5 {
				t.Fatalf("weights %v: %s has %d slots; want %v", weights, name(i), counts[i], want)
			}
		}
	}
	f(1)
	f(1, 1, 1)
	f(1, 2, 3)
	f(ones(26)...)
}

// A table that was changed step by step is the table that is built from nothing.
func TestRendezvousTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 1))
	var members []Member
	var table *rendezvous
	for step := range 12 {
		for range 1 + r.IntN(2) {
			members = append(members, Member{newHealthy(fmt.Sprintf("i%d-%d", step, r.Uint32())), 1 + step/4*r.IntN(3)})
		}
		if n := len(members); n > 3 {
			i := r.IntN(n)
			members = append(members[:i:i], members[i+1:]...)
			members[r.IntN(n-1)].Weight = 1 + step/4
		}
		table = newRendezvous(members, table).(*rendezvous)
		fresh := newRendezvous(members, nil).(*rendezvous)
		for s := range fresh.slots {
			if table.slots[s] != fresh.slots[s] {
				t.Fatalf("step %d, slot %d: owner %d; built from nothing %d", step, s, table.slots[s], fresh.slots[s])
			}
		}
	}
	if empty := newRendezvous(nil, table); empty.pick(&Query{}, 0) != nil {
		t.Fatal("an empty table proposes")
	}
}

// The clients of one that is out spread over all others, and nobody else's move.
func TestEjectedKeysSpread(t *testing.T) {
	for _, a := range []Algorithm{IPHash, Maglev} {
		members := healthy(ones(8)...)
		before, p := owners(t, a, members, nil)
		members[3].Endpoint.SetEjected(true)
		after, _ := owners(t, a, members, p)
		counts := map[string]int{}
		for k := range before {
			if before[k] == members[3].Endpoint.ID {
				counts[after[k]]++
			} else if before[k] != after[k] {
				t.Fatalf("%s: key %d moved from %s, which is in", a, k, before[k])
			}
		}
		if len(counts) != 7 {
			t.Fatalf("%s: the keys went to %v; want all seven others", a, counts)
		}
		for id, n := range counts {
			if n < 100 || n > 260 {
				t.Fatalf("%s: %s took over %d keys; want about 179", a, id, n)
			}
		}
	}
}
