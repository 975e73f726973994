package main

import (
	"fmt"
	"path/filepath"
	"strings"
)

// The configurations of one setup. All proxies do the same work as far as they have the feature: least connections, health checks, retries,
// deadlines, forwarded fields, a request id both ways, connections kept alive on both sides, and of TLS only version 1.3 with AES-128-GCM.

func (s setup) upstreams(format string) string {
	var b strings.Builder
	for i := range s.instances {
		fmt.Fprintf(&b, format, firstPort+i)
	}
	return b.String()
}

func (s setup) scheme() string {
	if s.tls {
		return "https"
	}
	return "http"
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
	secure := ""
	if s.tls {
		secure = fmt.Sprintf(` ssl;
    ssl_certificate %[1]s/tls.crt; ssl_certificate_key %[1]s/tls.key;
    ssl_protocols TLSv1.3; ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256`, dir)
	}
	return fmt.Sprintf(`user root;
worker_processes %d;
daemon off;
pid %s/nginx.pid;
error_log %s/nginx-error.log;
worker_rlimit_nofile %d;
events { worker_connections %d; }
http {
  access_log %s;
  client_body_temp_path %s/body; proxy_temp_path %s/proxy; fastcgi_temp_path %s/f; uwsgi_temp_path %s/u; scgi_temp_path %s/s;
  client_max_body_size 0; client_body_buffer_size 64k; proxy_request_buffering off;
  keepalive_requests 100000000; keepalive_timeout 75s;
  upstream u { least_conn; keepalive 1024; keepalive_requests 100000000;
%s  }
  server {
    listen 127.0.0.1:%d reuseport backlog=4096%s;
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
`, s.cores, dir, dir, fileLimit(), maxConnections, log, dir, dir, dir, dir, dir, s.upstreams("    server 127.0.0.1:%d;\n"), nginxPort, secure, routes.String())
}

func (s setup) haproxy(dir string) string {
	var routes strings.Builder
	for i := range s.routes {
		fmt.Fprintf(&routes, "  use_backend b if { path_beg /route%d/ }\n", i)
	}
	secure := ""
	if s.tls {
		secure = fmt.Sprintf(" ssl crt %s/tls.pem ssl-min-ver TLSv1.3 ciphersuites TLS_AES_128_GCM_SHA256", dir)
	}
	return fmt.Sprintf(`global
  nbthread %d
  maxconn %d
  no strict-limits
defaults
  mode http
  timeout connect 2s
  timeout client 75s
  timeout server 15s
  timeout http-request 10s
  option forwardfor
  http-reuse always
frontend f
  bind 127.0.0.1:%d backlog 4096%s
  unique-id-format %%[uuid]
  http-request set-header X-Request-Id %%[unique-id]
  http-request set-header X-Forwarded-Proto %s
  http-response set-header X-Request-Id %%[unique-id]
%s  default_backend b
backend b
  balance leastconn
  retries 2
  option redispatch
  retry-on conn-failure empty-response 502 503
  option httpchk GET /health
%s`, s.cores, maxConnections, haproxyPort, secure, s.scheme(), routes.String(), s.upstreams("  server s%[1]d 127.0.0.1:%[1]d check inter 2s\n"))
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
	secure := ""
	if s.tls {
		secure = fmt.Sprintf(", tls: {minVersion: \"1.3\", certificates: [{cert: %[1]s/tls.crt, key: %[1]s/tls.key}]}", dir)
	}
	return fmt.Sprintf(`admin: {listen: 127.0.0.1:%d}
state: {path: %s/gatewayd.db}
%slisteners: [{name: web, address: "127.0.0.1:%d"%s}]
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
`, adminPort, dir, log, gatewayPort, secure, routes.String(), s.upstreams("{address: 127.0.0.1:%d}, "))
}

func (s setup) caddy(dir string) string {
	secure := ""
	if s.tls {
		secure = fmt.Sprintf("tls %[1]s/tls.crt %[1]s/tls.key {\n    protocols tls1.3\n  }", dir)
	}
	return fmt.Sprintf(`{
  admin off
  persist_config off
  auto_https off
  grace_period 1s
  log {
    level ERROR
  }
  servers {
    protocols h1
  }
}
:%d {
  bind 127.0.0.1
  %s
  reverse_proxy %s{
    lb_policy least_conn
    lb_retries 2
    health_uri /health
    health_interval 2s
    health_timeout 1s
    header_up X-Request-Id {http.request.uuid}
    header_down X-Request-Id {http.request.uuid}
    transport http {
      dial_timeout 2s
      response_header_timeout 15s
      keepalive 60s
      keepalive_idle_conns 2048
      keepalive_idle_conns_per_host 2048
      compression off
    }
  }
}
`, caddyPort, secure, s.upstreams("127.0.0.1:%d "))
}
