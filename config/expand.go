package config

import "strings"

// expand replaces ${VAR} and ${VAR:-default} in a scalar, and $${ by ${. A
// default is used where the variable is unset or empty. A dollar before anything but a brace
// is itself. When something is wrong, found and want say what.
func expand(text string, env func(string) (string, bool)) (expanded, found, want string) {
	var b strings.Builder
	for {
		i := strings.Index(text, "${")
		if i < 0 {
			b.WriteString(text)
			return b.String(), "", ""
		}
		if i > 0 && text[i-1] == '$' {
			b.WriteString(text[:i])
			b.WriteByte('{')
			text = text[i+2:]
			continue
		}
		b.WriteString(text[:i])
		reference, rest, closed := strings.Cut(text[i+2:], "}")
		name, standard, hasDefault := strings.Cut(reference, ":-")
		if !closed || !isEnvName(name) {
			return "", "got " + quote(text[i:]), "${VAR} or ${VAR:-default}; a literal ${ is written $${"
		}
		value, ok := env(name)
		switch {
		case hasDefault && value == "":
			value = standard
		case !ok:
			return "", "the environment variable " + name + " is not set", "it set, or ${" + name + ":-default}"
		}
		b.WriteString(value)
		text = rest
	}
}

func isEnvName(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}
