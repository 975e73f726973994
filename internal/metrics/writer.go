package metrics

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Label is one name="value" of a series.
type Label struct{ Name, Value string }

// Writer gathers the series of one scrape. Collectors may write the series of one
// family in any order and from several places; a family's help and kind must be the same
// each time. A series that is written twice counts once, with its first value. It is
// for one goroutine.
type Writer struct {
	families map[string]*family
}

// family is all series of one name.
type family struct {
	help, kind string
	series     map[string]string // by labels as printed: the lines of that series
}

// NewWriter returns an empty writer.
func NewWriter() *Writer { return &Writer{families: map[string]*family{}} }

// Counter writes a figure that only grows while what it describes exists. By
// convention its name ends in _total.
func (w *Writer) Counter(name, help string, value float64, labels ...Label) {
	w.sample(name, help, "counter", value, labels)
}

// Gauge writes a figure that goes up and down.
func (w *Writer) Gauge(name, help string, value float64, labels ...Label) {
	w.sample(name, help, "gauge", value, labels)
}

// Bool writes a gauge that is 1 for true and 0 for false.
func (w *Writer) Bool(name, help string, value bool, labels ...Label) {
	figure := 0.0
	if value {
		figure = 1
	}
	w.sample(name, help, "gauge", figure, labels)
}

func (w *Writer) sample(name, help, kind string, value float64, labels []Label) {
	f := w.family(name, help, kind)
	printed := printLabels(labels)
	if _, twice := f.series[printed]; twice {
		return
	}
	f.series[printed] = name + printed + " " + printValue(value) + "\n"
}

// HistogramData is what a histogram holds at one moment.
type HistogramData struct {
	Bounds []float64 // upper bounds, ascending, without +Inf
	Counts []uint64  // observations in each bucket alone; one more than Bounds, for those above the last
	Sum    float64   // of all observations
}

// Histogram writes cumulative buckets with le labels, the sum and the count.
func (w *Writer) Histogram(name, help string, h HistogramData, labels ...Label) {
	if len(h.Counts) != len(h.Bounds)+1 {
		panic(fmt.Sprintf("BUG: histogram %s has %d counts for %d bounds; want one more", name, len(h.Counts), len(h.Bounds)))
	}
	f := w.family(name, help, "histogram")
	printed := printLabels(labels)
	if _, twice := f.series[printed]; twice {
		return
	}
	var lines []byte
	var total uint64
	for i, count := range h.Counts {
		bound := math.Inf(1)
		if i < len(h.Bounds) {
			bound = h.Bounds[i]
		}
		total += count
		lines = append(append(lines, name...), "_bucket"...)
		lines = append(append(lines, withLe(printed, printValue(bound))...), ' ')
		lines = append(strconv.AppendUint(lines, total, 10), '\n')
	}
	lines = fmt.Appendf(lines, "%s_sum%s %s\n%s_count%s %d\n", name, printed, printValue(h.Sum), name, printed, total)
	f.series[printed] = string(lines)
}

// family returns the family called name, which is made on first use.
func (w *Writer) family(name, help, kind string) *family {
	f := w.families[name]
	if f == nil {
		mustName(name, true)
		f = &family{help: help, kind: kind, series: map[string]string{}}
		w.families[name] = f
	}
	if f.kind != kind || f.help != help {
		panic(fmt.Sprintf("BUG: metric %s is a %s (%q) in one place and a %s (%q) in another", name, f.kind, f.help, kind, help))
	}
	return f
}

// append prints all families by name, and the series of each by labels.
func (w *Writer) append(out []byte) []byte {
	for _, name := range sortedKeys(w.families) {
		f := w.families[name]
		out = fmt.Appendf(out, "# HELP %s %s\n# TYPE %s %s\n", name, escapeHelp(f.help), name, f.kind)
		for _, labels := range sortedKeys(f.series) {
			out = append(out, f.series[labels]...)
		}
	}
	return out
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// printLabels returns {a="b",c="d"}, or nothing where there are no labels. A
// label with an empty value is the same as none, and left out.
func printLabels(labels []Label) string {
	var out []byte
	for _, l := range labels {
		if l.Value == "" {
			continue
		}
		mustName(l.Name, false)
		if len(out) > 0 {
			out = append(out, ',')
		}
		out = append(out, l.Name...)
		out = append(out, '=', '"')
		out = append(out, escapeValue(l.Value)...)
		out = append(out, '"')
	}
	if len(out) == 0 {
		return ""
	}
	return "{" + string(out) + "}"
}

// withLe adds the label of a bucket to printed labels.
func withLe(printed, bound string) string {
	if printed == "" {
		return `{le="` + bound + `"}`
	}
	return printed[:len(printed)-1] + `,le="` + bound + `"}`
}

// printValue prints a sample value or an le bound as Prometheus reads it.
func printValue(v float64) string {
	switch {
	case math.IsInf(v, 1):
		return "+Inf"
	case math.IsInf(v, -1):
		return "-Inf"
	case math.Abs(v) < 1<<53 && v == math.Trunc(v):
		return strconv.FormatInt(int64(v), 10)
	default:
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
}

// escapeValue escapes a label value. Bytes that are not UTF-8, which would make the
// scraper drop the whole page, are replaced.
func escapeValue(v string) string {
	return strings.ReplaceAll(escapeHelp(strings.ToValidUTF8(v, "\uFFFD")), `"`, `\"`)
}

func escapeHelp(help string) string {
	return strings.ReplaceAll(strings.ReplaceAll(help, `\`, `\\`), "\n", `\n`)
}

// mustName panics for a name that the format does not allow; names are written by programmers.
func mustName(name string, colon bool) {
	for i, c := range []byte(name) {
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || colon && c == ':'
		if !letter && (i == 0 || c < '0' || c > '9') {
			panic(fmt.Sprintf("BUG: %q is no metric or label name", name))
		}
	}
	if name == "" {
		panic("BUG: empty metric or label name")
	}
}
