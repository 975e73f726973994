package config

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"
)

func TestSize(t *testing.T) {
	f := func(text string, want Size, printed string) {
		t.Helper()
		var s Size
		err := s.UnmarshalText([]byte(text))
		if want < 0 && err == nil || want >= 0 && (err != nil || s != want || s.String() != printed) {
			t.Errorf("%q: got %d (%s), %v; want %d (%s)", text, s, s, err, want, printed)
		}
	}
	f("0", 0, "0")
	f("1", 1, "1")
	f("1500", 1500, "1500")
	f("64KiB", 65536, "64KiB")
	f("64 KiB", 65536, "64KiB")
	f("65536B", 65536, "64KiB")
	f("1.5GiB", 1610612736, "1536MiB")
	f("1GB", 1_000_000_000, "1000000000")
	f("2kB", 2000, "2000")
	f("2KB", 2000, "2000")
	f("1TiB", TiB, "1TiB")
	f("-1", -1, "")
	f("0.5", -1, "")
	f("9EiB", -1, "")
	f("9000000TiB", -1, "")
	f("KiB", -1, "")
	f("", -1, "")
}

func TestAmount(t *testing.T) {
	f := func(text string, down, up int) {
		t.Helper()
		var a Amount
		if err := a.UnmarshalText([]byte(text)); err != nil || a.Of(10) != down || a.OfRoundedUp(10) != up || a.String() != text {
			t.Errorf("%q: got %v of 10: %d to %d, %v; want %d to %d", text, a, a.Of(10), a.OfRoundedUp(10), err, down, up)
		}
	}
	f("0", 0, 0)
	f("3", 3, 3)
	f("25%", 2, 3)
	f("100%", 10, 10)
	for _, text := range []string{"", "-1", "1.5", "101%", "-1%", "%", "x%"} {
		if err := new(Amount).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is no amount", text)
		}
	}
}

func TestStatusRanges(t *testing.T) {
	f := func(text string, want string) {
		t.Helper()
		var r StatusRanges
		if err := r.UnmarshalText([]byte(text)); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		var in []string
		for status := 100; status < 600; status++ {
			if r.Contains(status) && !r.Contains(status-1) {
				in = append(in, fmt.Sprint(status))
			}
			if r.Contains(status) && !r.Contains(status+1) {
				in = append(in, fmt.Sprint(status))
			}
		}
		if got := strings.Join(in, " "); got != want {
			t.Errorf("%q: got %s; want %s", text, got, want)
		}
	}
	f("200", "200 200")
	f("200-399", "200 399")
	f("200-299, 404", "200 299 404 404")
	f("100-599", "100 599")
	for _, text := range []string{"", "99", "600", "300-200", "200-", "200,", "2xx"} {
		if err := new(StatusRanges).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q are no statuses", text)
		}
	}
}

func TestNearest(t *testing.T) {
	known := []string{"timeout", "retries", "rateLimit", "requestHeaders", "cors", "on"}
	f := func(word, want string) {
		t.Helper()
		if got, ok := nearest(word, known); got != want || ok != (want != "") {
			t.Errorf("%q: got %q; want %q", word, got, want)
		}
	}
	f("tmeout", "timeout")
	f("timeuot", "timeout")
	f("ratelimit", "rateLimit")
	f("requestHeader", "requestHeaders")
	f("cros", "cors")
	f("no", "on") // the two letters changed places
	f("x", "")
	f("", "")
	f("banana", "")
	f(strings.Repeat("timeout", 20), "")
}

func TestEditDistance(t *testing.T) {
	f := func(a, b string, want int) {
		t.Helper()
		if got, back := editDistance(a, b), editDistance(b, a); got != want || back != want {
			t.Errorf("%q, %q: got %d and %d; want %d", a, b, got, back, want)
		}
	}
	f("", "", 0)
	f("a", "", 1)
	f("abc", "abc", 0)
	f("abc", "acb", 1)
	f("kitten", "sitting", 3)
	f(strings.Repeat("a", 64), strings.Repeat("a", 63), 1)
	f(strings.Repeat("a", 65), "a", 65)
}

