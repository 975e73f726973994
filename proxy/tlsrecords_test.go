package proxy

import (
	"crypto/rand"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strconv"
	"testing"
	"time"
)

// However records divide what is sent, the last of them is never announced as not the last: it would be held back.
func TestRecordConnHoldsNothingBack(t *testing.T) {
	t.Parallel()
	cert, roots := certificate(t, "shop.example.com")
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	f := func(version uint16, fixed bool) {
		t.Helper()
		client, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		accepted, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer accepted.Close()
		tcp := accepted.(*net.TCPConn)
		raw, err := tcp.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		records := newRecordConn(tcp, raw)
		server := tls.Server(records, &tls.Config{Certificates: []tls.Certificate{cert}, MaxVersion: version, DynamicRecordSizingDisabled: fixed})
		secure := tls.Client(client, &tls.Config{ServerName: "shop.example.com", RootCAs: roots})
		go server.Handshake()
		if err := secure.Handshake(); err != nil {
			t.Fatal(err)
		}
		body := make([]byte, 1<<20)
		rand.Read(body)
		for _, size := range []int{1, 1000, 16 << 10, 16<<10 + 1, 64 << 10, 100_000, 1 << 20} {
			sent := make(chan error, 1)
			records.left = size
			go func() { _, err := server.Write(body[:size]); sent <- err }()
			got := make([]byte, size)
			secure.SetDeadline(time.Now().Add(10 * time.Second))
			if _, err := io.ReadFull(secure, got); err != nil || string(got) != string(body[:size]) {
				t.Errorf("%x, %d bytes: got something else, or %v", version, size, err)
			}
			if err := <-sent; err != nil {
				t.Errorf("%x, %d bytes: %v", version, size, err)
			}
			if records.left != 0 {
				t.Errorf("%x, %d bytes: the last record was held back, with %d bytes to come", version, size, records.left)
			}
		}
	}
	f(tls.VersionTLS12, false)
	f(tls.VersionTLS12, true)
	f(tls.VersionTLS13, false)
	f(tls.VersionTLS13, true)
}

// A client that takes nothing while records are announced as more to come is given up in time, as without TLS.
func TestTLSClientStalls(t *testing.T) {
	t.Parallel()
	cert, roots := certificate(t, "shop.example.com")
	big := make([]byte, 64<<20)
	addr := httpInstance(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(big)))
		w.Write(big)
	})
	r := loopRig(t, 1, addr)
	r.settings.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	r.settings.BodyIdleTimeout = 300 * time.Millisecond
	r.start()
	r.dialTLS("shop.example.com", roots).send("GET / HTTP/1.1\r\nHost: shop.example.com\r\n\r\n")
	waitFor(t, "the connection given up", func() bool { return r.server.Connections() == 0 })
}
