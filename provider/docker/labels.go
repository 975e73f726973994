package docker

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"

	"gatewayd/internal/launch"
)

// The labels of a container.
const (
	labelOwner    = "gatewayd.owner"
	labelService  = "gatewayd.service"
	labelVersion  = "gatewayd.version"
	labelInstance = "gatewayd.instance"
	labelGateway  = "gatewayd.gateway"  // the life of the provider that made it
	labelRestarts = "gatewayd.restarts" // how often the instance was started again before
	labelPort     = "gatewayd.port"     // where the container listens
)

// life is one provider in one life of its gateway. As a label it reads PID-STARTTIME/NONCE.
type life struct {
	process string // pid and start time of the gateway
	nonce   string // tells apart the providers of one process
}

func newLife() (life, error) {
	start, err := startTime(os.Getpid())
	if err != nil {
		return life{}, fmt.Errorf("cannot read the gateway's own start time: %w", err)
	}
	b := make([]byte, 4)
	rand.Read(b)
	return life{process: fmt.Sprintf("%d-%d", os.Getpid(), start), nonce: hex.EncodeToString(b)}, nil
}

func (l life) String() string { return l.process + "/" + l.nonce }

func parseLife(label string) life {
	process, nonce, _ := strings.Cut(label, "/")
	return life{process, nonce}
}

// lives tells whether the gateway of l runs on this machine. One in another container or on another machine is not seen: no two
// gateways may have one owner at the same time there.
func (l life) lives() bool {
	pid, start, _ := strings.Cut(l.process, "-")
	n, err := strconv.Atoi(pid)
	if err != nil {
		return false
	}
	now, err := startTime(n)
	return err == nil && strconv.FormatUint(now, 10) == start
}

// startTime returns when pid started, in clock ticks since boot (field 22 of /proc/PID/stat).
func startTime(pid int) (uint64, error) {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return 0, err
	}
	stat, err := p.Stat()
	if err == nil && (stat.State == "Z" || stat.State == "X") {
		err = os.ErrProcessDone
	}
	return stat.Starttime, err
}

// containerName names the container of the n-th attempt to start an instance. No two attempts have the same name, in whatever life: a container that
// the Engine cannot remove must not be in the way of the next.
func (p *Provider) containerName(id string, attempt int) string {
	return fmt.Sprintf("gatewayd-%s-%s-%s%d", launch.PlainName(p.o.Service), id, p.life.nonce, attempt)
}

// isOwn tells whether labels are those of this owner and service.
func (p *Provider) isOwn(labels map[string]string) bool {
	return labels[labelOwner] == p.o.Owner && labels[labelService] == p.o.Service && labels[labelInstance] != ""
}
