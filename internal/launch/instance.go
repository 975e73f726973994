package launch

import (
	"cmp"
	"time"
)

// State is where an instance is in its life. The words are those of scaler.InstanceState.
type State string

// The states of an instance.
const (
	Starting   State = "starting" // to be started, or started without being reached yet
	Running    State = "running"  // it is reached at its address
	Stopping   State = "stopping" // asked to end; it gets into no other state
	BackingOff State = "backoff"  // its last start failed or it ended by itself; it is started again at RetryAt
)

// Instance is what is known of one instance over all its runs. A provider embeds it in a type of its own, which is then a Member, and
// changes State only through these methods and those of Fleet. It is not safe for concurrent use; ID and Version never change.
type Instance struct {
	ID        string // unique in its Fleet
	Version   string
	State     State
	Address   string    // host:port; empty while it has none
	Begun     time.Time // of the last attempt to start it
	StartedAt time.Time // of its last run; zero before its first
	RetryAt   time.Time // of its next start, in state BackingOff; else zero
	Restarts  int       // how often it ended by itself
	LastError string    // why its last start failed, or it ended
	OOMKilled bool      // its last end was for want of memory
}

func (in *Instance) core() *Instance { return in }

// Begin takes in that an attempt to start it begins.
func (in *Instance) Begin(now time.Time) {
	in.Begun = now
	if in.State != Stopping {
		in.State, in.RetryAt = Starting, time.Time{}
	}
}

// Started takes in that the last attempt went well. address is as of Reached.
func (in *Instance) Started(address string) {
	in.StartedAt = in.Begun
	in.Reached(address)
}

// Reached takes in where it is reached now; empty: nowhere yet.
func (in *Instance) Reached(address string) {
	in.Address = address
	switch {
	case in.State == Stopping:
	case address == "":
		in.State = Starting
	default:
		in.State = Running
	}
}

// Stop takes in that it has to end, and returns false when it had to before.
func (in *Instance) Stop() bool {
	if in.State == Stopping {
		return false
	}
	in.State, in.RetryAt = Stopping, time.Time{}
	return true
}

// byStart orders instances by StartedAt, those never started last.
func byStart(a, b *Instance) int {
	if a.StartedAt.IsZero() != b.StartedAt.IsZero() {
		if a.StartedAt.IsZero() {
			return 1
		}
		return -1
	}
	return cmp.Or(a.StartedAt.Compare(b.StartedAt), cmp.Compare(a.ID, b.ID))
}
