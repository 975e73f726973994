package gateway

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"gatewayd/admin/api"
	"gatewayd/events"
	"gatewayd/internal/histogram"
	"gatewayd/proxy"
	"gatewayd/rollout"
	"gatewayd/scaler"
)

// deployment is a rollout under way, as the control loop carries it out.
type deployment struct {
	st        *rollout.State
	commands  []rollout.Command     // not yet seen by the machine
	checks    []rollout.CheckResult // likewise
	valid     *rollout.CheckResult  // likewise
	counts    map[string]int        // instances that each version should run
	traffic   map[string]tally      // what each version had counted at the last step
	stepped   time.Time
	saved     time.Time
	next      *rollout.State // begins when it has ended; nil: none waits
	wanted    int            // instances that the whole load needs
	resumedAt time.Time      // when this run took it over, zero: it began in this run
}

// tally is what a revision counted up to some time.
type tally struct {
	requests, errors uint64
	latency          histogram.Counts
}

// add counts in what a revision did over its life, by the whole time that requests took.
func (t *tally) add(r *revision) {
	t.requests += r.stats.Requests.Load()
	t.errors += r.stats.Errors.Load()
	var counts histogram.Counts
	r.stats.Duration.Snapshot(&counts)
	t.latency.Add(&counts)
}

// stepEvery is how often a rollout is looked at: often enough that a bad version is out within two seconds.
const stepEvery = 200 * time.Millisecond

// startRollout begins a rollout, or lets one that runs make room for it.
func (g *Gateway) startRollout(s *service, plan rollout.Plan, supersede bool, who string) (id string, err error) {
	if problems := plan.Validate(); len(problems) > 0 {
		return "", api.Invalid(problems[0].Field, "%s", problems[0].Text)
	}
	var running *rollout.State
	if s.deploy != nil {
		running = s.deploy.st
	}
	command, err := rollout.Admit(running, plan, supersede)
	if err != nil {
		return "", api.Conflict("%s", err)
	}
	if command != nil {
		command.By = who
		s.deploy.commands = append(s.deploy.commands, *command)
		g.withdrawNext(s, "superseded by "+plan.Version+" before it began")
		st := g.newRollout(s, plan)
		s.deploy.next = st
		g.saveRollout(st, true)
		return st.ID, nil
	}
	st := g.newRollout(s, plan)
	g.beginRollout(s, st)
	return st.ID, nil
}

func (g *Gateway) newRollout(s *service, plan rollout.Plan) *rollout.State {
	g.rollouts.seq++
	return rollout.New(s.name+"-"+strconv.FormatUint(g.rollouts.seq, 10), plan, g.now())
}

// withdrawNext ends the rollout that waits for the present one to go back, if there is one.
func (g *Gateway) withdrawNext(s *service, reason string) {
	st := s.deploy.next
	if st == nil {
		return
	}
	s.deploy.next = nil
	st.Withdraw(reason, g.now())
	g.saveRollout(st, true)
	g.keepEnded(s, st)
}

func (g *Gateway) beginRollout(s *service, st *rollout.State) {
	s.deploy = newDeployment(st)
	g.adoptRevision(s, st.Plan.Version)
	s.planDeployment(s.scale.state.Target)
	g.stepRollout(s, g.now())
}

func newDeployment(st *rollout.State) *deployment {
	return &deployment{st: st, counts: map[string]int{}, traffic: map[string]tally{}}
}

// adoptRevision makes a version the candidate, whether it is new or was kept warm.
func (g *Gateway) adoptRevision(s *service, version string) {
	r := s.revision(version)
	if r == nil {
		r = s.addRevision(version, api.RoleCandidate)
	}
	r.role, r.startFailures = api.RoleCandidate, 0
	s.dirty = true
}

