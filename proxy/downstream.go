package proxy

import (
	"net/netip"
	"time"

	"gatewayd/internal/message"
)

// downstream is the client's side of one request, whatever protocol carries it. The exchange is
// written against it and so shared by all protocols.
//
// readBody and trailers may be used by another goroutine than the response side, but each side by one only.
type downstream interface {
	// wholeBody returns the complete request body if it has arrived already, without consuming it.
	wholeBody() (body []byte, ok bool)
	// readBody reads the next piece of the request body into p. It returns io.EOF with or after the last piece, and a
	// failureError when the body is malformed, incomplete or stalled.
	readBody(p []byte) (int, error)
	// trailers returns the request's trailer fields once readBody has returned io.EOF.
	trailers() message.Fields
	// consumeBody marks a body that wholeBody returned as read.
	consumeBody()
	// interruptBody ends a readBody that waits in another goroutine.
	interruptBody()
	// gone tells, without waiting, whether the client has left.
	gone() bool
	// localAddr returns the address that the client connected to.
	localAddr() netip.AddrPort

	// inform sends an interim response.
	inform(a *answer) error
	// start sends the head of the final response together with the first bytes of its body; last means
	// that they are all of it.
	start(a *answer, first []byte, last bool) error
	// write sends more of the body. p is not kept.
	write(p []byte, last bool) error
	// finish ends a body whose end was not told by last, with trailers if there are any.
	finish(trailers message.Fields) error
	// sentBytes returns how many bytes of body the client was sent.
	sentBytes() int64
	// stalled tells whether the client has taken no byte for as long as it may.
	stalled() bool
	// ending tells whether no other exchange may follow on the connection, by what was sent or because of an abort.
	ending() bool
	// abort ends the response so that the client cannot take what it got for all of it.
	abort()
}

// pair is a field that the gateway adds.
type pair struct {
	name  string
	value []byte
}

// answer is the head of a response after every rule was applied, independent of the protocol it will be sent in.
type answer struct {
	status   int
	reason   []byte
	fields   message.Fields // the instance's
	drop     message.KindSet
	rules    *HeaderRules // of the route, nil: none
	extra    []pair       // the gateway's own
	length   int64        // of the body, -1: not known beforehand
	bodiless bool         // no body whatever length says; length is still sent (HEAD, 304)
	upgrade  []byte       // protocol of a 101
	keepTE   bool         // announce trailers: the instance's Trailer field is passed on
	close    bool         // the connection ends with this response
}

func (a *answer) reset() {
	*a = answer{extra: a.extra[:0], length: -1}
}

func (a *answer) add(name string, value []byte) { a.extra = append(a.extra, pair{name, value}) }

// appendAnswerFields appends every field but those that frame the message.
func appendAnswerFields(dst []byte, a *answer) []byte {
	if a.rules == nil {
		dst = message.AppendFields(dst, a.fields, a.drop)
	} else {
		dst = a.rules.appendKept(dst, a.fields, a.drop)
	}
	for i := range a.extra {
		dst = message.AppendField(dst, a.extra[i].name, a.extra[i].value)
	}
	return dst
}

// responseDrop are the fields of an instance's response that end at the gateway (RFC 9110 section 7.6.1) or are
// printed anew.
var responseDrop = message.SetOf(message.KindConnection, message.KindKeepAlive, message.KindProxyConnection,
	message.KindProxyAuthenticate, message.KindTE, message.KindTransferEncoding, message.KindUpgrade,
	message.KindContentLength, message.KindTrailer, message.KindXRequestID, message.KindNamed)

// deadline is a connection's deadline that is set anew only when it has moved enough, because setting one costs as much
// as a small system call. It is never early: it is set late by the slack.
type deadline struct{ at int64 }

// moved returns whether the deadline has to be set and to what, so that it lies between want and want+slack.
func (d *deadline) moved(want, slack int64) (time.Time, bool) {
	if d.at >= want && d.at <= want+slack {
		return time.Time{}, false
	}
	d.at = want + slack
	return time.Unix(0, d.at), true
}
