package metrics

import (
	"bytes"
	"runtime"
	"strconv"
	"strings"

	vm "github.com/VictoriaMetrics/metrics"
)

// Process collects figures of the Go runtime and of this process. What the
// system does not tell is left out.
type Process struct{}

// Collect writes go_* and process_* series.
func (Process) Collect(w *Writer) {
	w.Gauge("go_info", "Version of the Go runtime.", 1, Label{"version", runtime.Version()})
	var text bytes.Buffer
	vm.WriteProcessMetrics(&text)
	vm.WriteFDMetrics(&text)
	figures := parseFigures(text.String())
	for _, f := range processFamilies() {
		value, ok := figures[f.source]
		switch {
		case !ok:
		case f.counter:
			w.Counter(f.name, f.help, value)
		default:
			w.Gauge(f.name, f.help, value)
		}
	}
}

// parseFigures reads the lines of the form "name value".
func parseFigures(text string) map[string]float64 {
	figures := map[string]float64{}
	for line := range strings.Lines(text) {
		name, value, found := strings.Cut(strings.TrimSpace(line), " ")
		if !found || strings.ContainsAny(name, "{#") {
			continue
		}
		if v, err := strconv.ParseFloat(value, 64); err == nil {
			figures[name] = v
		}
	}
	return figures
}

// processFamily says how a figure of the library is named here.
type processFamily struct {
	source, name, help string
	counter            bool
}

// processFamilies lists the figures worth keeping under the names that the Prometheus
// client for Go gave them, which dashboards know.
func processFamilies() []processFamily {
	gauge := func(name, help string) processFamily { return processFamily{name, name, help, false} }
	counter := func(name, help string) processFamily { return processFamily{name, name, help, true} }
	return []processFamily{
		gauge("go_goroutines", "Goroutines that exist now."),
		gauge("go_threads", "Threads of the operating system that the runtime made."),
		{"go_gomaxprocs", "go_sched_gomaxprocs_threads", "Threads that may run Go code at the same time.", false},
		{"go_memlimit_bytes", "go_gc_gomemlimit_bytes", "Memory limit of the runtime.", false},
		counter("go_gc_cpu_seconds_total", "CPU time spent in garbage collection, estimated."),
		counter("go_mutex_wait_seconds_total", "Time that goroutines waited for a mutex."),
		gauge("go_memstats_alloc_bytes", "Bytes of heap objects allocated and in use."),
		counter("go_memstats_alloc_bytes_total", "Bytes of heap objects allocated since the start."),
		counter("go_memstats_mallocs_total", "Heap objects allocated since the start."),
		counter("go_memstats_frees_total", "Heap objects freed since the start."),
		gauge("go_memstats_heap_inuse_bytes", "Bytes in heap spans that are in use."),
		gauge("go_memstats_heap_idle_bytes", "Bytes in heap spans that are not in use."),
		gauge("go_memstats_heap_released_bytes", "Bytes of heap returned to the operating system."),
		gauge("go_memstats_heap_objects", "Heap objects that exist now."),
		gauge("go_memstats_stack_inuse_bytes", "Bytes in stack spans that are in use."),
		gauge("go_memstats_sys_bytes", "Bytes obtained from the operating system."),
		gauge("go_memstats_next_gc_bytes", "Heap size at which the next collection begins."),
		gauge("go_memstats_last_gc_time_seconds", "When the last collection ended, as Unix time."),
		counter("process_cpu_seconds_total", "User and system CPU time of the process."),
		gauge("process_resident_memory_bytes", "Resident memory of the process."),
		gauge("process_virtual_memory_bytes", "Virtual memory of the process."),
		gauge("process_start_time_seconds", "When the process started, as Unix time."),
		gauge("process_open_fds", "Open file descriptors of the process."),
		gauge("process_max_fds", "File descriptors that the process may open."),
		counter("process_io_read_bytes_total", "Bytes read by system calls of the process."),
		counter("process_io_written_bytes_total", "Bytes written by system calls of the process."),
	}
}
