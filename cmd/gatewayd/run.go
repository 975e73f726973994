package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"gatewayd/admin/api"
	"gatewayd/admin/client"
	"gatewayd/config"
	"gatewayd/scaler"
)

const defaultAdmin = "http://127.0.0.1:9900"

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// program is what the command line gets from the process around it.
type program struct {
	env            func(string) string
	stdin          io.Reader
	stdout, stderr io.Writer

	// notify is signal.Notify: it sends the signals to the channel from now on.
	notify func(chan<- os.Signal, ...os.Signal)
	// serve runs the gateway until ctx ends; nil: this build has no verb for it.
	serve func(ctx context.Context, opts serveOptions) error
	// scaling translates a service's settings for the scaler; nil: this build has no verb for it.
	scaling func(*config.Service) *scaler.Spec
}

// usageError is a command line that cannot be understood.
type usageError struct{ error }

// errSilent is a failure about which everything was said already.
var errSilent = errors.New("failed")

// run executes one command line and returns the exit code: 0, 1 for a failure, 2 for a command
// line that cannot be understood.
func run(ctx context.Context, args []string, p program) int {
	c := &cli{program: p}
	root := c.root()
	root.SetArgs(args)
	root.SetIn(p.stdin)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	err := root.ExecuteContext(ctx)
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errSilent):
		return exitFailed
	case errors.As(err, &usage):
		fmt.Fprintf(p.stderr, "gatewayd: %v\n", err)
		return exitUsage
	}
	fmt.Fprintf(p.stderr, "gatewayd: %v\n", err)
	var refused *api.Error
	if errors.As(err, &refused) {
		for _, detail := range refused.Details {
			fmt.Fprintln(p.stderr, oneLine(detail))
		}
	}
	return exitFailed
}

// cli is one command line with the flags that all client verbs share.
type cli struct {
	program
	admin  string
	output string
}

// root returns the command with all verbs.
func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "gatewayd",
		Short:         "A layer-7 reverse proxy with autoscaling and progressive delivery",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	flags := root.PersistentFlags()
	flags.StringVar(&c.admin, "admin", c.envOr("GATEWAYD_ADMIN", defaultAdmin), "address of the admin API; also GATEWAYD_ADMIN; the token is taken from GATEWAYD_TOKEN")
	flags.StringVarP(&c.output, "output", "o", "table", "how to print: table or json")
	root.PersistentPreRunE = func(*cobra.Command, []string) error { return c.checkOutput() }
	root.AddGroup(&cobra.Group{ID: "serve", Title: "The gateway:"}, &cobra.Group{ID: "client", Title: "A running gateway:"},
		&cobra.Group{ID: "tools", Title: "Tools:"})
	root.SetHelpCommandGroupID("tools")
	root.SetCompletionCommandGroupID("tools")
	group(root, "serve", c.runCommand(), c.validateCommand(), c.schemaCommand())
	group(root, "client", c.statusCommand(), c.scaleCommand(), c.deployCommand(), c.rolloutCommand(), c.rollbackCommand(),
		c.drainCommand(), c.undrainCommand(), c.maintenanceCommand(), c.eventsCommand(), c.alertsCommand(), c.silenceCommand(), c.bottlenecksCommand(),
		c.costCommand(), c.reportCommand(), c.metricsCommand(), c.reloadCommand(), c.topCommand(), c.whoamiCommand(), c.healthcheckCommand())
	group(root, "tools", c.simulateCommand(), c.demoCommand(), c.versionCommand(), c.guardCommand())
	markUsage(root)
	return root
}

// group adds the commands that are not nil.
func group(root *cobra.Command, id string, commands ...*cobra.Command) {
	for _, cmd := range commands {
		if cmd == nil {
			continue
		}
		cmd.GroupID = id
		root.AddCommand(cmd)
	}
}

// markUsage makes wrong arguments of cmd and its subcommands a usageError.
func markUsage(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return usageError{fmt.Errorf("%w\nusage: %s", err, cmd.UseLine())}
			}
			return nil
		}
	}
	for _, sub := range cmd.Commands() {
		markUsage(sub)
	}
}

func (c *cli) envOr(name, fallback string) string {
	if value := c.env(name); value != "" {
		return value
	}
	return fallback
}

func (c *cli) checkOutput() error {
	if c.output != "table" && c.output != "json" {
		return usageError{fmt.Errorf("--output: got %q; want table or json", c.output)}
	}
	return nil
}

// connect returns a client for the gateway that the flags name.
func (c *cli) connect() (*client.Client, error) {
	admin, err := client.New(c.admin, c.env("GATEWAYD_TOKEN"))
	if err != nil {
		return nil, usageError{fmt.Errorf("--admin: %w", err)}
	}
	return admin, nil
}
