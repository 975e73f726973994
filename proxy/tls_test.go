package proxy

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"
)

// certificate makes a self-signed certificate for the names, and a pool that trusts it.
func certificate(t testing.TB, names ...string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, pool
}

// dialTLS connects to the rig as a TLS client that asks for the name.
func (r *rig) dialTLS(name string, roots *x509.CertPool) *rawClient {
	r.t.Helper()
	c := r.dial()
	secure := tls.Client(c.nc, &tls.Config{ServerName: name, RootCAs: roots})
	if err := secure.Handshake(); err != nil {
		r.t.Fatal(err)
	}
	return &rawClient{t: r.t, nc: secure, br: bufio.NewReader(secure)}
}

// Certificates are chosen by SNI, requests for another host than the handshake's are refused, and instances learn that it was TLS.
func TestTLSListener(t *testing.T) {
	t.Parallel()
	shop, shopRoots := certificate(t, "shop.example.com")
	blog, blogRoots := certificate(t, "blog.example.com")
	rec := record(t, replyOK)
	r := newRig(t, rec.addr)
	r.settings.TLS = &tls.Config{Certificates: []tls.Certificate{shop, blog}}
	r.start()
	f := func(name string, roots *x509.CertPool, host string, want int, wantBody string) {
		t.Helper()
		c := r.dialTLS(name, roots)
		for range 2 {
			res, body := c.send("GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n").response("GET")
			if res.StatusCode != want || !strings.Contains(body, wantBody) {
				t.Errorf("%s over %s: got %d %q; want %d", host, name, res.StatusCode, body, want)
			}
			if want == 200 && (field(rec.last(t), "X-Forwarded-Proto") != "https" || !strings.Contains(field(rec.last(t), "Forwarded"), "proto=https")) {
				t.Errorf("got %q; want https", rec.last(t))
			}
		}
		c.nc.Close()
	}
	f("shop.example.com", shopRoots, "shop.example.com", 200, "ok")
	f("shop.example.com", shopRoots, "SHOP.example.com:443", 200, "ok")
	f("blog.example.com", blogRoots, "blog.example.com", 200, "ok")
	f("blog.example.com", blogRoots, "shop.example.com", 421, "(misdirected)")

	// Who does not speak TLS gets no answer that would tell of a page, and keeps nobody waiting.
	if got, _ := r.dial().send(get).until(); strings.Contains(got, "200") {
		t.Errorf("got %q in plain text; want no page", got)
	}
}

// Certificates change with a snapshot, and connections that exist go on.
func TestTLSCertificateChange(t *testing.T) {
	t.Parallel()
	old, oldRoots := certificate(t, "shop.example.com")
	next, nextRoots := certificate(t, "shop.example.com")
	r := newRig(t, record(t, replyOK).addr)
	r.settings.TLS = &tls.Config{Certificates: []tls.Certificate{old}}
	r.start()
	c := r.dialTLS("shop.example.com", oldRoots)
	ask := "GET / HTTP/1.1\r\nHost: shop.example.com\r\n\r\n"
	c.send(ask).response("GET")
	r.settings.TLS = &tls.Config{Certificates: []tls.Certificate{next}}
	r.publish()
	for _, c := range []*rawClient{c, r.dialTLS("shop.example.com", nextRoots)} {
		if res, _ := c.send(ask).response("GET"); res.StatusCode != 200 {
			t.Errorf("got %d; want 200", res.StatusCode)
		}
	}
}

// What holds for plain connections holds for TLS: pipelining, streams, tunnels, a broken response without a clean end, clients that leave.
func TestTLSCarriesTheSame(t *testing.T) {
	t.Parallel()
	cert, roots := certificate(t, "a")
	start := func(address string) *rig {
		r := newRig(t, address)
		r.settings.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
		return r.start()
	}
	rec := record(t, replyOK)
	post := "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
	if got := start(rec.addr).dialTLS("a", roots).send(get + post + getClose).all(); strings.Count(got, "HTTP/1.1 200 OK") != 3 {
		t.Errorf("got %q; want three answers and a clean end", got)
	}

	c := start(upgrading(t, echo)).dialTLS("a", roots).send(askUpgrade)
	c.head()
	if got := c.send("hello").read(5); got != "hello" {
		t.Errorf("got %q; want hello", got)
	}
	closeWrite(t, c.nc)
	if got := c.all(); got != "" {
		t.Errorf("got %q; want the end", got)
	}

	for _, head := range []string{"Content-Length: 10\r\n", "Transfer-Encoding: chunked\r\n"} {
		c := start(record(t, "HTTP/1.1 200 OK\r\n"+head+"\r\n"+thenClose).addr).dialTLS("a", roots)
		if got, err := c.send("GET / HTTP/1.0\r\nHost: a\r\n\r\n").until(); err == nil {
			t.Errorf("%q: got %q and a clean end; want none: an HTTP/1.0 client would take it for the whole", head, got)
		}
	}

	h := hold(t)
	r := start(h.addr)
	c = r.dialTLS("a", roots).send(get)
	receive(t, h.arrive, "the request")
	c.nc.Close() // sends close_notify, which stands before the end of the stream
	receive(t, h.ended, "the end of the instance's connection")
	if n := r.failures(); n != 0 {
		t.Errorf("got %d failures; want 0", n)
	}
}

