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
}

const (
	firstPort    = 9100 // of the upstream
	nginxPort    = 8101
	haproxyPort  = 8111
	gatewayPort  = 8121
	netHTTPPort  = 8131
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

func (s setup) upstreams(format string) string {
	var b strings.Builder
	for i := range s.instances {
		fmt.Fprintf(&b, format, firstPort+i)
	}
	return b.String()
}

// startProxies runs all proxies of a setup, or those that peers names and gatewayd.
func startProxies(dir string, s setup, gatewayd, peers string) ([]*proxy, error) {
	core := -1
	if s.cores == 1 {
		core = 0
	}
	var all []*proxy
	add := func(name string, port int, config string, argv ...string) error {
		if peers != "" && name != "gatewayd" && !slices.Contains(strings.Split(peers, ","), name) {
			return nil
		}
		path := filepath.Join(dir, name+".conf")
		if config != "" {
			if err := os.WriteFile(path, []byte(config), 0o644); err != nil {
				return err
			}
		}
		for i := range argv {
			argv[i] = strings.ReplaceAll(argv[i], "CONFIG", path)
		}
		proc, err := start(dir, name, core, argv...)
		if err != nil {
			return err
		}
		p := &proxy{name: name, addr: fmt.Sprintf("127.0.0.1:%d", port), proc: proc}
		all = append(all, p)
		return listening(p.addr)
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	steps := []func() error{
		func() error { return add("nginx", nginxPort, s.nginx(dir), "nginx", "-p", dir, "-c", "CONFIG") },
		func() error { return add("haproxy", haproxyPort, s.haproxy(), "haproxy", "-db", "-f", "CONFIG") },
		func() error { return add("gatewayd", gatewayPort, s.gatewayd(dir), gatewayd, "run", "-c", "CONFIG") },
		func() error {
			return add("net/http", netHTTPPort, "", self, "reverseproxy", "-listen", fmt.Sprintf("127.0.0.1:%d", netHTTPPort), "-to", fmt.Sprintf("http://127.0.0.1:%d", firstPort))
		},
	}
	for _, step := range steps {
		if err := step(); err != nil {
			stopProxies(all)
			return nil, err
		}
	}
	for _, p := range all {
		if p.name == "nginx" || p.name == "gatewayd" {
			p.reload = func() error { return p.proc.cmd.Process.Signal(syscall.SIGHUP) }
		}
	}
	return all, nil
}

func stopProxies(all []*proxy) {
	for _, p := range all {
		p.proc.stop()
	}
}

func (s setup) nginx(dir string) string {
	var routes strings.Builder
	for i := range s.routes {
		fmt.Fprintf(&routes, "    location /route%d/ { proxy_pass http://u; }\n", i)
	}
	log := "off"
	if s.accessLog {
		log = filepath.Join(dir, "nginx-access.log")
	}
	return fmt.Sprintf(`user root;
worker_processes %d;
daemon off;
pid %s/nginx.pid;
error_log %s/nginx-error.log;
events { worker_connections 9000; }
http {
  access_log %s;
  client_body_temp_path %s/body; proxy_temp_path %s/proxy; fastcgi_temp_path %s/f; uwsgi_temp_path %s/u; scgi_temp_path %s/s;
  client_max_body_size 0; client_body_buffer_size 64k; proxy_request_buffering off;
  keepalive_requests 100000000; keepalive_timeout 75s;
  upstream u { least_conn; keepalive 1024; keepalive_requests 100000000;
%s  }
  server {
    listen 127.0.0.1:%d reuseport backlog=4096;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $host;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Request-Id $request_id;
    proxy_connect_timeout 2s; proxy_read_timeout 15s;
    proxy_next_upstream error timeout http_502 http_503; proxy_next_upstream_tries 3;
    add_header X-Request-Id $request_id;
%s    location / { proxy_pass http://u; }
  }
}
`, s.cores, dir, dir, log, dir, dir, dir, dir, dir, s.upstreams("    server 127.0.0.1:%d;\n"), nginxPort, routes.String())
}

func (s setup) haproxy() string {
	var routes strings.Builder
	for i := range s.routes {
		fmt.Fprintf(&routes, "  use_backend b if { path_beg /route%d/ }\n", i)
	}
	return fmt.Sprintf(`global
  nbthread %d
  maxconn 9000
defaults
  mode http
  timeout connect 2s
  timeout client 75s
  timeout server 15s
  timeout http-request 10s
  option forwardfor
  http-reuse always
frontend f
  bind 127.0.0.1:%d backlog 4096
  unique-id-format %%[uuid]
  http-request set-header X-Request-Id %%[unique-id]
  http-request set-header X-Forwarded-Proto http
  http-response set-header X-Request-Id %%[unique-id]
%s  default_backend b
backend b
  balance leastconn
  retries 2
  option redispatch
  retry-on conn-failure empty-response 502 503
  option httpchk GET /health
%s`, s.cores, haproxyPort, routes.String(), s.upstreams("  server s%[1]d 127.0.0.1:%[1]d check inter 2s\n"))
}

func (s setup) gatewayd(dir string) string {
	var routes strings.Builder
	for i := range s.routes {
		fmt.Fprintf(&routes, "  - {name: route%d, match: {path: {prefix: /route%d/}}, service: s}\n", i, i)
	}
	log := ""
	if s.accessLog {
		log = fmt.Sprintf("accessLog: {path: %s/gatewayd-access.log, format: json}\n", dir)
	}
	return fmt.Sprintf(`admin: {listen: 127.0.0.1:%d}
state: {path: %s/gatewayd.db}
%slisteners: [{name: web, address: "127.0.0.1:%d"}]
routes:
%s  - name: all
    service: s
    timeout: 15s
    retries: {attempts: 2, perTryTimeout: 5s, on: [connect-failure, reset, "502", "503"], budgetPercent: 20}
services:
  s:
    balancer: {algorithm: least-connections}
    timeouts: {connect: 2s, responseHeader: 15s, idle: 60s}
    healthCheck: {path: /health, interval: 2s, timeout: 1s}
    outlier: {consecutiveFailures: 5, baseEjection: 30s, maxEjectionPercent: 50}
    limits: {maxConcurrencyPerInstance: 2048, queue: 1024}
    instances: [%s]
`, adminPort, dir, log, gatewayPort, routes.String(), s.upstreams("{address: 127.0.0.1:%d}, "))
}