// stepRollout has the machine look at the rollout of a service and does what it says.
func (g *Gateway) stepRollout(s *service, now time.Time) {
	d := s.deploy
	if d == nil || now.Sub(d.stepped) < stepEvery && len(d.commands) == 0 {
		return
	}
	d.stepped = now
	obs := s.observeRollout(d)
	actions := rollout.Step(d.st, obs, now)
	d.commands, d.checks, d.valid = nil, nil, nil
	for _, a := range actions {
		if a.Kind == rollout.PromoteVersion {
			// The service's version and the end of the rollout are written together: whoever finds one after a crash finds both.
			g.promote(s, a.Version)
		}
	}
	if len(actions) > 0 || now.Sub(d.saved) >= keepFiguresEvery {
		d.saved = now
		g.saveRollout(d.st, len(actions) > 0)
	}
	for _, a := range actions {
		g.carryOut(s, d, a)
	}
	if len(actions) > 0 {
		g.copyViews()
	}
}

// keepFiguresEvery is how often the figures of a rollout are written down while nothing is decided.
const keepFiguresEvery = 2 * time.Second

// saveRollout writes the state down; durable waits for the disk, which has to come before what the machine asked for is done.
func (g *Gateway) saveRollout(st *rollout.State, durable bool) {
	err := g.kept.rollouts.Put(st.ID, *st)
	if err == nil && durable {
		err = g.db.Sync()
	}
	if err != nil {
		g.log.Error("cannot keep the state of a rollout: a crash now would take it back", "rollout", st.ID, "err", err)
	}
}

// observeRollout says what happened since the last step.
func (s *service) observeRollout(d *deployment) rollout.Observation {
	plan := &d.st.Plan
	return rollout.Observation{
		Stable: s.seen(d, plan.Stable), Candidate: s.seen(d, plan.Version), ProviderAway: s.providerError != "" || s.resumed && !s.backAgain(d),
		Wanted: d.wanted, BoundsMs: bucketBoundsMs, Validation: d.valid, Checks: d.checks, Commands: d.commands,
	}
}

// backAgain tells whether the instances that a rollout had when an earlier run ended are there again, or have had their time. Until
// then what is missing says nothing about the versions.
func (s *service) backAgain(d *deployment) bool {
	for version, n := range d.counts {
		ready := 0
		if r := s.revision(version); r != nil {
			for _, i := range r.instances {
				if i.serving() {
					ready++
				}
			}
		}
		if ready < n && time.Since(d.resumedAt) < startTimeout(s.spec)+10*time.Second {
			return false
		}
	}
	s.resumed = !s.stocked
	return s.stocked
}

// bucketBoundsMs are the edges of the latency histograms in milliseconds.
var bucketBoundsMs = func() []float64 {
	edges := histogram.Edges()
	ms := make([]float64, len(edges))
	for i, e := range edges {
		ms[i] = float64(e) / float64(time.Millisecond)
	}
	return ms
}()

// seen is what one revision looks like, with its traffic since the last step.
func (s *service) seen(d *deployment, version string) rollout.RevisionSeen {
	r := s.revision(version)
	if r == nil {
		return rollout.RevisionSeen{}
	}
	out := rollout.RevisionSeen{StartFailures: r.startFailures, Detail: r.startError}
	for _, i := range r.instances {
		switch {
		case i.draining() || i.gone:
		case i.info.State == scaler.InstanceBackoff:
			out.Failed++
		case i.endpoint != nil && i.endpoint.Healthy():
			out.Ready++
		case i.state() == api.StateStarting:
			out.Starting++
		default:
			out.Failed++
		}
	}
	var now tally
	now.requests, now.errors = r.stats.Requests.Load(), r.stats.Errors.Load()
	r.stats.FirstByte.Snapshot(&now.latency)
	last, known := d.traffic[version]
	d.traffic[version] = now
	if !known {
		return out
	}
	latency := now.latency
	latency.Sub(&last.latency)
	out.Traffic = rollout.Traffic{Requests: now.requests - last.requests, Errors: now.errors - last.errors}
	out.Traffic.Errors = min(out.Traffic.Errors, out.Traffic.Requests)
	if latency.Count > 0 {
		out.Traffic.Latency = slices.Clone(latency.Buckets[:])
	}
	return out
}

