package launch

import (
	"testing"
	"time"
)

func TestBackoff(t *testing.T) {
	o := Backoff{}.WithDefaults(500*time.Millisecond, time.Minute)
	f := func(n int, uniform float64, want time.Duration) {
		t.Helper()
		if got := o.Wait(n, uniform); got != want {
			t.Errorf("Wait(%d, %v) = %s; want %s", n, uniform, got, want)
		}
	}
	f(1, 0, 500*time.Millisecond) // never hot
	f(1, 0.5, 750*time.Millisecond)
	f(4, 0, 500*time.Millisecond)
	f(4, 0.5, 4250*time.Millisecond)
	f(100, 0.5, 30250*time.Millisecond)

	var b Streak
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	b.Fail(o, at(0), at(1), 0)
	b.Fail(o, at(0), at(1), 0) // another instance of the same cause
	if b.Failures != 1 {
		t.Errorf("%d failures; want 1", b.Failures)
	}
	b.Fail(o, at(2), at(3), 0)
	if retry := b.Fail(o, at(4), at(5), 0.5); b.Failures != 3 || retry != at(5).Add(2250*time.Millisecond) || b.NotBefore != retry {
		t.Errorf("%d failures, retry at %s", b.Failures, retry)
	}
	b.Fail(o, at(10), at(60), 0) // ran long enough
	if b.Failures != 1 {
		t.Errorf("%d failures; want 1", b.Failures)
	}
}
