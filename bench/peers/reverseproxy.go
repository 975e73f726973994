package main

import (
	"crypto/tls"
	"flag"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"time"
)

// runReverseProxy serves net/http's own proxy, with as many idle connections as the others keep.
func runReverseProxy(args []string) error {
	fs := flag.NewFlagSet("reverseproxy", flag.ContinueOnError)
	listen := fs.String("listen", "127.0.0.1:8131", "address")
	to := fs.String("to", "http://127.0.0.1:9100", "upstream")
	secure := fs.String("tls", "", "directory with tls.crt and tls.key; empty: plain")
	if err := fs.Parse(args); err != nil {
		return err
	}
	u, err := url.Parse(*to)
	if err != nil {
		return err
	}
	p := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(u)
			r.SetXForwarded()
		},
		Transport: &http.Transport{
			MaxIdleConns: 2048, MaxIdleConnsPerHost: 2048, IdleConnTimeout: time.Minute, DisableCompression: true,
			DialContext: (&net.Dialer{Timeout: 2 * time.Second}).DialContext, ResponseHeaderTimeout: 15 * time.Second,
		},
	}
	s := &http.Server{Addr: *listen, Handler: p, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 75 * time.Second}
	if *secure != "" {
		s.Protocols = new(http.Protocols)
		s.Protocols.SetHTTP1(true)
		s.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS13}
		return s.ListenAndServeTLS(filepath.Join(*secure, certFile), filepath.Join(*secure, keyFile))
	}
	return s.ListenAndServe()
}
