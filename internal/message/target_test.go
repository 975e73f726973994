package message

import (
	"bytes"
	"strings"
	"testing"
)

// RFC 9112 section 3.2: the four forms of the target, and the path that is matched and forwarded.
func TestTarget(t *testing.T) {
	ok, no := accepted(t), refused(t)
	f := func(target, want string) {
		t.Helper()
		ok("GET "+target+" HTTP/1.1\nHost: h\n\n", "GET "+want+" 1.1 host=h")
	}
	f("/a/b", "/a/b")
	f("/a?", "/a?")
	f("/a?b?c=/../%zz", "/a?b?c=/../%zz")
	f("//a//", "//a//")
	f("/%41%7e%2D%2e%5f%61b", "/A~-._ab")
	f("/%2f%3a%c3%9f", "/%2F%3A%C3%9F")
	f("/%252e%252e/", "/%252e%252e/") // decoded once, never twice
	f("/a.b/..c/.../.d", "/a.b/..c/.../.d")
	f("/a^`{|}", "/a^`{|}")
	f("/;a=1/b;c", "/;a=1/b;c")
	for _, target := range []string{"/.", "/..", "/./a", "/a/..", "/a/../b", "/a/%2e%2E/b", "/a/.%2e", "/%2e", "/a%2f..%2fb", "/a%2F../b", "/..%2fb",
		"/a%5c..%5Cb", "/..;/b", "/a/..;x=1", "/.;/b", "/%00", "/a%00b", "/%", "/%4", "/%4g", "/%g4", "/%%41"} {
		no("GET "+target+" HTTP/1.1\nHost: h\n\n", 400, "path")
	}
	// Absolute form: its authority replaces Host.
	g := func(target, want string) {
		t.Helper()
		ok("GET "+target+" HTTP/1.1\nHost: h\n\n", "GET "+want)
	}
	g("http://a.test/p?q", "/p?q 1.1 host=a.test")
	g("HTTPS://a.test:8443", "/ 1.1 host=a.test:8443")
	g("http://a.test?q", "/?q 1.1 host=a.test")
	g("http://[::1]:80/", "/ 1.1 host=[::1]:80")
	for _, target := range []string{"http://", "http:///p", "http://u@h/", "http://u:p@h/", "http://h:/", "http://h:0/", "http://h:65536/", "http://h%41/", "http://[::1/",
		"http://[::1]x/", "http://[1.2.3.4]/", "http://h:80:80/", "http:/h/", "http://h/../"} {
		no("GET "+target+" HTTP/1.1\nHost: h\n\n", 400, "")
	}
	no("GET http://h/ HTTP/1.1\n\n", 400, "no Host")
	// Asterisk form only with OPTIONS, authority form only with CONNECT.
	ok("OPTIONS * HTTP/1.1\nHost: h\n\n", "OPTIONS * 1.1 host=h")
	ok("OPTIONS http://a.test HTTP/1.1\nHost: h\n\n", "OPTIONS * 1.1 host=a.test")
	ok("OPTIONS http://a.test/ HTTP/1.1\nHost: h\n\n", "OPTIONS / 1.1 host=a.test")
	ok("CONNECT a.test:443 HTTP/1.1\nHost: h\n\n", "CONNECT  1.1 host=a.test:443")
	no("CONNECT a.test HTTP/1.1\nHost: h\n\n", 400, "authority")
	no("CONNECT /p HTTP/1.1\nHost: h\n\n", 400, "authority")
	no("CONNECT http://a.test:80/ HTTP/1.1\nHost: h\n\n", 400, "authority")
	no("POST * HTTP/1.1\nHost: h\n\n", 400, "target *")
}

// RFC 9112 section 3.2: exactly one valid Host.
func TestHost(t *testing.T) {
	ok, no := accepted(t), refused(t)
	for _, host := range []string{"a", "a.b:80", "127.0.0.1:65535", "[::1]", "[2001:db8::1]:443", "a_b.c", "A.B", "a.", "x--y"} {
		ok("GET / HTTP/1.1\nHost: "+host+"\n\n", "GET / 1.1 host="+host)
	}
	for _, host := range []string{"", ":80", "a:", "a:b", "a:0", "a:65536", "a:080000", "a b", "a/b", "a@b", "a,b c", "[::1", "::1", "[]", "[:]", "[1::g]", "[::1]]", "a%41",
		"a\x80", "a?", "a#", `a\b`, "[fe80::1%25eth0]", "a:+1", "[::1]80", "[:::]", "[1:2:3:4:5:6:7:8:9]", "[1:2]", "[12345::]", "[::1.2.3]", "[::1.2.3.4.5]",
		strings.Repeat("a", 300)} {
		no("GET / HTTP/1.1\nHost: "+host+"\n\n", 400, "Host")
	}
	no("GET / HTTP/1.1\n\n", 400, "no Host")
	no("GET / HTTP/1.1\nHost: a\nHost: a\n\n", 400, "more than one Host")
	no("GET / HTTP/1.0\nHost: a\nHost: a\n\n", 400, "more than one Host")
	no("GET / HTTP/1.1\nHost: a\nhOST: b\n\n", 400, "more than one Host")
	no("GET http://a/ HTTP/1.1\nHost: a b\n\n", 400, "malformed Host")
}

func TestNormalisePath(t *testing.T) {
	in := []byte("/%7ea%2f")
	got, err := NormalisePath(in)
	if err != nil || string(got) != "/~a%2F" {
		t.Errorf("got %q, %v", got, err)
	}
	plain, err := NormalisePath([]byte("/a"))
	if err != nil || string(plain) != "/a" || bytes.Equal(in, got) {
		t.Errorf("got %q, %v", plain, err)
	}
	if _, err := NormalisePath([]byte("/a/..")); err == nil {
		t.Error("a dot segment was taken")
	}
}
