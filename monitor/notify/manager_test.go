package notify

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gatewayd/monitor"
)

// posted reads what an Alertmanager got as one line for each alert.
func posted(t *testing.T, body string, now time.Time) []string {
	t.Helper()
	path, text, _ := strings.Cut(body, " ")
	var alerts []managerAlert
	if err := json.Unmarshal([]byte(text), &alerts); err != nil || path != managerPath {
		t.Fatalf("got %s: %v; want alerts at %s", body, err, managerPath)
	}
	var lines []string
	for _, a := range alerts {
		state := "firing"
		if !a.EndsAt.After(now) {
			state = "over"
		}
		lines = append(lines, fmt.Sprintf("%s %s %s", a.Labels["alertname"], a.Labels["severity"], state))
	}
	slices.Sort(lines)
	return lines
}

func TestAlertmanagerHearsOfEveryChange(t *testing.T) {
	p := newPeer(t)
	s := run(t, Options{Resend: time.Hour})
	r := Receiver{Kind: Alertmanager, URL: p.URL}
	s.Set([]Receiver{r}, nil)
	f := func(n monitor.Notification, want ...string) {
		t.Helper()
		s.Notify(n)
		if got := posted(t, p.next(t), time.Now()); !slices.Equal(got, want) {
			t.Fatalf("got %q; want %q", got, want)
		}
		s.eventually("it to be noted", func() bool { return s.Counts()[r.ID()].Queued == 0 })
	}
	slow, slower, failing := alert("responseTime", monitor.Warning), alert("responseTime", monitor.Critical), alert("errorRate", monitor.Warning)
	f(message([]monitor.Alert{slow}, nil), "responseTime warning firing")
	f(message([]monitor.Alert{slow, failing}, nil), "errorRate warning firing", "responseTime warning firing")
	f(message([]monitor.Alert{slower, failing}, nil), "errorRate warning firing", "responseTime critical firing", "responseTime warning over")
	// An alert that is told by a graver one neither ended nor is listed.
	f(message([]monitor.Alert{failing}, nil), "errorRate warning firing", "responseTime critical firing")
	f(message([]monitor.Alert{failing}, []monitor.Alert{over(slower)}), "errorRate warning firing", "responseTime critical over")
	f(message(nil, []monitor.Alert{over(failing)}), "errorRate warning over")
	if st := s.end(); len(st.Receivers) != 0 {
		t.Fatalf("got %+v; want nothing left to tell", st)
	}
}

func TestAlertmanagerIsToldAgainAlsoAfterARestart(t *testing.T) {
	p := newPeer(t)
	s := run(t, Options{Resend: 5 * time.Millisecond})
	r := Receiver{Kind: Alertmanager, URL: p.URL + "/am/"}
	s.Set([]Receiver{r}, nil)
	s.Notify(message([]monitor.Alert{alert("responseTime", monitor.Warning)}, nil))
	for range 3 {
		if got := p.next(t); !strings.HasPrefix(got, "/am/api/v2/alerts [{") {
			t.Fatalf("got %s; want the alert", got)
		}
	}
	kept := s.end()
	s = run(t, Options{Resend: 5 * time.Millisecond, State: kept})
	s.Set([]Receiver{r}, nil)
	for len(p.got) > 0 {
		p.next(t)
	}
	p.next(t)
	s.end()
}

func TestManagerURL(t *testing.T) {
	f := func(base, want string) {
		t.Helper()
		if got := managerURL(base); got != want {
			t.Fatalf("%s: got %s; want %s", base, got, want)
		}
	}
	f("http://am:9093", "http://am:9093/api/v2/alerts")
	f("http://am:9093/", "http://am:9093/api/v2/alerts")
	f("https://am/prefix?tenant=1", "https://am/prefix/api/v2/alerts?tenant=1")
	f("https://am/api/v2/alerts", "https://am/api/v2/alerts")
}

// TestRealAlertmanager delivers to the Alertmanager of the Prometheus project.
func TestRealAlertmanager(t *testing.T) {
	program, err := exec.LookPath("prometheus-alertmanager")
	if err != nil {
		t.Skip("prometheus-alertmanager is not installed; make debian installs it")
	}
	address := startAlertmanager(t, program)
	s := run(t, Options{Source: "http://127.0.0.1:9900/"})
	s.Set([]Receiver{{Kind: Alertmanager, URL: "http://" + address}}, nil)
	slow := alert("responseTime", monitor.Critical)
	slow.Since = time.Now().Add(-time.Minute)
	s.Notify(message([]monitor.Alert{slow}, nil))
	seen := func(want string) {
		t.Helper()
		var got string
		s.eventually("the Alertmanager to show "+want, func() bool {
			got = shown(address)
			return got == want
		})
	}
	seen("responseTime shop critical active responseTime of shop is 1200 ms")
	end := time.Now()
	slow.ResolvedAt = &end
	s.Notify(message(nil, []monitor.Alert{slow}))
	seen("")
}

// startAlertmanager runs one on loopback until the test ends.
func startAlertmanager(t *testing.T, program string) (address string) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "alertmanager.yml")
	if err := os.WriteFile(path, []byte("route: {receiver: none}\nreceivers: [{name: none}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = ln.Addr().String()
	ln.Close()
	log := &safeBuffer{}
	cmd := exec.Command(program, "--config.file", path, "--storage.path", dir, "--web.listen-address", address, "--cluster.listen-address=")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("log of the Alertmanager:\n%s", log)
		}
	})
	return address
}

// shown is what the Alertmanager's API lists, a line for each alert.
func shown(address string) string {
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := c.Get("http://" + address + managerPath)
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	var list []struct {
		Labels, Annotations map[string]string
		Status              struct{ State string }
	}
	if err := json.Unmarshal(b, &list); err != nil {
		return err.Error()
	}
	var lines []string
	for _, a := range list {
		lines = append(lines, fmt.Sprintf("%s %s %s %s %s", a.Labels["alertname"], a.Labels["service"], a.Labels["severity"], a.Status.State, a.Annotations["summary"]))
	}
	return strings.Join(lines, "\n")
}
