package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"gatewayd/admin/api"
	"gatewayd/admin/client"
)

func (c *cli) scaleCommand() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:               "scale SERVICE N|auto --reason TEXT",
		Short:             "Set the number of instances; it holds until `scale SERVICE auto`",
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: c.completes(services, words("auto")),
		RunE: func(cmd *cobra.Command, args []string) error {
			req := api.ScaleRequest{Auto: args[1] == "auto", Reason: reason}
			if !req.Auto {
				n, err := strconv.Atoi(args[1])
				if err != nil || n < 0 {
					return usageError{fmt.Errorf("got %q; want a number of instances, or auto", args[1])}
				}
				if reason == "" {
					return usageError{fmt.Errorf("--reason is missing; say why, others will read it")}
				}
				req.Instances = &n
			}
			call := func(admin *client.Client, ctx context.Context) (api.ScaleResult, error) {
				return admin.Scale(ctx, args[0], req)
			}
			return ask(cmd.Context(), c, call, func(w io.Writer, r api.ScaleResult) { printScaled(w, args[0], req.Auto, r) })
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why; it is shown in status, events and the audit trail")
	return cmd
}

func printScaled(w io.Writer, service string, auto bool, r api.ScaleResult) {
	if auto {
		fmt.Fprintf(w, "%s: its policies scale it again, %d instances now\n", service, r.To)
		return
	}
	fmt.Fprintf(w, "%s: from %d to %d instances", service, r.From, r.To)
	if r.ClampedBy != "" {
		fmt.Fprintf(w, ", held by %s", oneLine(r.ClampedBy))
	}
	fmt.Fprintln(w)
}

func (c *cli) drainCommand() *cobra.Command {
	return c.instanceCommand("drain", "Give an instance no new requests and let those under way finish", "is draining",
		func(ctx context.Context, admin *client.Client, service, instance string) (api.Done, error) {
			return admin.Drain(ctx, service, instance)
		})
}

func (c *cli) undrainCommand() *cobra.Command {
	return c.instanceCommand("undrain", "Take an instance back into traffic", "is back in traffic",
		func(ctx context.Context, admin *client.Client, service, instance string) (api.Done, error) {
			return admin.Undrain(ctx, service, instance)
		})
}

// instanceCommand is a verb about one instance.
func (c *cli) instanceCommand(verb, short, done string,
	call func(ctx context.Context, admin *client.Client, service, instance string) (api.Done, error)) *cobra.Command {
	return &cobra.Command{
		Use:               verb + " SERVICE INSTANCE",
		Short:             short,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: c.completes(services, instancesOf),
		RunE: func(cmd *cobra.Command, args []string) error {
			bound := func(admin *client.Client, ctx context.Context) (api.Done, error) {
				return call(ctx, admin, args[0], args[1])
			}
			return ask(cmd.Context(), c, bound, func(w io.Writer, _ api.Done) { fmt.Fprintf(w, "%s %s %s\n", args[0], args[1], done) })
		},
	}
}

func (c *cli) maintenanceCommand() *cobra.Command {
	var message string
	var duration time.Duration
	cmd := &cobra.Command{
		Use:               "maintenance SERVICE on|off|hold",
		Short:             "on: answer 503 with Retry-After; hold: let requests wait in the bounded queue; off: serve",
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: c.completes(services, words("on", "off", "hold")),
		RunE: func(cmd *cobra.Command, args []string) error {
			req := api.MaintenanceRequest{Mode: api.MaintenanceMode(args[1]), Message: message, For: api.Duration(duration)}
			call := func(admin *client.Client, ctx context.Context) (api.Done, error) {
				return admin.SetMaintenance(ctx, args[0], req)
			}
			return ask(cmd.Context(), c, call, func(w io.Writer, _ api.Done) { fmt.Fprintf(w, "maintenance of %s is %s\n", args[0], req.Mode) })
		},
	}
	cmd.Flags().StringVar(&message, "message", "", "what clients are told")
	cmd.Flags().DurationVar(&duration, "for", 0, "end by itself after this time")
	return cmd
}

func (c *cli) reloadCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "reload",
		Short: "Make the gateway read its config file again",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return ask(cmd.Context(), c, (*client.Client).Reload, func(w io.Writer, r api.ReloadResult) {
				fmt.Fprintf(w, "config generation %d runs\n", r.Generation)
				for _, change := range r.Changes {
					fmt.Fprintf(w, "  %s\n", oneLine(change))
				}
			})
		},
	}
}
