package rollout

import "math"

// add counts traffic in.
func (t *Tally) add(s Traffic) {
	t.Requests += s.Requests
	t.Errors += min(s.Errors, s.Requests)
	if len(s.Latency) > len(t.Latency) {
		t.Latency = append(t.Latency, make([]uint64, len(s.Latency)-len(t.Latency))...)
	}
	for i, n := range s.Latency {
		t.Latency[i] += n
	}
}

func (t *Tally) bad() sample { return sample{float64(t.Requests), float64(t.Errors)} }

// slower counts the answered requests above bucket at.
func (t *Tally) slower(at int) sample {
	var all, above uint64
	for i, n := range t.Latency {
		all += n
		if i > at {
			above += n
		}
	}
	return sample{float64(all), float64(above)}
}

// percent is the error rate in percent.
func (t *Tally) percent() float64 {
	r := Recent{Requests: float64(t.Requests), Errors: float64(t.Errors)}
	return r.percent()
}

// quantile estimates the latency that the share q of requests did not exceed, in ms,
// linear within its bucket. 0 without requests; the highest bound for what lies above it.
func quantile(bounds, counts []float64, q float64) float64 {
	all := 0.0
	for _, n := range counts {
		all += n
	}
	if all <= 0 || len(bounds) == 0 {
		return 0
	}
	rank, below := q*all, 0.0
	for i, n := range counts {
		if n > 0 && below+n >= rank {
			if i >= len(bounds) {
				break
			}
			low := 0.0
			if i > 0 {
				low = bounds[i-1]
			}
			return low + (bounds[i]-low)*(rank-below)/n
		}
		below += n
	}
	return bounds[len(bounds)-1]
}

// add counts a block in after all that was counted has faded to the given share.
func (r *Recent) add(t *Tally, fade float64) {
	r.Requests = r.Requests*fade + float64(t.Requests)
	r.Errors = r.Errors*fade + float64(t.Errors)
	if len(t.Latency) > len(r.Latency) {
		r.Latency = append(r.Latency, make([]float64, len(t.Latency)-len(r.Latency))...)
	}
	for i := range r.Latency {
		r.Latency[i] *= fade
		if i < len(t.Latency) {
			r.Latency[i] += float64(t.Latency[i])
		}
		if r.Latency[i] < 1e-9 {
			r.Latency[i] = 0 // or it would be stored with all its digits for ever
		}
	}
}

// errorRate is a guess at the rate, which before there is much to go by leans to 0.5 %.
func (r *Recent) errorRate() float64 {
	return clampRate((r.Errors + 0.25) / (r.Requests + 50))
}

// percent is the error rate as counted, in percent.
func (r *Recent) percent() float64 {
	if r.Requests == 0 {
		return 0
	}
	return 100 * r.Errors / r.Requests
}

func (r *Recent) answered() float64 {
	all := 0.0
	for _, n := range r.Latency {
		all += n
	}
	return all
}

// bucketOf returns the bucket in which quantile q lies.
func (r *Recent) bucketOf(q float64) int {
	rank, below := q*r.answered(), 0.0
	for i, n := range r.Latency {
		below += n
		if below >= rank {
			return i
		}
	}
	return len(r.Latency) - 1
}

// slowerShare is a guess at the share of requests above bucket at.
func (r *Recent) slowerShare(at int) float64 {
	above, all := 0.5, 1.0
	for i, n := range r.Latency {
		all += n
		if i > at {
			above += n
		}
	}
	return math.Min(math.Max(above/all, 0.001), 0.999)
}

// bucketAbove returns the last bucket that counts as not slower than factor
// times the upper bound of bucket at, or than factor ms when at is -1: the
// first one whose bound is not below that, so that rounding favours the candidate.
func bucketAbove(bounds []float64, at int, factor float64) int {
	limit := factor
	if at >= len(bounds) {
		return len(bounds)
	}
	if at >= 0 {
		limit = factor * bounds[at]
	}
	for i, b := range bounds {
		if b >= limit*(1-1e-9) {
			return i
		}
	}
	return len(bounds)
}
