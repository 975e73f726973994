package balancer

import (
	"cmp"
	"slices"
)

// maglev is the lookup table of D. Eisenbud et al., "Maglev" (NSDI 2016), section 3.4. Every endpoint has its own permutation of the slots and
// the endpoints take turns in claiming their next free one, by weight. Shares are equal to within a slot; when an endpoint comes or goes, somewhat
// more than 1/n of the keys move.
type maglev struct {
	endpoints []*Endpoint
	slots     []uint16
}

// maglevSize is the size from the paper: prime, so that every skip visits all slots; a hundred times the members it should have at most.
const maglevSize = 65537

func newMaglev(takers []Member) picker {
	m := &maglev{}
	if len(takers) == 0 {
		return m
	}
	// The order of turns decides who gets a contested slot, so it must not follow the order of discovery.
	sorted := slices.Clone(takers)
	slices.SortFunc(sorted, func(a, b Member) int { return cmp.Compare(a.Endpoint.ID, b.Endpoint.ID) })
	for _, member := range sorted {
		m.endpoints = append(m.endpoints, member.Endpoint)
	}
	m.fill(sorted)
	return m
}

type permutation struct {
	next, skip uint32
	share      float64 // weight over the greatest weight: how many turns a round
	credit     float64
}

// claim returns the next slot of the permutation that is free.
func (p *permutation) claim(slots []uint16) uint32 {
	for {
		slot := p.next
		p.next = (p.next + p.skip) % maglevSize
		if slots[slot] == maglevFree {
			return slot
		}
	}
}

const maglevFree = MaxMembers // no index is that high

func (m *maglev) fill(sorted []Member) {
	greatest := 0
	for _, member := range sorted {
		greatest = max(greatest, member.Weight)
	}
	perms := make([]permutation, len(sorted))
	for i, member := range sorted {
		key := member.Endpoint.key
		perms[i] = permutation{
			next:  uint32(mix(key) % maglevSize),
			skip:  uint32(mix(key+golden)%(maglevSize-1)) + 1,
			share: float64(member.Weight) / float64(greatest),
		}
	}
	m.slots = make([]uint16, maglevSize)
	for i := range m.slots {
		m.slots[i] = maglevFree
	}
	for claimed := 0; ; {
		for i := range perms {
			p := &perms[i]
			if p.credit += p.share; p.credit < 1 {
				continue
			}
			p.credit--
			m.slots[p.claim(m.slots)] = uint16(i)
			if claimed++; claimed == maglevSize {
				return
			}
		}
	}
}

// pick returns the owner of the key's slot; further tries are other keys that follow from it.
func (m *maglev) pick(q *Query, try int) *Endpoint {
	if len(m.slots) == 0 {
		return nil
	}
	key := mix(q.Hash + uint64(try)*golden)
	return m.endpoints[m.slots[scale(uint32(key>>32), maglevSize)]]
}
