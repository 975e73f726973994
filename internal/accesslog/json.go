package accesslog

import (
	"strconv"
	"time"
	"unicode/utf8"
)

func (e *Entry) appendJSON(dst []byte) []byte {
	dst = append(dst, `{"time":"`...)
	dst = appendTime(dst, e.Time)
	dst = append(dst, '"')
	if e.Client.IsValid() {
		dst = append(dst, `,"client":"`...)
		dst = e.Client.AppendTo(dst)
		dst = append(dst, '"')
	}
	dst = appendMember(dst, "method", e.Method)
	dst = appendMember(dst, "host", e.Host)
	dst = appendMember(dst, "path", e.Path)
	dst = appendMember(dst, "query", e.Query)
	dst = appendMember(dst, "protocol", e.Protocol)
	dst = appendMember(dst, "tls", e.TLS)
	dst = appendNumber(dst, "status", int64(e.Status))
	dst = appendNumber(dst, "bytesIn", e.BytesIn)
	dst = appendNumber(dst, "bytesOut", e.BytesOut)
	dst = append(dst, `,"durationMs":`...)
	dst = appendMillis(dst, e.Duration)
	if e.FirstByte > 0 {
		dst = append(dst, `,"firstByteMs":`...)
		dst = appendMillis(dst, e.FirstByte)
	}
	dst = appendMember(dst, "route", e.Route)
	dst = appendMember(dst, "service", e.Service)
	dst = appendMember(dst, "revision", e.Revision)
	dst = appendMember(dst, "instance", e.Instance)
	if e.Attempts > 0 {
		dst = appendNumber(dst, "attempts", int64(e.Attempts))
	}
	dst = appendMember(dst, "upstream", e.Upstream)
	dst = appendMember(dst, "requestId", e.RequestID)
	if e.TraceID != [16]byte{} {
		dst = append(dst, `,"traceId":"`...)
		dst = appendHex(dst, e.TraceID[:])
		dst = append(dst, '"')
	}
	dst = appendMember(dst, "userAgent", e.UserAgent)
	dst = appendMember(dst, "referer", e.Referer)
	return append(dst, '}', '\n')
}

// appendMember appends a member behind another one, nothing when its value is empty.
func appendMember[S []byte | string](dst []byte, key string, value S) []byte {
	if len(value) == 0 {
		return dst
	}
	dst = append(dst, ',', '"')
	dst = append(dst, key...)
	dst = append(dst, '"', ':', '"')
	dst = appendEscaped(dst, value)
	return append(dst, '"')
}

func appendNumber(dst []byte, key string, value int64) []byte {
	dst = append(dst, ',', '"')
	dst = append(dst, key...)
	dst = append(dst, '"', ':')
	return appendInt(dst, value)
}

func appendInt(dst []byte, value int64) []byte { return strconv.AppendInt(dst, value, 10) }

// appendTime appends the time in UTC as of RFC 3339 with milliseconds; AppendFormat takes four times as long.
func appendTime(dst []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	ms := t.Nanosecond() / 1e6
	return append(dst, byte('0'+year/1000%10), byte('0'+year/100%10), byte('0'+year/10%10), byte('0'+year%10), '-',
		byte('0'+month/10), byte('0'+month%10), '-', byte('0'+day/10), byte('0'+day%10), 'T',
		byte('0'+hour/10), byte('0'+hour%10), ':', byte('0'+minute/10), byte('0'+minute%10), ':',
		byte('0'+second/10), byte('0'+second%10), '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10), 'Z')
}

// escaped tells which bytes cannot stand in a JSON string as they are, or not without a look at those that follow.
var escaped = func() (t [256]bool) {
	for c := range t {
		t[c] = c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf
	}
	return t
}()

// appendEscaped appends text as it may stand between the quotes of a JSON string (RFC 8259 section 7). Bytes that are
// not UTF-8 become U+FFFD.
func appendEscaped[S []byte | string](dst []byte, text S) []byte {
	text = text[:min(len(text), maxText)]
	plain := 0 // from here on nothing needed escaping
	for i := 0; i < len(text); {
		c := text[i]
		if !escaped[c] {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			if _, size := utf8.DecodeRuneInString(string(text[i:min(len(text), i+utf8.UTFMax)])); size > 1 {
				i += size
				continue
			}
		}
		dst = append(dst, text[plain:i]...)
		switch {
		case c >= utf8.RuneSelf:
			dst = append(dst, `\ufffd`...)
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		plain = i
	}
	return append(dst, text[plain:]...)
}
