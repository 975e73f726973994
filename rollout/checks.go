package rollout

import (
	"fmt"
	"strings"
	"time"
)

const second = time.Second

// checkPatience is how many intervals a check may take before it is asked
// again: its result may have been lost with the process that asked.
const checkPatience = 3

// beginChecks makes every check pass anew, and at once.
func (m *machine) beginChecks() {
	for i := range m.st.Checks {
		c := &m.st.Checks[i]
		*c = CheckState{Failures: c.Failures}
	}
}

// askChecks asks for the checks that are due.
func (m *machine) askChecks() {
	for i := range m.st.Checks {
		c, check := &m.st.Checks[i], m.plan.Checks[i]
		c.Wait -= m.dt
		if c.Wait > 0 {
			continue
		}
		c.Wait = check.Interval
		if !c.Pending {
			c.Pending = true
			m.do(Action{Kind: RunCheck, Check: check.Name})
			continue
		}
		if c.Late++; c.Late >= checkPatience {
			c.Late = 0
			m.do(Action{Kind: RunCheck, Check: check.Name})
		}
	}
}

// takeChecks takes in the results that came.
func (m *machine) takeChecks() {
	for _, r := range m.obs.Checks {
		for i, check := range m.plan.Checks {
			if check.Name == r.Name {
				m.takeCheck(&m.st.Checks[i], check, r)
			}
		}
	}
}

func (m *machine) takeCheck(c *CheckState, check Check, r CheckResult) {
	c.Pending, c.Late = false, 0
	switch {
	case r.OK:
		c.Passed, c.Failures, c.Detail = true, 0, ""
		return
	case r.Inconclusive:
		c.Detail = "inconclusive" + detail(r.Detail)
		return
	}
	c.Detail = "failed" + detail(r.Detail)
	c.Failures++
	if c.Failures > check.FailureLimit && !m.st.Promoted && m.st.Phase != PhaseReturning {
		m.condemn(fmt.Sprintf("check %q failed %s for %s%s", check.Name, times(c.Failures), m.plan.Version, detail(r.Detail)), nil)
	}
}

// missingChecks names the checks that have not passed since the step began.
func (m *machine) missingChecks() string {
	var parts []string
	for i, c := range m.st.Checks {
		if !c.Passed {
			parts = append(parts, fmt.Sprintf("check %q has not passed yet%s", m.plan.Checks[i].Name, detail(c.Detail)))
		}
	}
	return strings.Join(parts, "; ")
}

func times(n int) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return fmt.Sprintf("%d times", n)
}
