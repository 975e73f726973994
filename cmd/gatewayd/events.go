package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"gatewayd/admin/client"
	"gatewayd/events"
)

func (c *cli) eventsCommand() *cobra.Command {
	var query client.EventQuery
	cmd := &cobra.Command{
		Use:   "events",
		Short: "What happened, and with --follow what happens",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			admin, err := c.connect()
			if err != nil {
				return err
			}
			defer admin.Close()
			err = admin.Events(cmd.Context(), query, c.printEvent)
			if errors.Is(err, context.Canceled) {
				return nil // somebody pressed ^C, which is how --follow ends
			}
			return err
		},
	}
	flags := cmd.Flags()
	flags.BoolVarP(&query.Follow, "follow", "f", false, "wait for what happens")
	flags.StringSliceVar(&query.Types, "type", nil, "only events of these types")
	completeFlag(cmd, "type", eventTypes)
	flags.StringVar(&query.Service, "service", "", "only events of this service")
	flags.StringVar(&query.Since, "since", "", "from a time on: a duration before now such as 1h, or an RFC 3339 time")
	return cmd
}

// printEvent prints an event as one line; with -o json as one JSON document on a line.
func (c *cli) printEvent(e events.Event, missed uint64) error {
	if c.output == "json" {
		if missed > 0 {
			_, err := fmt.Fprintf(c.stdout, "{\"missed\":%d}\n", missed)
			return err
		}
		return writeJSON(c.stdout, e, "")
	}
	if missed > 0 {
		_, err := fmt.Fprintf(c.stdout, "... %d events were missed\n", missed)
		return err
	}
	_, err := fmt.Fprintf(c.stdout, "%s  %-8s  %-22s  %s\n", clock(e.Time), e.Severity, e.Type, oneLine(e.Message))
	return err
}
