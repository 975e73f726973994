package metrics

import (
	"math"
	"strings"
	"sync"
	"testing"
)

// page prints what collect writes.
func page(t *testing.T, collect ...func(*Writer)) string {
	t.Helper()
	var r Registry
	for _, c := range collect {
		r.Add(CollectorFunc(c))
	}
	var out strings.Builder
	if _, err := r.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestFamiliesAreGroupedAndSorted(t *testing.T) {
	got := page(t,
		func(w *Writer) {
			w.Gauge("zoo", "Last.", 1)
			w.Counter("hits_total", "Hits.", 2, Label{"b", "2"})
		},
		func(w *Writer) { w.Counter("hits_total", "Hits.", 1, Label{"b", "1"}) })
	want := `# HELP hits_total Hits.
# TYPE hits_total counter
hits_total{b="1"} 1
hits_total{b="2"} 2
# HELP zoo Last.
# TYPE zoo gauge
zoo 1
`
	if got != want {
		t.Fatalf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestHistogram(t *testing.T) {
	got := page(t, func(w *Writer) {
		w.Histogram("took_seconds", "Time.", HistogramData{Bounds: []float64{0.25, 1}, Counts: []uint64{3, 0, 2}, Sum: 9.5}, Label{"s", "a"})
	})
	want := `# HELP took_seconds Time.
# TYPE took_seconds histogram
took_seconds_bucket{s="a",le="0.25"} 3
took_seconds_bucket{s="a",le="1"} 3
took_seconds_bucket{s="a",le="+Inf"} 5
took_seconds_sum{s="a"} 9.5
took_seconds_count{s="a"} 5
`
	if got != want {
		t.Fatalf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestSampleLine(t *testing.T) {
	f := func(value float64, labels []Label, want string) {
		t.Helper()
		got := page(t, func(w *Writer) { w.Gauge("g", "H.", value, labels...) })
		if line := strings.Split(got, "\n")[2]; line != want {
			t.Fatalf("got %q; want %q", line, want)
		}
	}
	f(0, nil, "g 0")
	f(-3, nil, "g -3")
	f(0.1, nil, "g 0.1")
	f(1e300, nil, "g 1e+300")
	f(1<<53, nil, "g 9.007199254740992e+15")
	f(1<<53-1, nil, "g 9007199254740991")
	f(math.NaN(), nil, "g NaN")
	f(math.Inf(1), nil, "g +Inf")
	f(math.Inf(-1), nil, "g -Inf")
	f(1, []Label{{"a", ""}, {"b", "x"}}, `g{b="x"} 1`)
	f(1, []Label{{"a", ""}}, `g 1`)
	f(1, []Label{{"a", "q\"b\\n\nl"}}, `g{a="q\"b\\n\nl"} 1`)
	f(1, []Label{{"a", "\xff"}}, "g{a=\"\uFFFD\"} 1")
}

func TestHelpIsEscaped(t *testing.T) {
	got := page(t, func(w *Writer) { w.Bool("g", "a\nb\\c", true) })
	if want := "# HELP g a\\nb\\\\c\n"; !strings.HasPrefix(got, want) {
		t.Fatalf("got %q; want it to begin with %q", got, want)
	}
}

func TestASeriesCountsOnce(t *testing.T) {
	h := HistogramData{Counts: []uint64{1}}
	got := page(t, func(w *Writer) {
		w.Gauge("g", "H.", 1)
		w.Gauge("g", "H.", 2)
		w.Histogram("h", "H.", h)
		w.Histogram("h", "H.", h)
	})
	if strings.Count(got, "\ng ") != 1 || !strings.Contains(got, "g 1\n") || strings.Count(got, "h_count") != 1 {
		t.Fatalf("got:\n%s\nwant each series once, with its first value", got)
	}
}

func TestMistakesOfProgrammersPanic(t *testing.T) {
	f := func(want string, write func(*Writer)) {
		t.Helper()
		defer func() {
			t.Helper()
			if got, _ := recover().(string); !strings.HasPrefix(got, "BUG: ") || !strings.Contains(got, want) {
				t.Fatalf("got %q; want a BUG about %s", got, want)
			}
		}()
		write(NewWriter())
	}
	f("another", func(w *Writer) { w.Gauge("g", "H.", 1); w.Counter("g", "H.", 1) })
	f("another", func(w *Writer) { w.Gauge("g", "H.", 1, Label{"a", "1"}); w.Gauge("g", "I.", 1, Label{"a", "2"}) })
	f("no metric or label name", func(w *Writer) { w.Gauge("1g", "H.", 1) })
	f("no metric or label name", func(w *Writer) { w.Gauge("g-h", "H.", 1) })
	f("no metric or label name", func(w *Writer) { w.Gauge("g", "H.", 1, Label{"a:b", "1"}) })
	f("empty", func(w *Writer) { w.Gauge("", "H.", 1) })
	f("2 counts for 2 bounds", func(w *Writer) {
		w.Histogram("h", "H.", HistogramData{Bounds: []float64{1, 2}, Counts: []uint64{1, 2}})
	})
}

func TestSeriesGoAwayWithTheirCollector(t *testing.T) {
	var r Registry
	remove := r.Add(CollectorFunc(func(w *Writer) { w.Gauge("first", "H.", 1) }))
	r.Add(CollectorFunc(func(w *Writer) { w.Gauge("second", "H.", 1) }))
	remove()
	remove() // a second time changes nothing
	var out strings.Builder
	if _, err := r.WriteTo(&out); err != nil || strings.Contains(out.String(), "first") || !strings.Contains(out.String(), "second") {
		t.Fatalf("got %q, %v; want second alone", &out, err)
	}
}

func TestProcessFigures(t *testing.T) {
	got := page(t, Process{}.Collect)
	for _, f := range processFamilies() {
		if !strings.Contains(got, "\n"+f.name+" ") {
			t.Errorf("%s is missing", f.name)
		}
	}
}

func TestCounterUnderContention(t *testing.T) {
	var c Counter
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 1000 {
				c.Inc()
				c.Add(2)
			}
		})
	}
	wg.Wait()
	if c.Value() != 12000 {
		t.Fatalf("got %d; want 12000", c.Value())
	}
}
