package proxy

import (
	"crypto/tls"
	"time"

	"gatewayd/internal/accesslog"
)

// writeAccessLog hands the finished request to the access log.
func (x *exchange) writeAccessLog(took time.Duration) {
	req, o := x.req, &x.outcome
	e := accesslog.Entry{
		Time: x.start, Client: x.client, Method: req.Method, Host: req.Host, Path: req.Path, Query: req.Query,
		Protocol: protocolName(req.Minor), Status: o.status, BytesIn: o.bytesIn, BytesOut: o.bytesOut,
		Duration: took, FirstByte: o.firstByte, Attempts: x.attempt, Upstream: string(o.cause), RequestID: x.requestID,
	}
	if x.tls != nil {
		e.TLS = tls.VersionName(x.tls.Version)
	}
	if x.route != nil {
		e.Route = x.route.Name
	}
	if x.view != nil {
		e.Service = x.view.Name
	}
	if x.revision != nil {
		e.Revision, e.Instance = x.revision.Version, x.endpoint.ID
	}
	switch {
	case x.trace.own.Valid():
		e.TraceID = x.trace.own.Trace
	case x.trace.in.Valid():
		e.TraceID = x.trace.in.Trace
	}
	e.UserAgent, _ = req.Fields.Lookup("user-agent")
	e.Referer, _ = req.Fields.Lookup("referer")
	x.server.opt.AccessLog.Write(&e)
}

func protocolName(minor int) string {
	if minor == 0 {
		return "HTTP/1.0"
	}
	return "HTTP/1.1"
}
