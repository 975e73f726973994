// Package compress decides whether a response is compressed on its way to the client and with what, and lends
// out the encoders that do it: zstd (RFC 8878), br (RFC 7932) and gzip (RFC 1952).
//
// Bodies pass through in pieces; nothing is collected. An encoder takes 0.8 MiB of memory for gzip, 1.5 for zstd and 2.2
// for br; a Policy lends at most MaxEncoders at a time, and responses beyond that go out as they are. The
// package starts no goroutines, and decisions allocate nothing.
package compress

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"gatewayd/internal/message"
)

// Encoding is a content coding.
type Encoding uint8

// The content codings, in the order in which they are preferred unless Options say otherwise.
const (
	Identity Encoding = iota // as it is
	Zstd
	Brotli
	Gzip
	encodings
)

// String returns the coding's name as it stands in Content-Encoding, "identity" for none.
func (e Encoding) String() string { return [...]string{"identity", "zstd", "br", "gzip"}[e] }

// ParseEncoding returns the coding of a name.
func ParseEncoding(name string) (Encoding, error) {
	for e := Zstd; e < encodings; e++ {
		if name == e.String() {
			return e, nil
		}
	}
	return Identity, fmt.Errorf("got %q; want zstd, br or gzip", name)
}

// Options say what is compressed.
type Options struct {
	// Encodings are those that are used, the preferred one first. Default: zstd, br, gzip.
	Encodings []Encoding

	// ContentTypes are the media types that are compressed: "text/html", "text/*", or "+json" for all types with that suffix.
	// Default: DefaultContentTypes.
	ContentTypes []string

	// MinBytes is the Content-Length below which a response is left as it is; one without a length is always compressed.
	// Default: 1024. 0 is the default, 1 means all.
	MinBytes int64

	// MaxEncoders is how many responses are compressed at the same time. Default: 128.
	MaxEncoders int
}

// DefaultContentTypes returns the media types that gain by it and are not compressed in themselves.
func DefaultContentTypes() []string {
	return []string{"text/*", "application/json", "application/javascript", "application/x-javascript", "application/xml", "+json",
		"+xml", "application/wasm", "application/x-ndjson", "application/graphql", "application/vnd.ms-fontobject", "font/ttf",
		"font/otf", "image/x-icon", "image/bmp"}
}

// Policy decides which responses are compressed. Any number of goroutines may use it at once.
type Policy struct {
	order    []Encoding
	types    []string
	minBytes int64
	most     int64
	lent     atomic.Int64 // encoders, written by NewEncoder and Close
	pools    [encodings]sync.Pool
}

// New builds a policy. It keeps nothing of the options.
func New(o Options) (*Policy, error) {
	if len(o.Encodings) == 0 {
		o.Encodings = []Encoding{Zstd, Brotli, Gzip}
	}
	if len(o.ContentTypes) == 0 {
		o.ContentTypes = DefaultContentTypes()
	}
	if o.MinBytes == 0 {
		o.MinBytes = 1024
	}
	if o.MaxEncoders == 0 {
		o.MaxEncoders = 128
	}
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("cannot build compression policy: %w", err)
	}
	p := &Policy{order: slices.Clone(o.Encodings), minBytes: o.MinBytes, most: int64(o.MaxEncoders)}
	for _, t := range o.ContentTypes {
		p.types = append(p.types, strings.ToLower(t))
	}
	p.initPools()
	return p, nil
}

func (o *Options) validate() error {
	var errs []error
	for i, e := range o.Encodings {
		if e == Identity || e >= encodings || slices.Contains(o.Encodings[:i], e) {
			errs = append(errs, fmt.Errorf("encodings[%d]: want each of zstd, br and gzip at most once", i))
		}
	}
	for i, t := range o.ContentTypes {
		if !validPattern(t) {
			errs = append(errs, fmt.Errorf(`contentTypes[%d]: got %q; want "text/html", "text/*" or "+json"`, i, t))
		}
	}
	if o.MinBytes < 0 {
		errs = append(errs, fmt.Errorf("minBytes: got %d; want at least 1, or 0 for 1024", o.MinBytes))
	}
	if o.MaxEncoders < 0 {
		errs = append(errs, fmt.Errorf("maxEncoders: got %d; want at least 1, or 0 for 128", o.MaxEncoders))
	}
	return errors.Join(errs...)
}

func validPattern(t string) bool {
	if suffix, ok := strings.CutPrefix(t, "+"); ok {
		return message.IsToken([]byte(suffix))
	}
	main, sub, ok := strings.Cut(t, "/")
	return ok && message.IsToken([]byte(main)) && main != "*" && message.IsToken([]byte(sub))
}

// Decision is what becomes of one response.
type Decision struct {
	Encoding Encoding // Identity: it goes out as it is

	// Vary: another client could have got another coding, so that the response has to say Vary: Accept-Encoding; see VaryMissing.
	Vary bool
}

// Decide decides from the heads of request and response. An instance's own coding is never touched, nor what forbids
// transformation, is a part or a reply without a body, or carries a digest of its bytes.
func (p *Policy) Decide(req *message.Request, res *message.Response) Decision {
	if res.Bodiless(message.VerbGet) || res.Status == 206 || res.ContentLength >= 0 && res.ContentLength < p.minBytes || !p.allows(res.Fields) {
		return Decision{}
	}
	d := Decision{Vary: true}
	if req.Verb != message.VerbHead && req.Fields.Get(message.KindRange) == nil {
		d.Encoding = p.negotiate(req.Fields)
	}
	return d
}

// allows tells whether the fields of a response permit and deserve compression.
func (p *Policy) allows(fields message.Fields) bool {
	allowed := false
	for i := range fields {
		f := &fields[i]
		switch f.Kind {
		case message.KindContentType:
			allowed = p.allowsType(f.Value)
		case message.KindContentEncoding:
			if !message.EqualFold(f.Value, "identity") {
				return false
			}
		case message.KindContentRange:
			return false
		case message.KindCacheControl:
			if message.HasToken(f.Value, "no-transform") {
				return false
			}
		case message.KindOther:
			if isDigest(f.Name) {
				return false
			}
		}
	}
	return allowed
}

// isDigest tells whether a field of the name describes the very bytes of the body (RFC 9530 and its predecessors).
func isDigest(name []byte) bool {
	switch len(name) {
	case len("digest"):
		return message.EqualFold(name, "digest")
	case len("content-md5"): // repr-digest is as long
		return message.EqualFold(name, "content-md5") || message.EqualFold(name, "repr-digest")
	case len("content-digest"):
		return message.EqualFold(name, "content-digest")
	}
	return false
}

func (p *Policy) allowsType(value []byte) bool {
	for i, c := range value {
		if c == ';' || c == ' ' || c == '\t' {
			value = value[:i]
			break
		}
	}
	for _, pattern := range p.types {
		n := len(pattern)
		switch {
		case pattern[0] == '+':
			if len(value) > n && message.EqualFold(value[len(value)-n:], pattern) {
				return true
			}
		case pattern[n-1] == '*':
			if len(value) >= n && message.EqualFold(value[:n-1], pattern[:n-1]) {
				return true
			}
		case message.EqualFold(value, pattern):
			return true
		}
	}
	return false
}
