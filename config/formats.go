package config

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// format is a rule for texts that the format tag names.
type format struct {
	want string
	ok   func(string) bool
}

// formatOf returns the rule that a format tag names.
func formatOf(name string) format {
	switch name {
	case "name":
		return format{"a name of letters, digits, '.', '_' and '-', at most 63, the first a letter or digit", isName}
	case "address":
		return format{"HOST:PORT or :PORT with a port from 0 to 65535", isAddress}
	case "instance-address":
		return format{"HOST:PORT with a port from 1 to 65535", isInstanceAddress}
	case "host":
		return format{"a host name or an IP address", isHost}
	case "host-port":
		return format{"a host name or an IP address, with :PORT where needed", isHostPort}
	case "host-pattern":
		return format{`a host name, an IP address, or "*." and a domain`, isHostPattern}
	case "url":
		return format{"a URL that begins with http:// or https://", isHTTPURL}
	case "origin":
		return format{`"*", or SCHEME://HOST[:PORT], such as https://*.example.com`, isOrigin}
	case "path":
		return format{"a path that begins with /, without query", isPath}
	case "path-query":
		return format{"a path that begins with /", isPathQuery}
	case "regex":
		return format{"a regular expression (RE2)", isRegex}
	case "header":
		return format{"the name of a header field", isToken}
	case "header-rule":
		return format{"the name of a header field that is not part of framing, connection or routing, as " +
			strings.Join(ownFields(), ", ") + " are", isFreeField}
	case "header-value":
		return format{"a field value without control characters", isFieldValue}
	case "method":
		return format{"a method in capitals, such as GET", isMethod}
	case "cookie-name":
		return format{"the name of a cookie", isToken}
	case "media-type":
		return format{"a media type such as application/json or text/*", isMediaType}
	case "env-name", "env-template":
		return format{"the name of an environment variable", isEnvName}
	case "retry-condition":
		return format{"connect-failure, reset, timeout or a status from 500 to 599", isRetryCondition}
	case "token-value":
		return format{"16 or more printable characters without spaces", isTokenValue}
	case "cron":
		return format{"a schedule that will come: minute, hour, day of month, month, day of week, such as 0 8 * * 1-5", isCron}
	case "timezone":
		return format{"a time zone of the IANA database, such as Europe/Berlin", isTimezone}
	case "template":
		return format{"a template with no more than {{.Executable}}, {{.Service}}, {{.Version}}, {{.Instance}}, {{.Address}}, {{.Host}} and {{.Port}}", isInstanceTemplate}
	case "query-template":
		return format{"a template with no more than {{.Service}} and {{.Version}}", isQueryTemplate}
	}
	panic("BUG: config has the format " + name)
}

// checkFormat tells whether s keeps to a format, and what would.
func checkFormat(name, s string) (want string, ok bool) {
	if name == "" {
		return "", true
	}
	f := formatOf(name)
	if f.ok(s) {
		return "", true
	}
	if _, err := regexp.Compile(s); name == "regex" && err != nil {
		return f.want + "; " + strings.TrimPrefix(err.Error(), "error parsing regexp: "), false
	}
	return f.want, false
}

func formatWant(name string) string { return formatOf(name).want }

// mapValueFormat is the rule for the values of a map whose keys have a format.
func mapValueFormat(keys string) string {
	switch keys {
	case "header", "header-rule":
		return "header-value"
	case "env-template":
		return "template"
	}
	return ""
}

func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !letter && (i == 0 || c != '.' && c != '_' && c != '-') {
			return false
		}
	}
	return s != "" && len(s) <= 63
}

func isAddress(s string) bool {
	host, port, ok := splitHostPort(s)
	return ok && (host == "" || isHost(host)) && isPort(port, 0)
}

func isInstanceAddress(s string) bool {
	host, port, ok := splitHostPort(s)
	return ok && isHost(host) && isPort(port, 1)
}

func isHostPort(s string) bool {
	if isHost(s) {
		return true
	}
	host, port, ok := splitHostPort(s)
	return ok && isHost(host) && isPort(port, 1)
}

// splitHostPort splits at the last colon; an IPv6 address stands in brackets.
func splitHostPort(s string) (host, port string, ok bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return "", "", false
	}
	host, port = s[:i], s[i+1:]
	if inner, bracketed := strings.CutPrefix(host, "["); bracketed {
		inner, bracketed = strings.CutSuffix(inner, "]")
		addr, err := netip.ParseAddr(inner)
		return inner, port, bracketed && err == nil && addr.Is6()
	}
	return host, port, !strings.Contains(host, ":")
}

func isPort(s string, least int) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n >= least && n <= 65535 && s[0] != '+'
}

// isHost tells whether s is an IP address (IPv6 without brackets) or a name of
// labels of letters, digits, '-' and '_'.
func isHost(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	if len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(s, "."), ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			c := label[i]
			if c != '-' && c != '_' && !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9') {
				return false
			}
		}
	}
	return true
}

func isHostPattern(s string) bool {
	s = strings.TrimPrefix(s, "*.")
	return isHost(s)
}

func isHTTPURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && isHostPort(trimBrackets(u.Host)) &&
		u.Fragment == "" && !strings.ContainsAny(s, " \t\r\n")
}

// trimBrackets takes the brackets off an IPv6 address without port.
func trimBrackets(host string) string {
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		return host[1 : len(host)-1]
	}
	return host
}

func isOrigin(s string) bool {
	if s == "*" {
		return true
	}
	scheme, host, ok := strings.Cut(s, "://")
	return ok && isName(scheme) && isHostPort(trimBrackets(strings.TrimPrefix(host, "*.")))
}

func isPath(s string) bool { return isPathQuery(s) && !strings.Contains(s, "?") }

func isPathQuery(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] == 0x7f || s[i] == '#' {
			return false
		}
	}
	return strings.HasPrefix(s, "/")
}

func isRegex(s string) bool {
	_, err := regexp.Compile(s)
	return err == nil
}

// ownFields are the header fields that rules cannot touch: those that frame a message or belong to
// one connection, and Host, which rewrite.host is for.
func ownFields() []string {
	return []string{"connection", "content-length", "host", "keep-alive", "proxy-connection", "te", "trailer",
		"transfer-encoding", "upgrade"}
}

func isFreeField(s string) bool {
	for _, own := range ownFields() {
		if strings.EqualFold(s, own) {
			return false
		}
	}
	return isToken(s)
}

func isFieldValue(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' && s[i] != '\t' || s[i] == 0x7f {
			return false
		}
	}
	return s == strings.Trim(s, " \t")
}

func isMethod(s string) bool { return isToken(s) && s == strings.ToUpper(s) }

func isMediaType(s string) bool {
	main, sub, ok := strings.Cut(s, "/")
	return ok && isToken(main) && main != "*" && isToken(sub)
}

func isRetryCondition(s string) bool {
	switch RetryCondition(s) {
	case RetryConnectFailure, RetryReset, RetryTimeout:
		return true
	}
	status, err := strconv.Atoi(s)
	return err == nil && status >= http.StatusInternalServerError && status <= 599 && fmt.Sprint(status) == s
}

func isTokenValue(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return len(s) >= 16
}

// isToken tells whether s is a token of RFC 9110 section 5.6.2, as header fields,
// methods and cookie names are.
func isToken(s string) bool {
	for i := range len(s) {
		if !isTokenByte(s[i]) {
			return false
		}
	}
	return s != ""
}

func isTokenByte(c byte) bool {
	if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' {
		return true
	}
	return strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}
