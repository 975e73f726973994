package proxy

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// FuzzProxyRequest sends bytes to the gateway and looks at what comes out on its other side. Whatever a client sends, the instance sees as
// many requests as the client gets answers of it, and net/http and fasthttp agree with each other, and with what net/http makes
// of the client's bytes, on method, target, host and body of each.
func FuzzProxyRequest(f *testing.F) {
	for _, seed := range fuzzSeeds {
		f.Add([]byte(wire(seed)))
	}
	rec := record(f, replyOK)
	r := newRig(f, rec.addr)
	r.settings.BodyIdleTimeout = time.Second
	r.start()
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<16 {
			return
		}
		before := len(rec.requests())
		answers := send(t, r.addr, data)
		seen := rec.requests()[before:]
		whole := seen[:0:0]
		for _, s := range seen {
			if p, err := readForwarded(t, s); err == nil {
				whole = append(whole, p)
			}
		}
		if len(whole) != answers {
			t.Fatalf("%q: got %d whole requests at the instance and %d answers of it; want as many", data, len(whole), answers)
		}
		compareWithSender(t, data, whole, r.addr)
	})
}

// send returns how many answers of the instance came back.
func send(t *testing.T, addr string, data []byte) (answers int) {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(10 * time.Second))
	go func() {
		nc.Write(data)
		nc.(*net.TCPConn).CloseWrite()
	}()
	br := bufio.NewReader(nc)
	for {
		head, err := readHead(br)
		if err != nil {
			return answers
		}
		own := field(head, "Content-Type") != "" // the recorder's has none
		if _, err := br.Peek(1); err == nil {
			next, _ := br.Peek(2)
			if string(next) == "ok" {
				br.Discard(2)
			} else if !strings.HasPrefix(string(next), "HT") {
				io.Copy(io.Discard, br) // an answer of the gateway's own, the last one
			}
		}
		if !own && statusOf(head) == 200 && field(head, "Allow") == "" {
			answers++
		}
	}
}

// asRead is what a reader made of a request.
type asRead = string

func describe(method, target, host string, body []byte) asRead {
	return fmt.Sprintf("%s %s of %q with %q", method, target, host, body)
}

// readForwarded reads one request of the gateway's with both readers, which have to agree. It returns an error when the request is not
// whole.
func readForwarded(t *testing.T, s string) (asRead, error) {
	br := bufio.NewReader(strings.NewReader(s))
	req, err := http.ReadRequest(br)
	if err != nil {
		return "", err
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return "", err
	}
	one := describe(req.Method, req.RequestURI, req.Host, body)
	if rest := br.Buffered(); rest != 0 {
		t.Fatalf("%q: net/http left %d bytes", s, rest)
	}
	if req.Host == "" {
		t.Fatalf("%q: no host", s)
	}
	var other fasthttp.Request
	br.Reset(strings.NewReader(s))
	err = other.Read(br)
	if err == nil && other.MayContinue() {
		err = other.ContinueReadBody(br, 1<<20)
	}
	if err != nil {
		t.Fatalf("%q: net/http reads %s, fasthttp says %v", s, one, err)
	}
	two := describe(string(other.Header.Method()), string(other.Header.RequestURI()), string(other.Header.Host()), other.Body())
	if one != two || br.Buffered() != 0 {
		t.Fatalf("%q: net/http reads %s, fasthttp %s and leaves %d bytes", s, one, two, br.Buffered())
	}
	return one, nil
}

// compareWithSender reads the client's bytes with net/http, for as long as it takes them, and compares what the instance got. Targets are
// compared as paths, because the gateway normalises their escapes. own is the gateway's address.
func compareWithSender(t *testing.T, data []byte, got []asRead, own string) {
	br := bufio.NewReader(bytes.NewReader(data))
	for i := 0; i < len(got); {
		req, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		if req.Method == "OPTIONS" && (req.RequestURI == "*" || req.URL.Path == "" || req.Header.Get("Max-Forwards") != "") {
			continue // answered by the gateway
		}
		if req.Host == "" { // from an HTTP/1.0 client
			req.Host = own
		}
		if !strings.HasPrefix(got[i], req.Method+" ") || !strings.HasSuffix(got[i], fmt.Sprintf(" of %q with %q", req.Host, body)) {
			t.Fatalf("%q: request %d was sent as %s and came as %s", data, i, describe(req.Method, req.RequestURI, req.Host, body), got[i])
		}
		i++
	}
}

var fuzzSeeds = []string{
	"GET / HTTP/1.1\nHost: a\n\n",
	"GET /a/%2e%41?b=c&d HTTP/1.1\nHost: a:80\nX: y\n\nGET /second HTTP/1.1\nHost: b\n\n",
	"GET http://b/x HTTP/1.1\nHost: a\n\n",
	"OPTIONS * HTTP/1.1\nHost: a\n\nOPTIONS http://a HTTP/1.1\nHost: a\n\nGET / HTTP/1.1\nHost: a\n\n",
	"POST / HTTP/1.1\nHost: a\nContent-Length: 3\n\nabcGET / HTTP/1.1\nHost: a\n\n",
	"POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n3\nabc\n0\nX: y\n\nGET / HTTP/1.1\nHost: a\n\n",
	"POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\nContent-Length: 3\n\n0\n\nGET /evil HTTP/1.1\nHost: a\n\n",
	"POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\nTransfer-Encoding: identity\n\n0\n\n",
	"POST / HTTP/1.1\nHost: a\nContent-Length: 30\nConnection: Content-Length\n\nGET /evil HTTP/1.1\nHost: a\n\n",
	"POST / HTTP/1.1\nHost: a\nConnection: close, X\nX: \nTE: trailers\nExpect: 100-continue\nContent-Length: 1\n\nx",
	"GET / HTTP/1.0\nConnection: keep-alive\n\nGET / HTTP/1.0\n\n",
	"GET / HTTP/1.1\nHost: a\nUpgrade: websocket\nConnection: upgrade\n\n",
	"HEAD / HTTP/1.1\nHost: [::1]:80\nCookie: a=b\nCookie: c\n\n",
	"\n\nDELETE / HTTP/1.1\nHost: a\nMax-Forwards: 3\nContent-Length: 0\n\n",
	"GET //b/..;/ HTTP/1.1\nHost: a\n\n",
	"GET / HTTP/1.1\nHost: a\nX: a\n b\n\n",
	"PUT /x HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n5;ext=\"a;b\"\nGET /\n0005\n HTTP\n00\n\n",
}
