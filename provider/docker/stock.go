package docker

import (
	"context"
	"fmt"
	"strconv"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"gatewayd/internal/launch"
)

// takeStock compares all containers of this owner and service with what is known. Instances whose container does not run are looked at;
// containers that belong to no instance are taken over, ended or spared. The Engine being away is an error.
//
// tried is closed when each container that has to end was tried once.
func (p *Provider) takeStock(ctx context.Context) (tried <-chan struct{}, err error) {
	var all []container.Summary
	err = within(p.o.pace.answer, func(ctx context.Context) error {
		r, err := p.engine().ContainerList(ctx, client.ContainerListOptions{All: true, Filters: p.filters()})
		all = r.Items
		return err
	})(ctx)
	if err != nil {
		return nil, explain(err)
	}
	strays, spared := p.compare(all)
	var leftovers []container.Summary
	for _, c := range strays {
		if adopted, err := p.maybeAdopt(ctx, c); err != nil {
			return nil, err
		} else if !adopted {
			leftovers = append(leftovers, c)
		}
	}
	p.mu.Lock()
	p.fleet.Reserved = spared
	p.mu.Unlock()
	return p.endLeftovers(leftovers), nil
}

// compare has instances looked at whose container does not run or has no address yet. It returns the containers of no instance, and the ids of
// instances that are to be spared.
func (p *Provider) compare(all []container.Summary) (strays []container.Summary, spared map[string]bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	spared = map[string]bool{}
	suspects := map[*run]bool{}
	for _, in := range p.fleet.List() {
		if in.run != nil {
			suspects[in.run] = true
		}
	}
	for _, c := range all {
		id := c.Labels[labelInstance]
		from := parseLife(c.Labels[labelGateway])
		in := p.fleet.Get(id)
		switch {
		case !p.isOwn(c.Labels): // the filter of some other engine with this API knows better than the labels
		case in != nil && in.run != nil && in.run.id == c.ID:
			if c.State == container.StateRunning && in.Address != "" {
				delete(suspects, in.run)
			}
		case from == p.life && in != nil && in.run == nil: // it is being created or removed just now
		case from == p.life:
			strays = append(strays, c) // it could not be removed at its time
		case from.process == p.life.process, p.o.OnExit == Stop && from.lives():
			spared[id] = true
		default:
			strays = append(strays, c)
		}
	}
	for r := range suspects {
		r.suspect()
	}
	return strays, spared
}

// maybeAdopt takes over a container of an earlier gateway, if it runs and is to be taken over.
func (p *Provider) maybeAdopt(ctx context.Context, c container.Summary) (bool, error) {
	if p.o.OnExit != Adopt || c.State != container.StateRunning || parseLife(c.Labels[labelGateway]) == p.life {
		return false, nil
	}
	inspectCtx, cancel := context.WithTimeout(ctx, p.o.pace.answer)
	defer cancel()
	s, err := p.inspect(inspectCtx, c.ID)
	if err != nil {
		return false, explain(err)
	}
	if !s.running {
		return false, nil
	}
	in := newInstance(launch.Instance{ID: c.Labels[labelInstance], Version: c.Labels[labelVersion], Address: s.address, StartedAt: s.startedAt})
	in.Restarts, _ = strconv.Atoi(c.Labels[labelRestarts])
	in.run = newRun(c.ID)
	p.mu.Lock()
	if p.closed || !p.fleet.Adopt(in) {
		p.mu.Unlock()
		return false, nil
	}
	p.supervisors.Add(1)
	p.mu.Unlock()
	go p.supervise(in)
	p.tell(Event{Kind: Adopted, Reason: "container " + short(c.ID) + " of an earlier gateway"}, in)
	return true, nil
}

// endLeftovers stops and removes containers of no instance, all side by side, and returns a channel that is closed when each was tried. What does
// not go is tried again at the next look.
func (p *Provider) endLeftovers(all []container.Summary) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	var trying []chan struct{}
	for _, c := range all {
		l := p.leftovers[c.ID]
		if l.tried == nil && !p.closed {
			l.tried = make(chan struct{})
			p.leftovers[c.ID] = l
			p.supervisors.Add(1)
			go func() {
				defer p.supervisors.Done()
				defer close(l.tried)
				p.endLeftover(c)
			}()
		}
		if l.tried != nil {
			trying = append(trying, l.tried)
		}
	}
	tried := make(chan struct{})
	go func() {
		for _, t := range trying {
			<-t
		}
		close(tried)
	}()
	return tried
}

// leftover is a container of no instance that has to go.
type leftover struct {
	tried chan struct{} // closed at the end of the try that is under way; nil: none is
	said  string        // why it did not go the last time
}

func (p *Provider) endLeftover(c container.Summary) {
	err := p.stop(c.ID)
	p.mu.Lock()
	before := p.leftovers[c.ID].said
	if err == nil {
		delete(p.leftovers, c.ID)
	} else {
		p.leftovers[c.ID] = leftover{said: err.Error()}
	}
	p.mu.Unlock()
	switch {
	case err != nil && before != err.Error() && p.hard.Err() == nil:
		p.o.Logger.Warn("a leftover container does not go: it is tried again", "service", p.o.Service, "container", short(c.ID), "err", err)
	case err == nil && parseLife(c.Labels[labelGateway]) != p.life:
		reason := fmt.Sprintf("container %s of an earlier gateway, which was %s", short(c.ID), c.State)
		p.tell(Event{Kind: Ended, Reason: reason}, newInstance(launch.Instance{ID: c.Labels[labelInstance], Version: c.Labels[labelVersion], State: launch.Starting}))
	}
}
