package proxy

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// Random valid requests, several on a connection and cut into packets anywhere, come to the instance one by one, each as net/http and
// fasthttp read it from the client's own bytes.
func TestRandomRequests(t *testing.T) {
	t.Parallel()
	rec := record(t, replyOK)
	r := newRig(t, rec.addr).start()
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var sent []string
		for range 1 + rng.IntN(5) {
			sent = append(sent, randomRequest(rng))
		}
		before := len(rec.requests())
		c := r.dial()
		stream := strings.Join(sent, "")
		go func() {
			for rest := stream; len(rest) > 0; {
				n := min(len(rest), 1+rng.IntN(1+rng.IntN(len(stream))))
				if _, err := c.nc.Write([]byte(rest[:n])); err != nil {
					return
				}
				rest = rest[n:]
			}
		}()
		for i, request := range sent {
			method, _, _ := strings.Cut(request, " ")
			if res, body := c.response(method); res.StatusCode != 200 {
				t.Fatalf("seed %d: %q: got %d %q; want 200", seed, request, res.StatusCode, body)
			}
			got := rec.requests()
			if len(got) <= before+i {
				t.Fatalf("seed %d: got %d requests at the instance after %d answers; want as many", seed, len(got)-before, i+1)
			}
			read, err := readForwarded(t, got[before+i])
			if err != nil {
				t.Fatalf("seed %d: %q: %v", seed, got[before+i], err)
			}
			compareWithSender(t, []byte(request), []asRead{read}, r.addr)
		}
		if n := len(rec.requests()) - before; n != len(sent) {
			t.Fatalf("seed %d: got %d requests at the instance; want %d", seed, n, len(sent))
		}
		c.nc.Close()
	}
}

func randomRequest(rng *rand.Rand) string {
	pick := func(of ...string) string { return of[rng.IntN(len(of))] }
	text := func(alphabet string, most int) string {
		var b strings.Builder
		for range rng.IntN(most + 1) {
			b.WriteByte(alphabet[rng.IntN(len(alphabet))])
		}
		return b.String()
	}
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	target := "/" + text(letters+"-_~!$&'()*+,;=:@/", 40)
	if rng.IntN(3) == 0 {
		target += "?" + text(letters+"/?=&%20", 40)
	}
	if rng.IntN(5) == 0 {
		target = "http://" + pick("b.example.com", "[::1]:8080", "127.0.0.1") + target
	}
	var b strings.Builder
	// HEAD is left out: the recorder's answer has a body.
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n%s: %s\r\n", pick("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE"), target,
		pick("Host", "host", "HOST"), pick("a", "shop.example.com", "shop.example.com:8080"))
	for range rng.IntN(8) {
		fmt.Fprintf(&b, "X-%s:%s%s%s\r\n", text(letters, 10), pick("", " ", "\t"), text(letters+" \t\"(),/:;<=>?@[]{}\x80\xff", 60), pick("", " "))
	}
	body := text(letters+"\r\n :", pickInt(rng, 0, 10, 300, 20000))
	switch rng.IntN(3) {
	case 0:
		b.WriteString("\r\n")
	case 1:
		fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	case 2:
		b.WriteString("Transfer-Encoding: chunked\r\n\r\n")
		for len(body) > 0 {
			n := 1 + rng.IntN(len(body))
			fmt.Fprintf(&b, "%s%x%s\r\n%s\r\n", pick("", "0", "00"), n, pick("", ";a", ";a=\"b\""), body[:n])
			body = body[n:]
		}
		b.WriteString(pick("0\r\n\r\n", "0\r\nX-Trailer: 1\r\n\r\n", "00;last\r\n\r\n"))
	}
	return b.String()
}

func pickInt(rng *rand.Rand, of ...int) int { return of[rng.IntN(len(of))] }
