package gateway

import (
	"gatewayd/config"
	"gatewayd/internal/compress"
	"gatewayd/proxy"
)

// addCompression sets up a route's compression.
func (s *sites) addCompression(r *proxy.Route, c *config.Compress) error {
	if c == nil {
		return nil
	}
	opt := compress.Options{ContentTypes: c.Types, MinBytes: max(1, int64(c.MinBytes))}
	for _, name := range c.Algorithms {
		e, err := compress.ParseEncoding(string(name))
		if err != nil {
			return err
		}
		opt.Encodings = append(opt.Encodings, e)
	}
	var err error
	r.Compress, err = compress.New(opt)
	return err
}
