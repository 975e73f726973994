package gateway

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gatewayd/admin/api"
)

// withState puts the state file of the world into a config.
func (w *world) withState(config string) []byte {
	return []byte(strings.Replace(config, "admin:", "state: {path: "+filepath.Join(w.dir, "gatewayd.db")+"}\nadmin:", 1))
}

func (w *world) untilGeneration(n uint64) {
	w.t.Helper()
	w.eventually(fmt.Sprintf("generation %d", n), func() bool {
		s, err := w.admin.Status(context.Background())
		return err == nil && s.Config.Generation == n
	})
}

// must fails the test if any of the steps failed.
func (w *world) must(errs ...error) {
	w.t.Helper()
	if err := errors.Join(errs...); err != nil {
		w.t.Fatal(err)
	}
}

func TestConfigFolderAsKubernetesMountsIt(t *testing.T) {
	t.Parallel()
	w := &world{t: t, dir: t.TempDir()}
	mount := filepath.Join(w.dir, "mount")
	w.path = filepath.Join(mount, "gatewayd.yaml")
	version := func(name string, n int) {
		t.Helper()
		folder := filepath.Join(mount, name)
		w.must(os.MkdirAll(folder, 0o700), os.WriteFile(filepath.Join(folder, "gatewayd.yaml"), w.withState(configFile(oneRoute, demoService(n, ""))), 0o600),
			os.Symlink(name, filepath.Join(mount, "..data_tmp")), os.Rename(filepath.Join(mount, "..data_tmp"), filepath.Join(mount, "..data")))
	}
	version("..2026_01", 1)
	w.must(os.Symlink("..data/gatewayd.yaml", w.path))
	t.Cleanup(w.end)
	w.run()
	w.untilReady(1)
	for i := range 3 {
		version(fmt.Sprintf("..2026_1%d", i), 2+i)
		w.untilReady(2 + i)
	}
}

func TestConfigFileAsEditorsWriteIt(t *testing.T) {
	t.Parallel()
	w := start(t, configFile(oneRoute, demoService(1, "")))
	next := func(n int) []byte { return w.withState(configFile(oneRoute, demoService(n, ""))) }
	w.untilReady(1)
	w.must(os.WriteFile(w.path+"~", next(2), 0o600), os.Rename(w.path+"~", w.path)) // a new file in its place
	w.untilReady(2)
	w.must(os.Rename(w.path, w.path+"~"), os.WriteFile(w.path, next(3), 0o600)) // the old one out of the way
	w.untilReady(3)
	w.must(os.WriteFile(w.path, next(1), 0o600)) // in place
	w.untilReady(1)
}

// writeCertificate puts a self-signed certificate for a host, with a serial number, into two files.
func (w *world) writeCertificate(host string, serial int64) (cert, key string) {
	w.t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	w.must(err)
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	w.must(err)
	keyDER, err := x509.MarshalECPrivateKey(private)
	w.must(err)
	cert, key = filepath.Join(w.dir, host+".pem"), filepath.Join(w.dir, host+".key")
	put := func(path, kind string, content []byte) {
		w.must(os.WriteFile(path+".new", pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}), 0o600), os.Rename(path+".new", path))
	}
	put(cert, "CERTIFICATE", der)
	put(key, "EC PRIVATE KEY", keyDER)
	return cert, key
}

