package docker

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
)

// loopback is where ports are published, and where containers in the network "host" listen.
const loopback = "127.0.0.1"

// run is one container of an instance, from its creation to its removal.
type run struct {
	id    string        // of the container
	look  chan struct{} // capacity 1; a token: its state may have changed
	meter meter         // of the goroutine that measures
	oom   bool          // the Engine told that something in it was killed for want of memory; Provider.mu protects it
}

func newRun(id string) *run { return &run{id: id, look: make(chan struct{}, 1)} }

// suspect has the supervisor look whether r still runs.
func (r *run) suspect() {
	select {
	case r.look <- struct{}{}:
	default:
	}
}

// vars returns what the templates of an instance may use.
func (p *Provider) vars(id, version string) (Vars, error) {
	v := Vars{Version: version, Instance: id, Service: p.o.Service, Executable: p.executable, Host: "0.0.0.0", Port: strconv.Itoa(p.o.Port)}
	if p.o.Network == hostNetwork {
		port, err := freePort(loopback)
		if err != nil {
			return v, err
		}
		v.Host, v.Port = loopback, port
	}
	v.Address = net.JoinHostPort(v.Host, v.Port)
	return v, nil
}

// freePort returns a port of host on which nobody listens. Somebody else may take it before the container does: that is a failed
// start, and the next one gets another port.
func freePort(host string) (string, error) {
	ln, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return "", fmt.Errorf("cannot find a free port: %w", err)
	}
	defer ln.Close()
	return strconv.Itoa(ln.Addr().(*net.TCPAddr).Port), nil
}

// containerPort is where the container listens, as the Engine writes it.
func containerPort(port string) (network.Port, error) { return network.ParsePort(port + "/tcp") }

// createOptions says how the container of an instance is made; its name is left open.
func (p *Provider) createOptions(v Vars, r rendered, restarts int) (client.ContainerCreateOptions, error) {
	port, err := containerPort(v.Port)
	if err != nil {
		return client.ContainerCreateOptions{}, err
	}
	config := &container.Config{
		Image: r.image,
		Cmd:   r.command,
		Env:   r.env,
		Labels: map[string]string{
			labelOwner: p.o.Owner, labelService: p.o.Service, labelVersion: v.Version, labelInstance: v.Instance,
			labelGateway: p.life.String(), labelRestarts: strconv.Itoa(restarts), labelPort: v.Port,
		},
	}
	host := &container.HostConfig{
		NetworkMode:   container.NetworkMode(p.o.Network),
		RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyDisabled}, // the supervisor does that, with backoff
		Resources: container.Resources{
			NanoCPUs:   int64(math.Round(p.o.CPU * 1e9)),
			Memory:     int64(p.o.MemoryBytes),
			MemorySwap: int64(p.o.MemoryBytes), // of memory and swap together: none
		},
	}
	if p.o.Network == "" {
		config.ExposedPorts = network.PortSet{port: {}}
		host.PortBindings = network.PortMap{port: {{HostIP: netip.MustParseAddr(loopback)}}}
	}
	return client.ContainerCreateOptions{Config: config, HostConfig: host}, nil
}

// create makes the container and returns its id. One of that name is what an earlier attempt left.
func (p *Provider) create(o client.ContainerCreateOptions) (id string, err error) {
	try := func(ctx context.Context) error {
		created, err := p.engine().ContainerCreate(ctx, o)
		id = created.ID
		return err
	}
	if err = p.work(p.hard, try); errdefs.IsConflict(err) {
		if err = p.remove(o.Name); err == nil {
			err = p.work(p.hard, try)
		}
	}
	return id, wrap("cannot create a container of image "+quoted(o.Config.Image), err)
}

func (p *Provider) startContainer(id string) error {
	return wrap("cannot start the container", p.work(p.hard, func(ctx context.Context) error {
		_, err := p.engine().ContainerStart(ctx, id, client.ContainerStartOptions{})
		return err
	}))
}

// remove takes a container, by id or name, away, running or not. One that is gone, or just going, is no error.
func (p *Provider) remove(id string) error {
	err := p.work(p.hard, func(ctx context.Context) error {
		_, err := p.engine().ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		return err
	})
	if errdefs.IsNotFound(err) || errdefs.IsConflict(err) && strings.Contains(err.Error(), "already in progress") {
		return nil
	}
	return wrap("cannot remove container "+short(id), err)
}

