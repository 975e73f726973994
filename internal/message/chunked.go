package message

// ChunkedReader takes a chunked body apart (RFC 9112 section 7.1), in whatever pieces it arrives. The zero value stands
// at the beginning of a body.
type ChunkedReader struct {
	state chunkState
	left  int64 // of the present chunk's data
	line  int   // bytes of the present size line
	nums  int   // digits of the present size
	waste int   // bytes of framing so far beyond what an honest sender needs for its data
}

type chunkState uint8

const (
	chunkSize chunkState = iota // hex digits
	chunkExt                    // extension up to CR
	chunkSizeLF
	chunkData
	chunkDataCR
	chunkDataLF
	chunkEnd // the last chunk's line was read; the trailer section follows
)

// maxChunkLine bounds a size line with its extensions, which are read over, and maxChunkWaste those of a whole body: a line costs
// nothing up to usualChunkLine bytes, and each byte of data makes up for two more.
const (
	maxChunkLine   = 256
	usualChunkLine = 16
	maxChunkWaste  = 16 << 10
)

// Done tells whether the last chunk was read; what follows is the trailer section.
func (c *ChunkedReader) Done() bool { return c.state == chunkEnd }

// Next consumes bytes from the beginning of p: data is the next piece of the body within p, n how many bytes of p were
// consumed, framing and data together. It returns when it has found data, when p is used up, or after the last chunk.
func (c *ChunkedReader) Next(p []byte) (data []byte, n int, err *Error) {
	for n < len(p) {
		if c.state == chunkData {
			take := int(min(c.left, int64(len(p)-n)))
			c.waste = max(c.waste-2*take, 0)
			data = p[n : n+take]
			if c.left -= int64(take); c.left == 0 {
				c.state = chunkDataCR
			}
			return data, n + take, nil
		}
		if c.state == chunkEnd {
			return nil, n, nil
		}
		if err := c.step(p[n]); err != nil {
			return nil, n, err
		}
		n++
	}
	return nil, n, nil
}

func (c *ChunkedReader) step(b byte) *Error {
	switch c.state {
	case chunkSize, chunkExt:
		return c.stepSize(b)
	case chunkSizeLF:
		if b != '\n' {
			return bad("chunk size line that does not end in CRLF")
		}
		if c.waste += max(c.line-usualChunkLine, 0); c.waste > maxChunkWaste {
			return bad("chunk extensions are too many")
		}
		c.line, c.nums = 0, 0
		if c.state = chunkData; c.left == 0 {
			c.state = chunkEnd
		}
	case chunkDataCR:
		if b != '\r' {
			return bad("chunk longer than its size")
		}
		c.state = chunkDataLF
	case chunkDataLF:
		if b != '\n' {
			return bad("chunk that does not end in CRLF")
		}
		c.state = chunkSize
	}
	return nil
}

func (c *ChunkedReader) stepSize(b byte) *Error {
	if c.line++; c.line > maxChunkLine {
		return bad("chunk size line is too long")
	}
	if b == '\r' {
		if c.nums == 0 {
			return bad("chunk without a size")
		}
		c.state = chunkSizeLF
		return nil
	}
	if c.state == chunkExt {
		if b < 0x20 && b != '\t' || b == 0x7f {
			return bad("control character in a chunk extension")
		}
		return nil
	}
	if d := unhex(b); d >= 0 {
		// 15 digits hold any size below 2^60 and cannot overflow.
		if c.nums++; c.nums > 15 {
			return bad("chunk size is too large")
		}
		c.left = c.left<<4 | int64(d)
		return nil
	}
	if b == ';' && c.nums > 0 {
		c.state = chunkExt
		return nil
	}
	return bad("chunk size that is not a hex number")
}

// AppendChunkSize appends the size line of a chunk of n bytes.
func AppendChunkSize(dst []byte, n int) []byte {
	const digits = "0123456789abcdef"
	shift := 0
	for n>>shift > 15 {
		shift += 4
	}
	for ; shift >= 0; shift -= 4 {
		dst = append(dst, digits[n>>shift&15])
	}
	return append(dst, "\r\n"...)
}
