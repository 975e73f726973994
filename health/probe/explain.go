package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// explain turns the error of a check into one that people understand without knowing Go's networking: what was
// being done, and what came of it. The address is left out, because whoever shows the error names the instance.
func explain(err error, timeout time.Duration) error {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("no answer within %s", timeout)
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		return fmt.Errorf("cannot resolve %q: %s", e.Name, e.Err)
	}
	if e, ok := errors.AsType[*net.OpError](err); ok && e.Op == "dial" {
		return fmt.Errorf("connect: %w", rootOf(e))
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return errors.New("it closed the connection before it had answered")
	}
	if isTLS(err) {
		return fmt.Errorf("tls: %w", err)
	}
	return err
}

// rootOf returns the plain system error inside e, such as "connection refused".
func rootOf(e *net.OpError) error {
	if errno, ok := errors.AsType[syscall.Errno](e); ok {
		return errno
	}
	return e.Err
}

func isTLS(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return true
	}
	_, ok := errors.AsType[x509.HostnameError](err)
	return ok
}
