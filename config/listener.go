package config

import (
	"net/netip"
	"time"
)

// Listener is an address on which clients connect.
type Listener struct {
	// The name that routes and logs use.
	Name string `key:"name" required:"true" format:"name" example:"web"`
	// Where it listens, as HOST:PORT; without a host on all addresses.
	Address string `key:"address" required:"true" format:"address" example:"\":8080\""`
	// Peers whose X-Forwarded-* and Forwarded fields are believed, as CIDRs or single addresses. From all others these fields are dropped.
	TrustedProxies []netip.Prefix `key:"trustedProxies" example:"[10.0.0.0/8]"`
	// What one client may take.
	Limits ListenerLimits `key:"limits" example:"{headerBytes: 32KiB, headers: 100, headerTimeout: 10s, bodyIdleTimeout: 60s, idleTimeout: 75s, maxConnections: 20000, minBodyRate: 240B}"`
	// Left out: plain HTTP.
	TLS *ListenerTLS `key:"tls" example:"{certificates: [{cert: /etc/gatewayd/shop.pem, key: /etc/gatewayd/shop.key}]}"`
}

// ListenerLimits bounds what clients of one listener may take.
type ListenerLimits struct {
	// The longest request line; a longer one is answered with 414.
	URIBytes Size `key:"uriBytes" default:"8KiB" range:"256..1MiB"`
	// The request line and all header fields together; more is answered with 431.
	HeaderBytes Size `key:"headerBytes" default:"32KiB" range:"1KiB..1MiB"`
	// The number of header fields; more is answered with 431.
	Headers int `key:"headers" default:"100" range:"1..10000"`
	// From the first byte of a request to the end of its head, the TLS handshake likewise; a slower one is answered with 408.
	HeaderTimeout time.Duration `key:"headerTimeout" default:"10s" range:"10ms..1h"`
	// The longest silence within a request body, and the longest time a client may take no byte of a response.
	BodyIdleTimeout time.Duration `key:"bodyIdleTimeout" default:"60s" range:"10ms..24h"`
	// How long a connection may wait for its next request.
	IdleTimeout time.Duration `key:"idleTimeout" default:"75s" range:"10ms..24h"`
	// Open connections; further ones wait in the operating system's queue.
	MaxConnections int `key:"maxConnections" default:"20000" range:"1..10000000"`
	// Requests on one connection, which is closed after the last one's response; 0: any number.
	RequestsPerConnection int `key:"requestsPerConnection" default:"0" range:"0..1000000000"`
	// The age of a connection from which on it is closed after its next response; 0: any age.
	ConnectionAge time.Duration `key:"connectionAge" default:"0s" range:"0s..8760h"`
	// Bytes per second that a client sends of a request body, or takes of a response, at least, on average over the time that the gateway has waited for it and after 5 seconds of such waiting. Who sends more slowly is answered with 408, who reads more slowly is cut off. 0: any rate, since a client may stream a body with long pauses on purpose.
	MinBodyRate Size `key:"minBodyRate" default:"0" range:"0..1GiB"`
}

// ListenerTLS is how a listener speaks TLS. The certificate is chosen by the
// client's SNI; the first is for clients without SNI or with an unknown name.
type ListenerTLS struct {
	// Certificates from files, which are read again when they change.
	Certificates []Certificate `key:"certificates" example:"[{cert: shop.pem, key: shop.key}]"`
	// The oldest version that is spoken.
	MinVersion TLSVersion `key:"minVersion" default:"1.2"`
	// Certificates from an ACME authority.
	ACME *ACME `key:"acme" refused:"certificates by ACME are not available in this version" example:"{email: ops@example.com, hosts: [shop.example.com], storage: certs/}"`
	// Certificates of clients. Left out: none are asked for.
	ClientAuth *ClientAuth `key:"clientAuth" example:"{ca: clients.pem, mode: require}"`
}

// Certificate is a pair of PEM files.
type Certificate struct {
	// The certificate, followed by its chain.
	Cert string `key:"cert" required:"true" example:"shop.pem"`
	// Its private key.
	Key string `key:"key" required:"true" example:"shop.key"`
}

// ACME is an accepted shape: a file that uses it is checked and then refused,
// since this version does not obtain certificates.
type ACME struct {
	// Where the authority sends notices.
	Email string `key:"email" example:"ops@example.com"`
	// The names to obtain certificates for.
	Hosts []string `key:"hosts" required:"true" format:"host" example:"[shop.example.com]"`
	// The authority's directory.
	Directory string `key:"directory" default:"https://acme-v02.api.letsencrypt.org/directory" format:"url"`
	// The folder that keeps keys and certificates.
	Storage string `key:"storage" default:"certs/"`
}

// ClientAuth is what is asked of clients in the TLS handshake.
type ClientAuth struct {
	// PEM file of the authorities whose certificates are accepted.
	CA string `key:"ca" required:"true" example:"clients.pem"`
	// require: no connection without a valid certificate. request: one may be left out, but not be invalid.
	Mode ClientAuthMode `key:"mode" default:"require"`
}
