package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"gatewayd/admin/api"
	"gatewayd/admin/client"
)

// healthcheckTimeout is less than what container engines give a health check.
const healthcheckTimeout = 3 * time.Second

func (c *cli) healthcheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "healthcheck",
		Short: "Exit with 0 when the gateway is ready for traffic, for a container's health check",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), healthcheckTimeout)
			defer cancel()
			ready := func(admin *client.Client, ctx context.Context) (api.Ready, error) {
				return api.Ready{Ready: true}, admin.Ready(ctx)
			}
			return ask(ctx, c, ready, func(w io.Writer, _ api.Ready) { fmt.Fprintln(w, "ready") })
		},
	}
}
