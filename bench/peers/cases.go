package main

import (
	"bytes"
	"fmt"
	"strings"
)

// load is one line of the results.
type load struct {
	name   string
	setup  string
	conns  int
	path   string
	body   int
	reopen bool
	reload bool // once a second
	hybrid bool // the client offers key agreement with ML-KEM as well
	quick  bool // part of a quick run
	skipGo bool // Caddy and net/http's proxy sit this one out
}

// common tells whether this is the case that rates are taken from: small requests on 64 connections.
func (l load) common() bool { return l.conns == 64 && l.path == "/128" && l.body == 0 && !l.reload }

func (l load) request() []byte {
	var b bytes.Buffer
	method := "GET"
	if l.body > 0 {
		method = "POST"
	}
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: bench.example.com\r\nUser-Agent: bench/1\r\nAccept: */*\r\nAccept-Encoding: identity\r\n", method, l.path)
	if l.body > 0 {
		fmt.Fprintf(&b, "Content-Type: application/octet-stream\r\nContent-Length: %d\r\n", l.body)
	}
	if l.reopen {
		b.WriteString("Connection: close\r\n")
	}
	b.WriteString("\r\n")
	b.WriteString(strings.Repeat("x", l.body))
	return b.Bytes()
}

const (
	oneCore       = "one core"
	bothCores     = "both cores"
	manyRoutes    = "1000 routes"
	manyInstances = "100 instances"
	withLog       = "access log"
	withTLS       = "TLS 1.3"
)

var setups = []setup{
	{name: oneCore, cores: 1, instances: 1},
	{name: bothCores, cores: 2, instances: 1},
	{name: manyRoutes, cores: 1, routes: 999, instances: 1},
	{name: manyInstances, cores: 1, instances: maxInstances},
	{name: withLog, cores: 1, instances: 1, accessLog: true},
	{name: withTLS, cores: 1, instances: 1, tls: true},
}

var loads = []load{
	{name: "64 connections, 128 B", setup: oneCore, conns: 64, path: "/128", quick: true},
	{name: "1 connection, 128 B", setup: oneCore, conns: 1, path: "/128"},
	{name: "8 connections, 128 B", setup: oneCore, conns: 8, path: "/128"},
	{name: "1000 connections, 128 B", setup: oneCore, conns: 1000, path: "/128"},
	{name: "64 connections, 16 KiB", setup: oneCore, conns: 64, path: "/16384"},
	{name: "64 connections, 64 KiB", setup: oneCore, conns: 64, path: "/65536", quick: true},
	{name: "8 connections, 10 MiB", setup: oneCore, conns: 8, path: "/10485760"},
	{name: "64 connections, 16 KiB in chunks", setup: oneCore, conns: 64, path: "/chunked/16384"},
	{name: "64 connections, upload of 16 KiB", setup: oneCore, conns: 64, path: "/128", body: 16 << 10},
	{name: "8 connections, upload of 10 MiB", setup: oneCore, conns: 8, path: "/128", body: 10 << 20},
	{name: "a connection for each request, 128 B", setup: oneCore, conns: 32, path: "/128", reopen: true, skipGo: true},
	{name: "64 connections, 128 B, a reload each second", setup: oneCore, conns: 64, path: "/128", reload: true, skipGo: true},
	{name: "64 connections, 128 B", setup: bothCores, conns: 64, path: "/128", quick: true},
	{name: "64 connections, 64 KiB", setup: bothCores, conns: 64, path: "/65536"},
	{name: "64 connections, 128 B", setup: manyRoutes, conns: 64, path: "/128", skipGo: true},
	{name: "64 connections, 128 B", setup: manyInstances, conns: 64, path: "/128", skipGo: true},
	{name: "64 connections, 128 B", setup: withLog, conns: 64, path: "/128", skipGo: true},
	{name: "64 connections, 128 B", setup: withTLS, conns: 64, path: "/128", quick: true},
	{name: "64 connections, 64 KiB", setup: withTLS, conns: 64, path: "/65536"},
	{name: "a handshake for each request, 128 B", setup: withTLS, conns: 32, path: "/128", reopen: true},
	{name: "the same, ML-KEM offered as well", setup: withTLS, conns: 32, path: "/128", reopen: true, hybrid: true},
}
