package probe

import (
	"crypto/tls"
	"slices"
	"strings"
	"testing"
	"time"

	"gatewayd/health"
)

func TestParseStatus(t *testing.T) {
	f := func(s string, want ...StatusRange) {
		t.Helper()
		got, err := ParseStatus(s)
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("%q: got %v, %v; want %v", s, got, err, want)
		}
	}
	f("200-399", StatusRange{200, 399})
	f("200", StatusRange{200, 200})
	f("200, 204,300-399", StatusRange{200, 200}, StatusRange{204, 204}, StatusRange{300, 399})
	f("100-599", StatusRange{100, 599})
}

func TestParseStatusRefuses(t *testing.T) {
	f := func(s, want string) {
		t.Helper()
		got, err := ParseStatus(s)
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Fatalf("%q: got %v, %v; want %s", s, got, err, want)
		}
	}
	f("", `got ""; want statuses and ranges such as 200-399`)
	f("ok", `got "ok"; want`)
	f("200,", `got "200,"; want`)
	f("+200", `got "+200"; want`)
	f("2xx", `got "2xx"; want`)
	f("200-", `got "200-"; want`)
	f("200-300-400", `got "200-300-400"; want`)
	f("399-200", `got "399-200"; want statuses from 100 to 599, the lower one first`)
	f("099", `got "99"; want statuses from 100`)
	f("200-600", `got "200-600"; want statuses from 100`)
}

func FuzzParseStatus(f *testing.F) {
	f.Add("200-399")
	f.Add("200,204, 300-399")
	f.Add("-")
	f.Fuzz(func(t *testing.T, s string) {
		ranges, err := ParseStatus(s)
		if err != nil {
			return
		}
		again, err := ParseStatus(FormatStatus(ranges))
		if err != nil || !slices.Equal(again, ranges) {
			t.Fatalf("%q: %v became %v, %v", s, ranges, again, err)
		}
	})
}

func TestCheckValidate(t *testing.T) {
	f := func(c Check, want string) {
		t.Helper()
		if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Fatalf("got %v; want %s", err, want)
		}
	}
	f(Check{}, `type: got ""; want http, tcp or grpc`)
	f(Check{Kind: "ping"}, `type: got "ping"; want`)
	f(Check{Kind: KindHTTP, Timeout: -1}, "timeout: got -1ns; want more than 0s")
	f(Check{Kind: KindHTTP, Path: "health"}, `path: got "health"; want a path that begins with /`)
	f(Check{Kind: KindHTTP, Expect: []StatusRange{{1, 2}}}, `expectStatus: got "1-2"; want`)
	f(Check{Kind: KindHTTP, Policy: health.Policy{Interval: -1}}, "interval: got")
}

func TestID(t *testing.T) {
	base := Check{Kind: KindHTTP, Path: "/health", Headers: map[string]string{"A": "1", "B": "2"}}
	f := func(edit func(*Check), same bool) {
		t.Helper()
		c := base
		c.Headers = map[string]string{"B": "2", "A": "1"}
		edit(&c)
		if got := c.ID() == base.ID(); got != same {
			t.Fatalf("%s\n%s\nsame: %v; want %v", c.ID(), base.ID(), got, same)
		}
	}
	f(func(*Check) {}, true)
	f(func(c *Check) { c.Timeout = time.Second }, true) // the default, written out
	f(func(c *Check) { c.Expect = []StatusRange{{200, 399}} }, true)
	f(func(c *Check) { c.Policy = c.Policy.WithDefaults() }, true)
	f(func(c *Check) { c.Kind = KindTCP }, false)
	f(func(c *Check) { c.Path = "/" }, false)
	f(func(c *Check) { c.Host = "a" }, false)
	f(func(c *Check) { c.Service = "a" }, false)
	f(func(c *Check) { c.Timeout = time.Minute }, false)
	f(func(c *Check) { c.Expect = []StatusRange{{200, 200}} }, false)
	f(func(c *Check) { c.Headers["C"] = "" }, false)
	f(func(c *Check) { c.Headers["A"] = "2" }, false)
	f(func(c *Check) { c.TLS = &tls.Config{} }, false)
	f(func(c *Check) { c.TLSName = "a" }, false)
	f(func(c *Check) { c.Policy.Interval = time.Hour }, false)
}
