package simulate

import "math"

// stream is the splitmix64 generator (Steele, Lea, Flood 2014): tiny, fast, and
// seeded by any number. Arrivals, service times, failures and weights have each their own, so
// that one policy's decisions never change the arrivals that another one sees.
type stream uint64

func (s *stream) next() uint64 {
	*s += 0x9e3779b97f4a7c15
	z := uint64(*s)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// uniform is in (0, 1).
func (s *stream) uniform() float64 { return (float64(s.next()>>11) + 0.5) / (1 << 53) }

// exponential has mean 1.
func (s *stream) exponential() float64 { return -math.Log(s.uniform()) }

// normal has mean 0 and variance 1 (Box-Muller, one of the pair).
func (s *stream) normal() float64 {
	return math.Sqrt(2*s.exponential()) * math.Cos(2*math.Pi*s.uniform())
}

// lognormal is a table of equally likely service times, looked up at random: as
// good as the distribution itself for queueing, and much faster.
type lognormal [1 << 14]float64

// newLognormal tabulates a lognormal distribution of the given mean and coefficient
// of variation, scaled so that the table's own mean is exact.
func newLognormal(mean, cv float64) *lognormal {
	var t lognormal
	sigma := math.Sqrt(math.Log(1 + cv*cv))
	sum := 0.0
	for i := range t {
		u := (float64(i) + 0.5) / float64(len(t))
		t[i] = math.Exp(sigma * math.Sqrt2 * math.Erfinv(2*u-1))
		sum += t[i]
	}
	for i := range t {
		t[i] *= mean * float64(len(t)) / sum
	}
	return &t
}

func (t *lognormal) draw(s *stream) float64 { return t[s.next()>>50] }
