package balancer

import (
	"cmp"
	"math/bits"
	"slices"
)

// ring is a consistent hash ring after Karger et al. (1997) with the 160 points per unit of weight that ketama made customary.
// An endpoint's points follow from its ID alone: one that comes or goes moves the keys of its own arcs and no others, 1/n of all. Shares
// differ by about 8 % (1/sqrt(160)) of their mean.
//
// Looking up takes constant time: the upper bits of the key find a slot, which knows the first point in or after it.
type ring struct {
	points []point
	slots  []uint32
	shift  uint // key >> shift is the slot
}

type point struct {
	hash     uint64
	endpoint *Endpoint
}

const (
	pointsPerWeight = 160
	// maxPoints bounds memory (4 MiB) and building. Beyond, weights are halved until they fit; the step moves many keys once.
	maxPoints = 1 << 18
)

func newRing(takers []Member) picker {
	perWeight, halvings := pointsPerWeight, 0
	for pointsOf(takers, perWeight, halvings) > maxPoints && halvings < 24 {
		halvings++
	}
	r := &ring{}
	for _, m := range takers {
		for i := range memberPoints(m, perWeight, halvings) {
			r.points = append(r.points, point{mix(m.Endpoint.key + uint64(i)*golden), m.Endpoint})
		}
	}
	slices.SortFunc(r.points, func(a, b point) int {
		if c := cmp.Compare(a.hash, b.hash); c != 0 {
			return c
		}
		return cmp.Compare(a.endpoint.ID, b.endpoint.ID)
	})
	r.buildSlots()
	return r
}

func memberPoints(m Member, perWeight, halvings int) int {
	return max(m.Weight*perWeight>>halvings, 1)
}

func pointsOf(takers []Member, perWeight, halvings int) int {
	n := 0
	for _, m := range takers {
		n += memberPoints(m, perWeight, halvings)
	}
	return n
}

// buildSlots makes as many slots as there are points, up to a power of two.
func (r *ring) buildSlots() {
	width := bits.Len(uint(len(r.points)))
	r.shift = uint(64 - width)
	r.slots = make([]uint32, 1<<width)
	next := 0
	for s := range r.slots {
		for next < len(r.points) && r.points[next].hash>>r.shift < uint64(s) {
			next++
		}
		r.slots[s] = uint32(next)
	}
}

// pick returns the owner of the key. Further tries are other keys that follow from it, so that the clients of an endpoint that is out
// spread over all others and not over its neighbour.
func (r *ring) pick(q *Query, try int) *Endpoint {
	if len(r.points) == 0 {
		return nil
	}
	key := mix(q.Hash + uint64(try)*golden)
	i := int(r.slots[key>>r.shift])
	for i < len(r.points) && r.points[i].hash < key {
		i++
	}
	if i == len(r.points) {
		i = 0
	}
	return r.points[i].endpoint
}