// A handshake that does not come is not waited for longer than a head.
func TestTLSSlowHandshake(t *testing.T) {
	t.Parallel()
	cert, _ := certificate(t, "a")
	r := newRig(t, record(t, replyOK).addr)
	r.settings.TLS, r.settings.HeaderTimeout = &tls.Config{Certificates: []tls.Certificate{cert}}, 50*time.Millisecond
	r.start().dial().send("\x16\x03\x01").closed()
}

// tlsInstance is an instance behind TLS.
func tlsInstance(t *testing.T, cert tls.Certificate, serve func(nc net.Conn, br *bufio.Reader)) string {
	t.Helper()
	return instance(t, func(nc net.Conn, _ *bufio.Reader) {
		secure := tls.Server(nc, &tls.Config{Certificates: []tls.Certificate{cert}})
		defer secure.Close()
		if secure.Handshake() == nil {
			serve(secure, bufio.NewReader(secure))
		}
	})
}

// overTLS makes the rig's endpoint one that is reached over TLS.
func (r *rig) overTLS(config *tls.Config) *rig {
	e := r.pool.Members[0].Endpoint
	e.Transport = NewTransport(e.Address, TransportOptions{ConnectTimeout: 5 * time.Second, IdleTimeout: time.Minute, MaxIdle: 4, TLS: config})
	return r
}

// Instances are verified; one that is not who it should be gets no request.
func TestTLSToInstances(t *testing.T) {
	t.Parallel()
	cert, roots := certificate(t, "shop.internal")
	_, otherRoots := certificate(t, "shop.internal")
	requests := make(chan string, 100)
	addr := tlsInstance(t, cert, func(nc net.Conn, br *bufio.Reader) {
		for {
			head, err := readHead(br)
			if err != nil {
				return
			}
			body, _ := readBody(br, head)
			requests <- head + body
			io.WriteString(nc, replyOK)
		}
	})
	f := func(config *tls.Config, want int, wantBody string) (r *rig) {
		t.Helper()
		r = newRig(t, addr).overTLS(config)
		r.route.Retry = RetryPolicy{}
		c := r.start().dial()
		for _, request := range []string{get, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", get} {
			res, body := c.send(request).response("GET")
			if res.StatusCode != want || !strings.Contains(body, wantBody) {
				t.Errorf("got %d %q; want %d %s", res.StatusCode, body, want, wantBody)
			}
		}
		return r
	}
	r := f(&tls.Config{ServerName: "shop.internal", RootCAs: roots}, 200, "ok")
	waitFor(t, "one connection to rest", func() bool { return r.idleConnections() == 1 })
	if len(requests) != 3 || r.failures() != 0 {
		t.Errorf("got %d requests, %d failures; want 3 over one connection", len(requests), r.failures())
	}
	f(&tls.Config{ServerName: "shop.internal", RootCAs: otherRoots}, 502, "(tls-handshake)")
	f(&tls.Config{ServerName: "other.internal", RootCAs: roots}, 502, "(tls-handshake)")
	if len(requests) != 3 {
		t.Errorf("got %d requests; want none where the instance was not verified", len(requests)-3)
	}
}

// An idle TLS connection that the instance has closed is noticed before a request is sent on it.
func TestTLSStaleConnection(t *testing.T) {
	t.Parallel()
	cert, roots := certificate(t, "shop.internal")
	closed := make(chan struct{}, 10)
	addr := tlsInstance(t, cert, func(nc net.Conn, br *bufio.Reader) {
		if _, err := readHead(br); err == nil {
			io.WriteString(nc, replyOK)
		}
		nc.Close()
		closed <- struct{}{}
	})
	c := newRig(t, addr).overTLS(&tls.Config{ServerName: "shop.internal", RootCAs: roots}).start().dial()
	for range 3 { // POST: it could not be sent twice
		if res, body := c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").response("POST"); res.StatusCode != 200 {
			t.Errorf("got %d %q; want 200", res.StatusCode, body)
		}
		receive(t, closed, "the connection to close")
	}
}
