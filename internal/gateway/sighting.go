package gateway

import (
	"time"

	"gatewayd/admin/api"
	"gatewayd/balancer"
	"gatewayd/config"
	"gatewayd/proxy"
	"gatewayd/scaler"
)

// sighting is what the control loop saw at one time. Counters are read later, by the watch, from where the data path keeps them.
type sighting struct {
	at          time.Time
	cfg         *config.Config
	late        time.Duration // by which the loop missed its time
	connections int           // of clients
	rejected    string        // why the newest config was refused; empty: it runs
	services    []seenService
}

type seenService struct {
	name        string
	spec        *config.Service
	core        *proxy.Service
	routes      []*proxy.RouteStats
	queue       int
	maintenance bool
	scaled      bool
	wanted      int    // instances that would run if no limit held
	need        int    // what the policies ask for; -1: there are none
	limit       string // that holds it back
	starting    int
	startDelay  time.Duration
	instances   []seenInstance
}

type seenInstance struct {
	id, revision, pool string
	weight             float64 // 0: takes nobody new
	started            time.Time
	endpoint           *balancer.Endpoint // nil: it has no address
	idle, active       int                // connections
	fit                bool               // has been ready in this run of it
	exists             bool               // it runs, or is about to
	cpu, memory        scaler.Reading     // percent of what it is given
	usage              scaler.Usage
	restarts           int
	outOfMemory        bool // its last end
}

// look copies what the loop knows and the watch needs.
func (g *Gateway) look(now time.Time) *sighting {
	seen := &sighting{at: now, cfg: g.cfg, connections: g.proxy.Connections(), services: make([]seenService, 0, len(g.ordered))}
	if len(g.rejected) > 0 {
		seen.rejected = g.rejected[0]
	}
	routes := map[string][]*proxy.RouteStats{}
	for _, r := range g.sites.routes {
		routes[r.Stats.Service] = append(routes[r.Stats.Service], r.Stats)
	}
	for _, s := range g.ordered {
		ss := s.look()
		ss.routes = routes[s.name]
		ss.limit = g.watchers.held[s.name].holding(now)
		seen.services = append(seen.services, ss)
	}
	return seen
}

func (s *service) look() seenService {
	ss := seenService{
		name: s.name, spec: s.spec, core: s.core, queue: s.core.Gate.Len(), need: -1,
		maintenance: s.maintenance.Mode != api.MaintenanceOff, scaled: s.scale.spec != nil,
	}
	if ss.scaled {
		ss.wanted = s.wish()
		ss.startDelay = s.scale.state.Starts.Delay(s.scale.spec.StartDelay)
		ss.need = s.need()
	}
	for _, r := range s.revisions {
		for _, i := range r.instances {
			if i.state() == api.StateStarting && !i.gone {
				ss.starting++
			}
			ss.instances = append(ss.instances, s.lookAt(i))
		}
	}
	return ss
}

func (s *service) lookAt(i *instance) seenInstance {
	u := s.usage(i)
	si := seenInstance{
		id: i.id, revision: i.version, pool: i.pool, weight: float64(i.weight), started: i.info.StartedAt, endpoint: i.endpoint,
		fit: i.everReady && i.endpoint != nil, cpu: u.CPU, memory: u.Memory, usage: i.info.Usage, restarts: i.info.Restarts, outOfMemory: i.info.OOMKilled,
		exists: s.runner == nil || i.info.State != scaler.InstanceBackoff,
	}
	if i.draining() {
		si.weight = 0
	}
	if i.endpoint != nil {
		si.idle, si.active = i.endpoint.Transport.(*proxy.Transport).Counts()
	}
	return si
}

// wish is how many instances would run if no limit held.
func (s *service) wish() int {
	d := s.scale.last
	if d == nil {
		return s.totalWanted()
	}
	for _, b := range d.Bounds {
		if limiting(b.Name) {
			return b.Wanted
		}
	}
	return d.Want
}

func limiting(b scaler.BoundName) bool {
	return b == scaler.BoundMax || b == scaler.BoundCap || b == scaler.BoundCost
}

// need is the most that a policy which looks at the load asks for; -1 where none does.
func (s *service) need() int {
	n := -1
	if d := s.scale.last; d != nil {
		for _, p := range d.Policies {
			if p.Type != scaler.TypeSchedule && !p.Stale {
				n = max(n, p.Want)
			}
		}
	}
	return n
}
