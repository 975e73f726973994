package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"gatewayd/admin/api"
	"gatewayd/admin/client"
)

func (c *cli) deployCommand() *cobra.Command {
	var req api.RolloutRequest
	var wait bool
	cmd := &cobra.Command{
		Use:               "deploy SERVICE --version V",
		Short:             "Roll out a version of a service",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: c.completes(services),
		RunE: func(cmd *cobra.Command, args []string) error {
			if req.Version == "" {
				return usageError{fmt.Errorf("--version is missing; say which version to deploy")}
			}
			return c.begin(cmd.Context(), wait, func(admin *client.Client, ctx context.Context) (api.RolloutRef, error) {
				return admin.Deploy(ctx, args[0], req)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&req.Version, "version", "", "the version to deploy")
	flags.StringVar(&req.Strategy, "strategy", "", "canary, blue-green or rolling; left out: as configured")
	completeFlag(cmd, "strategy", words("canary", "blue-green", "rolling"))
	flags.StringVar(&req.Reason, "reason", "", "why; it is shown in the audit trail")
	flags.BoolVar(&req.Supersede, "supersede", false, "take the place of a rollout that is under way")
	flags.BoolVar(&wait, "wait", false, "show the progress until it ends; exit 1 unless it completed")
	return cmd
}

func (c *cli) rollbackCommand() *cobra.Command {
	var wait bool
	cmd := &cobra.Command{
		Use:               "rollback SERVICE",
		Short:             "Go back to the version before",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: c.completes(services),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.begin(cmd.Context(), wait, func(admin *client.Client, ctx context.Context) (api.RolloutRef, error) {
				return admin.Rollback(ctx, args[0])
			})
		},
	}
	cmd.Flags().BoolVar(&wait, "wait", false, "show the progress until it ends")
	return cmd
}

// begin starts a rollout and, when asked to, follows it to its end.
func (c *cli) begin(ctx context.Context, wait bool, start func(*client.Client, context.Context) (api.RolloutRef, error)) error {
	admin, err := c.connect()
	if err != nil {
		return err
	}
	defer admin.Close()
	ref, err := start(admin, ctx)
	if err != nil {
		return err
	}
	if !wait {
		return show(c, ref, func(w io.Writer, ref api.RolloutRef) {
			fmt.Fprintf(w, "rollout %s has begun; follow it with: gatewayd rollout status %s\n", ref.ID, ref.ID)
		})
	}
	return (&follower{cli: c, admin: admin, id: ref.ID, width: terminalWidth(c.stdout)}).follow(ctx)
}

// progress is one line about where a rollout is.
func progress(r *api.Rollout) string {
	return fmt.Sprintf("%s %s: %s, step %d of %d, weight %s: %s", oneLine(r.Service), oneLine(r.Version), r.Status, r.Step, r.Steps, percent(r.Weight), oneLine(r.Reason))
}

func printEvidence(w io.Writer, r api.Rollout) {
	if len(r.Evidence) == 0 {
		return
	}
	t := newTable(w, "METRIC", "STABLE", "CANDIDATE", "REQUESTS", "VERDICT", "DETAIL")
	for _, e := range r.Evidence {
		if strings.Contains(r.Reason, e.Detail) {
			e.Detail = "" // has been said
		}
		t.row(e.Metric, fmt.Sprintf("%.2f%s", e.Stable, e.Unit), fmt.Sprintf("%.2f%s", e.Candidate, e.Unit),
			fmt.Sprintf("%d/%d", e.StableRequests, e.CandidateRequests), e.Verdict, e.Detail)
	}
	t.flush()
}

func (c *cli) rolloutCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "rollout", Short: "List rollouts and steer the one under way"}
	cmd.AddCommand(&cobra.Command{
		Use: "list", Short: "All rollouts that are remembered, newest first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return ask(cmd.Context(), c, (*client.Client).Rollouts, printRollouts)
		},
	}, &cobra.Command{
		Use: "status ID", Short: "One rollout with its evidence", Args: cobra.ExactArgs(1), ValidArgsFunction: c.completes(rollouts),
		RunE: func(cmd *cobra.Command, args []string) error {
			call := func(admin *client.Client, ctx context.Context) (api.Rollout, error) {
				return admin.Rollout(ctx, args[0])
			}
			return ask(cmd.Context(), c, call, printRollout)
		},
	},
		c.actCommand(api.ActionPause, "Hold a rollout at its present step"),
		c.actCommand(api.ActionResume, "Go on with a paused rollout"),
		c.actCommand(api.ActionPromote, "Give the new version all traffic now"),
		c.actCommand(api.ActionAbort, "Go back to the stable version"))
	return cmd
}

func (c *cli) actCommand(action api.RolloutAction, short string) *cobra.Command {
	return &cobra.Command{
		Use: string(action) + " ID", Short: short, Args: cobra.ExactArgs(1), ValidArgsFunction: c.completes(rollouts),
		RunE: func(cmd *cobra.Command, args []string) error {
			call := func(admin *client.Client, ctx context.Context) (api.Rollout, error) {
				return admin.Act(ctx, args[0], action)
			}
			return ask(cmd.Context(), c, call, printRollout)
		},
	}
}

func printRollout(w io.Writer, r api.Rollout) {
	fmt.Fprintln(w, progress(&r))
	fmt.Fprintf(w, "%s %s, from %s, began %s\n", r.ID, oneLine(r.Strategy), oneLine(r.From), clock(r.StartedAt))
	if r.EndedAt != nil {
		fmt.Fprintf(w, "ended %s\n", clock(*r.EndedAt))
	}
	printEvidence(w, r)
}

func printRollouts(w io.Writer, all []api.Rollout) {
	if len(all) == 0 {
		fmt.Fprintln(w, "no rollouts")
		return
	}
	t := newTable(w, "ID", "SERVICE", "VERSION", "STRATEGY", "STATUS", "STEP", "WEIGHT", "BEGAN", "REASON")
	for _, r := range all {
		t.row(r.ID, r.Service, r.Version, r.Strategy, string(r.Status), fmt.Sprintf("%d/%d", r.Step, r.Steps), percent(r.Weight), clock(r.StartedAt), r.Reason)
	}
	t.flush()
}