// A reload that leaves the certificates alone leaves clients able to resume; new certificates do not.
func TestReloadKeepsSessionTickets(t *testing.T) {
	t.Parallel()
	w := &world{t: t, dir: t.TempDir()}
	w.path = filepath.Join(w.dir, "gatewayd.yaml")
	cert, key := w.writeCertificate("a.example", 1)
	w.write(strings.Replace(configFile(oneRoute, demoService(1, "")), `address: "127.0.0.1:0"}`,
		fmt.Sprintf(`address: "127.0.0.1:0", tls: {certificates: [{cert: %s, key: %s}]}}`, cert, key), 1))
	t.Cleanup(w.end)
	w.run()
	cache := tls.NewLRUClientSessionCache(4)
	resumed := func() bool {
		nc, err := tls.Dial("tcp", w.addrs["web"].String(), &tls.Config{ServerName: "a.example", InsecureSkipVerify: true, ClientSessionCache: cache})
		w.must(err)
		defer nc.Close()
		fmt.Fprintf(nc, "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n")
		_, err = io.Copy(io.Discard, nc) // tickets come with what is read
		w.must(err)
		return nc.ConnectionState().DidResume
	}
	generation := func(n uint64) func() bool {
		return func() bool {
			s, err := w.admin.Status(context.Background())
			return err == nil && s.Config.Generation == n
		}
	}
	if resumed() || !resumed() {
		t.Fatal("want the second connection to resume, and not the first")
	}
	w.reload <- syscall.SIGHUP
	w.eventually("the reload", generation(2))
	if !resumed() {
		t.Error("a reload without a change took away what clients resume with")
	}
	w.writeCertificate("a.example", 2)
	w.reload <- syscall.SIGHUP
	w.eventually("the new certificate", func() bool { return !resumed() })
}

