// Package exec leaves the instances of a service to commands of the user: one makes a number of them run, one prints which there are.
//
// It starts, stops and measures nothing itself, restarts nothing, and leaves what runs alone when the gateway ends. Run owns the only goroutine,
// which lists the instances again and again; Scale runs its command on the goroutine of the caller.
//
// docs/providers.md says what the commands get and what they have to print.
package exec