func TestExpand(t *testing.T) {
	f := func(text, want, wantFound string) {
		t.Helper()
		got, found, _ := expand(text, testEnv)
		if got != want || found != wantFound {
			t.Errorf("%q: got %q, %q; want %q, %q", text, got, found, want, wantFound)
		}
	}
	f("", "", "")
	f("plain $1 $ $$", "plain $1 $ $$", "")
	f("${WORD}", "word", "")
	f("a${WORD}b${WORD}", "awordbword", "")
	f("${EMPTY}", "", "")
	f("${EMPTY:-x}", "x", "")
	f("${NONE:-}", "", "")
	f("${NONE:-a:-b$c}", "a:-b$c", "")
	f("$${WORD}", "${WORD}", "")
	f("$$${WORD}", "$${WORD}", "")
	f("${WORD}$${WORD}${WORD}", "word${WORD}word", "")
	f("${NONE}", "", "the environment variable NONE is not set")
	f("${}", "", `got "${}"`)
	f("x${WORD", "", `got "${WORD"`)
	f("${A B}", "", `got "${A B}"`)
	// What a variable holds is not looked at again.
	got, _, _ := expand("${A}", func(string) (string, bool) { return "${B}", true })
	if got != "${B}" {
		t.Errorf("got %q; want ${B}", got)
	}
}

func TestSecretsAreHidden(t *testing.T) {
	const value = "correct-horse-battery"
	s := Secret(value)
	var logged strings.Builder
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "secret", s)
	slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "secret", s)
	asJSON, err1 := json.Marshal(map[string]any{"a": s, "b": []Secret{s}})
	asYAML, err2 := yaml.Marshal(map[string]any{"a": s})
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	all := fmt.Sprintf("%s %v %q %+v %#v %s %s %s", s, s, s, struct{ S Secret }{s}, s, asJSON, asYAML, logged.String())
	if strings.Contains(all, value) || strings.Count(all, hidden) != 10 {
		t.Errorf("a secret shows, or is missing: %s", all)
	}
	if string(s) != value || Secret("").String() != "" {
		t.Error("a secret is not what it was")
	}
}

func TestPrintedConfigHidesSecrets(t *testing.T) {
	for _, path := range []string{"testdata/everything.good.yaml", "testdata/more.good.yaml"} {
		c := loadGood(t, path)
		text := string(c.YAML()) + string(c.JSON())
		for _, secret := range []string{"0123456789abcdef", "hooks.example.com", "s3cret", "user:pw"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s: the printed config shows %q", path, secret)
			}
		}
		var fromJSON, fromYAML any
		if err := json.Unmarshal(c.JSON(), &fromJSON); err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal(c.YAML(), &fromYAML); err != nil {
			t.Fatal(err)
		}
		if a, b := normal(fromJSON), normal(fromYAML); !reflect.DeepEqual(a, b) {
			t.Errorf("%s: JSON and YAML differ:\n%v\n%v", path, a, b)
		}
	}
}

// normal makes numbers of JSON and of YAML comparable.
func normal(v any) any {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(data)
}

func TestPrintedConfig(t *testing.T) {
	c, err := Parse("x", []byte("listeners: [{name: web, address: ':80'}]\nservices: {a: {instances: [{address: 'a:1', weight: 0}], limits: {slowStart: 90s}}}"), testEnv)
	if err != nil {
		t.Fatal(err)
	}
	text := string(c.JSON())
	for _, want := range []string{`"services":{"a":{"balancer":{"algorithm":"least-connections","hashKey":"client-ip"}`, `"weight":0`,
		`"slowStart":"1m30s"`, `"headerBytes":"32KiB"`, `"maxEjectionPercent":50`, `"age":"720h"`} {
		if !strings.Contains(text, want) {
			t.Errorf("want %s in %s", want, text)
		}
	}
	for _, other := range []string{`"expectStatus":`, `"rollout":`, `"scaling":{"enabled"`, `"tls":`} {
		if strings.Contains(text, other) {
			t.Errorf("got %s, which does not belong to this service", other)
		}
	}
}

