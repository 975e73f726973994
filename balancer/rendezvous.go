package balancer

import "math"

// rendezvous gives each of 65536 slots to the endpoint with the highest score for it (D. G. Thaler, C. V. Ravishankar, 1998), and looks
// a key up by its slot: as cheap as a table, and still the exact movement of rendezvous hashing. A slot changes its owner only if
// that one left, or if a new endpoint outbids it: 1/n of the keys for one endpoint of n. Shares differ by sqrt(n)/256 of their mean:
// 1 % over 10 endpoints, 12 % over 1,000.
//
// Scores follow from IDs and weights alone, so the table is the same after a restart and in every gateway.
type rendezvous struct {
	slots   []uint16 // indexes into bidders
	bidders []bidder
}

type bidder struct {
	endpoint *Endpoint
	key      uint64
	weight   int
}

const rendezvousBits = 16

// newRendezvous builds the table; with that of the previous pool it looks only at what changed, which costs 65536 scores per
// endpoint that came and as many for all that left.
func newRendezvous(takers []Member, previous *rendezvous) picker {
	r := &rendezvous{}
	even := true
	for _, m := range takers {
		r.bidders = append(r.bidders, bidder{m.Endpoint, m.Endpoint.key, m.Weight})
		even = even && m.Weight == takers[0].Weight
	}
	if len(r.bidders) == 0 {
		return r
	}
	score := evenScore
	if !even {
		score = weightedScore
	}
	r.slots = make([]uint16, 1<<rendezvousBits)
	all, came, kept := r.changes(previous)
	for s := range r.slots {
		hash := mix(uint64(s+1) * golden)
		if previous != nil && len(previous.slots) > 0 {
			if owner := kept[previous.slots[s]]; owner >= 0 {
				r.slots[s] = r.highest(hash, owner, came, score)
				continue
			}
		}
		r.slots[s] = r.highest(hash, 0, all, score)
	}
	return r
}

// changes returns the indexes of all bidders, of those that previous did not have at the same weight, and for each bidder of previous
// its index now, -1 if it left. Weights that changed count as left and come: a lower bid may lose a slot to anybody.
func (r *rendezvous) changes(previous *rendezvous) (all, came []int, kept []int) {
	before := map[bidder]int{}
	if previous != nil {
		kept = make([]int, len(previous.bidders))
		for i, b := range previous.bidders {
			kept[i] = -1
			before[bidder{key: b.key, weight: b.weight}] = i
		}
	}
	for i, b := range r.bidders {
		all = append(all, i)
		if j, ok := before[bidder{key: b.key, weight: b.weight}]; ok {
			kept[j] = i
		} else {
			came = append(came, i)
		}
	}
	return all, came, kept
}

func (r *rendezvous) highest(slot uint64, owner int, others []int, score func(*bidder, uint64) float64) uint16 {
	high := score(&r.bidders[owner], slot)
	for _, i := range others {
		if s := score(&r.bidders[i], slot); s > high || s == high && r.bidders[i].key > r.bidders[owner].key {
			owner, high = i, s
		}
	}
	return uint16(owner)
}

func evenScore(b *bidder, slot uint64) float64 { return unit(mix(b.key ^ slot)) }

// weightedScore is -weight/ln(u), by which the chance to be the highest is proportional to the weight (C. Schindelhauer,
// G. Schomaker, 2005). For equal weights it orders as u does.
func weightedScore(b *bidder, slot uint64) float64 {
	return -float64(b.weight) / math.Log(unit(mix(b.key^slot)))
}

// pick returns the owner of the key's slot. Further tries are other keys that follow from it, so that the clients of an endpoint that is out
// spread over all others.
func (r *rendezvous) pick(q *Query, try int) *Endpoint {
	if len(r.slots) == 0 {
		return nil
	}
	key := mix(q.Hash + uint64(try)*golden)
	return r.bidders[r.slots[key>>(64-rendezvousBits)]].endpoint
}
