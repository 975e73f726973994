package health

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// SuccessRatePolicy finds members whose share of successful requests lies far below that of the others. The zero
// value finds none.
type SuccessRatePolicy struct {
	// Stdev is how many standard deviations below the mean a member's rate must lie; 0 turns the rule off.
	Stdev float64
	// Margin is how far below the mean, in [0, 1], it must lie besides: among members that hardly differ the standard
	// deviation is next to nothing, and 99.9 % would be an outlier among those with 100 %.
	Margin float64
	// MinHosts is how many members must have MinVolume requests each in the window for a comparison to mean anything.
	MinHosts  int
	MinVolume int
}

// DefaultSuccessRatePolicy returns 1.9 standard deviations and 5 points below the mean, of 5 or more members with 100
// requests each; meant for windows of 10 seconds.
func DefaultSuccessRatePolicy() SuccessRatePolicy {
	return SuccessRatePolicy{Stdev: 1.9, Margin: 0.05, MinHosts: 5, MinVolume: 100}
}

// Window is what one member did in a stretch of time that is the same for all. Requests that the client gave up
// are in neither figure.
type Window struct {
	ID       string
	Requests int
	Failures int // of Requests
}

// Evaluate compares the members over their windows and returns decisions, worst member first. Members that are ejected, and
// windows below MinVolume, are left out of the comparison.
//
// A member is an outlier below mean - Stdev*sigma, with mean and sigma (of the population) over the rates of
// all that are compared. Worked example: rates 1, 1, 1, 1 and 0.5 have mean 0.9 and sigma 0.2, so the bound is
// 0.9 - 1.9*0.2 = 0.52, and 0.5 is ejected. The formula and its figures are those of Envoy's outlier detection.
func (o *Outlier) Evaluate(windows []Window, now time.Time) []Decision {
	p := o.policy.SuccessRate
	rated := o.rate(windows)
	if p.Stdev <= 0 || len(rated) == 0 || len(rated) < p.MinHosts {
		return nil
	}
	mean, sigma := meanAndSigma(rated)
	bound := mean - max(p.Stdev*sigma, p.Margin)
	var out []Decision
	for _, r := range rated {
		if r.rate >= bound {
			break
		}
		cause := fmt.Sprintf("%.1f%% of its requests succeeded, of the pool's %.1f%%, and below %.1f%% is an outlier", 100*r.rate, 100*mean, 100*bound)
		if d, ok := o.maybeEject(r.id, FailureStatus, cause, now); ok {
			out = append(out, d)
		}
	}
	return out
}

type ratedMember struct {
	id   string
	rate float64
}

// rate returns those that can be compared, lowest rate first.
func (o *Outlier) rate(windows []Window) []ratedMember {
	var out []ratedMember
	for _, w := range windows {
		m := o.members[w.ID]
		if m == nil || !m.until.IsZero() || w.Requests < max(1, o.policy.SuccessRate.MinVolume) {
			continue
		}
		out = append(out, ratedMember{w.ID, 1 - float64(w.Failures)/float64(w.Requests)})
	}
	slices.SortFunc(out, func(a, b ratedMember) int {
		if a.rate != b.rate {
			if a.rate < b.rate {
				return -1
			}
			return 1
		}
		return strings.Compare(a.id, b.id)
	})
	return out
}

func meanAndSigma(rated []ratedMember) (mean, sigma float64) {
	for _, r := range rated {
		mean += r.rate
	}
	mean /= float64(len(rated))
	for _, r := range rated {
		sigma += (r.rate - mean) * (r.rate - mean)
	}
	return mean, math.Sqrt(sigma / float64(len(rated)))
}
