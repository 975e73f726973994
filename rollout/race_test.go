//go:build race

package rollout

// runs of each simulation: the race detector makes arithmetic ten times slower.
const runs = 100
