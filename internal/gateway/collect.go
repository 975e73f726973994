package gateway

import (
	"strconv"
	"time"

	"gatewayd/admin/api"
	"gatewayd/internal/histogram"
	"gatewayd/internal/metrics"
	"gatewayd/proxy"
)

// collector writes /metrics. What the loop owns comes from a copy that the loop makes for it; the data path's counters are read as they are.
type collector struct{ g *Gateway }

// scrape is what the loop copies for one page of metrics.
type scrape struct {
	services   []scrapedService
	routes     []*proxy.RouteStats
	reloads    reloadCounts
	generation uint64
}

type scrapedService struct {
	name      string
	core      *proxy.Service
	target    int
	scaled    bool
	revisions []scrapedRevision
	decisions map[decisionKey]uint64
	weights   map[string]float64
}

type scrapedRevision struct {
	version   string
	weight    float64
	stats     *proxy.RevisionStats
	inFlight  int64
	states    map[api.InstanceState]int
	instances []scrapedInstance
}

type scrapedInstance struct {
	id           string
	healthy      bool
	idle, active int
}

// scrape makes the copy. It runs in the loop.
func (g *Gateway) scrape() scrape {
	sc := scrape{reloads: g.reloads, generation: g.generation}
	for _, r := range g.sites.routes {
		sc.routes = append(sc.routes, r.Stats)
	}
	for _, s := range g.ordered {
		ss := scrapedService{name: s.name, core: s.core, target: s.totalWanted(), scaled: s.runner != nil, decisions: map[decisionKey]uint64{}}
		for k, n := range s.scale.decisions {
			ss.decisions[k] = n
		}
		for _, r := range s.revisions {
			sr := scrapedRevision{version: r.version, weight: r.weight, stats: r.stats, states: map[api.InstanceState]int{}}
			for _, i := range r.instances {
				sr.states[i.state()]++
				if i.endpoint == nil {
					continue
				}
				sr.inFlight += i.endpoint.InFlight()
				si := scrapedInstance{id: i.id, healthy: i.endpoint.Healthy()}
				si.idle, si.active = i.endpoint.Transport.(*proxy.Transport).Counts()
				sr.instances = append(sr.instances, si)
			}
			ss.revisions = append(ss.revisions, sr)
		}
		sc.services = append(sc.services, ss)
	}
	return sc
}

// Collect implements metrics.Collector.
func (c collector) Collect(w *metrics.Writer) {
	got := make(chan scrape, 1)
	c.g.mail.post(func() { got <- c.g.scrape() })
	select {
	case sc := <-got:
		sc.write(w)
	case <-time.After(2 * time.Second): // the loop does not run: the gateway starts or stops
	}
	metrics.Process{}.Collect(w)
	w.Gauge("gatewayd_build_info", "The program that runs, with value 1.", 1, label("version", c.g.opt.Version))
	w.Gauge("gatewayd_client_connections", "Connections of clients that are open.", float64(c.g.proxy.Connections()))
	if c.g.accessLog != nil {
		w.Counter("gatewayd_access_log_dropped_total", "Lines of the access log that were left out because the disk was slower.",
			float64(c.g.accessLog.Dropped()))
	}
}

func label(name, value string) metrics.Label { return metrics.Label{Name: name, Value: value} }

func (sc *scrape) write(w *metrics.Writer) {
	w.Counter("gatewayd_config_reloads_total", "Reloads of the config file by result.", float64(sc.reloads.accepted), label("result", "accepted"))
	w.Counter("gatewayd_config_reloads_total", "Reloads of the config file by result.", float64(sc.reloads.refused), label("result", "refused"))
	w.Bool("gatewayd_config_last_reload_success", "Whether the newest config file is the one that runs.", sc.reloads.lastGood)
	w.Gauge("gatewayd_config_generation", "Generation of the running config; 1 after the start.", float64(sc.generation))
	for _, r := range sc.routes {
		r.Each(func(version string, status int, n uint64) {
			w.Counter("gatewayd_requests_total", "Requests by route, service, revision and status; no revision where no instance answered.", float64(n),
				label("route", r.Route), label("service", r.Service), label("revision", version), label("code", strconv.Itoa(status)))
		})
	}
	for i := range sc.services {
		sc.services[i].write(w)
	}
}

func (s *scrapedService) write(w *metrics.Writer) {
	service := label("service", s.name)
	w.Gauge("gatewayd_queue_length", "Requests that wait for an instance.", float64(s.core.Gate.Len()), service)
	s.core.EachRetryReason(func(reason string, n uint64) {
		w.Counter("gatewayd_retries_total", "Requests that were tried again, by reason.", float64(n), service, label("reason", reason))
	})
	w.Counter("gatewayd_mirrored_total", "Copies of requests that were sent to the service.", float64(s.core.Mirrored.Load()), service)
	if s.scaled {
		w.Gauge("gatewayd_scale_target", "Instances that should run.", float64(s.target), service)
		for k, n := range s.decisions {
			w.Counter("gatewayd_scale_decisions_total", "Decisions of the scaler that changed the number of instances.", float64(n),
				service, label("direction", k.direction), label("policy", k.policy))
		}
	}
	idle, active := 0, 0
	for i := range s.revisions {
		r := &s.revisions[i]
		r.write(w, service)
		for _, in := range r.instances {
			idle, active = idle+in.idle, active+in.active
		}
	}
	const help = "Connections to the instances of the service by state."
	w.Gauge("gatewayd_upstream_connections", help, float64(idle), service, label("state", "idle"))
	w.Gauge("gatewayd_upstream_connections", help, float64(active), service, label("state", "active"))
}

func (r *scrapedRevision) write(w *metrics.Writer, service metrics.Label) {
	revision := label("revision", r.version)
	w.Gauge("gatewayd_requests_in_flight", "Requests that instances are working on.", float64(r.inFlight), service, revision)
	w.Gauge("gatewayd_rollout_weight", "Share of the service's traffic that the revision gets, in percent.", r.weight, service, revision)
	for _, state := range []api.InstanceState{api.StateStarting, api.StateReady, api.StateUnhealthy, api.StateEjected, api.StateDraining} {
		w.Gauge("gatewayd_instances", "Instances by state.", float64(r.states[state]), service, revision, label("state", string(state)))
	}
	for _, i := range r.instances {
		w.Bool("gatewayd_instance_healthy", "Whether the instance passes its health checks.", i.healthy, service, revision, label("instance", i.id))
	}
	w.Histogram("gatewayd_request_duration_seconds", "Time from a request's first byte to its response's last.",
		histogramData(&r.stats.Duration), service, revision)
}

func histogramData(h *histogram.Histogram) metrics.HistogramData {
	var counts histogram.Counts
	h.Snapshot(&counts)
	var cumulative [histogram.NumBounds]uint64
	counts.Cumulative(&cumulative)
	data := metrics.HistogramData{Bounds: make([]float64, histogram.NumBounds), Counts: make([]uint64, histogram.NumBounds+1), Sum: float64(counts.Sum) / 1e9}
	below := uint64(0)
	for i := range cumulative {
		data.Bounds[i] = histogram.Bound(i).Seconds()
		data.Counts[i] = cumulative[i] - below
		below = cumulative[i]
	}
	data.Counts[histogram.NumBounds] = counts.Count - below
	return data
}
