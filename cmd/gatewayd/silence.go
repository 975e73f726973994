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

func (c *cli) silenceCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "silence", Short: "Keep alerts from being sent for a time; they are shown all the same", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(c.silenceAddCommand(), c.silenceListCommand(), c.silenceExpireCommand())
	return cmd
}

func (c *cli) silenceAddCommand() *cobra.Command {
	var req api.SilenceRequest
	var length time.Duration
	cmd := &cobra.Command{
		Use: "add --service S --metric M --for 2h --comment TEXT", Short: "Silence the alerts of a service, of a metric, or of one at the other", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case req.Service == "" && req.Metric == "":
				return usageError{fmt.Errorf("--service and --metric are missing; want one of them, or * for all alerts")}
			case req.Comment == "":
				return usageError{fmt.Errorf("--comment is missing; say why, others will read it")}
			}
			req.For = api.Duration(length)
			call := func(admin *client.Client, ctx context.Context) (api.Silence, error) { return admin.Silence(ctx, req) }
			return ask(cmd.Context(), c, call, func(w io.Writer, s api.Silence) {
				fmt.Fprintf(w, "%s is in force until %s\n", oneLine(s.ID), clock(s.Until))
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&req.Service, "service", "", "the service; shop-* is all that begin so; left out: all")
	flags.StringVar(&req.Metric, "metric", "", "the metric, as `gatewayd alerts` tells it; left out: all")
	flags.StringVar(&req.Below, "below", "", "only alerts less severe than this: warning, critical or page")
	flags.DurationVar(&length, "for", 2*time.Hour, "how long, 1m to 744h")
	flags.StringVar(&req.Comment, "comment", "", "why; it is shown with the silence and in the audit trail")
	return cmd
}

func (c *cli) silenceListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "The silences in force, what ends first coming first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return ask(cmd.Context(), c, (*client.Client).Silences, printSilences)
		},
	}
}

func printSilences(w io.Writer, all []api.Silence) {
	if len(all) == 0 {
		fmt.Fprintln(w, "no silences")
		return
	}
	t := newTable(w, "SILENCE", "SERVICE", "METRIC", "BELOW", "UNTIL", "BY", "COMMENT")
	for _, s := range all {
		t.row(s.ID, s.Service, s.Metric, s.Below, clock(s.Until), s.By, s.Comment)
	}
	t.flush()
}

func (c *cli) silenceExpireCommand() *cobra.Command {
	return &cobra.Command{
		Use: "expire SILENCE", Short: "End a silence before its time", Args: cobra.ExactArgs(1), ValidArgsFunction: c.completes(silences),
		RunE: func(cmd *cobra.Command, args []string) error {
			call := func(admin *client.Client, ctx context.Context) (api.Done, error) { return admin.Expire(ctx, args[0]) }
			return ask(cmd.Context(), c, call, func(w io.Writer, _ api.Done) { fmt.Fprintf(w, "%s is over\n", args[0]) })
		},
	}
}

func (c *cli) whoamiCommand() *cobra.Command {
	return &cobra.Command{
		Use: "whoami", Short: "Who the token belongs to, and its role", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return ask(cmd.Context(), c, (*client.Client).Whoami, func(w io.Writer, who api.Whoami) {
				fmt.Fprintf(w, "%s: %s, from %s\n", oneLine(who.Name), who.Role, oneLine(who.From))
			})
		},
	}
}
