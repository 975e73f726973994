package metrics

import (
	"io"
	"slices"
	"sync"
)

// ContentType is what a response with the text of Registry.WriteTo declares.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// Collector writes the series of what it owns as they are at that moment. Collect
// may be called from several goroutines at once.
type Collector interface{ Collect(*Writer) }

// CollectorFunc is a function as a Collector.
type CollectorFunc func(*Writer)

// Collect calls f.
func (f CollectorFunc) Collect(w *Writer) { f(w) }

// Registry is a set of collectors. The zero value is empty and ready. All methods may
// be called from several goroutines.
type Registry struct {
	mu         sync.Mutex // protects the fields below
	collectors []registered
	next       uint64
}

// registered is a collector with the number by which it is removed.
type registered struct {
	number uint64
	Collector
}

// Add makes c part of every later scrape until remove is called.
func (r *Registry) Add(c Collector) (remove func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	number := r.next
	r.next++
	r.collectors = append(r.collectors, registered{number, c})
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.collectors = slices.DeleteFunc(r.collectors, func(c registered) bool { return c.number == number })
	}
}

// WriteTo scrapes every collector, in the order in which they were added, and
// writes families and series sorted by name. Collectors run outside the registry's lock.
func (r *Registry) WriteTo(out io.Writer) (int64, error) {
	w := NewWriter()
	for _, c := range r.list() {
		c.Collect(w)
	}
	n, err := out.Write(w.append(nil))
	return int64(n), err
}

func (r *Registry) list() []registered {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.collectors)
}
