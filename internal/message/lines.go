package message

import "bytes"

// cutLine returns the line at the beginning of buf without its CRLF and how many bytes it took; n is 0 when the line is not
// complete. A line end without CR, or a CR without LF, is refused: some parsers end a line there and others do not
// (RFC 9112 section 2.2).
func cutLine(buf []byte, limit int) (line []byte, n int, err *Error) {
	i := bytes.IndexByte(buf, '\n')
	if i < 0 {
		if len(buf) > limit {
			return nil, 0, refuse(431, "head is too large")
		}
		return nil, 0, nil
	}
	if i >= limit {
		return nil, 0, refuse(431, "head is too large")
	}
	if i == 0 || buf[i-1] != '\r' {
		return nil, 0, bad("line feed without carriage return")
	}
	return buf[:i-1], i + 1, nil
}

// parseFields reads field lines up to and including the empty line. It returns how many bytes they took, 0 when buf
// ends before. lax is for responses, where white space before the colon is removed instead of refused.
func parseFields(buf []byte, fs *Fields, lim Limits, room int, lax bool) (int, *Error) {
	fields := (*fs)[:0]
	pos := 0
	for {
		line, n, err := cutLine(buf[pos:], room-pos)
		if err != nil || n == 0 {
			*fs = fields
			return 0, err
		}
		pos += n
		if len(line) == 0 {
			*fs = fields
			return pos, nil
		}
		if len(fields) >= lim.FieldCount {
			*fs = fields
			return 0, refuse(431, "too many fields")
		}
		fields = append(fields, Field{})
		if err := parseField(line, &fields[len(fields)-1], lax); err != nil {
			*fs = fields
			return 0, err
		}
	}
}

func parseField(line []byte, f *Field, lax bool) *Error {
	if line[0] == ' ' || line[0] == '\t' {
		return bad("folded field line")
	}
	colon := 0
	for colon < len(line) && classes[line[colon]]&classToken != 0 {
		if line[colon] == '_' && !lax {
			// X_Forwarded_For and X-Forwarded-For are one variable to CGI and WSGI.
			return bad("underscore in a field name")
		}
		colon++
	}
	name := line[:colon]
	if lax {
		for colon < len(line) && (line[colon] == ' ' || line[colon] == '\t') {
			colon++
		}
	}
	if len(name) == 0 || colon == len(line) || line[colon] != ':' {
		return bad("field line without a name and a colon")
	}
	value := trimOWS(line[colon+1:])
	if !validValue(value) {
		return bad("control character in a field value")
	}
	f.Name, f.Value, f.Kind = name, value, KindOf(name)
	return nil
}

// HeadScanner tells, over several reads into one growing buffer, when a head is complete, looking at each byte once.
// It spares Parse from starting over with every packet of a client that sends its head in crumbs.
type HeadScanner struct {
	line int // where the line begins that is not complete yet
	seen int // up to where that line was searched
	any  bool
}

// Complete tells whether buf, which may only have grown since the last call, holds a whole head; also when it
// holds something that Parse refuses at once.
func (s *HeadScanner) Complete(buf []byte) bool {
	for {
		i := bytes.IndexByte(buf[s.seen:], '\n')
		if i < 0 {
			s.seen = len(buf)
			return false
		}
		end := s.seen + i
		if end == s.line || buf[end-1] != '\r' {
			return true
		}
		empty := end-1 == s.line
		if empty && (s.any || s.line >= 4) {
			return true
		}
		s.any = s.any || !empty
		s.line, s.seen = end+1, end+1
	}
}