func TestAliasesAreBounded(t *testing.T) {
	root, err := parseYAML([]byte("{services: {a: &a {version: v1, drainTimeout: 1s}, b: *a, c: *a, d: *a}, scaling: {paused: true}}"))
	if err != nil {
		t.Fatal(err)
	}
	f := func(limit int, want string) {
		t.Helper()
		d := newDecoder("x", testEnv)
		d.left = limit
		d.block("", root, reflect.New(reflect.TypeFor[Config]()).Elem())
		errs := slices.DeleteFunc(d.errs, func(e Error) bool { return e.Path == "listeners" })
		if errs.Error() != want {
			t.Errorf("with %d values: got %q; want %q", limit, errs, want)
		}
	}
	f(15, "")
	f(14, "x:1:92: scaling.paused: got too many values; want a smaller file")
	f(5, "x:1:29: services.b.version: got too many values; want a smaller file")
}

func TestParseCron(t *testing.T) {
	s, err := ParseCron("0 8 * * 1-5", "Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	saturday := time.Date(2026, 3, 28, 12, 0, 0, 0, time.UTC) // the night in which summer time begins
	if got, want := s.Next(saturday).UTC(), time.Date(2026, 3, 30, 6, 0, 0, 0, time.UTC); !got.Equal(want) {
		t.Errorf("got %v; want %v", got, want)
	}
	for _, bad := range []string{"", "* * * *", "60 * * * *", "@daily", "TZ=", "TZ=UTC * * * * *", "CRON_TZ=x"} {
		if _, err := ParseCron(bad, "UTC"); err == nil {
			t.Errorf("%q is no schedule of five fields", bad)
		}
	}
	if _, err := ParseCron("* * * * *", "Nowhere"); err == nil {
		t.Error("Nowhere is no time zone")
	}
}

func TestEnumsListTheirConstants(t *testing.T) {
	f := func(e enum, constants ...string) {
		t.Helper()
		for _, c := range constants {
			if !slices.Contains(e.Values(), c) {
				t.Errorf("%T has no %q", e, c)
			}
		}
	}
	f(Algorithm(""), "round-robin", "least-connections", "weighted", "ip-hash", "random", "p2c", "peak-ewma", "maglev")
	f(Metric(""), "cpu", "memory", "requestRate", "responseTime", "errorRate", "activeConnections", "queueLength")
	f(AlertMetric(""), "cpu", "queueLength", "costPerHour")
	f(Role(""), "viewer", "operator", "admin")
	f(NotifyType(""), "webhook", "slack", "alertmanager")
	f(Strategy(""), "canary", "blue-green", "rolling")
}

func TestPercentAndKeySource(t *testing.T) {
	if got := Percent(25).Fraction(); got != 0.25 {
		t.Errorf("got %v; want 0.25", got)
	}
	for _, text := range []string{"client-ip", "header:x-a", "cookie:a", "query:a b", "host", "path", "route"} {
		var k KeySource
		if err := k.UnmarshalText([]byte(text)); err != nil || k.String() != text {
			t.Errorf("%q: got %v, %v", text, k, err)
		}
	}
	for _, text := range []string{"", "client-ip:x", "header", "header:", "header:a b", "cookie:a;b", "ip"} {
		if err := new(KeySource).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is no key", text)
		}
	}
	if !isRetryCondition("599") || isRetryCondition(fmt.Sprint(http.StatusNotFound)) || isRetryCondition("+500") {
		t.Error("retry conditions are connect-failure, reset, timeout, and statuses from 500 to 599")
	}
}
