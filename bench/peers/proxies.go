package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// setup is a way in which all proxies are run.
type setup struct {
	name      string
	cores     int // 1: the proxy on one core and the rest on another; 2: all on both
	routes    int // besides the one that is used; they are of the kind that the proxy looks through fastest
	instances int
	accessLog bool
	tls       bool // 1.3 on the client's side
}

const (
	firstPort    = 9100 // of the upstream
	nginxPort    = 8101
	haproxyPort  = 8111
	gatewayPort  = 8121
	netHTTPPort  = 8131
	caddyPort    = 8141
	adminPort    = 8199
	maxInstances = 100
)

// proxy is one of those that are compared.
type proxy struct {
	name   string
	addr   string
	proc   *process
	reload func() error // nil: not measured
}

// program is how to start a proxy; CONFIG in argv stands for the file with its configuration.
type program struct {
	name   string
	port   int
	config string // empty: it needs none
	argv   []string
}

func (r *run) programs(s setup) ([]program, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	netHTTP := []string{self, "reverseproxy", "-listen", fmt.Sprintf("127.0.0.1:%d", netHTTPPort), "-to", fmt.Sprintf("http://127.0.0.1:%d", firstPort)}
	if s.tls {
		netHTTP = append(netHTTP, "-tls", r.dir)
	}
	return []program{
		{"nginx", nginxPort, s.nginx(r.dir), []string{"nginx", "-p", r.dir, "-c", "CONFIG"}},
		{"haproxy", haproxyPort, s.haproxy(r.dir), []string{"haproxy", "-db", "-f", "CONFIG"}},
		{"gatewayd", gatewayPort, s.gatewayd(r.dir), []string{r.gatewayd, "run", "-c", "CONFIG"}},
		{"net/http", netHTTPPort, "", netHTTP},
		{"caddy", caddyPort, s.caddy(r.dir), []string{r.caddy, "run", "--adapter", "caddyfile", "--config", "CONFIG"}},
	}, nil
}

// startProxies runs all proxies of a setup that are wanted.
func (r *run) startProxies(s setup) ([]*proxy, error) {
	programs, err := r.programs(s)
	if err != nil {
		return nil, err
	}
	var all []*proxy
	for _, pr := range programs {
		if !r.wantsPeer(pr.name) {
			continue
		}
		p, err := pr.start(r.dir, s)
		if p != nil {
			all = append(all, p)
		}
		if err != nil {
			stopProxies(all)
			return nil, err
		}
	}
	return all, nil
}

// wantsPeer tells whether a proxy is to be measured. gatewayd always is; Caddy is left out where it is not installed.
func (r *run) wantsPeer(name string) bool {
	if name == "caddy" && r.caddy == "" {
		return false
	}
	return name == "gatewayd" || r.peers == "" || slices.Contains(strings.Split(r.peers, ","), name)
}

func (pr program) start(dir string, s setup) (*proxy, error) {
	core := -1
	if s.cores == 1 {
		core = 0
	}
	path := filepath.Join(dir, strings.ReplaceAll(pr.name, "/", "-")+".conf")
	if err := os.WriteFile(path, []byte(pr.config), 0o644); err != nil {
		return nil, err
	}
	argv := slices.Clone(pr.argv)
	for i := range argv {
		argv[i] = strings.ReplaceAll(argv[i], "CONFIG", path)
	}
	proc, err := start(dir, pr.name, core, argv...)
	if err != nil {
		return nil, err
	}
	p := &proxy{name: pr.name, addr: fmt.Sprintf("127.0.0.1:%d", pr.port), proc: proc}
	if p.name == "nginx" || p.name == "gatewayd" {
		p.reload = func() error { return proc.cmd.Process.Signal(syscall.SIGHUP) }
	}
	if err := listening(p.addr); err != nil {
		return p, fmt.Errorf("%w; it said: %s", err, proc.said())
	}
	return p, nil
}

func stopProxies(all []*proxy) {
	for _, p := range all {
		p.proc.stop()
	}
}