// halt stops a container politely, then not. One that is gone or does not run is no error.
func (p *Provider) halt(id string) error {
	seconds := int(math.Ceil(p.o.StopTimeout.Seconds()))
	err := p.insist(p.hard, within(p.o.StopTimeout+p.o.pace.work, func(ctx context.Context) error {
		_, err := p.engine().ContainerStop(ctx, id, client.ContainerStopOptions{Timeout: &seconds})
		return err
	}))
	if errdefs.IsNotFound(err) {
		return nil
	}
	return wrap("cannot stop container "+short(id), err)
}

// stop stops a container and removes it.
func (p *Provider) stop(id string) error {
	if err := p.halt(id); err != nil {
		return err
	}
	return p.remove(id)
}

// seen is what the Engine says about a container.
type seen struct {
	exists    bool
	running   bool
	address   string // host:port; empty while it has none
	startedAt time.Time
	reason    string // why it ended
	oom       bool
}

// inspect looks at a container. One that is gone is no error.
func (p *Provider) inspect(ctx context.Context, id string) (seen, error) {
	var c container.InspectResponse
	err := p.answer(ctx, func(ctx context.Context) error {
		r, err := p.engine().ContainerInspect(ctx, id, client.ContainerInspectOptions{})
		c = r.Container
		return err
	})
	if errdefs.IsNotFound(err) {
		return seen{reason: "its container was removed by somebody else"}, nil
	}
	if err != nil {
		return seen{}, wrap("cannot inspect container "+short(id), err)
	}
	if c.State == nil || c.Config == nil {
		return seen{}, fmt.Errorf("cannot inspect container %s: the Docker Engine tells no state", short(id))
	}
	s := seen{exists: true, running: c.State.Running, oom: c.State.OOMKilled}
	s.startedAt, _ = time.Parse(time.RFC3339Nano, c.State.StartedAt)
	if s.running {
		s.address = p.address(c)
	} else {
		s.reason = endReason(c.State)
	}
	return s, nil
}

// address returns where the gateway reaches a container, or nothing while that is not known.
func (p *Provider) address(c container.InspectResponse) string {
	port := c.Config.Labels[labelPort]
	switch p.o.Network {
	case hostNetwork:
		return net.JoinHostPort(loopback, port)
	case "":
		key, err := containerPort(port)
		if err != nil || c.NetworkSettings == nil || len(c.NetworkSettings.Ports[key]) == 0 {
			return ""
		}
		return net.JoinHostPort(loopback, c.NetworkSettings.Ports[key][0].HostPort)
	}
	if c.NetworkSettings == nil || c.NetworkSettings.Networks[p.o.Network] == nil {
		return ""
	}
	e := c.NetworkSettings.Networks[p.o.Network]
	switch {
	case e.IPAddress.IsValid():
		return net.JoinHostPort(e.IPAddress.String(), port)
	case e.GlobalIPv6Address.IsValid():
		return net.JoinHostPort(e.GlobalIPv6Address.String(), port)
	}
	return ""
}

// endReason says why a container ended. Exit codes above 128 are signals, by the custom of shells that the Engine follows.
func endReason(s *container.State) string {
	reason := fmt.Sprintf("exit status %d", s.ExitCode)
	switch {
	case s.Error != "":
		reason += ": " + s.Error
	case s.OOMKilled:
		reason += ": killed for want of memory"
	case s.ExitCode == 137:
		reason += " (killed)"
	case s.ExitCode == 143:
		reason += " (terminated)"
	}
	return reason
}

// outputLines is how many of the last lines of a container are shown.
const outputLines = 10

// tail returns the last lines that a container wrote, or nothing where the Engine does not keep them.
func (p *Provider) tail(id string) []string {
	ctx, cancel := context.WithTimeout(p.hard, p.o.pace.answer)
	defer cancel()
	logs, err := p.engine().ContainerLogs(ctx, id, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Tail: strconv.Itoa(outputLines)})
	if err != nil {
		return nil
	}
	defer logs.Close()
	var b bytes.Buffer
	stdcopy.StdCopy(&b, &b, io.LimitReader(logs, 64<<10)) // what was read before an error is good
	if b.Len() == 0 {
		return nil
	}
	lines := strings.Split(strings.TrimRight(b.String(), "\n"), "\n")
	return lines[max(0, len(lines)-outputLines):]
}

// short is the id of a container as people know it. Names stay as they are.
func short(id string) string {
	if len(id) == 64 {
		return id[:12]
	}
	return id
}
