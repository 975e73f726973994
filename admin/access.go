package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"gatewayd/admin/api"
)

// access is an Access made ready for comparison. It is never written to.
type access struct {
	hosts  []string
	tokens []hashedToken
}

type hashedToken struct {
	name string
	role Role
	hash [sha256.Size]byte
}

// compileAccess checks a and hashes its tokens.
func compileAccess(a Access) (*access, error) {
	compiled := &access{}
	for _, host := range a.Hosts {
		compiled.hosts = append(compiled.hosts, strings.ToLower(host))
	}
	for i, t := range a.Tokens {
		if t.Role.rank() == 0 {
			return nil, fmt.Errorf("admin.tokens[%d].role: got %q; want viewer, operator or admin", i, t.Role)
		}
		if t.Value == "" {
			return nil, fmt.Errorf("admin.tokens[%d].value: it is empty", i)
		}
		compiled.tokens = append(compiled.tokens, hashedToken{t.Name, t.Role, sha256.Sum256([]byte(t.Value))})
	}
	return compiled, nil
}

// find returns the token with that value. It takes the same time wherever, and whether,
// it is found: hashes of equal length are compared with all tokens.
func (a *access) find(value string) (found hashedToken, ok bool) {
	hash := sha256.Sum256([]byte(value))
	for _, t := range a.tokens {
		if subtle.ConstantTimeCompare(hash[:], t.hash[:]) == 1 {
			found, ok = t, true
		}
	}
	return found, ok
}

// admitsHost reports whether the Host of a request is one under which the API answers. A page that
// rebinds its own name to this address sends that name; it cannot send an IP address
// or localhost.
func (a *access) admitsHost(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return host == "localhost" || slices.Contains(a.hosts, host)
}

// authenticate says who sent r, or why that is not known.
func (s *Server) authenticate(r *http.Request) (Caller, *api.Error) {
	a := s.access.Load()
	from := clientAddress(r)
	if len(a.tokens) == 0 {
		if !isLoopback(r.RemoteAddr) {
			return Caller{From: from}, &api.Error{Status: http.StatusForbidden,
				Message: "without admin.tokens the admin API answers this machine only"}
		}
		return Caller{Name: "local", Role: RoleAdmin, From: from}, nil
	}
	scheme, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || value == "" {
		return Caller{From: from}, &api.Error{Status: http.StatusUnauthorized, Field: "Authorization",
			Message: "a token is needed: send the header Authorization: Bearer TOKEN"}
	}
	now := time.Now()
	if wait := s.failures.wait(from, now); wait > 0 {
		return Caller{From: from}, &api.Error{Status: http.StatusTooManyRequests,
			Message: fmt.Sprintf("too many wrong tokens from %s; try again in %s", from, wait.Round(time.Second))}
	}
	token, ok := a.find(strings.TrimSpace(value))
	if !ok {
		s.failures.add(from, now)
		return Caller{From: from}, &api.Error{Status: http.StatusUnauthorized, Field: "Authorization",
			Message: "the token is not one of admin.tokens"}
	}
	return Caller{Name: token.name, Role: token.role, From: from}, nil
}

// clientAddress returns the address of the connection, without port and zone. Forwarding headers
// are not believed: anyone can send them.
func clientAddress(r *http.Request) string {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return ap.Addr().Unmap().WithZone("").String()
}

// isLoopback reports whether hostport is an IP address of this machine alone.
func isLoopback(hostport string) bool {
	ap, err := netip.ParseAddrPort(hostport)
	return err == nil && ap.Addr().Unmap().IsLoopback()
}
