package accesslog

func (e *Entry) appendCommon(dst []byte) []byte {
	if e.Client.IsValid() {
		dst = e.Client.AppendTo(dst)
	} else {
		dst = append(dst, '-')
	}
	dst = append(dst, " - - ["...)
	dst = e.Time.AppendFormat(dst, "02/Jan/2006:15:04:05 -0700")
	dst = append(dst, `] "`...)
	dst = appendPrintable(dst, e.Method)
	dst = append(dst, ' ')
	dst = appendPrintable(dst, e.Path)
	if len(e.Query) > 0 {
		dst = append(dst, '?')
		dst = appendPrintable(dst, e.Query)
	}
	dst = append(dst, ' ')
	dst = append(dst, e.Protocol...)
	dst = append(dst, `" `...)
	dst = appendInt(dst, int64(e.Status))
	dst = append(dst, ' ')
	dst = appendInt(dst, e.BytesOut)
	dst = appendQuoted(dst, e.Referer)
	dst = appendQuoted(dst, e.UserAgent)

	dst = appendPair(dst, " host=", e.Host)
	dst = appendPair(dst, " tls=", e.TLS)
	dst = appendPair(dst, " route=", e.Route)
	dst = appendPair(dst, " service=", e.Service)
	dst = appendPair(dst, " revision=", e.Revision)
	dst = appendPair(dst, " instance=", e.Instance)
	if e.Attempts > 0 {
		dst = append(dst, " attempts="...)
		dst = appendInt(dst, int64(e.Attempts))
	}
	dst = appendPair(dst, " upstream=", e.Upstream)
	dst = append(dst, " in="...)
	dst = appendInt(dst, e.BytesIn)
	dst = append(dst, " ms="...)
	dst = appendMillis(dst, e.Duration)
	if e.FirstByte > 0 {
		dst = append(dst, " ttfb="...)
		dst = appendMillis(dst, e.FirstByte)
	}
	dst = appendPair(dst, " id=", e.RequestID)
	if e.TraceID != [16]byte{} {
		dst = append(dst, " trace="...)
		dst = appendHex(dst, e.TraceID[:])
	}
	return append(dst, '\n')
}

// appendQuoted appends a text in quotes behind a space, "-" when it is empty.
func appendQuoted(dst, text []byte) []byte {
	if len(text) == 0 {
		return append(dst, ` "-"`...)
	}
	dst = append(dst, ` "`...)
	dst = appendPrintable(dst, text)
	return append(dst, '"')
}

// appendPair appends key and value, in which spaces are escaped too; nothing when the value is empty.
func appendPair[S []byte | string](dst []byte, key string, value S) []byte {
	if len(value) == 0 {
		return dst
	}
	dst = append(dst, key...)
	for i := 0; i < min(len(value), maxText); i++ {
		dst = appendByte(dst, value[i], '!')
	}
	return dst
}

// appendPrintable appends text as it may stand within quotes: control and non-ASCII bytes, quotes and backslashes as \xHH.
func appendPrintable(dst, text []byte) []byte {
	for _, c := range text[:min(len(text), maxText)] {
		dst = appendByte(dst, c, ' ')
	}
	return dst
}

func appendByte(dst []byte, c, lowest byte) []byte {
	if c < lowest || c > '~' || c == '"' || c == '\\' {
		return append(dst, '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
	}
	return append(dst, c)
}
