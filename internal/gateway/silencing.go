package gateway

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"strings"
	"time"

	"gatewayd/admin"
	"gatewayd/admin/api"
	"gatewayd/monitor"
)

// configSilence begins the ids of silences that stand in the config file.
const configSilence = "config "

// Silences implements admin.Silences.
func (p ports) Silences(ctx context.Context) ([]api.Silence, error) {
	list := make(chan []api.Silence, 1)
	err := p.g.watchers.mail.call(ctx, func() {
		all := []api.Silence{}
		for _, s := range p.g.watchers.watch.monitor.Silences() {
			if s.Until.After(p.g.now()) {
				all = append(all, describeSilence(&s))
			}
		}
		list <- all
	})
	if err != nil {
		return nil, err
	}
	return <-list, nil
}

// Silence implements admin.Silences.
func (p ports) Silence(ctx context.Context, req api.SilenceRequest) (api.Silence, error) {
	now := p.g.now()
	s := monitor.Silence{ID: newSilenceID(), Service: req.Service, Metric: req.Metric, Since: now, Until: now.Add(time.Duration(req.For)),
		Comment: req.Comment, By: admin.CallerFrom(ctx).Name}
	if req.Below != "" {
		below, err := monitor.ParseSeverity(req.Below)
		if err != nil {
			return api.Silence{}, api.Invalid("below", "got %q; want warning, critical or page", req.Below)
		}
		s.Below = below
	}
	if name := req.Service; name != "" && !strings.HasSuffix(name, "*") {
		if _, err := p.Service(name); err != nil {
			return api.Silence{}, api.Invalid("service", "there is no service %q; want the name of one, or the beginning of names and *", name)
		}
	}
	err := p.onWatch(ctx, func(w *watch) error {
		w.monitor.Silence(s)
		return nil
	})
	return describeSilence(&s), err
}

// Expire implements admin.Silences.
func (p ports) Expire(ctx context.Context, id string) error {
	if strings.HasPrefix(id, configSilence) {
		return api.Conflict("silence %q stands in the config file; take it out of monitor.silences and reload", id)
	}
	return p.onWatch(ctx, func(w *watch) error {
		if !w.monitor.Unsilence(id) {
			return api.NotFound("silence", id)
		}
		return nil
	})
}

// onWatch changes something of the watch, and returns when that is on disk.
func (p ports) onWatch(ctx context.Context, fn func(*watch) error) error {
	result := make(chan error, 1)
	err := p.g.watchers.mail.call(ctx, func() {
		w := p.g.watchers.watch
		failed := fn(w)
		if failed == nil {
			w.conclude(p.g.now())
			w.save(p.g.now())
		}
		result <- failed
	})
	if err != nil {
		return err
	}
	p.keepNow()
	return <-result
}

func newSilenceID() string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // it never fails
	return "s-" + hex.EncodeToString(b[:])
}

func describeSilence(s *monitor.Silence) api.Silence {
	out := api.Silence{ID: s.ID, Service: s.Service, Metric: s.Metric, Until: s.Until, Comment: s.Comment, By: s.By}
	if s.Below != 0 {
		out.Below = s.Below.String()
	}
	if !s.Since.IsZero() {
		since := s.Since
		out.Since = &since
	}
	return out
}
