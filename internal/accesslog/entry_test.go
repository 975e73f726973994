package accesslog

import (
	"encoding/json"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// full is an entry with everything in it.
func full() *Entry {
	return &Entry{
		Time:   time.Date(2026, 3, 4, 5, 6, 7, 89_000_000, time.FixedZone("", 3600)),
		Client: netip.MustParseAddr("2001:db8::7"), Method: []byte("GET"), Host: []byte("shop.test:8080"), Path: []byte("/a/b"), Query: []byte("q=1&r"),
		Protocol: "HTTP/1.1", TLS: "1.3", Status: 502, BytesIn: 12, BytesOut: 3456, Duration: 1234567 * time.Nanosecond, FirstByte: 999999 * time.Nanosecond,
		Route: "shop", Service: "shop-svc", Revision: "v2", Instance: "shop-2", Attempts: 2, Upstream: "connect-refused",
		RequestID: []byte("4e1f"), TraceID: [16]byte{0x0a, 15: 0xff}, UserAgent: []byte("curl/8 (x)"), Referer: []byte("https://a.test/"),
	}
}

func TestFormats(t *testing.T) {
	f := func(format Format, e *Entry, want string) {
		t.Helper()
		if got := string(format.append([]byte(">"), e)); got != ">"+want+"\n" {
			t.Errorf("got\n%swant\n%s", got, want)
		}
	}
	f(JSON, full(), `{"time":"2026-03-04T04:06:07.089Z","client":"2001:db8::7","method":"GET","host":"shop.test:8080","path":"/a/b","query":"q=1&r",`+
		`"protocol":"HTTP/1.1","tls":"1.3","status":502,"bytesIn":12,"bytesOut":3456,"durationMs":1.234,"firstByteMs":0.999,"route":"shop","service":"shop-svc",`+
		`"revision":"v2","instance":"shop-2","attempts":2,"upstream":"connect-refused","requestId":"4e1f","traceId":"0a0000000000000000000000000000ff",`+
		`"userAgent":"curl/8 (x)","referer":"https://a.test/"}`)
	f(Common, full(), `2001:db8::7 - - [04/Mar/2026:05:06:07 +0100] "GET /a/b?q=1&r HTTP/1.1" 502 3456 "https://a.test/" "curl/8 (x)" host=shop.test:8080 tls=1.3 `+
		`route=shop service=shop-svc revision=v2 instance=shop-2 attempts=2 upstream=connect-refused in=12 ms=1.234 ttfb=0.999 id=4e1f trace=0a0000000000000000000000000000ff`)
	// What is not there is left out.
	least := &Entry{Time: time.Unix(0, 0), Method: []byte("GET"), Path: []byte("/"), Protocol: "HTTP/1.0", Duration: time.Hour}
	f(JSON, least, `{"time":"1970-01-01T00:00:00.000Z","method":"GET","path":"/","protocol":"HTTP/1.0","status":0,"bytesIn":0,"bytesOut":0,"durationMs":3600000.000}`)
	least.Time = least.Time.UTC()
	f(Common, least, `- - - [01/Jan/1970:00:00:00 +0000] "GET / HTTP/1.0" 0 0 "-" "-" in=0 ms=3600000.000`)
	least.Duration = -1
	f(Common, least, `- - - [01/Jan/1970:00:00:00 +0000] "GET / HTTP/1.0" 0 0 "-" "-" in=0 ms=0.000`)
	// Nothing that a client sends ends the line, the quotes or the pair.
	nasty := &Entry{Time: time.Unix(0, 0).UTC(), Method: []byte("G\"T"), Path: []byte("/\\\n\x7f\xc3\xbc"), Protocol: "HTTP/1.1", UserAgent: []byte("a\" \"b\r\n\t"), RequestID: []byte("a b=c")}
	f(Common, nasty, `- - - [01/Jan/1970:00:00:00 +0000] "G\x22T /\x5c\x0a\x7f\xc3\xbc HTTP/1.1" 0 0 "-" "a\x22 \x22b\x0d\x0a\x09" in=0 ms=0.000 id=a\x20b=c`)
	f(JSON, nasty, `{"time":"1970-01-01T00:00:00.000Z","method":"G\"T","path":"/\\\u000a`+"\x7f\u00fc"+`","protocol":"HTTP/1.1","status":0,"bytesIn":0,"bytesOut":0,"durationMs":0.000,`+
		`"requestId":"a b=c","userAgent":"a\" \"b\u000d\u000a\u0009"}`)
}

// TestEscape compares with encoding/json: whatever the bytes are, they read back as Go's own replacement of broken UTF-8.
func TestEscape(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	pieces := []string{"a", "plain text", `"`, `\`, "\x00", "\x1f", "\n", "\x7f", "\u00fc", "\u20ac", "\U0001f600", "\xc3", "\xff", "\xe2\x82", "\u2028", "\ufffd", "\xed\xa0\x80"}
	for range 20_000 {
		var in strings.Builder
		for range rnd.IntN(8) {
			in.WriteString(pieces[rnd.IntN(len(pieces))])
		}
		line := append(appendEscaped([]byte{'"'}, in.String()), '"')
		var got string
		if err := json.Unmarshal(line, &got); err != nil || !utf8.Valid(line) {
			t.Fatalf("%q: %s: %v", in.String(), line, err)
		}
		if want := string([]rune(in.String())); got != want {
			t.Fatalf("%q: reads back as %q; want %q", in.String(), got, want)
		}
		if fromBytes := appendEscaped([]byte{'"'}, []byte(in.String())); string(fromBytes) != string(line[:len(line)-1]) {
			t.Fatalf("%q: of bytes %q, of a string %q", in.String(), fromBytes, line)
		}
	}
}

func TestLongTextsAreCut(t *testing.T) {
	e := full()
	e.Path = []byte("/" + strings.Repeat("\xc3\xbc", 5000))
	e.UserAgent = []byte(strings.Repeat("\x01", 5000))
	e.Route = strings.Repeat("r", 5000)
	for _, format := range []Format{JSON, Common} {
		line := format.append(nil, e)
		if len(line) > 10*maxText || strings.Count(string(line), "\n") != 1 || !strings.Contains(string(line), strings.Repeat("r", maxText)) ||
			strings.Contains(string(line), strings.Repeat("r", maxText+1)) {
			t.Errorf("format %d: a line of %d bytes", format, len(line))
		}
		if format == JSON && !json.Valid(line) {
			t.Errorf("not JSON: %s", line)
		}
	}
}

func FuzzJSON(f *testing.F) {
	f.Add([]byte("GET"), []byte("/a"), "route", []byte("\xff\""))
	f.Fuzz(func(t *testing.T, method, path []byte, route string, agent []byte) {
		e := &Entry{Method: method, Path: path, Route: route, UserAgent: agent}
		var got struct{ Method, Path, Route, UserAgent string }
		if err := json.Unmarshal(JSON.append(nil, e), &got); err != nil {
			t.Fatal(err)
		}
		for _, pair := range [][2]string{{got.Method, string(method)}, {got.Path, string(path)}, {got.Route, route}, {got.UserAgent, string(agent)}} {
			if len(pair[1]) <= maxText && pair[0] != string([]rune(pair[1])) {
				t.Fatalf("%q reads back as %q", pair[1], pair[0])
			}
		}
		line := Common.append(nil, e)
		for i, c := range line {
			if c < ' ' && i != len(line)-1 || c > '~' && i < len(line) && !strings.Contains(e.Protocol, string(c)) {
				t.Fatalf("byte %q within %q", c, line)
			}
		}
	})
}