// carryOut does one thing that the machine asked for. Each may be done twice without harm.
func (g *Gateway) carryOut(s *service, d *deployment, a rollout.Action) {
	switch a.Kind {
	case rollout.SetInstances:
		d.counts[a.Version] = a.Count
		s.applyCounts(d)
	case rollout.SetWeights:
		s.setWeights(d, *a.Weights)
	case rollout.StartValidation:
		g.validate(s, d)
	case rollout.RunCheck:
		g.runCheck(s, d, a.Check)
	case rollout.Retire:
		d.counts[a.Version] = 0
		s.applyCounts(d)
		if r := s.revision(a.Version); r != nil && r.role != api.RoleStable {
			r.role = api.RolePrevious
		}
	case rollout.Emit:
		g.publishRollout(s, d, a)
	case rollout.Finish:
		g.finishRollout(s, d)
	}
}

// applyCounts has each revision run what the rollout says.
func (s *service) applyCounts(d *deployment) {
	for _, r := range s.revisions {
		if n, told := d.counts[r.version]; told {
			r.want = n
		}
	}
}

// planDeployment passes on how many instances the load needs; the machine splits them.
func (s *service) planDeployment(total int) {
	s.deploy.wanted = total
	s.applyCounts(s.deploy)
}

func (s *service) setWeights(d *deployment, w rollout.Weights) {
	for _, r := range s.revisions {
		switch r.version {
		case d.st.Plan.Version:
			r.weight = w.Candidate
		case d.st.Plan.Stable:
			r.weight = 100 - w.Candidate
		default:
			r.weight = 0
		}
	}
	s.dirty = true
}

// addDeploymentRules adds to a view which requests go to the candidate whatever the weights, and which are copied to it.
func (s *service) addDeploymentRules(v *proxy.ServiceView) {
	if s.deploy == nil {
		return
	}
	v.Trial = true
	v.Spare = s.deploy.st.Plan.Strategy != rollout.Rolling
	w := s.deploy.st.Wish.Weights
	candidate := slices.IndexFunc(v.Revisions, func(r proxy.Revision) bool { return r.Version == s.deploy.st.Plan.Version })
	if candidate < 0 {
		return
	}
	if c := w.Cohort; c != nil {
		v.Cohort = &proxy.Cohort{Revision: candidate, Header: c.Header, Cookie: c.Cookie, Value: c.Value}
	}
	if w.Mirror > 0 {
		v.Shadow = &proxy.Shadow{Revision: candidate, Percent: w.Mirror}
	}
}

// promote makes a version the stable one.
func (g *Gateway) promote(s *service, version string) {
	for _, r := range s.revisions {
		switch {
		case r.version == version:
			r.role = api.RoleStable
		case r.role == api.RoleStable:
			r.role = api.RolePrevious
		}
	}
	slices.SortStableFunc(s.revisions, func(a, b *revision) int { return cmp.Compare(roleOrder(a.role), roleOrder(b.role)) })
	s.dirty = true
	g.keepService(s)
}

func roleOrder(r api.Role) int {
	return slices.Index([]api.Role{api.RoleStable, api.RoleCandidate, api.RolePrevious}, r)
}

func (g *Gateway) publishRollout(s *service, d *deployment, a rollout.Action) {
	v := d.st.View()
	e := events.Event{Type: events.Type(a.Event), Service: s.name, Revision: v.Version, Message: a.Text,
		Data: map[string]any{"id": v.ID, "version": v.Version, "strategy": string(v.Strategy), "step": v.Step, "steps": v.Steps, "weight": v.Weight}}
	switch a.Event {
	case rollout.EventRolledBack:
		e.Severity = events.Critical
		e.Data["reason"] = v.Reason
	case rollout.EventFailed:
		e.Severity = events.Critical
		e.Data["reason"] = v.Reason
	}
	g.publishEvent(e)
}

// finishRollout ends a rollout: the scaler plans again, and one that waited begins.
func (g *Gateway) finishRollout(s *service, d *deployment) {
	g.keepEnded(s, d.st)
	s.deploy = nil
	for _, r := range s.revisions {
		if r.role == api.RoleCandidate {
			r.role = api.RolePrevious
		}
	}
	s.plan(s.scale.state.Target)
	s.dirty = true
	g.keepService(s)
	if d.next != nil {
		g.beginRollout(s, rollout.New(d.next.ID, d.next.Plan, g.now()))
	}
}
