package message

// Kind tells well-known field names apart without comparing strings again.
type Kind uint8

// The field names that a proxy acts on. Every other name is KindOther.
const (
	KindOther Kind = iota
	KindHost
	KindConnection
	KindKeepAlive
	KindProxyConnection
	KindProxyAuthenticate
	KindProxyAuthorization
	KindProxy
	KindTE
	KindTrailer
	KindTransferEncoding
	KindUpgrade
	KindContentLength
	KindContentType
	KindContentEncoding
	KindContentRange
	KindCacheControl
	KindExpect
	KindMaxForwards
	KindVia
	KindForwarded
	KindXForwardedFor
	KindXForwardedProto
	KindXForwardedHost
	KindXForwardedPort
	KindXRealIP
	KindXRequestID
	KindTraceparent
	KindTracestate
	KindCookie
	KindSetCookie
	KindAuthorization
	KindAcceptEncoding
	KindRange
	KindOrigin
	KindDate
	KindServer
	KindVary
	KindETag
	KindLocation
	KindRetryAfter
	KindHTTP2Settings
	kindCount
)

// KindNamed marks a field that the message's own Connection field named, and
// which therefore must not be forwarded (RFC 9110 section 7.6.1).
const KindNamed Kind = 63

var kindNames = [kindCount]string{
	KindHost: "host", KindConnection: "connection", KindKeepAlive: "keep-alive",
	KindProxyConnection: "proxy-connection", KindProxyAuthenticate: "proxy-authenticate",
	KindProxyAuthorization: "proxy-authorization", KindProxy: "proxy", KindTE: "te", KindTrailer: "trailer",
	KindTransferEncoding: "transfer-encoding", KindUpgrade: "upgrade",
	KindContentLength: "content-length", KindContentType: "content-type",
	KindContentEncoding: "content-encoding", KindContentRange: "content-range",
	KindCacheControl: "cache-control", KindExpect: "expect", KindMaxForwards: "max-forwards",
	KindVia: "via", KindForwarded: "forwarded", KindXForwardedFor: "x-forwarded-for",
	KindXForwardedProto: "x-forwarded-proto", KindXForwardedHost: "x-forwarded-host",
	KindXForwardedPort: "x-forwarded-port", KindXRealIP: "x-real-ip", KindXRequestID: "x-request-id",
	KindTraceparent: "traceparent", KindTracestate: "tracestate", KindCookie: "cookie",
	KindSetCookie: "set-cookie", KindAuthorization: "authorization",
	KindAcceptEncoding: "accept-encoding", KindRange: "range", KindOrigin: "origin", KindDate: "date",
	KindServer: "server", KindVary: "vary", KindETag: "etag", KindLocation: "location",
	KindRetryAfter: "retry-after", KindHTTP2Settings: "http2-settings",
}

// String returns the lower-case field name, "other" or "named".
func (k Kind) String() string {
	switch {
	case k == KindNamed:
		return "named"
	case k == KindOther || k >= kindCount:
		return "other"
	}
	return kindNames[k]
}

// KindSet is a set of kinds, one bit each.
type KindSet uint64

// SetOf returns the set of the given kinds.
func SetOf(kinds ...Kind) KindSet {
	var s KindSet
	for _, k := range kinds {
		s |= 1 << k
	}
	return s
}

// Has tells whether k is in the set.
func (s KindSet) Has(k Kind) bool { return s>>k&1 != 0 }

// kindTable maps kindHash of a name to its kind; buildKindTable proves at start that no two
// well-known names share a slot, so that one comparison decides.
var kindTable = buildKindTable()

// kindHash looks at the first and the last two bytes and the length; they tell all well-known names apart. name has at
// least two bytes. The factors were found by trying.
func kindHash[S []byte | string](name S) uint8 {
	n := len(name)
	return (name[0]|0x20)*36 + (name[n-2]|0x20)*13 + (name[n-1]|0x20)*61 + uint8(n)*33
}

func buildKindTable() (table [256]Kind) {
	for k := KindOther + 1; k < kindCount; k++ {
		slot := kindHash(kindNames[k])
		if table[slot] != KindOther {
			panic("BUG: field names " + kindNames[k] + " and " + kindNames[table[slot]] + " share a slot of the kind table")
		}
		table[slot] = k
	}
	return table
}

// KindOf returns the kind of a field name, whatever its case. name must be a token.
func KindOf(name []byte) Kind {
	if len(name) < 2 {
		return KindOther
	}
	k := kindTable[kindHash(name)]
	if k != KindOther && foldsTo(name, kindNames[k]) {
		return k
	}
	return KindOther
}

// foldsTo tells whether the token is lower but for the case of its letters. lower holds only lower-case letters,
// digits and hyphens; for those, setting bit 5 is the case folding of every token character.
func foldsTo(token []byte, lower string) bool {
	if len(token) != len(lower) {
		return false
	}
	for i, c := range token {
		if c|0x20 != lower[i] {
			return false
		}
	}
	return true
}

// EqualFold tells whether token equals lower, which must be in lower case, but for the case of ASCII letters.
func EqualFold(token []byte, lower string) bool {
	if len(token) != len(lower) {
		return false
	}
	for i, c := range token {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}
