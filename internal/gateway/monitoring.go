package gateway

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"time"

	"gatewayd/admin"
	"gatewayd/admin/api"
	"gatewayd/config"
	"gatewayd/monitor/notify"
	"gatewayd/store"
)

// watchers are all that look at how services fare and what they cost. The control loop hands over what it sees once a second; what is
// concluded from it is worked out in the watch's own goroutine, so that it never holds the loop up.
type watchers struct {
	watch  *watch
	mail   *mailbox    // of the watch's goroutine
	behind atomic.Bool // what was handed over last is not taken in yet
	view   atomic.Pointer[watchView]
	advice atomic.Pointer[advice]
	sender *notify.Sender
	kept   store.Bucket[json.RawMessage]

	// What follows belongs to the control loop.
	looked    time.Time // when the loop last looked
	placing   placing
	held      map[string]heldLimit // by service: the limit that holds it back
	resources atomic.Pointer[poolView]
}

// openWatchers makes the watchers with what earlier runs kept. It runs before anything is started.
func (g *Gateway) openWatchers() {
	w := &g.watchers
	w.mail = newMailbox()
	w.held = map[string]heldLimit{}
	w.kept = store.NewBucket[json.RawMessage](g.db, "monitoring")
	w.sender = notify.New(notify.Options{
		Bus: g.bus, Log: g.log, Source: "http://" + g.cfg.Admin.Listen + "/",
		State: keptDocument[notify.State](g, deliveriesKey), Save: func(st notify.State) error { return keepDocument(w.kept, deliveriesKey, st) },
	})
	w.watch = newWatch(g, g.now())
	w.view.Store(&watchView{cost: w.watch.describeCost()})
	w.advice.Store(&advice{})
	w.resources.Store(&poolView{api.Resources{Pools: []api.Pool{}}})
}

// startMonitoring starts what runs beside the loop.
func (g *Gateway) startMonitoring(start func(string, func(context.Context) error)) {
	start("monitoring", g.watchers.watch.run)
	start("notifications", g.watchers.sender.Run)
	start("recommendations", g.advise)
}

// observe looks at everything once a second.
func (g *Gateway) observe(now time.Time) {
	g.measure(now)
	g.chart(now)
	g.place()
	g.noteLimits(now)
	w := &g.watchers
	late := time.Duration(0)
	if !w.looked.IsZero() {
		late = max(now.Sub(w.looked)-10*tickEvery, 0)
	}
	w.looked = now
	// What is handed over holds totals, so that one that is left out loses nothing.
	if !w.behind.CompareAndSwap(false, true) {
		g.copyViews()
		return
	}
	seen := g.look(now)
	seen.late = late
	w.mail.post(func() {
		w.behind.Store(false)
		w.watch.takeIn(seen)
		g.mail.post(g.copyViews) // with what was concluded
	})
}

// applyMonitoring takes over what is watched for and who hears of it.
func (g *Gateway) applyMonitoring(cfg *config.Config) {
	g.watchers.placing.configure(cfg)
	for _, s := range g.ordered {
		s.reserved = nil
	}
	receivers, hooks := receiversOf(cfg)
	g.watchers.sender.Set(receivers, hooks)
	g.watchers.mail.post(func() { g.watchers.watch.configure(cfg) })
}

// addPorts gives the admin API what the watchers know.
func (g *Gateway) addPorts(opts *admin.Options) {
	g.openWatchers()
	g.registry.Add(watchCollector{&g.watchers})
	p := ports{g}
	opts.Alerts, opts.Bottlenecks, opts.Cost, opts.Resources, opts.Reports = p, p, p, p, p
	opts.History, opts.Silences = p, p
}
