package monitor

import "fmt"

// Overall is the health of the whole system in a word.
type Overall string

// The healths of the system.
const (
	Healthy  Overall = "healthy"
	Degraded Overall = "degraded" // something is at warning
	Broken   Overall = "critical" // something is at critical or page
)

// Judge sums up what fires and what was found, with a reason for each, gravest
// first as they come. What is silenced counts: a silence keeps messages back, not the truth.
func Judge(alerts []Alert, findings []Finding) (Overall, []string) {
	worst := Severity(0)
	reasons := []string{}
	for _, f := range findings {
		if f.Severity >= Warning {
			worst = max(worst, f.Severity)
			reasons = append(reasons, fmt.Sprintf("%s: %s", f.Severity, f.Cause))
		}
	}
	for _, a := range alerts {
		if a.State == Firing && a.Severity >= Warning && a.InhibitedBy == "" {
			worst = max(worst, a.Severity)
			reasons = append(reasons, fmt.Sprintf("%s: %s", a.Severity, a.Summary))
		}
	}
	switch {
	case worst >= Critical:
		return Broken, reasons
	case worst >= Warning:
		return Degraded, reasons
	}
	return Healthy, reasons
}
