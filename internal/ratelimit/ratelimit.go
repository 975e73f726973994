// Package ratelimit limits the requests of each key (a client, a route, a token) to a rate with bursts. It is the
// generic cell rate algorithm, which behaves as a bucket of Burst tokens that fills at Rate, and keeps one time per
// key instead of a level and a time (ITU-T I.371).
//
// All keys live in a table of fixed size that is made once: there is nothing to sweep, nothing grows with the
// number of clients, and no goroutine runs. A key whose bucket is full again costs no place. Where
// more keys are in debt than there are places, the one nearest to a full bucket is forgotten; see Limiter.
//
// It reads no clock and knows nothing of HTTP.
package ratelimit

import (
	"fmt"
	"hash/maphash"
	"math"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
)

// DefaultMaxKeys is what MaxKeys 0 stands for: 1.2 MiB.
const DefaultMaxKeys = 1 << 16

// Options say what a Limiter lets through.
type Options struct {
	Rate    float64 // requests per second and key in the long run, above 0, at most 1e9
	Burst   int     // requests that may come at once after a pause, at least 1
	MaxKeys int     // keys in debt that are told apart, at least 1; 0: DefaultMaxKeys
}

// Limiter limits the requests of many keys. Any number of goroutines may use it at once: a call holds the lock of one
// of many small groups of keys for some twenty nanoseconds.
//
// A group has seven places. When a key needs one and all seven are taken by keys in debt, the one with the smallest debt is forgotten,
// so that it starts over with a full bucket: the error is always in the client's favour. Groups fill unevenly; make MaxKeys twice the
// number of clients that are expected to be in debt at the same time and less than one in a hundred of them is ever forgotten.
type Limiter struct {
	interval  int64 // nanoseconds that one request costs
	capacity  int64 // nanoseconds that a full bucket holds
	ways      int   // places in use of each group
	groups    []group
	seed      maphash.Seed
	salt      uint64
	forgotten atomic.Uint64 // written by all callers
}

const groupWays = 7

// group is two cache lines. The time of a place is when its bucket is full again; one that is not after now says the same
// as no entry at all, which is why an empty place needs no mark.
type group struct {
	mu   sync.Mutex // protects keys and full
	keys [groupWays]uint64
	full [groupWays]int64
	_    [8]byte
}

// New builds a limiter. Its memory is 128 bytes for every seven of MaxKeys.
func New(o Options) (*Limiter, error) {
	if o.MaxKeys == 0 {
		o.MaxKeys = DefaultMaxKeys
	}
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("cannot build rate limiter: %w", err)
	}
	interval := o.interval()
	seed := maphash.MakeSeed()
	return &Limiter{
		interval: interval,
		capacity: interval * int64(o.Burst),
		ways:     min(groupWays, o.MaxKeys),
		groups:   make([]group, max(1, o.MaxKeys/groupWays)),
		seed:     seed,
		salt:     maphash.String(seed, "salt"),
	}, nil
}

func (o Options) interval() int64 { return int64(math.Round(1e9 / o.Rate)) }

func (o Options) validate() error {
	switch {
	case !(o.Rate > 0 && o.Rate <= 1e9):
		return fmt.Errorf("requestsPerSecond: got %v; want more than 0 and at most 1e9", o.Rate)
	case o.Burst < 1:
		return fmt.Errorf("burst: got %d; want at least 1", o.Burst)
	case float64(o.Burst)/o.Rate > maxFill.Seconds():
		return fmt.Errorf("burst: got %d; want less than requestsPerSecond fills in %v", o.Burst, maxFill)
	case o.MaxKeys < 1:
		return fmt.Errorf("maxKeys: got %d; want at least 1, or 0 for %d", o.MaxKeys, DefaultMaxKeys)
	}
	return nil
}

// maxFill is how long an empty bucket may take to fill; sums of two such times fit an int64 beside any date of this century.
const maxFill = 10 * 365 * 24 * time.Hour

// AllowBytes is Allow for a key of any length. It keeps nothing of key. One Limiter is used with either of the two.
func (l *Limiter) AllowBytes(key []byte, now int64) (ok bool, retryAfter time.Duration) {
	return l.Allow(maphash.Bytes(l.seed, key), now)
}

// Allow tells whether the key may have one more request at now, and takes it from its bucket. If not, retryAfter is how
// long the key has to wait for one, when it asks for no other meanwhile. now is in nanoseconds of a clock that began at 0 or earlier;
// when it goes back, a bucket in debt counts as empty, and fills from there.
func (l *Limiter) Allow(key uint64, now int64) (ok bool, retryAfter time.Duration) {
	hi, lo := bits.Mul64(key^l.salt, 0x9e3779b97f4a7c15)
	index, _ := bits.Mul64(hi^lo, uint64(len(l.groups)))
	g := &l.groups[index]

	g.mu.Lock()
	i := g.place(key, l.ways)
	full := now
	if g.keys[i] == key {
		// A time beyond an empty bucket's is from before the clock went back.
		g.full[i] = min(g.full[i], now+l.capacity)
		full = max(g.full[i], now)
	}
	next := full + l.interval
	if wait := next - l.capacity - now; wait > 0 {
		g.mu.Unlock()
		return false, time.Duration(wait)
	}
	inDebt := g.keys[i] != key && g.full[i] > now
	g.keys[i], g.full[i] = key, next
	g.mu.Unlock()

	if inDebt {
		l.forgotten.Add(1)
	}
	return true, 0
}

// place returns where the key is kept, or else the place of the key nearest to a full bucket.
func (g *group) place(key uint64, ways int) int {
	least := 0
	for i := range ways {
		if g.keys[i] == key {
			return i
		}
		if g.full[i] < g.full[least] {
			least = i
		}
	}
	return least
}

// Forgotten returns how many keys in debt had to make place for others since the limiter was made. If it
// grows steadily, MaxKeys is too small.
func (l *Limiter) Forgotten() uint64 { return l.forgotten.Load() }
