// Package probe checks endpoints over the network: by HTTP, a TCP connection, or the gRPC health protocol. A Prober performs
// one check; Checker runs the checks of all endpoints side by side and keeps their health.State.
//
// It decides nothing about traffic: it reports transitions to its owner. Run owns every goroutine of a
// Checker; none is left when it returns. Probes use connections of their own, never those of the traffic.
package probe
