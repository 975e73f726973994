package simulate

// pool is the instances of one revision and the line in front of them. All
// times are seconds of virtual time.
type pool struct {
	ready    int
	starting []float64 // when each instance on its way becomes ready or fails, in order
	busy     int       // requests being worked on
	done     heap      // when they will be done
	line     fifo      // when those that wait arrived
}

func (p *pool) size() int { return p.ready + len(p.starting) }

// heap is a 4-ary min-heap of moments.
type heap []float64

func (h *heap) push(t float64) {
	a := append(*h, t)
	i := len(a) - 1
	for i > 0 {
		up := (i - 1) / 4
		if a[up] <= t {
			break
		}
		a[i] = a[up]
		i = up
	}
	a[i] = t
	*h = a
}

func (h *heap) pop() {
	a := *h
	n := len(a) - 1
	t := a[n]
	a = a[:n]
	i := 0
	for {
		c := 4*i + 1
		if c >= n {
			break
		}
		least := c
		for k := c + 1; k < min(c+4, n); k++ {
			if a[k] < a[least] {
				least = k
			}
		}
		if t <= a[least] {
			break
		}
		a[i] = a[least]
		i = least
	}
	if n > 0 {
		a[i] = t
	}
	*h = a
}

// fifo is a queue of moments in a ring that grows.
type fifo struct {
	ring []float64 // its length is a power of two
	head int
	n    int
}

func (q *fifo) push(t float64) {
	if q.n == len(q.ring) {
		bigger := make([]float64, max(2*len(q.ring), 64))
		for i := range q.n {
			bigger[i] = q.ring[(q.head+i)&(len(q.ring)-1)]
		}
		q.ring, q.head = bigger, 0
	}
	q.ring[(q.head+q.n)&(len(q.ring)-1)] = t
	q.n++
}

func (q *fifo) first() float64 { return q.ring[q.head] }

func (q *fifo) pop() float64 {
	t := q.ring[q.head]
	q.head = (q.head + 1) & (len(q.ring) - 1)
	q.n--
	return t
}
