package scaler

import "math"

// station is a service seen as a queueing system: requests come in a Poisson stream,
// wait in one line, and are worked on in instances of slots each.
type station struct {
	slots   int     // per instance
	service float64 // mean service time in seconds
	cv2     float64 // squared coefficient of variation of the service time
	wait    float64 // seconds a request may wait
	slow    float64 // share of requests that may wait longer, above 0
}

// instances is the least number of instances with which at most the
// allowed share of requests waits too long, at lambda requests per second.
func (q *station) instances(lambda float64) int {
	if lambda <= 0 || q.service <= 0 {
		return 0
	}
	a := lambda * q.service
	n := max(int(a)/q.slots, 1)
	for n*q.slots <= int(a) {
		n++
	}
	e := newErlang(a, n*q.slots)
	for q.late(&e) > q.slow {
		n++
		e.grow(n * q.slots)
	}
	return n
}

// late is P(W > wait) for the offered load and slots of e: the probability of
// having to wait at all (Erlang C) times the tail of the wait, which is exponential with
// rate (c-a)/service. The tail is stretched for service times that vary more or
// less than exponential ones by (1+cv2)/2, the Allen-Cunneen factor of the mean wait.
func (q *station) late(e *erlang) float64 {
	c := float64(e.servers)
	if e.load >= c {
		return 1
	}
	stretch := (1 + q.cv2) / 2
	return e.waits() * math.Exp(-(c-e.load)*q.wait/(q.service*math.Max(stretch, 0.1)))
}

// erlang carries 1/B, the inverse of Erlang's blocking probability, up
// along the number of slots: 1/B(k) = 1 + (k/a) / B(k-1). All terms are positive, so the
// recursion is stable, and what it starts from is forgotten: an error shrinks by k/a
// with each k below a.
type erlang struct {
	load    float64 // a, in erlangs
	servers int
	inverse float64 // 1/B(servers)
}

// newErlang begins at servers slots under load a. For a large load the first part of
// the recursion is left out: eight standard deviations below a, what is off at
// its start has shrunk by exp(-32).
func newErlang(a float64, servers int) erlang {
	e := erlang{load: a, inverse: 1}
	if start := int(a - 8*math.Sqrt(a) - 8); start > 0 && start <= servers {
		e.servers = start
		e.inverse = 1 / (1 - float64(start)/a)
	}
	e.grow(servers)
	return e
}

func (e *erlang) grow(servers int) {
	inv, x := 1/e.load, e.inverse
	for k := e.servers + 1; k <= servers; k++ {
		x = 1 + float64(k)*inv*x
		if x > 1e290 {
			x = 1e290 // B is 0 for all purposes; do not run into infinity
		}
	}
	e.servers, e.inverse = max(e.servers, servers), x
}

// waits is Erlang's C, the probability that a request finds all slots taken.
func (e *erlang) waits() float64 {
	c := float64(e.servers)
	if e.load >= c {
		return 1
	}
	return 1 / (1 + (e.inverse-1)*(1-e.load/c))
}
