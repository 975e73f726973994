package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
)

// testEnv is the environment of all tests.
func testEnv(name string) (string, bool) {
	value, ok := map[string]string{
		"OPS_TOKEN":       "0123456789abcdef",
		"HOOK_URL":        "https://hooks.example.com/T0/B0",
		"HOOK_TOKEN":      "s3cret",
		"AFFINITY_SECRET": "s3cret",
		"OTLP_KEY":        "s3cret",
		"QUEUE":           "512",
		"WORD":            "word",
		"EMPTY":           "",
		"TRICKY":          "a: {b: [c]} # d",
	}[name]
	return value, ok
}

// loadGood reads a file of testdata that has no errors.
func loadGood(t testing.TB, path string) *Config {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Parse(path, data, testEnv)
	if err != nil {
		t.Fatalf("got errors:\n%v", err)
	}
	return c
}

// reload prints c with its secrets and reads that again.
func reload(t testing.TB, c *Config) *Config {
	t.Helper()
	text := printYAML((&printer{file: true}).block(reflect.ValueOf(c).Elem()))
	again, err := Parse("printed.yaml", text, testEnv)
	if err != nil {
		t.Fatalf("cannot load what was printed:\n%v\n%s", err, text)
	}
	return again
}

func TestGoodFiles(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.good.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatal("no good files", err)
	}
	for _, path := range append(paths, "../config.example.yaml") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			c := loadGood(t, path)
			if again := reload(t, c); !reflect.DeepEqual(c, again) {
				t.Errorf("printed and loaded again it is another:\n%s\n%s", c.YAML(), again.YAML())
			}
		})
	}
}

// TestBadFiles reads files that say in the comment lines before each document what is wrong with it. Documents
// end with a line of "====="; lines are counted from the first that is no comment.
func TestBadFiles(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.bad.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatal("no bad files", err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var fresh []string
		for part := range strings.SplitSeq(string(data), "=====\n") {
			fresh = append(fresh, testBad(t, filepath.Base(path), part))
		}
		if text := strings.Join(fresh, "=====\n"); *update && text != string(data) {
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// testBad compares the errors of one document with those it names, and returns it as it should be.
func testBad(t *testing.T, name, text string) string {
	t.Helper()
	var want strings.Builder
	body := text
	for strings.HasPrefix(body, "# ") {
		line, rest, _ := strings.Cut(body, "\n")
		want.WriteString(line + "\n")
		body = rest
	}
	_, err := Parse("x", []byte(body), testEnv)
	var errs Errors
	if !errors.As(err, &errs) {
		t.Errorf("%s: got %v; want errors in\n%s", name, err, text)
		return text
	}
	got := "# " + strings.ReplaceAll(strings.TrimPrefix(errs.Error(), "x:"), "\nx:", "\n# ") + "\n"
	if got != want.String() && !*update {
		t.Errorf("%s: got\n%swant\n%sof\n%s", name, got, want.String(), body)
	}
	return got + body
}

func TestErrorText(t *testing.T) {
	_, err := Parse("gatewayd.yaml", []byte("listeners: [{name: web, address: ':80'}]\nservices:\n  shop:\n    limits: {queue: -1}\n    instances: [{address: 'a:1'}]\n"), testEnv)
	if want := "gatewayd.yaml:4:21: services.shop.limits.queue: got -1; want an integer from 0 to 100000"; err == nil || err.Error() != want {
		t.Errorf("got %v; want %s", err, want)
	}
	if _, err := Load("testdata/none.yaml"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v; want that the file does not exist", err)
	}
	t.Setenv("OPS_TOKEN", "0123456789abcdef")
	t.Setenv("HOOK_URL", "https://hooks.example.com/")
	if _, err := Load("testdata/everything.good.yaml"); err != nil {
		t.Error(err)
	}
}

// TestEveryMessageIsCovered keeps the bad files complete: each text that the checks may report occurs in one.
func TestEveryMessageIsCovered(t *testing.T) {
	bad := readAll(t, "testdata/*.bad.yaml") + readAll(t, "values_test.go")
	call := regexp.MustCompile(`(?:v\.fail|d\.fail|v\.needs)\((.*)`)
	literal := regexp.MustCompile("\"((?:[^\"\\\\]|\\\\.)*)\"|`([^`]*)`")
	for _, path := range []string{"decode.go", "validate.go", "validate_edge.go", "validate_route.go", "validate_service.go", "validate_scaling.go", "validate_rollout.go"} {
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range call.FindAllStringSubmatch(string(source), -1) {
			for _, l := range literal.FindAllStringSubmatch(m[1], -1) {
				for _, part := range regexp.MustCompile(`%[a-z]`).Split(strings.ReplaceAll(l[1]+l[2], `\"`, `"`), -1) {
					if len(part) > 12 && !strings.Contains(bad, strings.TrimSpace(part)) {
						t.Errorf("%s: no bad file has %q", path, part)
					}
				}
			}
		}
	}
}

func readAll(t *testing.T, pattern string) string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(data)
	}
	return all.String()
}

func TestDefaultsAndValues(t *testing.T) {
	c := loadGood(t, "testdata/more.good.yaml")
	f := func(what string, got, want any) {
		t.Helper()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v; want %v", what, got, want)
		}
	}
	shop, items, literal := c.Services["shop"], c.Routes[2], c.Routes[3]
	f("name", shop.Name, "shop")
	f("version", shop.Version, "1.10")
	f("queue by variable", shop.Limits.Queue, 512)
	f("check type of its own", shop.HealthCheck.Type, CheckGRPC)
	f("fast interval", shop.HealthCheck.FastInterval, 500*time.Millisecond)
	f("check type without path", c.Services["checked-by-tcp"].HealthCheck.Type, CheckTCP)
	f("weight 0", c.Services["checked-by-tcp"].Instances[0].Weight, 0)
	f("default weight", c.Services["unchecked"].Instances[0].Weight, 1)
	f("alias", c.Services["twin"].Limits, shop.Limits)
	f("alias has its own name", c.Services["twin"].Name, "twin")
	f("max instances", shop.Scaling.MaxInstances, 10)
	f("hash key", shop.Balancer.HashKey, KeySource{KeyCookie, "session"})
	f("surge", shop.Rollout.Rolling.MaxUnavailable, Amount{Percent: 50})
	f("percent", c.Tracing.SamplePercent, Percent(0.5))
	f("size", items.MaxBodyBytes, Size(10_000_000))
	f("empty list instead of the default", items.Retries.On, []RetryCondition{})
	f("default list", literal.Retries.On, []RetryCondition{"connect-failure", "reset", "502", "503"})
	f("burst", items.RateLimit.Burst, 1)
	f("escaped variable", literal.RequestHeaders.Set["x-a"], "${NOT}")
	f("variable with YAML in it", literal.RequestHeaders.Set["x-b"], "a: {b: [c]} # d")
	f("default with :-", literal.RequestHeaders.Set["x-c"], "a:-b")
	f("empty text", c.Monitor.Silences[0].Reason, "")
	f("address as CIDR", c.Listeners[0].TrustedProxies[0].String(), "10.1.2.3/32")
	f("names", strings.Join(c.ServiceNames(), " "), "checked-by-tcp shop twin unchecked")
	f("policy step", loadGood(t, "testdata/everything.good.yaml").Services["shop"].Scaling.Policies[1].ScaleUpStep, 0)
}
