package probe

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// bodyLimit is how much of an answer's body is read so that the connection can serve the next check; what is
// longer costs a new connection.
const bodyLimit = 64 << 10

type httpProber struct {
	check     Check
	transport *http.Transport
}

func newHTTPProber(c Check) *httpProber {
	return &httpProber{check: c, transport: &http.Transport{
		DialContext:            (&net.Dialer{KeepAlive: -1}).DialContext,
		TLSClientConfig:        c.TLS.Clone(),
		DisableCompression:     true,
		MaxIdleConns:           1,
		MaxIdleConnsPerHost:    1,
		IdleConnTimeout:        2*c.Policy.Interval + 10*time.Second,
		MaxResponseHeaderBytes: bodyLimit,
	}}
}

// Probe sends one GET. The transport repeats it on a new connection when the kept one turns out to be closed,
// so an endpoint that closes idle connections is not taken for one that fails.
func (p *httpProber) Probe(ctx context.Context, address string) error {
	req, err := p.request(ctx, address)
	if err != nil {
		return err
	}
	resp, err := p.transport.RoundTrip(req)
	if err != nil {
		if _, what, ok := strings.Cut(err.Error(), "transport connection broken: "); ok {
			return fmt.Errorf("it does not answer in HTTP: %s", what)
		}
		return explain(err, p.check.Timeout)
	}
	_, err = io.CopyN(io.Discard, resp.Body, bodyLimit)
	resp.Body.Close()
	if !contains(p.check.Expect, resp.StatusCode) {
		return fmt.Errorf("got status %d; want %s", resp.StatusCode, FormatStatus(p.check.Expect))
	}
	if err != nil && err != io.EOF {
		return fmt.Errorf("cannot read the answer's body: %w", explain(err, p.check.Timeout))
	}
	return nil
}

func (p *httpProber) request(ctx context.Context, address string) (*http.Request, error) {
	scheme := "http"
	if p.check.TLS != nil {
		scheme = "https"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+address+p.check.Path, nil)
	if err != nil {
		return nil, fmt.Errorf("cannot use address %q and path %q: %w", address, p.check.Path, err)
	}
	req.Header.Set("User-Agent", "gatewayd-health")
	for name, value := range p.check.Headers {
		req.Header.Set(name, value)
	}
	req.Host = p.check.Host
	return req, nil
}

// Close closes the connection that is kept for the next check.
func (p *httpProber) Close() error {
	p.transport.CloseIdleConnections()
	return nil
}
