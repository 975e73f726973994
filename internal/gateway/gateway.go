package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"gatewayd/admin"
	"gatewayd/admin/api"
	"gatewayd/config"
	"gatewayd/events"
	"gatewayd/health"
	"gatewayd/health/probe"
	"gatewayd/internal/accesslog"
	"gatewayd/internal/metrics"
	"gatewayd/provider/process"
	"gatewayd/proxy"
	"gatewayd/store"
)

// Options say what to run.
type Options struct {
	ConfigPath string
	Stdout     io.Writer        // access log, where its path is "-"
	Stderr     io.Writer        // the gateway's own log
	Version    string           // of the program
	Executable string           // the program's own file
	Reload     <-chan os.Signal // each value asks for a reload, as SIGHUP does
	Upgrade    <-chan os.Signal // each value asks for a new process to take this one's place, as SIGUSR2 does
	// CommandLine is the program and its arguments as this process was started: what an upgrade starts. Empty: there are no upgrades.
	CommandLine []string
	// Handover is what the gateway that is replaced told this process, the value of GATEWAYD_HANDOVER; empty: none is.
	Handover string
	// Loops is how many event loops the data path has, in a process whose GOMAXPROCS is higher than that; 0: as many as GOMAXPROCS.
	Loops int
	// Started is called once when the gateway serves, with the address of each listener and of the admin API ("admin"). May be nil.
	Started func(addresses map[string]net.Addr)
}

func (g *Gateway) loops() int {
	if g.opt.Loops > 0 {
		return g.opt.Loops
	}
	return runtime.GOMAXPROCS(0)
}

// Gateway is everything that runs. Fields without a remark belong to the control loop once it runs.
type Gateway struct {
	opt   Options
	log   *slog.Logger
	level *slog.LevelVar
	mail  *mailbox

	proxy     *proxy.Server
	bus       *events.Bus
	db        *store.DB
	checker   *probe.Checker
	admin     *admin.Server
	registry  *metrics.Registry
	accessLog *accesslog.Log
	guard     *process.Guard
	tracing   *tracing // nil: none
	kept      kept
	legacy    *legacy // of the gateway whose place this one takes; nil: none

	control   *parts // what ends when another process takes over
	path      *parts // what the data path needs, which drains then
	guardPart *parts // ends last

	cfg        *config.Config
	generation uint64
	besides    int           // providers that were made beside another one of their service
	waiting    *proxy.Change // listeners of a gateway that takes another's place, until it is ready
	loadedAt   time.Time
	startedAt  time.Time
	rejected   []string // errors of the newest file, when an older one runs on
	reloads    reloadCounts

	sites    *sites
	services map[string]*service
	ordered  []*service // by name; the index is that of the snapshots
	leaving  []*service // taken out of the config, until their instances are gone

	checksChanged bool
	resite        bool // sites or the order of services changed
	ticks         uint64
	rollouts      rolloutHistory
	watchers      watchers

	ready      atomic.Bool // read by anyone
	stopping   atomic.Bool // read by anyone
	views      atomic.Pointer[views]
	lastRead   atomic.Pointer[fileSet] // content of the files at the last attempt to load them
	background sync.WaitGroup
	life       context.Context // of what runs in the background; set before anything does
}

// Run serves until ctx ends, and then drains and stops. It returns an error when it cannot start, or did not stop cleanly. After an
// upgrade it returns when the process that took over has ended.
func Run(ctx context.Context, opt Options) error {
	before, err := readLegacy(opt.Handover)
	if err != nil {
		return err
	}
	opt.CommandLine = ownProgram(opt.CommandLine)
	return run(ctx, opt, before)
}

// run is Run in the place of an earlier gateway; before may be nil.
func run(ctx context.Context, opt Options, before *legacy) error {
	g, err := newGateway(opt, before)
	if err != nil {
		return err
	}
	return g.run(ctx)
}

