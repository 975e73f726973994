package cost

import "strconv"

func trim(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// admit decides how many instances each service gets, and packs them somehow.
func (p *packer) admit() {
	if p.admitAll() {
		return
	}
	p.clear()
	p.fill(func(it *item) int { return it.Min })
	for _, it := range p.items {
		it.done = false
	}
	p.fill(func(it *item) int { return it.want })
}

// admitAll is the quick way when there is enough for all.
func (p *packer) admitAll() bool {
	for i, it := range p.items {
		it.count = it.want
		if p.put(i, it.want) < it.want {
			return false
		}
	}
	return true
}

func (p *packer) clear() {
	p.placed = p.nothing()
	for j := range p.pools {
		p.rooms[j] = p.pools[j].room()
	}
	for _, it := range p.items {
		it.count, it.done = 0, false
	}
}

// fill gives instances up to goal, priority by priority; items are sorted by it.
func (p *packer) fill(goal func(*item) int) {
	for first := 0; first < len(p.items); {
		end := first
		for end < len(p.items) && p.items[end].Priority == p.items[first].Priority {
			end++
		}
		for i := p.poorest(first, end, goal); i >= 0; i = p.poorest(first, end, goal) {
			if p.spread(i) || p.repack(i) {
				p.items[i].count++
			} else {
				p.items[i].done = true
			}
		}
		first = end
	}
}

// spread puts one instance of item i where it fits best: into the pool whose free
// resources look most like it, the dot product heuristic of vector bin packing (Panigrahy
// et al., "Heuristics for Vector Bin Packing"). Filling the cheapest pool first would leave
// pools with CPU and no memory beside pools with memory and no CPU.
func (p *packer) spread(i int) bool {
	it := p.items[i]
	best, fit := -1, 0.0
	for _, j := range it.pools {
		if p.rooms[j].fits(it.Each, 1) == 0 {
			continue
		}
		if f := p.likeness(it.Each, j); best < 0 || f > fit {
			best, fit = j, f
		}
	}
	if best < 0 {
		return false
	}
	p.rooms[best].take(it.Each, 1)
	p.placed[i][best]++
	return true
}

// likeness weighs what is free of pool j by what an instance takes, both as parts of the pool.
func (p *packer) likeness(each Resources, j int) float64 {
	pool, free := &p.pools[j], p.rooms[j].free
	sum := 0.0
	if c := float64(pool.Capacity.MilliCPU); c > 0 {
		sum += float64(each.MilliCPU) / c * float64(free.MilliCPU) / c
	}
	if c := float64(pool.Capacity.Memory); c > 0 {
		sum += float64(each.Memory) / c * float64(free.Memory) / c
	}
	return sum
}

// poorest is the item of [first, end) with the smallest part of its goal; -1 when all are done.
func (p *packer) poorest(first, end int, goal func(*item) int) int {
	best := -1
	for i := first; i < end; i++ {
		it := p.items[i]
		if it.done || it.count >= goal(it) {
			continue
		}
		if best < 0 || it.count*goal(p.items[best]) < p.items[best].count*goal(it) {
			best = i
		}
	}
	return best
}

// repack looks for a packing of all counts with one more of item i, and takes it.
func (p *packer) repack(i int) bool {
	p.items[i].count++
	defer func() { p.items[i].count-- }()
	if !p.couldFit() {
		return false
	}
	// No single question may use up the effort that the ones after it need.
	s := newSearch(p, p.effort/8)
	s.first = true
	s.run()
	p.effort -= s.nodes
	p.exact = p.exact && (s.found || !s.aborted)
	if s.found {
		p.adopt(s.best)
	}
	return s.found
}

// couldFit compares the sum of all demands with the sum of all capacities.
func (p *packer) couldFit() bool {
	var need, have [3]float64
	for _, it := range p.items {
		need[0] += float64(it.Each.MilliCPU) * float64(it.count)
		need[1] += float64(it.Each.Memory) * float64(it.count)
		need[2] += float64(it.count)
	}
	for j := range p.pools {
		r := p.pools[j].room()
		have[0] += float64(r.free.MilliCPU)
		have[1] += float64(r.free.Memory)
		have[2] += float64(r.instances)
	}
	return need[0] <= have[0] && need[1] <= have[1] && need[2] <= have[2]
}

// adopt makes placed the present packing.
func (p *packer) adopt(placed [][]int) {
	p.placed = p.nothing()
	for j := range p.pools {
		p.rooms[j] = p.pools[j].room()
	}
	for i, row := range placed {
		copy(p.placed[i], row)
		for j, n := range row {
			p.rooms[j].take(p.items[i].Each, n)
		}
	}
}
