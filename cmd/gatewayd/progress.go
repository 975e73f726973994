package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"gatewayd/admin/api"
	"gatewayd/admin/client"
	"gatewayd/events"
)

const (
	// lookEvery is how often --wait looks at a rollout.
	lookEvery = 500 * time.Millisecond
	// figuresEvery is how often it prints figures where a line cannot be written over.
	figuresEvery = 10 * time.Second
	// awayLimit is how long the gateway may be away, as when it restarts, before --wait gives up.
	awayLimit = time.Minute
)

// follower shows a rollout until it ends: a line for each thing that happened, and the figures of both versions. On a terminal the
// figures are one last line that is written over; in a log they come now and then.
type follower struct {
	*cli
	admin *client.Client
	id    string
	width int // of the terminal; 0: it is none

	printed   uint64 // ID of the last event that was printed
	figuresAt time.Time
	paused    bool
	away      time.Time // since when the gateway does not answer
}

// follow returns when the rollout has ended. It fails unless the rollout completed.
func (f *follower) follow(ctx context.Context) error {
	f.figuresAt = time.Now()
	if f.output == "table" {
		fmt.Fprintf(f.stdout, "%8s  %6s  rollout %s\n", "TIME", "WEIGHT", f.id)
	}
	for {
		r, err := f.look(ctx)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			if err = f.bear(err); err != nil {
				return err
			}
		case r.Status.Ended():
			return f.finish(r)
		}
		select {
		case <-ctx.Done():
			f.clear()
			return fmt.Errorf("stopped waiting; rollout %s goes on", f.id)
		case <-time.After(lookEvery):
		}
	}
}

// bear returns nil while a gateway that does not answer may come back: it restarts, and its rollouts go on where they were.
func (f *follower) bear(err error) error {
	var refused *api.Error
	if errors.As(err, &refused) && refused.Status < 500 {
		return err
	}
	now := time.Now()
	if f.away.IsZero() {
		f.away = now
		f.clear()
		fmt.Fprintf(f.stderr, "gatewayd: %v; trying again\n", err)
	}
	if now.Sub(f.away) > awayLimit {
		return err
	}
	return nil
}

// look prints what is new.
func (f *follower) look(ctx context.Context) (r api.Rollout, err error) {
	if r, err = f.admin.Rollout(ctx, f.id); err != nil {
		return r, err
	}
	f.away = time.Time{}
	if f.output != "table" {
		return r, nil
	}
	query := client.EventQuery{Service: r.Service, Since: r.StartedAt.Add(-time.Second).Format(time.RFC3339Nano),
		Types: []string{string(events.DeploymentStarted), string(events.DeploymentStep)}}
	err = f.admin.Events(ctx, query, func(e events.Event, _ uint64) error {
		if id, _ := e.Data["id"].(string); id == f.id && e.ID > f.printed {
			f.printed = e.ID
			weight, _ := e.Data["weight"].(float64)
			f.line(e.Time.Sub(r.StartedAt), weight, e.Message)
		}
		return nil
	})
	if err != nil {
		return r, err
	}
	if paused := r.Status == api.RolloutPaused; paused != f.paused {
		if f.paused = paused; paused {
			f.line(time.Since(r.StartedAt), r.Weight, fmt.Sprintf("go on with: gatewayd rollout resume %[1]s, promote %[1]s or abort %[1]s", f.id))
		}
	}
	if !r.Status.Ended() {
		f.showFigures(&r)
	}
	return r, nil
}

// line prints what happened, for good.
func (f *follower) line(at time.Duration, weight float64, text string) {
	f.clear()
	fmt.Fprintln(f.stdout, progressLine(at, weight, text))
}

func progressLine(at time.Duration, weight float64, text string) string {
	clock := fmt.Sprintf("%.1fs", max(at, 0).Seconds())
	if at >= 10*time.Minute {
		clock = at.Round(time.Second).String()
	}
	return fmt.Sprintf("%8s  %6s  %s", clock, percent(weight), oneLine(text))
}

// showFigures prints how both versions do and what is waited for.
func (f *follower) showFigures(r *api.Rollout) {
	text := strings.TrimSpace(r.Reason)
	if figures := figuresOf(r); figures != "" {
		text = figures + "; " + text
	}
	now := time.Now()
	text = progressLine(now.Sub(r.StartedAt), r.Weight, text)
	switch {
	case f.width > 0:
		if runes := []rune(text); len(runes) >= f.width {
			text = string(runes[:f.width-1])
		}
		io.WriteString(f.stdout, "\r"+text+eraseLine)
	case now.Sub(f.figuresAt) >= figuresEvery:
		f.figuresAt = now
		fmt.Fprintln(f.stdout, text)
	}
}

// figuresOf compares the two versions, or says nothing before the new one had a request.
func figuresOf(r *api.Rollout) string {
	var failed, took *api.Evidence
	for i := range r.Evidence {
		switch e := &r.Evidence[i]; e.Metric {
		case "errorRate":
			failed = e
		case "responseTime":
			took = e
		}
	}
	if failed == nil || took == nil {
		return ""
	}
	one := func(version string, requests uint64, rate, p95 float64) string {
		return fmt.Sprintf("%s: %d requests, %.1f%% failed, p95 %.0fms", oneLine(version), requests, rate, p95)
	}
	return one(r.From, failed.StableRequests, failed.Stable, took.Stable) + " | " +
		one(r.Version, failed.CandidateRequests, failed.Candidate, took.Candidate)
}

// clear removes the line that is written over.
func (f *follower) clear() {
	if f.width > 0 {
		io.WriteString(f.stdout, "\r"+eraseLine)
	}
}

// finish prints how the rollout ended.
func (f *follower) finish(r api.Rollout) error {
	if f.output == "table" {
		at := time.Since(r.StartedAt)
		if r.EndedAt != nil {
			at = r.EndedAt.Sub(r.StartedAt)
		}
		f.line(at, r.Weight, string(r.Status)+": "+r.Reason)
	}
	if err := show(f.cli, r, printEvidence); err != nil {
		return err
	}
	if r.Status != api.RolloutCompleted {
		return errSilent
	}
	return nil
}

// terminalWidth is how many columns there are, 0 where w is no terminal.
func terminalWidth(w io.Writer) int {
	file, ok := w.(*os.File)
	if !ok {
		return 0
	}
	size, err := unix.IoctlGetWinsize(int(file.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0
	}
	return int(size.Col)
}
