package probe

import (
	"context"
	"crypto/tls"
	"net"
)

type tcpProber struct{ check Check }

// Probe connects, shakes hands if the check has TLS, and closes again.
func (p *tcpProber) Probe(ctx context.Context, address string) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return explain(err, p.check.Timeout)
	}
	defer conn.Close()
	if p.check.TLS == nil {
		return nil
	}
	cfg := p.check.TLS.Clone()
	if cfg.ServerName == "" && !cfg.InsecureSkipVerify {
		cfg.ServerName = hostOf(address)
	}
	if err := tls.Client(conn, cfg).HandshakeContext(ctx); err != nil {
		return explain(err, p.check.Timeout)
	}
	return nil
}

func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return host
}
