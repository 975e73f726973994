package simulate

import (
	"fmt"
	"io"
)

// WriteTable writes the report for people.
func (r *Report) WriteTable(w io.Writer) error {
	b := &errWriter{w: w}
	b.printf("%s: %.1f h, %.0f requests/s on average and %.0f in the highest minute, which needs %d instances; start-up delay %.0f s\n",
		r.Trace, r.Hours, r.MeanRate, r.PeakRate, r.PeakNeed, r.StartDelay)
	b.printf("cheapest plan with hindsight: %.1f instance hours\n\n", r.Reference)
	r.scores(b)
	r.faults(b)
	for _, n := range r.Notes {
		b.printf("note: %s\n", n)
	}
	return b.err
}

func (r *Report) scores(b *errWriter) {
	b.printf("%-19s %6s  %9s  %6s  %6s  %7s  %8s  %5s\n", "", "J", "cost/best", "slow %", "drop %", "turns/h", "inst. h", "most")
	for i := range r.Scores {
		s := &r.Scores[i]
		b.printf("%-19s %6.3f  %9.3f  %6.2f  %6.2f  %7.1f  %8.1f  %5d\n", s.Name, s.J, s.RelativeCost, s.SlowPercent, s.DropPercent, s.FlipsPerHour, s.Cost, s.Most)
	}
}

// faults writes what became of the faults that there were.
func (r *Report) faults(b *errWriter) {
	for i := range r.Scores {
		s := &r.Scores[i]
		if r.blind {
			b.printf("%-19s fell by %d instances while nothing could be seen\n", s.Name, s.FellWhileBlind)
		}
		if r.aborted {
			b.printf("%-19s %.2f %% slow in the two minutes after the rollout was aborted\n", s.Name, s.SlowAfterAbort)
		}
	}
}

// errWriter keeps the first error, so that tables can be written line by line.
type errWriter struct {
	w   io.Writer
	err error
}

func (e *errWriter) printf(format string, args ...any) {
	if e.err == nil {
		_, e.err = fmt.Fprintf(e.w, format, args...)
	}
}
