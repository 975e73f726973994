//go:build !race

package rollout

// runs of each simulation.
const runs = 1000
