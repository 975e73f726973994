package cost

import (
	"cmp"
	"slices"
)

// score orders packings: cheaper first, then fewer moves.
type score struct {
	cost  Money
	moves int
}

func (s score) less(o score) bool {
	return s.cost < o.cost || s.cost == o.cost && s.moves < o.moves
}

func (s score) plus(o score) score { return score{s.cost + o.cost, s.moves + o.moves} }

// score of the present packing.
func (p *packer) score(placed [][]int) score {
	var s score
	for i, it := range p.items {
		for j, n := range placed[i] {
			s.cost += it.price[j]*Money(n) + p.move*Money(max(n-it.previous[j], 0))
			s.moves += abs(n - it.previous[j])
		}
	}
	return s
}

// maxPasses bounds the improvement by single steps.
const maxPasses = 20

// economise looks for the cheapest packing of the counts admitted.
func (p *packer) economise() {
	s := newSearch(p, p.effort)
	s.offer(p.placed)
	for _, pack := range []func() bool{p.greedy, p.keep} {
		if pack() {
			s.offer(p.placed)
		}
	}
	p.adopt(s.best)
	for pass := 0; pass < maxPasses && (p.improve() || p.swap()); pass++ {
	}
	s.offer(p.placed)
	s.run()
	p.exact = p.exact && !s.aborted
	p.adopt(s.best)
}

// greedy packs those first that lose most when their cheapest pool is full, per
// part of that pool that they take. It is false when not all fit this way.
func (p *packer) greedy() bool {
	order := make([]int, len(p.items))
	loss := make([]float64, len(p.items))
	for i, it := range p.items {
		order[i] = i
		if len(it.pools) > 1 {
			cheap := &p.pools[it.pools[0]]
			loss[i] = float64(it.price[it.pools[1]]-it.price[it.pools[0]]) / max(dominantShare(it.Each, cheap), 1e-9)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(loss[b], loss[a]) })
	p.adopt(p.nothing())
	for _, i := range order {
		if p.put(i, p.items[i].count) < p.items[i].count {
			return false
		}
	}
	return true
}

// keep leaves everything where it was and packs the rest by likeness. It is
// false when not all fit this way.
func (p *packer) keep() bool {
	p.adopt(p.nothing())
	for i, it := range p.items {
		left := it.count
		for _, j := range it.pools {
			n := p.rooms[j].fits(it.Each, min(it.previous[j], left))
			p.rooms[j].take(it.Each, n)
			p.placed[i][j] += n
			left -= n
		}
		for ; left > 0; left-- {
			if !p.spread(i) {
				return false
			}
		}
	}
	return true
}

// dominantShare is the largest part of the pool that an instance takes.
func dominantShare(each Resources, p *Pool) float64 {
	share := 0.0
	if p.Capacity.MilliCPU > 0 {
		share = max(share, float64(each.MilliCPU)/float64(p.Capacity.MilliCPU))
	}
	if p.Capacity.Memory > 0 {
		share = max(share, float64(each.Memory)/float64(p.Capacity.Memory))
	}
	if p.Instances > 0 {
		share = max(share, 1/float64(p.Instances))
	}
	return share
}

// improve moves single instances to pools where that is better; it tells whether any was.
func (p *packer) improve() bool {
	moved := false
	for i, it := range p.items {
		for _, from := range it.pools {
			for _, to := range it.pools {
				for p.placed[i][from] > 0 && p.gains(i, from, to) && p.rooms[to].fits(it.Each, 1) == 1 {
					p.relocate(i, from, to)
					moved = true
				}
			}
		}
	}
	return moved
}

// gains is whether one instance of item i is better off in pool to than in pool from.
func (p *packer) gains(i, from, to int) bool {
	return from != to && p.shift(i, from, to).less(score{})
}

// shift is what the score changes by when one instance of item i goes from one pool to another.
func (p *packer) shift(i, from, to int) score {
	return p.step(i, from, -1).plus(p.step(i, to, 1))
}

func (p *packer) step(i, pool, delta int) score {
	it := p.items[i]
	n, was := p.placed[i][pool], it.previous[pool]
	return score{
		cost:  it.price[pool]*Money(delta) + p.move*Money(max(n+delta-was, 0)-max(n-was, 0)),
		moves: abs(n+delta-was) - abs(n-was),
	}
}

func (p *packer) relocate(i, from, to int) {
	p.rooms[from].take(p.items[i].Each, -1)
	p.rooms[to].take(p.items[i].Each, 1)
	p.placed[i][from]--
	p.placed[i][to]++
}

// swapAmong is how many of the items that lose least by leaving a pool are tried against
// those of another one.
const swapAmong = 12

// shifting is an item and what it changes when it leaves one pool for another.
type shifting struct {
	item  int
	value score
}

// swap exchanges single instances of full pools where that is better; it tells whether any was.
func (p *packer) swap() bool {
	swapped := false
	for a := range p.pools {
		for b := a + 1; b < len(p.pools); b++ {
			there, back := p.leaving(a, b), p.leaving(b, a)
			for _, x := range there {
				for _, y := range back {
					if !x.value.plus(y.value).less(score{}) {
						break // back is sorted: none after it is better
					}
					if p.exchange(x.item, y.item, a, b) {
						swapped = true
						break
					}
				}
			}
		}
	}
	return swapped
}

