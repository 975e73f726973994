package process

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
)

// Ports are looked for below the range from which the kernel takes ports for outgoing connections: the gateway makes many of
// those on loopback, and one of them could take the port before the instance does.
const (
	lowestPort  = 10240
	portTries   = 50
	defaultHigh = 32768 // where the kernel's range begins unless it is set otherwise
)

// freePort returns a port of host on which nobody listens. Somebody may before the instance does; then the instance
// ends, and its next start is on another port.
func freePort(host string) (string, error) {
	high := ephemeralLow("/proc/sys/net/ipv4/ip_local_port_range")
	if high-lowestPort >= 1000 {
		for range portTries {
			port, err := tryPort(host, lowestPort+rand.IntN(high-lowestPort))
			if err == nil {
				return port, nil
			}
		}
	}
	port, err := tryPort(host, 0)
	if err != nil {
		return "", fmt.Errorf("cannot find a free port on %q: %w", host, err)
	}
	return port, nil
}

func tryPort(host string, port int) (string, error) {
	ln, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return "", err
	}
	defer ln.Close()
	return strconv.Itoa(ln.Addr().(*net.TCPAddr).Port), nil
}

// ephemeralLow returns the first port that the kernel takes for outgoing connections.
func ephemeralLow(path string) int {
	var low, high int
	b, err := os.ReadFile(path)
	if err != nil {
		return defaultHigh
	}
	if n, _ := fmt.Sscan(string(b), &low, &high); n != 2 {
		return defaultHigh
	}
	return low
}
