package admin

import (
	"net/netip"
	"sync"
	"time"
)

const (
	failureBurst    = 10              // wrong tokens that an address may send at once
	failureRefill   = 6 * time.Second // it earns one more try in this time
	failureAddress  = 4096            // addresses remembered; past that the least guilty is forgotten
	ipv6ClientBits  = 64              // one IPv6 client owns at least such a network
	failureForgiven = failureBurst * failureRefill
)

// failureLimit slows down guessing of tokens, for each client address apart. An address that
// has used up its tries is refused without a look at its token, or it would go
// on guessing.
type failureLimit struct {
	mu sync.Mutex // protects the field below
	// clean is when the failures of an address are forgiven: each failure moves it
	// by failureRefill, and failureForgiven ahead is too far.
	clean map[string]time.Time
}

func newFailureLimit() *failureLimit { return &failureLimit{clean: map[string]time.Time{}} }

// wait returns how long the address has to wait before its next try; 0: none.
func (l *failureLimit) wait(address string, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	ahead := max(l.clean[clientKey(address)].Sub(now), 0)
	return max(ahead-failureForgiven+failureRefill, 0)
}

// add records a wrong token.
func (l *failureLimit) add(address string, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := clientKey(address)
	clean := l.clean[key]
	if clean.Before(now) {
		clean = now
	}
	if len(l.clean) >= failureAddress {
		l.forget(now)
	}
	l.clean[key] = clean.Add(failureRefill)
}

// forget drops every address that is forgiven, and the one nearest to it if there is
// none; mu is held.
func (l *failureLimit) forget(now time.Time) {
	var nearest string
	for key, clean := range l.clean {
		if !clean.After(now) {
			delete(l.clean, key)
		} else if nearest == "" || clean.Before(l.clean[nearest]) {
			nearest = key
		}
	}
	if len(l.clean) >= failureAddress {
		delete(l.clean, nearest)
	}
}

// clientKey is the address, or its network where one client has many addresses.
func clientKey(address string) string {
	addr, err := netip.ParseAddr(address)
	if err != nil || addr.Is4() {
		return address
	}
	network, err := addr.Prefix(ipv6ClientBits)
	if err != nil {
		return address
	}
	return network.String()
}