func (p *packer) leaving(from, to int) []shifting {
	list := make([]shifting, 0, len(p.items))
	for i, it := range p.items {
		if p.placed[i][from] > 0 && slices.Contains(it.pools, to) {
			list = append(list, shifting{i, p.shift(i, from, to)})
		}
	}
	slices.SortFunc(list, func(x, y shifting) int {
		return cmp.Or(cmp.Compare(x.value.cost, y.value.cost), cmp.Compare(x.value.moves, y.value.moves), cmp.Compare(x.item, y.item))
	})
	return list[:min(len(list), swapAmong)]
}

// exchange swaps one instance of x in pool a for one of y in pool b if that is better and fits.
func (p *packer) exchange(x, y, a, b int) bool {
	if x == y || p.placed[x][a] == 0 || p.placed[y][b] == 0 || !p.shift(x, a, b).plus(p.shift(y, b, a)).less(score{}) {
		return false
	}
	p.relocate(x, a, b)
	p.relocate(y, b, a)
	if p.rooms[a].sound() && p.rooms[b].sound() {
		return true
	}
	p.relocate(x, b, a)
	p.relocate(y, a, b)
	return false
}

// search is branch and bound over items, then over the pools of each, cheapest first.
type search struct {
	*packer
	order   []int // of items, largest first: they fail soonest
	rooms   []room
	current [][]int
	floor   []score // by position in order: the least that it and all after it can cost

	budget  int
	nodes   int
	aborted bool
	first   bool // any packing will do
	found   bool
	best    [][]int
	value   score // of best
}

func newSearch(p *packer, budget int) *search {
	s := &search{packer: p, budget: budget, current: p.nothing(), best: p.nothing()}
	for j := range p.pools {
		s.rooms = append(s.rooms, p.pools[j].room())
	}
	size := make([]float64, len(p.items))
	for i, it := range p.items {
		s.order = append(s.order, i)
		for _, j := range it.pools {
			size[i] = max(size[i], dominantShare(it.Each, &p.pools[j]))
		}
	}
	slices.SortStableFunc(s.order, func(a, b int) int { return cmp.Compare(size[b], size[a]) })
	s.floor = make([]score, len(s.order)+1)
	for k := len(s.order) - 1; k >= 0; k-- {
		it := p.items[s.order[k]]
		s.floor[k] = s.floor[k+1]
		if it.count > 0 && len(it.pools) > 0 {
			s.floor[k].cost += it.price[it.pools[0]] * Money(it.count)
		}
		s.floor[k].moves += abs(it.count - it.had)
	}
	return s
}

// offer takes placed as the best if it is.
func (s *search) offer(placed [][]int) {
	value := s.packer.score(placed)
	if s.found && !value.less(s.value) {
		return
	}
	s.found, s.value = true, value
	for i, row := range placed {
		copy(s.best[i], row)
	}
}

func (s *search) run() {
	if len(s.order) == 0 {
		s.found = true
		return
	}
	s.enter(0, score{})
}

// enter begins the item at position k of the order; spent is what the items before cost.
func (s *search) enter(k int, spent score) {
	if k == len(s.order) {
		s.offer(s.current)
		return
	}
	s.branch(k, 0, s.items[s.order[k]].count, spent)
}

// branch puts instances of the item at k into its pool number at, as many as fit first.
func (s *search) branch(k, at, left int, spent score) {
	i := s.order[k]
	it := s.items[i]
	if s.stop() || s.hopeless(k, at, left, spent) {
		return
	}
	if at == len(it.pools) {
		if left == 0 {
			s.enter(k+1, spent)
		}
		return
	}
	pool := it.pools[at]
	for n := s.rooms[pool].fits(it.Each, left); n >= 0; n-- {
		s.rooms[pool].take(it.Each, n)
		s.current[i][pool] = n
		after := score{
			cost:  spent.cost + it.price[pool]*Money(n) + s.move*Money(max(n-it.previous[pool], 0)),
			moves: spent.moves + abs(n-it.previous[pool]),
		}
		s.branch(k, at+1, left-n, after)
		s.current[i][pool] = 0
		s.rooms[pool].take(it.Each, -n)
		if s.stop() {
			return
		}
	}
}

func (s *search) stop() bool {
	if s.aborted || s.first && s.found {
		return true
	}
	s.nodes++
	s.aborted = s.nodes > s.budget
	return s.aborted
}

// hopeless is whether nothing better than the best can follow.
func (s *search) hopeless(k, at, left int, spent score) bool {
	it := s.items[s.order[k]]
	if at == len(it.pools) {
		return left > 0
	}
	if !s.found {
		return false
	}
	least := score{
		cost:  spent.cost + it.price[it.pools[at]]*Money(left) + s.floor[k+1].cost,
		moves: spent.moves + s.floor[k+1].moves,
	}
	return !least.less(s.value)
}
