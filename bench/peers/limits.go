package main

import (
	"fmt"
	"syscall"
)

const (
	wantIdle       = 10000 // connections to each proxy whose memory is measured
	wantIdleTLS    = 2000  // the same over TLS; each takes a handshake
	maxConnections = 11000 // that nginx and HAProxy are configured for
	wantFiles      = 65536
	spareFiles     = 500 // of a process that holds the idle connections
)

// raiseFileLimit raises the limit of open files of this process and of those it starts: to wantFiles, which takes a privilege, else as far
// as is allowed.
func raiseFileLimit() error {
	var now syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &now); err != nil {
		return fmt.Errorf("cannot read the limit of open files: %w", err)
	}
	want := syscall.Rlimit{Cur: max(now.Max, wantFiles), Max: max(now.Max, wantFiles)}
	if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &want) == nil {
		return nil
	}
	// Set even if it is so already: the runtime gives children back the limit that this process began with, unless it was set.
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: now.Max, Max: now.Max}); err != nil {
		return fmt.Errorf("cannot raise the limit of open files: %w", err)
	}
	return nil
}

func fileLimit() int {
	var now syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &now); err != nil {
		panic("BUG: the limit of open files was readable before: " + err.Error())
	}
	return int(now.Cur)
}

func idleConnections() int { return min(wantIdle, fileLimit()-spareFiles) }
