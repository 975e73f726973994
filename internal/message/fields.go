package message

// Field is one field line. Name and Value alias the parsed buffer; Value has no white space around it.
type Field struct {
	Name  []byte
	Value []byte
	Kind  Kind
}

// Fields are the field lines of one section in the order they came in.
type Fields []Field

// Get returns the value of the first field of the kind, nil when there is none.
func (fs Fields) Get(k Kind) []byte {
	for i := range fs {
		if fs[i].Kind == k {
			return fs[i].Value
		}
	}
	return nil
}

// Lookup returns the value of the first field whose name is lowerName but for case, and whether there is one.
// Fields that Connection named count as absent.
func (fs Fields) Lookup(lowerName string) ([]byte, bool) {
	for i := range fs {
		if fs[i].Kind != KindNamed && EqualFold(fs[i].Name, lowerName) {
			return fs[i].Value, true
		}
	}
	return nil, false
}

// Count returns how many fields of the kind there are.
func (fs Fields) Count(k Kind) int {
	n := 0
	for i := range fs {
		if fs[i].Kind == k {
			n++
		}
	}
	return n
}

// AppendField appends one field line to dst. The caller vouches for name and value.
func AppendField(dst []byte, name string, value []byte) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = append(dst, value...)
	return append(dst, "\r\n"...)
}

// AppendFields appends every field whose kind is not in drop.
func AppendFields(dst []byte, fs Fields, drop KindSet) []byte {
	for i := range fs {
		f := &fs[i]
		if drop.Has(f.Kind) {
			continue
		}
		dst = append(dst, f.Name...)
		dst = append(dst, ": "...)
		dst = append(dst, f.Value...)
		dst = append(dst, "\r\n"...)
	}
	return dst
}

// NextToken cuts the first element off a comma-separated list. It returns the element without the white
// space around it (empty elements included) and what follows the comma; more is false after the last element.
func NextToken(list []byte) (element, rest []byte, more bool) {
	for i, c := range list {
		if c == ',' {
			return trimOWS(list[:i]), list[i+1:], true
		}
	}
	return trimOWS(list), nil, false
}

// HasToken tells whether a comma-separated list holds lowerToken, whatever its case.
func HasToken(list []byte, lowerToken string) bool {
	for more := true; more; {
		var element []byte
		element, list, more = NextToken(list)
		if EqualFold(element, lowerToken) {
			return true
		}
	}
	return false
}

func trimOWS(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}
