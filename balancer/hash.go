package balancer

import "github.com/cespare/xxhash/v2"

func hashString(s string) uint64 { return xxhash.Sum64String(s) }

// mix is the finalizer of splitmix64 (Steele, Lea, Flood 2014): every bit of x moves every bit of the result. Callers may so
// pass in a weak hash, even a bare address.
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// golden steps a splitmix64 sequence: mix(h + k*golden) for k = 0, 1, ... are independent of each other.
const golden = 0x9e3779b97f4a7c15

// scale maps the 32 bits of r evenly to 0 .. n-1.
func scale(r uint32, n int) int { return int(uint64(r) * uint64(n) >> 32) }

// unit maps r to [0, 1).
func unit(r uint64) float64 { return float64(r>>11) / (1 << 53) }
