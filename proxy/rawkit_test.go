package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// wire writes a message with plain line ends as it goes over the wire.
func wire(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

const (
	get        = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
	getClose   = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
	replyOK    = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	replyClose = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
	thenClose  = "\x00" // at the end of a recorder's reply: close the connection
	thenReset  = "\x01" // the same, with a reset
)

// recorder is an instance that keeps the bytes of every request and answers with the bytes that a test gives it.
type recorder struct {
	addr  string
	reply func(head string) string

	mu       sync.Mutex // protects what follows
	got      []string
	accepted int
	open     int
	changed  chan struct{}
}

// record starts a recorder that gives the same reply to every request.
func record(t testing.TB, reply string) *recorder {
	t.Helper()
	return recordBy(t, func(string) string { return reply })
}

// recordBy starts a recorder that asks reply for what to answer to a request's head.
func recordBy(t testing.TB, reply func(head string) string) *recorder {
	t.Helper()
	rec := &recorder{reply: reply, changed: make(chan struct{})}
	rec.addr = instance(t, func(nc net.Conn, br *bufio.Reader) {
		rec.change(func() { rec.accepted++; rec.open++ })
		defer rec.change(func() { rec.open-- })
		for rec.serveOne(nc, br) {
		}
	})
	return rec
}

func (rec *recorder) serveOne(nc net.Conn, br *bufio.Reader) bool {
	head, err := readHead(br)
	if err != nil {
		return false
	}
	reply := rec.reply(head)
	body, err := readBody(br, head)
	rec.change(func() { rec.got = append(rec.got, head+body) })
	if err != nil {
		return false
	}
	text := strings.TrimRight(reply, thenClose+thenReset)
	io.WriteString(nc, text)
	if strings.HasSuffix(reply, thenReset) {
		nc.(*net.TCPConn).SetLinger(0)
	}
	return text == reply
}

func (rec *recorder) change(f func()) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	f()
	close(rec.changed)
	rec.changed = make(chan struct{})
}

// requests returns what came in so far.
func (rec *recorder) requests() []string {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	return append([]string(nil), rec.got...)
}

// connections returns how many connections were ever accepted.
func (rec *recorder) connections() int {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	return rec.accepted
}

// await waits until the condition on the recorder's fields holds.
func (rec *recorder) await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		rec.mu.Lock()
		ok, changed := holds(), rec.changed
		rec.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// last returns the request that came in last.
func (rec *recorder) last(t testing.TB) string {
	t.Helper()
	got := rec.requests()
	if len(got) == 0 {
		t.Fatal("no request came to the instance")
	}
	return got[len(got)-1]
}

func readHead(br *bufio.Reader) (string, error) {
	var b strings.Builder
	for {
		line, err := br.ReadString('\n')
		b.WriteString(line)
		if err != nil {
			return b.String(), err
		}
		if line == "\r\n" {
			return b.String(), nil
		}
	}
}

// readBody returns the body's bytes as they are on the wire, chunk framing and trailers with them.
func readBody(br *bufio.Reader, head string) (string, error) {
	if strings.Contains(head, "\r\nTransfer-Encoding: chunked\r\n") {
		return readChunks(br)
	}
	n, _ := strconv.Atoi(field(head, "Content-Length"))
	b := make([]byte, n)
	m, err := io.ReadFull(br, b)
	return string(b[:m]), err
}

func readChunks(br *bufio.Reader) (string, error) {
	var b strings.Builder
	for {
		line, err := br.ReadString('\n')
		b.WriteString(line)
		if err != nil {
			return b.String(), err
		}
		n, err := strconv.ParseInt(strings.TrimSuffix(line, "\r\n"), 16, 64)
		if err != nil {
			return b.String(), fmt.Errorf("chunk size %q", line)
		}
		if n == 0 {
			trailers, err := readHead(br)
			return b.String() + trailers, err
		}
		if _, err := io.CopyN(&b, br, n+2); err != nil {
			return b.String(), err
		}
	}
}

// field returns the value of a head's first field of the name.
func field(head, name string) string {
	for _, line := range strings.Split(head, "\r\n") {
		if n, v, ok := strings.Cut(line, ":"); ok && strings.EqualFold(n, name) {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// fieldLines returns the values of all of a head's fields of the name.
func fieldLines(head, name string) (values []string) {
	head, _, _ = strings.Cut(head, "\r\n\r\n")
	for _, line := range strings.Split(head, "\r\n") {
		if n, v, ok := strings.Cut(line, ":"); ok && strings.EqualFold(n, name) {
			values = append(values, strings.TrimSpace(v))
		}
	}
	return values
}

// until reads until the connection ends and returns what came, and the error unless it was the end of the stream.
func (c *rawClient) until() (string, error) {
	b, err := io.ReadAll(c.br)
	return string(b), err
}

// all is until for a connection that must end cleanly.
func (c *rawClient) all() string {
	c.t.Helper()
	s, err := c.until()
	if err != nil {
		c.t.Fatalf("the connection ended with %v after %q", err, s)
	}
	return s
}

// head reads one response head.
func (c *rawClient) head() string {
	c.t.Helper()
	head, err := readHead(c.br)
	if err != nil {
		c.t.Fatalf("cannot read a head: %v (got %q)", err, head)
	}
	return head
}

// read reads exactly n bytes.
func (c *rawClient) read(n int) string {
	c.t.Helper()
	b := make([]byte, n)
	if m, err := io.ReadFull(c.br, b); err != nil {
		c.t.Fatalf("cannot read %d bytes: %v (got %q)", n, err, b[:m])
	}
	return string(b)
}

// statusOf returns the status of a response's text, 0 when there is none.
func statusOf(response string) int {
	if len(response) < 12 || !strings.HasPrefix(response, "HTTP/1.1 ") {
		return 0
	}
	n, _ := strconv.Atoi(response[9:12])
	return n
}

// parse reads a response's text with net/http.
func parse(t testing.TB, response, method string) (*http.Response, string) {
	t.Helper()
	res, err := http.ReadResponse(bufio.NewReader(strings.NewReader(response)), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("cannot read %q: %v", response, err)
	}
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("cannot read the body of %q: %v", response, err)
	}
	return res, string(b)
}

// waitFor waits until the condition holds, looking again whenever others had time to run.
func waitFor(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
		<-tick.C
	}
}

// failures returns what counts against the rig's first endpoint.
func (r *rig) failures() (n uint64) {
	for _, f := range r.pool.Members[0].Endpoint.Stats(time.Now().UnixNano()).Failures {
		n += f
	}
	return n
}

func (r *rig) idleConnections() int {
	idle, _ := r.pool.Members[0].Endpoint.Transport.(*Transport).Counts()
	return idle
}

func (r *rig) activeConnections() int {
	_, active := r.pool.Members[0].Endpoint.Transport.(*Transport).Counts()
	return active
}

// awaitBusy waits until a client's connection is busy with a request.
func (r *rig) awaitBusy(t testing.TB) {
	t.Helper()
	waitFor(t, "a request to begin", func() bool {
		r.server.mu.Lock()
		defer r.server.mu.Unlock()
		for c := range r.server.conns {
			if c.state.Load() == connBusy {
				return true
			}
		}
		return false
	})
}
