package docker

import "time"

// backoff spaces the starts of one revision. It is shared by its instances: when all of them die of the same cause,
// that is one failure, not one each. Provider.mu protects it.
type backoff struct {
	failures  int       // in a row
	raisedAt  time.Time // when failures was raised last
	notBefore time.Time // the latest retry given: new instances of the revision wait for it too
}

// fail takes in the end, at now, of an attempt that began at begun, and returns when to try again. uniform is in [0, 1).
func (b *backoff) fail(o Backoff, begun, now time.Time, uniform float64) time.Time {
	if now.Sub(begun) >= o.ResetAfter {
		b.failures = 0
	}
	if b.failures == 0 || begun.After(b.raisedAt) {
		b.failures++
		b.raisedAt = now
	}
	retry := now.Add(o.wait(b.failures, uniform))
	if retry.After(b.notBefore) {
		b.notBefore = retry
	}
	return retry
}

// wait returns how long to wait after the n-th failure in a row, n >= 1.
func (o Backoff) wait(n int, uniform float64) time.Duration {
	top := o.Max
	if n < 32 && o.Base<<n > 0 {
		top = min(o.Max, o.Base<<n)
	}
	return o.Base + time.Duration(uniform*float64(top-o.Base))
}
