package proxy

import "time"

// lifespan is how long a client's connection has lived and what it has carried. It takes the space of one word in each idle connection.
type lifespan struct {
	born     uint32 // seconds since 1970, rounded up
	requests uint32
}

func newLifespan(now time.Time) lifespan {
	return lifespan{born: uint32((now.UnixNano() + int64(time.Second) - 1) / int64(time.Second))}
}

// last counts a request that began at now (unix nanoseconds) and tells whether it is the last one that the connection may carry.
func (s *lifespan) last(lim *ListenerSettings, now int64) bool {
	s.requests++
	return lim.ConnectionRequests > 0 && s.requests >= lim.ConnectionRequests ||
		lim.ConnectionAge > 0 && now-int64(s.born)*int64(time.Second) >= int64(lim.ConnectionAge)
}

// pace is how long the gateway has waited for a client to send or take the body at hand. Time in which the client could not do either, because
// an instance is slow, is not in it.
type pace struct{ waited time.Duration }

// patience returns how long the next wait for the client may be at most: limit, or until moved bytes of the body are too few for all the time
// waited. The first RateGrace of that is always allowed, and zero or less means that none is left.
func (p pace) patience(lim *ListenerSettings, limit time.Duration, moved int64) time.Duration {
	if lim.MinRate == 0 {
		return limit
	}
	seconds := float64(moved) / float64(lim.MinRate)
	if seconds > (limit + p.waited).Seconds() { // beyond what a duration can hold, maybe
		return limit
	}
	return min(limit, max(time.Duration(seconds*float64(time.Second)), lim.RateGrace)-p.waited)
}

// slackOf is how much later than wanted a deadline may be set.
func slackOf(patience time.Duration) int64 { return int64(max(patience, 0)) / 4 }
