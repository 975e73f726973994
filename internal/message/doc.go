// Package message holds the heads of HTTP messages as plain values and the
// HTTP/1.1 syntax (RFC 9112) they travel in: strict parsers for request heads,
// response heads, chunked bodies and trailers.
//
// It reads no sockets and keeps no state between messages. Everything it
// returns aliases the buffer that the caller parsed from and is valid until that
// buffer changes. Where the RFC leaves a choice, the answer is the strict
// one, so that no other parser behind or before this one can disagree about where a
// message ends. HTTP/2 fills the same Request from its own syntax.
package message
