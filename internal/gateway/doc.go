// Package gateway puts the parts together: it turns a config file into the runtime of
// every part, runs the control loop, and reloads, starts and stops in the right order.
// It is the only package that knows them all; it decides nothing itself.
//
// One goroutine, the control loop, owns everything that changes: services,
// revisions, instances, weights, and is the only one that publishes snapshots to the data path.
// Others send it functions to run (mailbox) and get copies back. Whatever may block (a
// provider, the disk, the network) runs in goroutines of its own and reports back.
package gateway
