package message

import "testing"

// smallRequest is what wrk sends.
var smallRequest = wire("GET /bench HTTP/1.1\nHost: 127.0.0.1:8080\n\n")

// browserRequest is what a browser sends with a page's fetch.
var browserRequest = wire(`GET /api/v1/products?category=books&page=2&sort=price HTTP/1.1
Host: shop.example.com
Connection: keep-alive
sec-ch-ua: "Chromium";v="140", "Not=A?Brand";v="24", "Google Chrome";v="140"
sec-ch-ua-mobile: ?0
sec-ch-ua-platform: "Linux"
User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36
Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8
Sec-Fetch-Site: same-origin
Sec-Fetch-Mode: cors
Sec-Fetch-Dest: empty
Referer: https://shop.example.com/categories/books
Accept-Encoding: gzip, deflate, br, zstd
Accept-Language: en-GB,en;q=0.9,de;q=0.8
Cookie: session=8f14e45fceea167a5a36dedd4bea2543; theme=dark; _ga=GA1.2.1234567890.1700000000
If-None-Match: W/"5f-1a2b3c4d"

`)

var smallResponse = wire("HTTP/1.1 200 OK\nContent-Type: text/plain\nContent-Length: 128\nDate: Mon, 02 Jan 2026 15:04:05 GMT\n\n")

func BenchmarkRequest(b *testing.B) {
	f := func(name, head string) {
		b.Run(name, func(b *testing.B) {
			var r Request
			buf := []byte(head)
			b.SetBytes(int64(len(buf)))
			b.ReportAllocs()
			for b.Loop() {
				if n, err := r.Parse(buf, limits); n != len(buf) || err != nil {
					b.Fatal(n, err)
				}
			}
		})
	}
	f("small", smallRequest)
	f("browser", browserRequest)
}

func BenchmarkResponse(b *testing.B) {
	var r Response
	buf := []byte(smallResponse)
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		if n, err := r.Parse(buf, limits); n != len(buf) || err != nil {
			b.Fatal(n, err)
		}
	}
}

func BenchmarkAppendFields(b *testing.B) {
	var r Request
	if _, err := r.Parse([]byte(browserRequest), limits); err != nil {
		b.Fatal(err)
	}
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = AppendFields(dst[:0], r.Fields, SetOf(KindHost, KindConnection))
	}
}

func BenchmarkChunked(b *testing.B) {
	var body []byte
	for range 16 {
		body = append(append(AppendChunkSize(body, 4096), make([]byte, 4096)...), "\r\n"...)
	}
	body = AppendChunkSize(body, 0)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		var c ChunkedReader
		for rest := body; !c.Done(); {
			_, n, err := c.Next(rest)
			if err != nil {
				b.Fatal(err)
			}
			rest = rest[n:]
		}
	}
}

func TestParseDoesNotAllocate(t *testing.T) {
	var req Request
	var res Response
	for _, head := range []string{smallRequest, browserRequest, wire("PUT http://[::1]:80/%41 HTTP/1.1\nHost: [::1]\nConnection: x, upgrade\nX: 1\nUpgrade: w\nContent-Length: 5\n\n")} {
		buf := []byte(head)
		if n := testing.AllocsPerRun(100, func() { req.Parse(buf, limits) }); n != 0 {
			t.Errorf("%q: %v allocations", head, n)
		}
	}
	buf := []byte(smallResponse)
	if n := testing.AllocsPerRun(100, func() { res.Parse(buf, limits) }); n != 0 {
		t.Errorf("response: %v allocations", n)
	}
}
