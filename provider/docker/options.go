package docker

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"gatewayd/internal/launch"
	"gatewayd/scaler"
)

// OnExit says what becomes of the containers when the gateway ends.
type OnExit string

// The values of OnExit, as provider.docker.onGatewayExit has them.
const (
	// Stop: they are stopped when the gateway ends. A gateway that is killed cannot do that; the next one does it, before it starts anything.
	Stop OnExit = "stop"
	// Adopt: they live on, and the next gateway takes them over.
	Adopt OnExit = "adopt"
)

// PullPolicy says when an image is fetched.
type PullPolicy string

// The values of PullPolicy, as provider.docker.pull has them.
const (
	PullAlways  PullPolicy = "always"  // before each start; a pull that fails is a start that fails
	PullMissing PullPolicy = "missing" // when the Engine does not have it
	PullNever   PullPolicy = "never"   // a missing image is a start that fails
)

// hostNetwork is the network of the machine itself.
const hostNetwork = "host"

// Options is what a Provider is made of. Zero fields mean their default.
type Options struct {
	Service string // required
	// Owner names the gateway over its lives, so that two gateways with one Engine leave each other's containers alone. Required.
	Owner string
	// Host is the Engine, such as unix:///var/run/docker.sock or tcp://10.0.0.5:2376. Default: DOCKER_HOST, else the local socket. Certificates
	// come from DOCKER_CERT_PATH.
	Host string
	// Image is a text/template over Vars. Required.
	Image string
	// Port is where the container listens, 1 to 65535. Required. In the network "host" it is not used: each instance gets a free port of its own.
	Port int
	// Network is the network in which the gateway reaches the container's own address. Default: none; Port is published on a free port of 127.0.0.1.
	Network string
	Command []string          // instead of the image's own command; templates over Vars
	Env     map[string]string // values are templates over Vars
	// CPU is the limit in cores, 0.01 or more; 0: none. MemoryBytes is the limit of memory, without swap; 0: none.
	CPU         float64
	MemoryBytes uint64
	Pull        PullPolicy // default PullMissing
	// StopTimeout lies between SIGTERM (or the image's own stop signal) and SIGKILL. It is rounded up to seconds. 0: killed at once.
	StopTimeout time.Duration
	OnExit      OnExit // default Adopt
	Backoff     Backoff
	// OnEvent is told what happens to instances and to the Engine, from several goroutines. It must return soon.
	OnEvent func(Event)
	Logger  *slog.Logger // default: discards

	uniform func() float64 // random numbers in [0, 1), replaced by tests
	pace    pace           // replaced by tests
}

// Backoff spaces the starts of a revision that fails. The wait after the n-th failure in a row is random, between Base and
// Base * 2^n, and at most Max.
type Backoff = launch.Backoff

// pace says how often the Engine is asked, and for how long an answer is waited for.
type pace struct {
	measure   time.Duration // from one measurement to the next
	relist    time.Duration // from one look at all containers to the next, in case an event was missed or the Engine hangs
	answer    time.Duration // for what the Engine answers from memory
	work      time.Duration // for what makes it work on its disk or in the kernel
	end       time.Duration // for the last calls of a gateway that ends, beyond StopTimeout
	reconnect Backoff       // while the Engine is away
}

// EventKind is what happened.
type EventKind string

// The kinds of event.
const (
	Started     EventKind = "started"       // its first start
	Restarted   EventKind = "restarted"     // started again after its end
	StartFailed EventKind = "start-failed"  // no running container came about; it is tried again at RetryAt
	Exited      EventKind = "exited"        // ended without being asked to; it is started again at RetryAt
	OutOfMemory EventKind = "out-of-memory" // a process in it was killed for want of memory; when that was the main one, Exited follows
	Stopped     EventKind = "stopped"       // ended because it was asked to
	Adopted     EventKind = "adopted"       // taken over from an earlier gateway
	Ended       EventKind = "ended"         // left over from an earlier gateway, and removed
	EngineAway  EventKind = "engine-away"   // the Engine does not answer; what runs is kept. No Instance
	EngineBack  EventKind = "engine-back"   // it answers again. No Instance
)

// Event tells what happened to an instance or to the Engine.
type Event struct {
	Kind     EventKind
	At       time.Time
	Instance scaler.Instance // as it is after the event
	Reason   string          // for people: "exit status 1", "image \"shop:v9\" is not there"; empty for a start that went well
	Output   []string        // the last lines it wrote, at most 10, of an Exited
}

func (o Options) withDefaults() Options {
	if o.Pull == "" {
		o.Pull = PullMissing
	}
	if o.OnExit == "" {
		o.OnExit = Adopt
	}
	o.Backoff = o.Backoff.WithDefaults(500*time.Millisecond, time.Minute)
	if o.OnEvent == nil {
		o.OnEvent = func(Event) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.uniform == nil {
		o.uniform = rand.Float64
	}
	if o.pace == (pace{}) {
		o.pace = pace{measure: time.Second, relist: 5 * time.Second, answer: 5 * time.Second, work: 2 * time.Minute, end: 10 * time.Second}
	}
	o.pace.reconnect = o.pace.reconnect.WithDefaults(50*time.Millisecond, 5*time.Second)
	return o
}

func (o Options) validate() error {
	switch {
	case o.Service == "":
		return errors.New("cannot run containers for a service without a name")
	case o.Owner == "":
		return errors.New("cannot run containers without the name of their owner")
	case o.Image == "":
		return errors.New("provider.docker.image: got nothing; want the name of an image")
	case o.Port < 1 || o.Port > 65535:
		return fmt.Errorf("provider.docker.port: got %d; want 1 to 65535", o.Port)
	case o.CPU != 0 && !(o.CPU >= 0.01 && o.CPU <= 1e5): // NaN too
		return fmt.Errorf("provider.docker.cpu: got %v; want 0.01 to 100000 cores, or 0 for no limit", o.CPU)
	case o.MemoryBytes > 1<<62:
		return fmt.Errorf("provider.docker.memory: got %d bytes; want at most %d", o.MemoryBytes, 1<<62)
	case o.Pull != PullAlways && o.Pull != PullMissing && o.Pull != PullNever:
		return fmt.Errorf("provider.docker.pull: got %q; want always, missing or never", o.Pull)
	case o.OnExit != Stop && o.OnExit != Adopt:
		return fmt.Errorf("provider.docker.onGatewayExit: got %q; want stop or adopt", o.OnExit)
	case o.StopTimeout < 0:
		return fmt.Errorf("provider.docker.stopTimeout: got %s; want 0s or more", o.StopTimeout)
	}
	return o.Backoff.Validate()
}
