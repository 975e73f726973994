package monitor

import "fmt"

// Severity orders alerts and findings: info < warning < critical < page.
type Severity int

// The severities. The zero value is none of them.
const (
	Info Severity = iota + 1
	Warning
	Critical
	Page // someone has to get up
)

// ParseSeverity reads the name of a severity.
func ParseSeverity(name string) (Severity, error) {
	for s := Info; s <= Page; s++ {
		if s.String() == name {
			return s, nil
		}
	}
	return 0, fmt.Errorf("cannot parse severity %q: want info, warning, critical or page", name)
}

func (s Severity) String() string {
	switch s {
	case Info:
		return "info"
	case Warning:
		return "warning"
	case Critical:
		return "critical"
	case Page:
		return "page"
	}
	return "none"
}

// MarshalText makes JSON carry the name.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (s *Severity) UnmarshalText(text []byte) error {
	if string(text) == "none" {
		*s = 0
		return nil
	}
	parsed, err := ParseSeverity(string(text))
	*s = parsed
	return err
}
