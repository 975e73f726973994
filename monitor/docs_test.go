package monitor

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// What users may meet has to be in the documentation.
func TestDocumentationNamesEverything(t *testing.T) {
	data, err := os.ReadFile("../docs/monitoring.md")
	if err != nil {
		t.Fatal(err)
	}
	names := Metrics()
	for _, f := range []FindingType{Capacity, ConcurrencyLimit, Dependency, CPU, Memory, ErrorsAfterRelease, SlowInstance,
		FailingInstance, UnevenLoad, ConnectionExhaustion, ScalingLimit, CostLimit, MoreDoNotHelp, Gateway} {
		names = append(names, string(f))
		tested := slices.ContainsFunc(slices.Collect(maps.Values(scenarios())), func(s scenario) bool { return s.want == f })
		if !tested {
			t.Errorf("no scenario brings about %s", f)
		}
	}
	for _, name := range names {
		if !strings.Contains(string(data), "`"+name+"`") {
			t.Errorf("docs/monitoring.md does not name %s", name)
		}
	}
}
