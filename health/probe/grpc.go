package probe

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// grpcProber keeps its connection while checks are good. After a failed one it starts afresh, because the gRPC client
// waits longer and longer before it connects again, and would find a recovered endpoint late.
type grpcProber struct {
	check   Check
	conn    *grpc.ClientConn
	dialErr atomic.Pointer[error] // written by the dialer, which gRPC runs in a goroutine of its own
}

// Probe asks the health service and wants SERVING.
func (p *grpcProber) Probe(ctx context.Context, address string) error {
	err := p.ask(ctx, address)
	if err != nil {
		p.Close()
	}
	return err
}

func (p *grpcProber) ask(ctx context.Context, address string) error {
	if err := p.connect(address); err != nil {
		return err
	}
	if len(p.check.Headers) > 0 {
		ctx = metadata.NewOutgoingContext(ctx, metadata.New(p.check.Headers))
	}
	resp, err := healthpb.NewHealthClient(p.conn).Check(ctx, &healthpb.HealthCheckRequest{Service: p.check.Service})
	if err != nil {
		return p.explain(err)
	}
	if resp.Status != healthpb.HealthCheckResponse_SERVING {
		return fmt.Errorf("got %s; want SERVING", resp.Status)
	}
	return nil
}

func (p *grpcProber) connect(address string) error {
	if p.conn != nil {
		return nil
	}
	p.dialErr.Store(nil)
	creds := insecure.NewCredentials()
	if p.check.TLS != nil {
		creds = credentials.NewTLS(p.check.TLS.Clone())
	}
	opts := []grpc.DialOption{
		grpc.WithTransportCredentials(creds),
		grpc.WithUserAgent("gatewayd-health"),
		grpc.WithNoProxy(),
		grpc.WithDisableServiceConfig(),
		grpc.WithContextDialer(p.dial),
	}
	if p.check.Host != "" {
		opts = append(opts, grpc.WithAuthority(p.check.Host))
	}
	conn, err := grpc.NewClient("passthrough:///"+address, opts...)
	if err != nil {
		return fmt.Errorf("cannot make a gRPC client for %q: %w", address, err)
	}
	p.conn = conn
	return nil
}

// dial keeps the plain cause of a failure: gRPC only hands on its text, wrapped several times.
func (p *grpcProber) dial(ctx context.Context, address string) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		p.dialErr.Store(&err)
	}
	return conn, err
}

func (p *grpcProber) explain(err error) error {
	st := status.Convert(err)
	switch st.Code() {
	case codes.DeadlineExceeded, codes.Canceled:
		return explain(context.DeadlineExceeded, p.check.Timeout)
	case codes.Unimplemented:
		return fmt.Errorf("it does not serve grpc.health.v1.Health")
	case codes.NotFound:
		return fmt.Errorf("it does not know the service %q", p.check.Service)
	case codes.Unavailable:
		if cause := p.dialErr.Load(); cause != nil {
			return explain(*cause, p.check.Timeout)
		}
	}
	return fmt.Errorf("got gRPC status %s: %s", st.Code(), st.Message())
}

// Close closes the connection; the next Probe makes a new one.
func (p *grpcProber) Close() error {
	if p.conn == nil {
		return nil
	}
	err := p.conn.Close()
	p.conn = nil
	return err
}
