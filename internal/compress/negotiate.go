package compress

import (
	"bytes"

	"gatewayd/internal/message"
)

// negotiate returns the coding that the client likes best, and of those it likes equally the first of the policy (RFC 9110
// section 12.5.3). Without Accept-Encoding that is none; a client that refuses identity as well as all of ours still gets
// identity, because there is nothing else to send it.
func (p *Policy) negotiate(fields message.Fields) Encoding {
	// Quality in thousandths, -1 for what is not listed.
	var quality [encodings]int
	for e := range quality {
		quality[e] = -1
	}
	rest := -1 // of "*"
	for i := range fields {
		if fields[i].Kind == message.KindAcceptEncoding {
			readQualities(fields[i].Value, &quality, &rest)
		}
	}
	best, most := Identity, max(quality[Identity], 0)
	for _, e := range p.order {
		q := quality[e]
		if q < 0 {
			q = rest
		}
		// Equal to an identity that is listed is still worth compressing.
		if q > 0 && (q > most || q == most && best == Identity) {
			best, most = e, q
		}
	}
	return best
}

func readQualities(list []byte, quality *[encodings]int, rest *int) {
	for more := true; more; {
		var member []byte
		member, list, more = message.NextToken(list)
		name, parameters, _ := bytes.Cut(member, []byte(";"))
		name = bytes.TrimRight(name, " \t")
		q := parseQuality(parameters)
		if string(name) == "*" {
			*rest = q
			continue
		}
		if message.EqualFold(name, "x-gzip") {
			name = name[2:]
		}
		for e := range quality {
			if message.EqualFold(name, Encoding(e).String()) {
				quality[e] = q
			}
		}
	}
}

// parseQuality reads "q=0.5" in thousandths: 1000 where there is no parameter, 0 for what is malformed.
func parseQuality(b []byte) int {
	b = bytes.Trim(b, " \t")
	if len(b) == 0 {
		return 1000
	}
	if len(b) < 3 || len(b) > 7 || b[0]|0x20 != 'q' || b[1] != '=' || b[2] != '0' && b[2] != '1' {
		return 0
	}
	q, unit := int(b[2]-'0')*1000, 100
	if len(b) > 3 && b[3] != '.' {
		return 0
	}
	for i := 4; i < len(b); i++ {
		if b[i] < '0' || b[i] > '9' {
			return 0
		}
		q += int(b[i]-'0') * unit
		unit /= 10
	}
	if q > 1000 {
		return 0
	}
	return q
}

// Drop are the kinds of fields that a compressed response must not copy; ETag is given anew by AppendWeakETag.
const Drop = message.KindSet(1<<message.KindContentLength | 1<<message.KindContentEncoding | 1<<message.KindETag)

// DropsField tells whether a compressed response must not copy a field that has no kind: byte ranges of it cannot be asked for.
func DropsField(f *message.Field) bool {
	return f.Kind == message.KindOther && message.EqualFold(f.Name, "accept-ranges")
}

// AppendWeakETag appends the entity tag of a compressed response: it is no longer the same bytes, so a strong tag becomes
// weak (RFC 9110 section 8.8.1).
func AppendWeakETag(dst, etag []byte) []byte {
	if !bytes.HasPrefix(etag, []byte("W/")) {
		dst = append(dst, "W/"...)
	}
	return append(dst, etag...)
}

// VaryMissing tells whether the fields of a response do not yet say that it varies with Accept-Encoding.
func VaryMissing(fields message.Fields) bool {
	for i := range fields {
		f := &fields[i]
		if f.Kind == message.KindVary && (message.HasToken(f.Value, "accept-encoding") || message.HasToken(f.Value, "*")) {
			return false
		}
	}
	return true
}
