package main

import (
	"context"
	"os"
	"runtime"

	"github.com/spf13/cobra"

	"gatewayd/internal/gateway"
	"gatewayd/provider/process"
)

// serveGateway runs the gateway for the run verb.
func serveGateway(ctx context.Context, o serveOptions) error {
	cores := runtime.GOMAXPROCS(0)
	runtime.GOMAXPROCS(cores + 1) // an event loop keeps its place to run while it sleeps; the rest has one besides
	return gateway.Run(ctx, gateway.Options{Loops: cores,
		ConfigPath: o.ConfigPath, Stdout: o.Stdout, Stderr: o.Stderr, Version: o.Version, Reload: o.Reload, Upgrade: o.Upgrade,
		CommandLine: os.Args, Handover: os.Getenv("GATEWAYD_HANDOVER"),
	})
}

// guardCommand is what the gateway starts beside itself so that no process of an instance outlives it; see process.Guard.
func (c *cli) guardCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "process-guard",
		Short:  "Ends the processes that a killed gateway left; started by the gateway",
		Args:   cobra.NoArgs,
		Hidden: true,
		RunE:   func(*cobra.Command, []string) error { return process.GuardMain(c.stdin) },
	}
}
