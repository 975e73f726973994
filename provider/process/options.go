package process

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"time"

	"gatewayd/internal/launch"
	"gatewayd/scaler"
)

// OnExit says what becomes of the instances when the gateway ends.
type OnExit string

// The values of OnExit, as provider.process.onGatewayExit has them.
const (
	Stop  OnExit = "stop"  // they end with the gateway, even when it is killed
	Adopt OnExit = "adopt" // they live on, and the next gateway takes them over
)

// Options is what a Provider is made of. Where a default is named, the zero value stands for it.
type Options struct {
	Service string // required
	// Owner names the gateway over its lives, so that two gateways on one machine leave each other's
	// processes alone. Required; no slash.
	Owner string
	// Command is the program and its arguments, each a text/template over Vars. Required.
	Command []string
	// Env is added to the gateway's own environment without its GATEWAYD_ variables; values are templates over Vars.
	Env map[string]string
	Dir string // working folder; default: the gateway's
	// Host is where instances are to listen. Default 127.0.0.1.
	Host        string
	Output      Output
	StopTimeout time.Duration // between SIGTERM and SIGKILL. 0: killed at once
	OnExit      OnExit        // default Stop
	// TakeOver has Run adopt what is on record with OnExit Stop too: an earlier gateway has released it (Provider.Release), and lives
	// until it ends.
	TakeOver bool
	Backoff  Backoff
	// CgroupRoot is a cgroup v2 folder in which a group per instance is made. Default: the gateway's own group. Where no
	// group can be made there, usage comes from /proc and OOM kills go unseen.
	CgroupRoot string
	// Load returns what the last Save was given, in this life of the gateway or an earlier one; Save keeps all of records
	// durably. Calls of Save do not overlap. Both nil: nothing is kept.
	Load func() ([]Record, error)
	Save func(records []Record) error
	// OnEvent is told what happens to instances, from several goroutines. It must return soon.
	OnEvent func(Event)
	Logger  *slog.Logger // default: discards

	uniform func() float64                    // random numbers in [0, 1), replaced by tests
	port    func(host string) (string, error) // finds a free port, replaced by tests
}

// Backoff spaces the starts of a revision that fails. The wait after the n-th failure in a row is random, between Base and
// Base * 2^n, and at most Max.
type Backoff = launch.Backoff

// Vars is what the templates of a command and its environment may use.
type Vars = launch.Vars

// EventKind is what happened to an instance.
type EventKind string

// The kinds of event.
const (
	Started     EventKind = "started"      // its first start
	Restarted   EventKind = "restarted"    // started again after its end
	StartFailed EventKind = "start-failed" // no process came about; it is tried again at RetryAt
	Exited      EventKind = "exited"       // ended without being asked to; it is started again at RetryAt
	Stopped     EventKind = "stopped"      // ended because it was asked to
	Adopted     EventKind = "adopted"      // taken over from an earlier gateway
	Ended       EventKind = "ended"        // left over from an earlier gateway, and ended
)

// Event tells what happened to an instance.
type Event struct {
	Kind     EventKind
	At       time.Time
	Instance scaler.Instance // as it is after the event
	Reason   string          // for people: "exit status 1", "signal: killed"; empty for a start that went well
	Output   []string        // the last lines it wrote, at most 10, of an Exited
}

func (o Options) withDefaults() Options {
	if o.Host == "" {
		o.Host = "127.0.0.1"
	}
	if o.OnExit == "" {
		o.OnExit = Stop
	}
	o.Backoff = o.Backoff.WithDefaults(500*time.Millisecond, time.Minute)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Output = o.Output.withDefaults()
	return o.withFuncs()
}

func (o Options) withFuncs() Options {
	if o.Load == nil {
		o.Load = func() ([]Record, error) { return nil, nil }
	}
	if o.Save == nil {
		o.Save = func([]Record) error { return nil }
	}
	if o.OnEvent == nil {
		o.OnEvent = func(Event) {}
	}
	if o.uniform == nil {
		o.uniform = rand.Float64
	}
	if o.port == nil {
		o.port = freePort
	}
	return o
}

func (o Options) validate() error {
	switch {
	case o.Service == "":
		return errors.New("cannot run processes for a service without a name")
	case !validName(o.Service):
		return fmt.Errorf("cannot run processes for service %q: want a name without slashes", o.Service)
	case !validName(o.Owner):
		return fmt.Errorf("cannot run processes for owner %q: want a name without slashes", o.Owner)
	case len(o.Command) == 0:
		return errors.New("provider.process.command: got nothing; want a program and its arguments")
	case o.OnExit != Stop && o.OnExit != Adopt:
		return fmt.Errorf("provider.process.onGatewayExit: got %q; want stop or adopt", o.OnExit)
	case o.StopTimeout < 0:
		return fmt.Errorf("provider.process.stopTimeout: got %s; want 0s or more", o.StopTimeout)
	}
	if o.Dir != "" {
		if _, err := os.Stat(o.Dir); err != nil {
			return fmt.Errorf("provider.process.dir: %w", err)
		}
	}
	return o.Backoff.Validate()
}
