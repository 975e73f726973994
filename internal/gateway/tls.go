package gateway

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"sync"

	"github.com/cespare/xxhash/v2"

	"gatewayd/config"
)

// clientTLS is how the clients of a listener connect to it. It is made anew only when its settings or the content of its files change: the
// keys of session tickets are in it, so that a reload leaves clients able to resume.
type clientTLS struct {
	config *tls.Config
	key    string // tells whether two are the same
}

// newClientTLS returns previous where nothing changed.
func newClientTLS(t *config.ListenerTLS, previous *clientTLS) (*clientTLS, error) {
	var files []string
	for _, pair := range t.Certificates {
		files = append(files, pair.Cert, pair.Key)
	}
	settings := *t
	settings.ClientAuth = nil
	key := fmt.Sprintf("%+v", settings)
	if a := t.ClientAuth; a != nil {
		files = append(files, a.CA)
		key += fmt.Sprintf("%+v", *a)
	}
	content, err := contentKey(files...) // what is wrong is told below
	key += content
	if err == nil && previous != nil && previous.key == key {
		return previous, nil
	}
	c, err := listenerTLS(t)
	return &clientTLS{config: c, key: key}, err
}

// contentKey tells whether files are still the same. Names that are empty are left out.
func contentKey(paths ...string) (string, error) {
	key := ""
	for _, path := range paths {
		if path == "" {
			continue
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return "", fmt.Errorf("cannot read a file of tls: %w", err)
		}
		key += fmt.Sprintf("|%x", xxhash.Sum64(content))
	}
	return key, nil
}

// listenerTLS reads certificates and builds the configuration of one listener. The certificate is chosen by SNI; the first serves clients
// without SNI or with an unknown name.
func listenerTLS(t *config.ListenerTLS) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
	if t.MinVersion == config.TLS13 {
		c.MinVersion = tls.VersionTLS13
	}
	for _, pair := range t.Certificates {
		cert, err := tls.LoadX509KeyPair(pair.Cert, pair.Key)
		if err != nil {
			return nil, fmt.Errorf("cannot load certificate %q with key %q: %w", pair.Cert, pair.Key, err)
		}
		c.Certificates = append(c.Certificates, cert)
	}
	if a := t.ClientAuth; a != nil {
		pool, err := loadCA(a.CA)
		if err != nil {
			return nil, err
		}
		c.ClientCAs, c.ClientAuth = pool, tls.RequireAndVerifyClientCert
		if a.Mode == config.ClientAuthRequest {
			c.ClientAuth = tls.VerifyClientCertIfGiven
		}
	}
	return c, nil
}

func loadCA(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read certificate authorities: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("cannot read certificate authorities in %q: no PEM certificate in it", path)
	}
	return pool, nil
}

// upstreamTLS is how the instances of a service are connected to. It is made anew only when its settings or the content of its files change, so
// that a reload leaves connections alone.
type upstreamTLS struct {
	base    *tls.Config
	key     string                 // tells whether two are the same
	byHost  map[string]*tls.Config // with the name that the certificate must carry
	hostsMu sync.Mutex             // protects byHost
}

// config returns the settings, nil for plain connections.
func (u *upstreamTLS) config() *tls.Config {
	if u == nil {
		return nil
	}
	return u.base
}

// forHost returns the settings for instances on a host, where no name is configured.
func (u *upstreamTLS) forHost(host string) *tls.Config {
	u.hostsMu.Lock()
	defer u.hostsMu.Unlock()
	c := u.byHost[host]
	if c == nil {
		c = u.base.Clone()
		c.ServerName = host
		u.byHost[host] = c
	}
	return c
}

// newUpstreamTLS returns previous where nothing changed.
func newUpstreamTLS(t *config.ServiceTLS, previous *upstreamTLS) (*upstreamTLS, error) {
	if t == nil {
		return nil, nil
	}
	content, err := contentKey(t.CA, t.ClientCert, t.ClientKey)
	if err != nil {
		return nil, err
	}
	key := fmt.Sprintf("%+v", *t) + content
	if previous != nil && previous.key == key {
		return previous, nil
	}
	base, err := serviceTLS(t)
	return &upstreamTLS{base: base, key: key, byHost: map[string]*tls.Config{}}, err
}

// serviceTLS builds the configuration of connections to instances.
func serviceTLS(t *config.ServiceTLS) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName, InsecureSkipVerify: t.InsecureSkipVerify,
		NextProtos: []string{"http/1.1"}, ClientSessionCache: tls.NewLRUClientSessionCache(64)}
	if t.CA != "" {
		pool, err := loadCA(t.CA)
		if err != nil {
			return nil, err
		}
		c.RootCAs = pool
	}
	if t.ClientCert != "" {
		cert, err := tls.LoadX509KeyPair(t.ClientCert, t.ClientKey)
		if err != nil {
			return nil, fmt.Errorf("cannot load client certificate %q with key %q: %w", t.ClientCert, t.ClientKey, err)
		}
		c.Certificates = []tls.Certificate{cert}
	}
	return c, nil
}
