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
	Upgrade    <-chan os.Signal // each value asks for a new binary to take this one's place, as SIGUSR2 does
	// Started is called once when the gateway serves, with the address of each listener and of the admin API ("admin"). May be nil.
	Started func(addresses map[string]net.Addr)
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

	cfg        *config.Config
	generation uint64
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

// Run serves until ctx ends, and then drains and stops. It returns an error when it cannot start, or did not stop cleanly.
func Run(ctx context.Context, opt Options) error {
	g, err := newGateway(opt)
	if err != nil {
		return err
	}
	return g.run(ctx)
}

func newGateway(opt Options) (*Gateway, error) {
	cfg, err := config.Load(opt.ConfigPath)
	if err != nil {
		return nil, err
	}
	if opt.Executable == "" {
		if opt.Executable, err = os.Executable(); err != nil {
			return nil, fmt.Errorf("cannot find the program's own file: %w", err)
		}
	}
	g := &Gateway{opt: opt, level: new(slog.LevelVar), mail: newMailbox(), registry: new(metrics.Registry),
		services: map[string]*service{}, startedAt: time.Now()}
	g.log = newLogger(opt.Stderr, cfg.Log, g.level)
	if g.db, err = store.Open(cfg.State.Path, store.Options{Log: g.log, Migrations: migrations()}); err != nil {
		return nil, fmt.Errorf("cannot open the state file %q (state.path): %w", cfg.State.Path, err)
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
		AccessLog: g.accessLog, Failed: g.onFailed, Tracer: tracer})
	if g.guard, err = process.NewGuard([]string{g.opt.Executable, "process-guard"}, g.log); err != nil {
		return fmt.Errorf("cannot set up the guard of processes: %w", err)
	}
	g.restoreRollouts()
	adminListener, err := net.Listen("tcp", cfg.Admin.Listen)
	if err != nil {
		return fmt.Errorf("cannot listen for the admin API on %q (admin.listen): %w", cfg.Admin.Listen, err)
	}
	if err := g.setUpAdmin(cfg); err != nil {
		adminListener.Close()
		return err
	}

	// Everything that runs ends with life; ctx only begins the end.
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	g.life = life
	running := g.startBackground(life, adminListener)
	if err := g.apply(cfg); err != nil {
		end()
		g.stopRunners()
		running.Wait()
		return fmt.Errorf("cannot start: %w", err)
	}
	g.endForgottenContainers()
	loopDone := make(chan struct{})
	loopLife, endLoop := context.WithCancel(life)
	defer endLoop()
	go func() { defer close(loopDone); g.loop(loopLife) }()
	g.ready.Store(true)
	g.log.Info("gatewayd serves", "version", g.opt.Version, "config", g.opt.ConfigPath, "admin", adminListener.Addr().String(), "listeners", g.addressList())
	if g.opt.Started != nil {
		addresses := g.proxy.Addresses()
		addresses["admin"] = adminListener.Addr()
		g.opt.Started(addresses)
	}
	g.watch(ctx)
	g.shutDown()
	endLoop()
	<-loopDone
	g.observe(g.now()) // books what ran until now
	g.stopRunners()
	g.keepServices()
	end()
	running.Wait()
	g.background.Wait()
	if g.accessLog != nil {
		g.accessLog.Close()
	}
	return g.db.Err()
}

// startBackground starts what runs beside the control loop until life ends.
func (g *Gateway) startBackground(life context.Context, adminListener net.Listener) *sync.WaitGroup {
	var running sync.WaitGroup
	start := func(what string, run func(context.Context) error) {
		running.Go(func() {
			if err := run(life); err != nil && !errors.Is(err, context.Canceled) {
				g.log.Error("a part of the gateway ended", "part", what, "err", err)
			}
		})
	}
	start("state", g.db.Run)
	start("events", func(ctx context.Context) error {
		return g.bus.Run(ctx, func(batch []events.Event) error { return g.kept.events.Append(time.Now(), batch...) })
	})
	start("health checks", g.checker.Run)
	start("guard", g.guard.Run)
	start("admin API", func(ctx context.Context) error { return g.admin.Run(ctx, adminListener) })
	if g.accessLog != nil {
		start("access log", g.accessLog.Run)
	}
	if g.tracing != nil {
		start("tracing", g.tracing.run)
	}
	g.startMonitoring(start)
	return &running
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
