package process

import (
	"context"
	"syscall"
)

// Release makes Run leave the instances as they are when its context ends, whatever their mode, to a gateway that takes them over
// (Options.TakeOver) while this process lives. Those that this process started are still its children: with OnExit Stop the kernel ends
// them with it. Therefore Keep has to be called once Run has returned.
func (p *Provider) Release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.releasing = true
}

// Keep returns when the last instance that this process started and released has ended, or ctx ends; with OnExit Stop the
// end of ctx kills them, as the end of this process would. Until then their output is read, and they are waited for when they end.
func (p *Provider) Keep(ctx context.Context) {
	<-p.ended
	all := make(chan struct{})
	go func() { defer close(all); p.released.Wait() }()
	select {
	case <-all:
	case <-ctx.Done():
	}
	p.mu.Lock()
	kept := p.kept
	p.kept = nil
	ends := p.releasing
	p.releasing = false
	p.mu.Unlock()
	if p.o.OnExit == Stop {
		// The end of the launcher's thread would do, but for one thing: the first thread of a Go program never ends.
		for _, pr := range kept {
			pr.signal(syscall.SIGKILL)
		}
		<-all
	}
	if ends {
		close(p.stopLauncher)
	}
	<-p.launcher.done
}

// endLauncher ends the thread that starts processes, unless released ones still hang on it.
func (p *Provider) endLauncher() {
	p.mu.Lock()
	releasing := p.releasing
	p.mu.Unlock()
	if !releasing {
		close(p.stopLauncher)
		<-p.launcher.done
	}
}

// letGo ends looking after a process that lives on. One that is a child of this process and is released has to be waited for when it ends.
func (p *Provider) letGo(pr *proc) {
	p.mu.Lock()
	own := p.releasing && pr.cmd != nil
	if own {
		p.kept = append(p.kept, pr)
	}
	p.mu.Unlock()
	if !own {
		pr.leave()
		return
	}
	pr.released.Store(true)
	p.released.Add(1)
	go func() { defer p.released.Done(); <-pr.unwatched }()
}
