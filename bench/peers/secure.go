package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

const (
	certFile = "tls.crt"
	keyFile  = "tls.key"
	bothFile = "tls.pem" // as HAProxy wants it
	certHost = "bench.example.com"
)

// makeCertificate writes a self-signed ECDSA P-256 certificate to dir, the same for all proxies.
func makeCertificate(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: certHost}, DNSNames: []string{certHost},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
	}
	cert, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	return errors.Join(
		os.WriteFile(filepath.Join(dir, certFile), certPEM, 0o644),
		os.WriteFile(filepath.Join(dir, keyFile), keyPEM, 0o600),
		os.WriteFile(filepath.Join(dir, bothFile), slices.Concat(certPEM, keyPEM), 0o600),
	)
}

// forgetful has the client ask for session tickets, as clients do, and never use one: every handshake is a full one.
type forgetful struct{}

func (forgetful) Get(string) (*tls.ClientSessionState, bool) { return nil, false }
func (forgetful) Put(string, *tls.ClientSessionState)        {}

// clientTLS offers one way only of agreeing on a key unless hybrid, since the proxies know different ones beside it, of different cost.
func clientTLS(hybrid bool) *tls.Config {
	c := &tls.Config{ServerName: certHost, InsecureSkipVerify: true, ClientSessionCache: forgetful{}, MinVersion: tls.VersionTLS13}
	c.CurvePreferences = []tls.CurveID{tls.X25519}
	if hybrid {
		c.CurvePreferences = []tls.CurveID{tls.X25519MLKEM768, tls.X25519}
	}
	return c
}

// secureConn is one connection of generateTLS.
type secureConn struct {
	t      traffic
	config *tls.Config
	end    time.Time
	nc     *tls.Conn
	answer genConn
	buf    []byte
	out    outcome
}

// generateTLS is generate over TLS 1.3, closed loop only. A goroutine drives each connection: it costs the generator more than one
// thread with raw sockets would, but what is measured is the proxy's processor time.
func generateTLS(t traffic) (outcome, error) {
	if t.rate > 0 {
		panic("BUG: no fixed rate over TLS")
	}
	began := time.Now()
	config := clientTLS(t.hybrid)
	conns := make([]secureConn, t.conns)
	errs := make([]error, t.conns)
	var wg sync.WaitGroup
	for i := range conns {
		c := &conns[i]
		*c = secureConn{t: t, config: config, end: began.Add(t.duration), buf: make([]byte, 32<<10), answer: genConn{left: -1}}
		wg.Go(func() { errs[i] = c.run() })
	}
	wg.Wait()
	total := outcome{elapsed: time.Since(began)}
	for i := range conns {
		total.requests += conns[i].out.requests
		total.failed += conns[i].out.failed
	}
	return total, errors.Join(errs...)
}

func (c *secureConn) run() error {
	defer c.close()
	for time.Now().Before(c.end) {
		if c.nc == nil {
			if err := c.open(); err != nil {
				return err
			}
		}
		if err := c.exchange(); err != nil {
			c.out.failed++
			c.close()
			continue
		}
		c.out.requests++
		if c.t.reopen {
			c.close()
		}
	}
	return nil
}

// open connects and checks that the proxy speaks what all are to speak.
func (c *secureConn) open() error {
	nc, err := net.Dial("tcp", c.t.addr)
	if err != nil {
		return fmt.Errorf("cannot connect to %s: %w", c.t.addr, err)
	}
	c.nc = tls.Client(nc, c.config)
	c.nc.SetDeadline(c.end.Add(5 * time.Second))
	if err := c.nc.Handshake(); err != nil {
		return fmt.Errorf("cannot agree on TLS with %s: %w", c.t.addr, err)
	}
	state := c.nc.ConnectionState()
	if state.CipherSuite != tls.TLS_AES_128_GCM_SHA256 || state.DidResume {
		return fmt.Errorf("%s: a full handshake with AES-128-GCM is wanted, not %s, resumed %v", c.t.addr, tls.CipherSuiteName(state.CipherSuite), state.DidResume)
	}
	return nil
}

func (c *secureConn) close() {
	if c.nc != nil {
		c.nc.Close()
		c.nc = nil
	}
}

func (c *secureConn) exchange() error {
	a := &c.answer
	a.head, a.left, a.tail = a.head[:0], -1, a.tail[:0]
	if _, err := c.nc.Write(c.t.request); err != nil {
		return err
	}
	for {
		n, err := c.nc.Read(c.buf)
		if n > 0 && a.take(c.buf[:n]) {
			break
		}
		if err != nil {
			return err
		}
	}
	if !isOK(a.head) {
		return fmt.Errorf("%.20q in place of 200", a.head)
	}
	return nil
}
