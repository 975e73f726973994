package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

func TestForwardsAndKeepsAlive(t *testing.T) {
	addr := httpInstance(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Seen", r.Method+" "+r.URL.String()+" "+r.Host+" "+r.Header.Get("X-Forwarded-For"))
		fmt.Fprintf(w, "hello %s", b)
	})
	c := newRig(t, addr).start().dial()
	for range 3 {
		res, body := c.send("GET /a?b=c HTTP/1.1\r\nHost: shop.example.com\r\n\r\n").response("GET")
		if res.StatusCode != 200 || body != "hello " {
			t.Fatalf("got %d %q; want 200 \"hello \"", res.StatusCode, body)
		}
		if got, want := res.Header.Get("X-Seen"), "GET /a?b=c shop.example.com 127.0.0.1"; got != want {
			t.Fatalf("got %q; want %q", got, want)
		}
	}
	res, body := c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc").response("POST")
	if res.StatusCode != 200 || body != "hello abc" {
		t.Fatalf("got %d %q", res.StatusCode, body)
	}
	res, body = c.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n").response("POST")
	if res.StatusCode != 200 || body != "hello abcde" {
		t.Fatalf("got %d %q", res.StatusCode, body)
	}
}

func TestStreamsLargeBodies(t *testing.T) {
	const size = 20 << 20
	addr := httpInstance(t, func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		w.Header().Set("X-Got", fmt.Sprint(n))
		if r.URL.Query().Has("length") {
			w.Header().Set("Content-Length", fmt.Sprint(size))
		}
		io.Copy(w, io.LimitReader(zeros{}, size))
	})
	r := newRig(t, addr).start()
	for _, query := range []string{"", "?length"} {
		res, err := http.Post("http://"+r.addr+"/"+query, "text/plain", io.LimitReader(zeros{}, size))
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if n != size || err != nil || res.Header.Get("X-Got") != fmt.Sprint(size) {
			t.Fatalf("got %d bytes back and %s there, %v; want %d both ways", n, res.Header.Get("X-Got"), err, size)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestRetriesAndCauses(t *testing.T) {
	refused := refusedAddress(t)
	ok := httpInstance(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "ok") })
	reset := instance(t, func(nc net.Conn, br *bufio.Reader) { br.ReadString('\n') })

	f := func(request, method string, wantStatus int, wantBody string, addresses ...string) {
		t.Helper()
		res, body := newRig(t, addresses...).start().dial().send(request).response(method)
		if res.StatusCode != wantStatus || !strings.Contains(body, wantBody) {
			t.Fatalf("got %d %q; want %d with %q", res.StatusCode, body, wantStatus, wantBody)
		}
	}
	get := "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
	post := "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"
	f(get, "GET", 200, "ok", refused, ok)
	f(post, "POST", 200, "ok", refused, ok)
	f(get, "GET", 200, "ok", reset, ok)
	f(post, "POST", 502, "(reset)", reset)
	f(get, "GET", 502, "(connect-refused)", refused)
	f(get, "GET", 503, "(no-instance)")
}