func newGateway(opt Options, before *legacy) (*Gateway, error) {
	cfg, err := config.Load(opt.ConfigPath)
	if err != nil {
		return nil, err
	}
	if opt.Executable == "" {
		if opt.Executable, err = os.Executable(); err != nil {
			return nil, fmt.Errorf("cannot find the program's own file: %w", err)
		}
	}
	if before != nil {
		if err := before.await(); err != nil {
			return nil, err
		}
	}
	g := &Gateway{opt: opt, legacy: before, level: new(slog.LevelVar), mail: newMailbox(), registry: new(metrics.Registry),
		services: map[string]*service{}, startedAt: time.Now()}
	g.log = newLogger(opt.Stderr, cfg.Log, g.level)
	if g.db, err = store.Open(cfg.State.Path, store.Options{Log: g.log, Migrations: migrations()}); err != nil {
		return nil, fmt.Errorf("state.path: %w", err)
	}
	if err := g.openKept(cfg); err != nil {
		g.db.Close()
		return nil, err
	}
	g.cfg = cfg
	g.views.Store(&views{cfg: cfg, shutdown: cfg.Shutdown, status: api.Status{Overall: api.Degraded, Reasons: []string{"the gateway is starting"},
		Services: []api.Service{}, Version: opt.Version, StartedAt: g.startedAt}})
	return g, nil
}

// now is the control loop's clock.
func (g *Gateway) now() time.Time { return time.Now() }

// run is the life of the gateway: build, listen, serve, and on the way out the reverse.
func (g *Gateway) run(ctx context.Context) error {
	defer g.db.Close()
	cfg := g.cfg
	restored, err := g.kept.events.Since(time.Time{}, g.now())
	if err != nil {
		g.log.Warn("cannot read all events of earlier runs", "err", err)
	}
	g.bus = events.New(events.Options{Capacity: cfg.State.Retention.Events, Restore: restored})
	if aside := g.db.SetAside(); aside != "" {
		g.publishEvent(events.Event{Type: events.StateSetAside, Severity: events.Warning, Data: map[string]any{"path": aside},
			Message: fmt.Sprintf("the state file was damaged and is kept as %s; the gateway began a new one", aside)})
	}
	if err := g.openAccessLog(cfg.AccessLog); err != nil {
		return err
	}
	g.checker = probe.New(probe.Options{OnTransition: func(k probe.Key, t health.Transition) {
		g.mail.post(func() { g.onTransition(k, t) })
	}})
	var tracer proxy.Tracer
	if cfg.Tracing != nil {
		if g.tracing, err = newTracing(cfg.Tracing, g.log); err != nil {
			return err
		}
		tracer = g.tracing
	}
	g.proxy = proxy.New(proxy.Options{Logger: g.log, Pseudonym: g.kept.identity, Rand: rand.Float64,
		AccessLog: g.accessLog, Failed: g.onFailed, Tracer: tracer, Loops: g.loops(), SpareProc: g.opt.Loops > 0})
	if g.guard, err = process.NewGuard([]string{g.opt.Executable, "process-guard"}, g.log); err != nil {
		return fmt.Errorf("cannot set up the guard of processes: %w", err)
	}
	g.restoreRollouts()
	if g.legacy != nil {
		if err := g.proxy.Inherit(g.legacy.sockets); err != nil {
			return err
		}
	}
	adminListener, err := g.legacy.listenAdmin(cfg.Admin.Listen)
	if err != nil {
		return fmt.Errorf("cannot listen for the admin API on %q (admin.listen): %w", cfg.Admin.Listen, err)
	}
	if err := g.setUpAdmin(cfg); err != nil {
		adminListener.Close()
		return err
	}

	g.startBackground(adminListener)
	defer g.stopBackground()
	if err := g.apply(cfg); err != nil {
		g.control.cancel()
		g.stopRunners()
		return fmt.Errorf("cannot start: %w", err)
	}
	g.endForgottenContainers()
	loopLife, endLoop := context.WithCancel(context.Background())
	defer endLoop()
	loopDone := make(chan struct{})
	go func() { defer close(loopDone); g.loop(loopLife) }()
	if err := g.beginToServe(ctx); err != nil {
		endLoop()
		<-loopDone
		g.stopRunners()
		return err
	}
	g.log.Info("gatewayd serves", "version", g.opt.Version, "config", g.opt.ConfigPath, "admin", adminListener.Addr().String(), "listeners", g.addressList())
	if g.opt.Started != nil {
		addresses := g.proxy.Addresses()
		addresses["admin"] = adminListener.Addr()
		g.opt.Started(addresses)
	}
	next := g.watchUntilReplaced(ctx, adminListener)
	if next == nil {
		g.shutDown()
	}
	g.ready.Store(false)
	endLoop()
	<-loopDone
	g.observe(g.now()) // books what ran until now
	g.keepServices()
	if next != nil {
		return g.handOver(ctx, next)
	}
	g.stopRunners()
	g.stopBackground()
	return g.db.Err()
}

