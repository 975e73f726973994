package main

import (
	"context"
	"fmt"
	"io"
	"math"

	"github.com/spf13/cobra"

	"gatewayd/admin/api"
	"gatewayd/admin/client"
)

func (c *cli) metricsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "metrics", Short: "Give the gateway figures that it cannot see itself"}
	cmd.AddCommand(c.pushCommand())
	return cmd
}

func (c *cli) pushCommand() *cobra.Command {
	var figures api.PushedMetrics
	cmd := &cobra.Command{
		Use:               "push SERVICE [--instance I] --cpu 75.5 --memory 68.2 ...",
		Short:             "Push figures of a service, or of one of its instances",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: c.completes(services),
	}
	cmd.Flags().StringVar(&figures.Instance, "instance", "", "id of the instance; left out: the whole service")
	flags := []struct {
		name, usage string
		figure      **float64
		value       *float64
	}{
		{"cpu", "percent of what it is given", &figures.CPU, nil},
		{"memory", "percent of what it is given", &figures.Memory, nil},
		{"request-rate", "requests per second", &figures.RequestRate, nil},
		{"response-time", "milliseconds", &figures.ResponseTime, nil},
		{"error-rate", "percent", &figures.ErrorRate, nil},
		{"active-connections", "requests in flight", &figures.ActiveConnections, nil},
		{"queue-length", "requests that wait", &figures.QueueLength, nil},
	}
	for i := range flags {
		flags[i].value = cmd.Flags().Float64(flags[i].name, 0, flags[i].usage)
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		for _, f := range flags {
			if cmd.Flags().Changed(f.name) {
				if math.IsNaN(*f.value) || math.IsInf(*f.value, 0) { // JSON has no such numbers
					return usageError{fmt.Errorf("--%s: got %v; want a number", f.name, *f.value)}
				}
				*f.figure = f.value
			}
		}
		call := func(admin *client.Client, ctx context.Context) (api.Done, error) {
			return admin.Push(ctx, args[0], figures)
		}
		return ask(cmd.Context(), c, call, func(w io.Writer, _ api.Done) { fmt.Fprintln(w, "taken") })
	}
	return cmd
}
