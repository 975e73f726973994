// Package scenario holds no code: its tests make real instances sick behind a real gateway, one process each, and look
// whether the gateway names the right bottleneck and no other, in time. Healthy, noisy load must bring up none.
//
//	go test ./internal/scenario -v                                                        each scenario with its time
//	GATEWAYD_SOAK=10m go test ./internal/scenario -run Healthy -timeout 20m               ten minutes of healthy load
package scenario
