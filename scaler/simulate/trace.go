package simulate

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Trace is traffic as the number of requests in each of many equal intervals.
type Trace struct {
	Name     string
	Interval float64   // seconds
	Counts   []float64 // requests per interval
}

// maxTraceSeconds bounds what a trace may expand to: half a year at one rate per second.
const maxTraceSeconds = 180 * 86400

// OpenTrace reads the CSV file named by spec, which may be followed by ":FROM-TO" to take
// only those rows, counted from 0, both inclusive: "worldcup.csv:96480-99359".
func OpenTrace(spec string) (*Trace, error) {
	path, from, to, err := splitSlice(spec)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot open trace: %w", err)
	}
	defer f.Close()
	tr, err := ReadTrace(f)
	if err != nil {
		return nil, fmt.Errorf("cannot read trace %q: %w", path, err)
	}
	tr.Name = strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	if to < 0 {
		return tr, nil
	}
	if to >= len(tr.Counts) {
		return nil, fmt.Errorf("cannot take rows %d-%d of trace %q: it has rows 0-%d", from, to, path, len(tr.Counts)-1)
	}
	tr.Name = fmt.Sprintf("%s:%d-%d", tr.Name, from, to)
	tr.Counts = tr.Counts[from : to+1]
	return tr, nil
}

// splitSlice takes FILE[:FROM-TO] apart; to is -1 when there is no slice.
func splitSlice(spec string) (path string, from, to int, err error) {
	i := strings.LastIndexByte(spec, ':')
	if i < 0 {
		return spec, 0, -1, nil
	}
	first, last, ok := strings.Cut(spec[i+1:], "-")
	from, errFrom := strconv.Atoi(first)
	to, errTo := strconv.Atoi(last)
	if !ok || errFrom != nil || errTo != nil || from < 0 || to < from {
		return "", 0, 0, fmt.Errorf("cannot take rows %q of trace %q: want FILE:FROM-TO with 0 <= FROM <= TO", spec[i+1:], spec[:i])
	}
	return spec[:i], from, to, nil
}

// ReadTrace reads lines of "t_s,requests": seconds since the first interval and the
// number of requests in it, after an optional header. The interval is the distance
// of the first two lines and must be the same throughout. Errors name the line.
func ReadTrace(r io.Reader) (*Trace, error) {
	cr := csv.NewReader(r)
	cr.FieldsPerRecord = 2
	cr.TrimLeadingSpace = true
	cr.ReuseRecord = true
	tr := &Trace{}
	var first, last float64
	for {
		rec, err := cr.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		line, _ := cr.FieldPos(0)
		t, errT := strconv.ParseFloat(rec[0], 64)
		n, errN := strconv.ParseFloat(rec[1], 64)
		if line == 1 && errT != nil && errN != nil {
			continue // the header
		}
		if errT != nil || errN != nil || !(n >= 0) || n > 1e12 || !(t > -1e12 && t < 1e12) {
			return nil, fmt.Errorf("line %d: got %q; want seconds and a number of requests of 0 or more", line, strings.Join(rec, ","))
		}
		if err := tr.add(t, n, &first, &last); err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
	}
	if len(tr.Counts) < 2 {
		return nil, errors.New("it has fewer than two intervals; want lines of t_s,requests")
	}
	return tr, nil
}

func (tr *Trace) add(t, n float64, first, last *float64) error {
	switch len(tr.Counts) {
	case 0:
		*first = t
	case 1:
		tr.Interval = t - *first
		if tr.Interval < 1 {
			return fmt.Errorf("t_s %v follows %v; want intervals of at least 1 s", t, *first)
		}
	default:
		if d := t - *last - tr.Interval; d > 1e-6 || d < -1e-6 {
			return fmt.Errorf("t_s %v follows %v; want %v: all intervals are alike", t, *last, *last+tr.Interval)
		}
	}
	if tr.Interval*float64(len(tr.Counts)+1) > maxTraceSeconds {
		return fmt.Errorf("the trace is longer than %d days; take a slice of it", maxTraceSeconds/86400)
	}
	*last = t
	tr.Counts = append(tr.Counts, n)
	return nil
}

// Rates returns the mean request rate of each second of the trace: linear between the
// mid-points of the intervals. With peak above 0 they are scaled so that the highest mean
// over a minute is peak.
func (tr *Trace) Rates(peak float64) []float64 {
	n := int(tr.Interval*float64(len(tr.Counts)) + 0.5)
	rates := make([]float64, n)
	for i := range rates {
		x := (float64(i)+0.5)/tr.Interval - 0.5
		k := int(x)
		switch {
		case x <= 0:
			rates[i] = tr.Counts[0] / tr.Interval
		case k >= len(tr.Counts)-1:
			rates[i] = tr.Counts[len(tr.Counts)-1] / tr.Interval
		default:
			f := x - float64(k)
			rates[i] = (tr.Counts[k]*(1-f) + tr.Counts[k+1]*f) / tr.Interval
		}
	}
	if top := highestMinute(rates); peak > 0 && top > 0 {
		for i := range rates {
			rates[i] *= peak / top
		}
	}
	return rates
}

// highestMinute is the highest mean of 60 rates in a row, or of all when there are fewer.
func highestMinute(rates []float64) float64 {
	span := min(60, len(rates))
	sum, top := 0.0, 0.0
	for i, r := range rates {
		sum += r
		if i >= span {
			sum -= rates[i-span]
		}
		if i >= span-1 {
			top = max(top, sum/float64(span))
		}
	}
	return top
}
