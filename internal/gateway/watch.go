package gateway

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/fsnotify/fsnotify"

	"gatewayd/config"
)

// fileSet is a fingerprint of the content of every file that a config is made of.
type fileSet map[string]uint64

// quietFor is how long no file must change before they are read: editors and Kubernetes change several in a row.
const quietFor = 200 * time.Millisecond

// pollEvery catches changes that no notification tells of, as on some network file systems.
const pollEvery = 15 * time.Second

// watchUntilReplaced watches until ctx ends, or until another process is ready to take over, which it returns.
func (g *Gateway) watchUntilReplaced(ctx context.Context, adminListener net.Listener) *successor {
	for g.watch(ctx) {
		g.log.Info("SIGUSR2: starting the program that is to take over", "command", g.opt.CommandLine)
		next, err := g.startSuccessor(ctx, adminListener)
		if err == nil {
			return next
		}
		g.log.Error("cannot upgrade: this process goes on", "err", err)
	}
	return nil
}

// watch waits for the end of ctx or for what asks for an upgrade, when it returns true. Until then it reloads on request and whenever a file that the config is made of changes. Folders are
// watched rather than files: editors put a new file in the place of the old one, and Kubernetes turns a link.
func (g *Gateway) watch(ctx context.Context) (upgrade bool) {
	w, err := fsnotify.NewWatcher()
	var changed <-chan fsnotify.Event
	var failed <-chan error
	if err != nil {
		g.log.Warn("cannot watch the config for changes by notification: it is looked at every 15 seconds", "err", err)
	} else {
		defer w.Close()
		changed, failed = w.Events, w.Errors
	}
	state := filepath.Base(g.views.Load().cfg.State.Path)
	g.noteFiles(g.views.Load().cfg)
	g.watchFolders(w, *g.lastRead.Load())
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	var quiet <-chan time.Time
	for {
		why := "the file has changed"
		select {
		case <-ctx.Done():
			return false
		case <-g.opt.Upgrade:
			return true
		case <-g.opt.Reload:
			why = "SIGHUP"
			g.reopenLogs()
		case e := <-changed:
			if filepath.Base(e.Name) == state {
				continue // the gateway's own writing
			}
			quiet = time.After(quietFor)
			continue
		case err := <-failed:
			g.log.Warn("cannot follow changes of the config for a moment", "err", err)
			continue
		case <-quiet:
			quiet = nil
		case <-poll.C:
		}
		if why != "SIGHUP" && sameFiles(g.readFiles(g.views.Load().cfg), *g.lastRead.Load()) {
			continue
		}
		g.reload(ctx, why) //nolint: the outcome is told in log, event, metric and status
		g.watchFolders(w, *g.lastRead.Load())
	}
}

func (g *Gateway) watchFolders(w *fsnotify.Watcher, files fileSet) {
	if w == nil {
		return
	}
	for path := range files {
		dir := filepath.Dir(path)
		if err := w.Add(dir); err != nil {
			g.log.Warn("cannot watch a folder for changes: its files are looked at every 15 seconds", "folder", dir, "err", err)
		}
	}
}

// noteFiles remembers what the files held at an attempt to load them: only what differs from that is worth another one.
func (g *Gateway) noteFiles(cfg *config.Config) {
	if cfg == nil { // refused: it may have named other files, but those of the running one are what is known
		cfg = g.views.Load().cfg
	}
	files := g.readFiles(cfg)
	g.lastRead.Store(&files)
}

// reopenLogs opens log files anew, for after they were renamed.
func (g *Gateway) reopenLogs() {
	if g.accessLog == nil {
		return
	}
	if err := g.accessLog.Reopen(); err != nil {
		g.log.Error("cannot open the access log anew: the old file stays in use", "err", err)
	}
}

// readFiles takes the fingerprint of the config file and of what it refers to.
func (g *Gateway) readFiles(cfg *config.Config) fileSet {
	paths := []string{g.opt.ConfigPath}
	if cfg != nil {
		paths = append(paths, referredFiles(cfg)...)
	}
	set := fileSet{}
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			set[absolute(path)] = 0
			continue
		}
		set[absolute(path)] = xxhash.Sum64(content)
	}
	return set
}

// referredFiles are the files whose content is part of the config.
func referredFiles(cfg *config.Config) []string {
	var paths []string
	add := func(p string) {
		if p != "" {
			paths = append(paths, p)
		}
	}
	for _, l := range cfg.Listeners {
		if l.TLS == nil {
			continue
		}
		for _, c := range l.TLS.Certificates {
			add(c.Cert)
			add(c.Key)
		}
		if l.TLS.ClientAuth != nil {
			add(l.TLS.ClientAuth.CA)
		}
	}
	for _, s := range cfg.Services {
		add(s.Maintenance.Page)
		if s.TLS != nil {
			add(s.TLS.CA)
			add(s.TLS.ClientCert)
			add(s.TLS.ClientKey)
		}
	}
	return paths
}

func sameFiles(a, b fileSet) bool {
	if len(a) != len(b) {
		return false
	}
	for path, sum := range a {
		if other, ok := b[path]; !ok || other != sum {
			return false
		}
	}
	return true
}
