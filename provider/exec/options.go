package exec

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// Options is what a Provider is made of. Zero fields mean their default.
type Options struct {
	Service string   // required
	Scale   []string // program and arguments; no shell is involved. Required
	List    []string // likewise
	// Env is added to the gateway's own environment without its GATEWAYD_ variables.
	Env      map[string]string
	Timeout  time.Duration // for one command, which is killed after it. Default 30s
	Interval time.Duration // from one list to the next. Default 5s
	// OnEvent is told when commands fail, from several goroutines. It must return soon.
	OnEvent func(Event)
	Logger  *slog.Logger // default: discards
}

// EventKind is what happened.
type EventKind string

// The kinds of event.
const (
	ScaleFailed   EventKind = "scale-failed"   // Scale returned the same as its error
	ListFailed    EventKind = "list-failed"    // the instances are not known any more; told once, or again for another reason
	ListRecovered EventKind = "list-recovered" // they are known again
)

// Event tells what happened.
type Event struct {
	Kind   EventKind
	At     time.Time
	Reason string   // for people: "./scale.sh: exit status 2: no machine is free"; empty when recovered
	Output []string // the last lines that the command wrote to its standard error, at most 10
}

func (o Options) withDefaults() Options {
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	if o.Interval == 0 {
		o.Interval = 5 * time.Second
	}
	if o.OnEvent == nil {
		o.OnEvent = func(Event) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func (o Options) validate() error {
	switch {
	case o.Service == "":
		return errors.New("cannot run commands for a service without a name")
	case len(o.Scale) == 0 || o.Scale[0] == "":
		return errors.New("provider.exec.scale: got nothing; want a program and its arguments")
	case len(o.List) == 0 || o.List[0] == "":
		return errors.New("provider.exec.list: got nothing; want a program and its arguments")
	case o.Timeout < 0:
		return fmt.Errorf("provider.exec.timeout: got %s; want more than 0s", o.Timeout)
	case o.Interval < 0:
		return fmt.Errorf("provider.exec.interval: got %s; want more than 0s", o.Interval)
	}
	for key := range o.Env {
		if key == "" || strings.ContainsAny(key, "=\x00") {
			return fmt.Errorf("provider.exec.env: got %q; want the name of an environment variable", key)
		}
	}
	return nil
}
