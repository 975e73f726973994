package probe

import (
	"context"
	"crypto/tls"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"gatewayd/health"
)

// Prober performs one check of the endpoint at address (host:port). It returns nil when the endpoint is fit, or an error
// that tells people why not, such as `got status 503; want 200-399`. ctx bounds the check. A Prober is used by
// one check at a time, always for the same address; one that also is an io.Closer is closed after its last check.
type Prober interface {
	Probe(ctx context.Context, address string) error
}

// Kind is a way to check.
type Kind string

// The kinds of check.
const (
	KindHTTP Kind = "http" // GET Path, status within Expect
	KindTCP  Kind = "tcp"  // a connection comes about (and the TLS handshake, with TLS)
	KindGRPC Kind = "grpc" // grpc.health.v1.Health/Check answers SERVING
)

// Check defines an active check: what is asked, and how its results are taken.
type Check struct {
	Kind    Kind
	Timeout time.Duration // of one check, connecting included. Default 1s
	Path    string        // of HTTP, with query; default "/"
	Host    string        // Host field of HTTP, authority of gRPC; default: the address
	Headers map[string]string
	Expect  []StatusRange // good statuses of HTTP; default 200-399
	Service string        // of gRPC; empty asks for the instance as a whole
	TLS     *tls.Config   // nil: plain text. Must not change afterwards
	// TLSName tells apart TLS settings: checks with equal names are taken to have equal TLS settings.
	TLSName string
	Policy  health.Policy
}

// Validate says what is wrong with c, naming the field as the config file does, or returns nil.
func (c Check) Validate() error {
	switch c.Kind {
	case KindHTTP, KindTCP, KindGRPC:
	default:
		return fmt.Errorf("type: got %q; want http, tcp or grpc", c.Kind)
	}
	if c.Timeout < 0 {
		return fmt.Errorf("timeout: got %s; want more than 0s", c.Timeout)
	}
	if c.Path != "" && !strings.HasPrefix(c.Path, "/") {
		return fmt.Errorf("path: got %q; want a path that begins with /", c.Path)
	}
	for _, r := range c.Expect {
		if err := r.validate(); err != nil {
			return fmt.Errorf("expectStatus: %w", err)
		}
	}
	return c.Policy.Validate()
}

// withDefaults returns c with its zero fields filled in.
func (c Check) withDefaults() Check {
	if c.Timeout == 0 {
		c.Timeout = time.Second
	}
	if c.Path == "" {
		c.Path = "/"
	}
	if len(c.Expect) == 0 {
		c.Expect = []StatusRange{{200, 399}}
	}
	c.Policy = c.Policy.WithDefaults()
	return c
}

// ID is equal for two checks when, and only when, they are the same check.
func (c Check) ID() string {
	c = c.withDefaults()
	var b strings.Builder
	fmt.Fprintf(&b, "%s %q %q %q %s %s tls=%t %q", c.Kind, c.Path, c.Host, c.Service, c.Timeout, FormatStatus(c.Expect), c.TLS != nil, c.TLSName)
	for _, name := range slices.Sorted(maps.Keys(c.Headers)) {
		fmt.Fprintf(&b, " %q=%q", name, c.Headers[name])
	}
	fmt.Fprintf(&b, " %+v", c.Policy)
	return b.String()
}

// NewProber returns the prober of c, which must be valid.
func NewProber(c Check) Prober {
	c = c.withDefaults()
	switch c.Kind {
	case KindHTTP:
		return newHTTPProber(c)
	case KindTCP:
		return &tcpProber{check: c}
	case KindGRPC:
		return &grpcProber{check: c}
	}
	panic(fmt.Sprintf("BUG: check of kind %q", c.Kind))
}

// StatusRange is a range of HTTP statuses, both ends included.
type StatusRange struct{ From, To int }

func (r StatusRange) validate() error {
	if r.From < 100 || r.To > 599 || r.From > r.To {
		return fmt.Errorf("got %q; want statuses from 100 to 599, the lower one first", r)
	}
	return nil
}

// String returns "200-399", or "204" for a range of one.
func (r StatusRange) String() string {
	if r.From == r.To {
		return strconv.Itoa(r.From)
	}
	return fmt.Sprintf("%d-%d", r.From, r.To)
}

// FormatStatus words ranges as ParseStatus reads them.
func FormatStatus(ranges []StatusRange) string {
	words := make([]string, len(ranges))
	for i, r := range ranges {
		words[i] = r.String()
	}
	return strings.Join(words, ",")
}

// ParseStatus reads statuses and ranges with commas between them, such as "200-399" or "200,204,300-399".
func ParseStatus(s string) ([]StatusRange, error) {
	var out []StatusRange
	for part := range strings.SplitSeq(s, ",") {
		from, to, isRange := strings.Cut(strings.TrimSpace(part), "-")
		if !isRange {
			to = from
		}
		a, errA := parseStatusCode(from)
		b, errB := parseStatusCode(to)
		if errA != nil || errB != nil {
			return nil, fmt.Errorf("got %q; want statuses and ranges such as 200-399 or 200,204", s)
		}
		r := StatusRange{a, b}
		if err := r.validate(); err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// parseStatusCode reads three digits and nothing else: strconv alone would let "+200" pass.
func parseStatusCode(s string) (int, error) {
	if len(s) != 3 {
		return 0, strconv.ErrSyntax
	}
	n, err := strconv.ParseUint(s, 10, 16)
	return int(n), err
}

func contains(ranges []StatusRange, status int) bool {
	return slices.ContainsFunc(ranges, func(r StatusRange) bool { return r.From <= status && status <= r.To })
}
