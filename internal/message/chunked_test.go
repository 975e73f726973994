package message

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// readChunked reads all of p, size bytes at a time, and returns the body, how many bytes it took and whether the last chunk came.
func readChunked(p []byte, size int) (body string, n int, done bool, err *Error) {
	var c ChunkedReader
	var b strings.Builder
	for n < len(p) && !c.Done() {
		piece := p[n:min(len(p), n+size)]
		data, took, err := c.Next(piece)
		b.Write(data)
		n += took
		if err != nil {
			return b.String(), n, false, err
		}
		if took == 0 {
			break
		}
	}
	return b.String(), n, c.Done(), nil
}

// RFC 9112 section 7.1.
func TestChunked(t *testing.T) {
	ok := func(in, want string) {
		t.Helper()
		b := []byte(wire(in))
		for _, size := range []int{1, 2, 3, len(b) + 10} {
			// What follows belongs to the trailer section.
			body, n, done, err := readChunked(append(b[:len(b):len(b)], "\r\nnext"...), size)
			if err != nil || !done || body != want || n != len(b) {
				t.Errorf("%q by %d: got %q, %d of %d, done=%v, %v; want %q", in, size, body, n, len(b), done, err, want)
			}
		}
	}
	no := func(in, reason string) {
		t.Helper()
		for _, size := range []int{1, 1000} {
			_, _, done, err := readChunked([]byte(wire(in)), size)
			if err == nil || done || err.Status != 400 || !strings.Contains(err.Reason, reason) {
				t.Errorf("%q by %d: got done=%v, %v; want %q", in, size, done, err, reason)
			}
		}
	}
	part := func(in, want string) {
		t.Helper()
		if body, _, done, err := readChunked([]byte(wire(in)), 1000); done || err != nil || body != want {
			t.Errorf("%q: got %q, done=%v, %v; want %q and no end", in, body, done, err, want)
		}
	}
	ok("0\n", "")
	ok("3\nabc\n0\n", "abc")
	ok("3\nabc\n2\nde\n00\n", "abcde")
	ok("A\n0123456789\n0\n", "0123456789")
	ok("a\n0\n3456789\n0\n", "0\r\n3456789")
	ok("000000000000003\nabc\n0\n", "abc")
	ok("3;x\nabc\n0;y=\"z\"\t;\n", "abc")
	ok("3;"+strings.Repeat("x", maxChunkLine-3)+"\nabc\n0\n", "abc")
	no("3;"+strings.Repeat("x", maxChunkLine)+"\nabc\n0\n", "too long")
	no("0000000000000003\nabc\n0\n", "too large")
	no("fffffffffffffffff\n", "too large")
	no("10000000000000003\nabc\n0\n", "too large")
	no("\n", "without a size")
	no(";x\n", "not a hex number")
	no(" 3\nabc\n", "not a hex number")
	no("3 \nabc\n", "not a hex number")
	no("3\t;x\nabc\n", "not a hex number")
	no("-3\nabc\n", "not a hex number")
	no("+3\nabc\n", "not a hex number")
	no("0x3\nabc\n", "not a hex number")
	no("3_0\n", "not a hex number")
	no("3{LF}abc\n", "not a hex number")
	no("3{CR}x", "does not end in CRLF")
	no("3{CR}{CR}{LF}", "does not end in CRLF")
	no("3;a{LF}abc\n0\n", "control character")
	no("3;a{NUL}\nabc\n0\n", "control character")
	no("3\nabcd\n0\n", "longer than its size")
	no("3\nabc0\n", "longer than its size")
	no("3\nabc{LF}0\n", "longer than its size")
	no("3\nabc{CR}0\n", "does not end in CRLF")
	part("", "")
	part("3", "")
	part("3{CR}", "")
	part("3\nab", "ab")
	part("3\nabc", "abc")
	part("3\nabc{CR}", "abc")
	part("3\nabc\n", "abc")
	part("3\nabc\n0", "abc")
	part("3\nabc\n0{CR}", "abc")
}

func TestChunkedNextAfterEnd(t *testing.T) {
	var c ChunkedReader
	if _, n, err := c.Next([]byte("0\r\nrest")); n != 3 || err != nil || !c.Done() {
		t.Fatalf("got %d, %v", n, err)
	}
	if data, n, err := c.Next([]byte("rest")); data != nil || n != 0 || err != nil {
		t.Errorf("after the end: got %q, %d, %v", data, n, err)
	}
}

// Extensions that outweigh the data they come with are no use to anyone but somebody who wants to keep a parser busy.
func TestChunkedWaste(t *testing.T) {
	f := func(chunk string, want bool) {
		t.Helper()
		_, _, done, err := readChunked([]byte(wire(strings.Repeat(chunk, 1000)+"0\n")), 1<<20)
		if ok := done && err == nil; ok != want {
			t.Errorf("1000 times %q: got done=%v, %v; want it taken: %v", chunk, done, err, want)
		}
	}
	long := ";" + strings.Repeat("x", 200)
	f("1\na\n", true)
	f("1;signed=0123\na\n", true)
	f("1"+long+"\na\n", false)
	f("64"+long+"\n"+strings.Repeat("a", 100)+"\n", true)
}

func TestAppendChunkSize(t *testing.T) {
	f := func(n int, want string) {
		t.Helper()
		if got := string(AppendChunkSize([]byte(">"), n)); got != ">"+want+"\r\n" {
			t.Errorf("%d: got %q; want %q", n, got, want)
		}
	}
	f(0, "0")
	f(1, "1")
	f(15, "f")
	f(16, "10")
	f(255, "ff")
	f(256, "100")
	f(0x12345678, "12345678")
	f(1<<62, "4000000000000000")
}

// TestChunkedWriteAndRead: what AppendChunkSize frames, ChunkedReader takes apart, in whatever pieces.
func TestChunkedWriteAndRead(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var wire []byte
		var want strings.Builder
		for range rnd.IntN(6) {
			data := strings.Repeat("\r\n0", 100)[:1+rnd.IntN(300)]
			want.WriteString(data)
			wire = append(append(AppendChunkSize(wire, len(data)), data...), "\r\n"...)
		}
		wire = AppendChunkSize(wire, 0)
		body, n, done, err := readChunked(wire, 1+rnd.IntN(50))
		if err != nil || !done || n != len(wire) || body != want.String() {
			t.Fatalf("%q: got %q, %d, %v, %v", wire, body, n, done, err)
		}
	}
}