func TestCertificatesReplacedLive(t *testing.T) {
	t.Parallel()
	w := &world{t: t, dir: t.TempDir()}
	w.path = filepath.Join(w.dir, "gatewayd.yaml")
	var list []string
	for _, host := range []string{"a.example", "b.example"} {
		cert, key := w.writeCertificate(host, 1)
		list = append(list, fmt.Sprintf("{cert: %s, key: %s}", cert, key))
	}
	w.write(strings.Replace(configFile(oneRoute, demoService(1, "")), `address: "127.0.0.1:0"}`,
		`address: "127.0.0.1:0", tls: {certificates: [`+strings.Join(list, ", ")+`]}}`, 1))
	t.Cleanup(w.end)
	w.run()
	served := func(host string) int64 {
		nc, err := tls.Dial("tcp", w.addrs["web"].String(), &tls.Config{ServerName: host, InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		leaf := nc.ConnectionState().PeerCertificates[0]
		if leaf.Subject.CommonName != host {
			t.Fatalf("got the certificate of %q for %q", leaf.Subject.CommonName, host)
		}
		return leaf.SerialNumber.Int64()
	}
	open, err := tls.Dial("tcp", w.addrs["web"].String(), &tls.Config{ServerName: "b.example", InsecureSkipVerify: true})
	w.must(err)
	defer open.Close()
	for serial := int64(2); serial <= 4; serial++ {
		w.writeCertificate("b.example", serial)
		w.eventually("the new certificate to be served", func() bool { return served("b.example") == serial })
		if got := served("a.example"); got != 1 {
			t.Fatalf("got certificate %d for the other host; want the one of before", got)
		}
	}
	fmt.Fprintf(open, "GET / HTTP/1.1\r\nHost: b.example\r\nConnection: close\r\n\r\n")
	open.SetDeadline(time.Now().Add(10 * time.Second))
	head := make([]byte, 12)
	if _, err := open.Read(head); err != nil || string(head) != "HTTP/1.1 200" {
		t.Errorf("got %q, %v on a connection from before; want it to go on", head, err)
	}
	// Half of a pair that does not fit is refused, and the one of before is served on.
	w.must(os.WriteFile(filepath.Join(w.dir, "b.example.key"), []byte("no key"), 0o600))
	w.eventually("the refusal", func() bool {
		s, err := w.admin.Status(context.Background())
		return err == nil && len(s.Config.Rejected) > 0
	})
	if got := served("b.example"); got != 4 {
		t.Errorf("got certificate %d; want the one of before", got)
	}
}

func TestListenerThatCannotBeBound(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	w := start(t, configFile(oneRoute, demoService(1, "")))
	w.untilReady(1)
	bad := strings.Replace(configFile(oneRoute, demoService(3, "")+strings.Replace(demoService(1, ""), "demo:", "other:", 1)),
		`listeners: [`, fmt.Sprintf(`listeners: [{name: free, address: "127.0.0.1:0"}, {name: more, address: %q}, `, taken.Addr()), 1)
	w.write(bad)
	_, err = w.admin.Reload(context.Background())
	var refused *api.Error
	if !errors.As(err, &refused) || len(refused.Details) != 1 || !strings.Contains(refused.Details[0], fmt.Sprintf("cannot listen on %q for listener \"more\"", taken.Addr())) {
		t.Fatalf("got %v; want the refusal with listener and address", err)
	}
	s, err := w.admin.Status(context.Background())
	if err != nil || s.Config.Generation != 1 || len(s.Services) != 1 || s.Services[0].Target != 1 {
		t.Fatalf("got %+v, %v; want nothing changed", s.Config, err)
	}
	if status, _ := w.get("/"); status != 200 {
		t.Errorf("got %d; want 200", status)
	}
	taken.Close()
	if _, err := w.admin.Reload(context.Background()); err != nil {
		t.Fatalf("the address is free again: %v", err)
	}
	w.untilReady(3)
}

func TestProviderSettingsChangeUnderLoad(t *testing.T) {
	t.Parallel()
	w := start(t, configFile(oneRoute, demoService(2, "")))
	w.untilReady(2)
	l := w.load(6)
	w.more(l, 100)
	for round := range 3 {
		before := w.service("demo").Revisions[0].Instances
		w.write(configFile(oneRoute, strings.Replace(demoService(2, ""), "stopTimeout: 3s", fmt.Sprintf("stopTimeout: 3s, env: {ROUND: %q}", fmt.Sprint(round)), 1)))
		if _, err := w.admin.Reload(context.Background()); err != nil {
			t.Fatal(err)
		}
		w.eventually("new instances in the place of the old", func() bool {
			s := w.service("demo")
			for _, i := range s.Revisions[0].Instances {
				for _, b := range before {
					if i.ID == b.ID {
						return false
					}
				}
			}
			return ready(s) == 2 && len(s.Revisions[0].Instances) == 2
		})
		w.more(l, 50)
	}
	l.finish(t)
}

func TestWhatSurvivesAReload(t *testing.T) {
	t.Parallel()
	file := func(timeout int) string {
		return configFile(fmt.Sprintf("routes: [{name: all, service: demo, timeout: %ds}]", timeout), demoService(3, "    affinity: {cookie: gw, ttl: 1h}\n"))
	}
	w := start(t, file(10))
	w.untilReady(3)
	jar, err := cookiejar.New(nil)
	w.must(err)
	c := &http.Client{Jar: jar, Timeout: 10 * time.Second}
	get := func() string {
		t.Helper()
		res, err := c.Get(w.url("/"))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body := make([]byte, 200)
		n, _ := res.Body.Read(body)
		return string(body[:n])
	}
	mine := get()
	since := w.service("demo").Revisions[0].Instances
	for i := range 20 {
		w.write(file(11 + i))
		if _, err := w.admin.Reload(context.Background()); err != nil {
			t.Fatal(err)
		}
		if n := ready(w.service("demo")); n != 3 {
			t.Fatalf("got %d ready instances right after a reload; want 3: health is kept", n)
		}
		if got := get(); got != mine {
			t.Fatalf("got %q after reload %d; want the bound instance, %q", got, i, mine)
		}
	}
	for k, i := range w.service("demo").Revisions[0].Instances {
		if i.ID != since[k].ID || i.Restarts != 0 {
			t.Errorf("got instance %+v; want the one of before, %+v", i, since[k])
		}
	}
	if m := w.metrics(); !strings.Contains(m, `gatewayd_requests_total{route="all",service="demo",revision="v1",code="2xx"} 21`) &&
		!strings.Contains(m, `gatewayd_requests_total{route="all",service="demo",revision="v1",code="200"} 21`) {
		t.Errorf("the counter did not go on over the reloads; want 21 in\n%s", grep(m, "gatewayd_requests_total"))
	}
}

// grep returns the lines of text that contain part.
func grep(text, part string) string {
	var found []string
	for line := range strings.Lines(text) {
		if strings.Contains(line, part) {
			found = append(found, line)
		}
	}
	return strings.Join(found, "")
}
