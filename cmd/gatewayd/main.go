// Command gatewayd is the gateway and the command line that talks to a running one. It holds
// flags and verbs; what they do is done elsewhere.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"gatewayd/internal/gateway"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	code := run(ctx, os.Args[1:], program{
		env:     os.Getenv,
		stdin:   os.Stdin,
		stdout:  os.Stdout,
		stderr:  os.Stderr,
		notify:  signal.Notify,
		serve:   serveGateway,
		scaling: gateway.ScalerSpec,
	})
	os.Exit(code)
}
