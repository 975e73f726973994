package main

import (
	"context"

	"github.com/spf13/cobra"

	"gatewayd/admin/client"
	"gatewayd/events"
)

// source lists what may stand at one place of a command line; before is what stands in front of it.
type source func(ctx context.Context, admin *client.Client, before []string) ([]string, error)

// completes offers arguments, from one source for each place. A gateway that does not answer offers nothing.
func (c *cli) completes(places ...source) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) >= len(places) {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		admin, err := c.connect()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer admin.Close()
		words, err := places[len(args)](cmd.Context(), admin, args)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return words, cobra.ShellCompDirectiveNoFileComp
	}
}

func words(list ...string) source {
	return func(context.Context, *client.Client, []string) ([]string, error) { return list, nil }
}

func services(ctx context.Context, admin *client.Client, _ []string) (names []string, err error) {
	status, err := admin.Status(ctx)
	for _, s := range status.Services {
		names = append(names, s.Name)
	}
	return names, err
}

// instancesOf lists the instances of the service that stands before.
func instancesOf(ctx context.Context, admin *client.Client, before []string) (ids []string, err error) {
	s, err := admin.Service(ctx, before[0])
	for _, r := range s.Revisions {
		for _, i := range r.Instances {
			ids = append(ids, i.ID)
		}
	}
	return ids, err
}

func rollouts(ctx context.Context, admin *client.Client, _ []string) (ids []string, err error) {
	all, err := admin.Rollouts(ctx)
	for _, r := range all {
		ids = append(ids, r.ID)
	}
	return ids, err
}

func silences(ctx context.Context, admin *client.Client, _ []string) (ids []string, err error) {
	all, err := admin.Silences(ctx)
	for _, s := range all {
		ids = append(ids, s.ID)
	}
	return ids, err
}

func eventTypes(context.Context, *client.Client, []string) (types []string, err error) {
	for _, t := range events.Types() {
		types = append(types, string(t))
	}
	return types, nil
}

// completeFlag offers values of a flag.
func completeFlag(cmd *cobra.Command, name string, from source) {
	offer := func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		list, _ := from(cmd.Context(), nil, args) // those that need no gateway do not fail
		return list, cobra.ShellCompDirectiveNoFileComp
	}
	if err := cmd.RegisterFlagCompletionFunc(name, offer); err != nil {
		panic("BUG: there is no flag " + name + ": " + err.Error())
	}
}