// beginToServe marks the gateway as ready. One that takes another's place begins to accept connections now, when it knows the instances.
func (g *Gateway) beginToServe(ctx context.Context) error {
	if g.waiting != nil {
		g.warmUp(ctx)
		g.waiting.Commit()
		g.waiting = nil
		if err := g.legacy.serving(); err != nil {
			return err
		}
	}
	g.ready.Store(true)
	return nil
}

// startBackground starts what runs beside the control loop.
func (g *Gateway) startBackground(adminListener net.Listener) {
	g.control, g.path, g.guardPart = newParts(g.log), newParts(g.log), newParts(g.log)
	g.life = g.control.ctx
	g.control.start("state", g.db.Run)
	g.control.start("events", func(ctx context.Context) error {
		return g.bus.Run(ctx, func(batch []events.Event) error { return g.kept.events.Append(time.Now(), batch...) })
	})
	g.control.start("health checks", g.checker.Run)
	g.control.start("admin API", func(ctx context.Context) error { return g.admin.Run(ctx, adminListener) })
	g.startMonitoring(g.control.start)
	if g.accessLog != nil {
		g.path.start("access log", func(ctx context.Context) error {
			return errors.Join(g.accessLog.Run(ctx), g.accessLog.Close())
		})
	}
	if g.tracing != nil {
		g.path.start("tracing", g.tracing.run)
	}
	g.guardPart.start("guard", g.guard.Run)
}

// stopBackground ends what startBackground started, and waits for all that runs. It may be called again.
func (g *Gateway) stopBackground() {
	g.stopControl()
	g.path.stop()
	if g.guardPart != nil {
		g.guardPart.stop()
	}
}

// stopControl ends all but the data path and what that needs.
func (g *Gateway) stopControl() {
	g.control.stop()
	g.background.Wait()
}

// shutDown ends serving: readiness fails first, so that whoever balances in front looks elsewhere; then requests in flight end or are cut.
func (g *Gateway) shutDown() {
	cfg := g.views.Load().shutdown
	g.stopping.Store(true)
	g.log.Info("gatewayd stops: draining", "delay", cfg.Delay, "timeout", cfg.Timeout, "connections", g.proxy.Connections())
	if cfg.Delay > 0 {
		g.proxy.Drain()
		time.Sleep(cfg.Delay)
	}
	ctx, cancel := context.WithTimeout(context.Background(), cfg.Timeout)
	defer cancel()
	if cut := g.proxy.Shutdown(ctx); cut > 0 {
		g.log.Warn("connections were cut because they had not ended by the end of the drain time", "connections", cut, "shutdown.timeout", cfg.Timeout)
	}
}

// stopRunners ends all providers, which end their instances or leave them. The loop does not run any more.
func (g *Gateway) stopRunners() {
	var all sync.WaitGroup
	for _, s := range append(g.ordered, g.leaving...) {
		for _, r := range append(s.retiring, s.runner) {
			if r != nil {
				all.Go(r.stop)
			}
		}
	}
	all.Wait()
}

func newLogger(w io.Writer, spec config.Log, level *slog.LevelVar) *slog.Logger {
	setLevel(level, spec.Level)
	opts := &slog.HandlerOptions{Level: level}
	if spec.Format == config.FormatJSON {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

func setLevel(level *slog.LevelVar, l config.LogLevel) {
	switch l {
	case config.LevelDebug:
		level.Set(slog.LevelDebug)
	case config.LevelWarn:
		level.Set(slog.LevelWarn)
	case config.LevelError:
		level.Set(slog.LevelError)
	default:
		level.Set(slog.LevelInfo)
	}
}

func (g *Gateway) addressList() string {
	list := ""
	for name, a := range g.proxy.Addresses() {
		if list != "" {
			list += ", "
		}
		list += name + "=" + a.String()
	}
	return list
}

func (g *Gateway) openAccessLog(spec *config.AccessLog) error {
	if spec == nil {
		return nil
	}
	format := accesslog.JSON
	if spec.Format == config.FormatText {
		format = accesslog.Common
	}
	var err error
	if g.accessLog, err = accesslog.Open(accesslog.Options{Path: spec.Path, Format: format, Logger: g.log}); err != nil {
		return fmt.Errorf("accessLog.path: %w", err)
	}
	return nil
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
