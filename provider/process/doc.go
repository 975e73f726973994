// Package process runs the instances of a service as processes of this machine: it starts a command on free loopback
// ports, starts it again with backoff when it dies, ends it politely and then not, measures it, and takes running
// processes over from an earlier gateway.
//
// It says whether a process exists, never whether it is fit for traffic. Run owns every goroutine: one per
// instance, one that reads its output, and one, tied to its thread, that starts processes.
//
// # How instances end with the gateway
//
// With OnExit Stop the kernel kills each instance when the gateway dies, however it dies (PR_SET_PDEATHSIG). That signal is bound
// to the thread that started the process, not to the gateway, so one thread starts them all and lives as long as the provider. The
// signal reaches the process itself, not its children, and not a program that gained privileges on exec (setuid, file
// capabilities). For those there is Guard, a small process that outlives the gateway for a moment and kills what carries the
// gateway's mark in its environment; and what even Guard missed is ended by the next gateway before it starts anything.
//
// A supervisor per instance would do the same at the cost of a process each, and of a second place that knows about restarts.
package process
