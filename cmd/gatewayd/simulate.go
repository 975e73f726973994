package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"gatewayd/config"
	"gatewayd/scaler"
	"gatewayd/scaler/simulate"
)

// simulation is what the simulate verb is asked for.
type simulation struct {
	config, service, trace string
	svg                    string // file for the picture; empty: none
	startDelay             time.Duration
	peak                   float64
}

func (c *cli) simulateCommand() *cobra.Command {
	if c.scaling == nil {
		return nil
	}
	var s simulation
	cmd := &cobra.Command{
		Use:   "simulate -c FILE --service S --trace CSV",
		Short: "Replay traffic through a service's scaling, beside other autoscalers, to judge it before you trust it",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if s.trace == "" {
				return usageError{errors.New("--trace is missing; want a CSV file of t_s,requests")}
			}
			options, err := c.simulation(s)
			if err != nil {
				return c.printConfigErrors(err)
			}
			report, err := simulate.Run(options)
			if err != nil {
				return err
			}
			if s.svg != "" {
				if err := drawTo(s.svg, report); err != nil {
					return err
				}
			}
			var printed error
			err = show(c, report, func(w io.Writer, r *simulate.Report) { printed = r.WriteTable(w) })
			return errors.Join(err, printed)
		},
	}
	configFlag(cmd, &s.config)
	flags := cmd.Flags()
	flags.StringVar(&s.service, "service", "", "the service whose scaling is tried; may be left out where there is one")
	flags.StringVar(&s.trace, "trace", "", "CSV file of t_s,requests with even steps; FILE:FROM-TO takes some rows")
	flags.DurationVar(&s.startDelay, "start-delay", 30*time.Second, "from the launch of an instance to its first request")
	flags.StringVar(&s.svg, "svg", "", "draw demand against instances into this file")
	flags.Float64Var(&s.peak, "peak", 0, "scale the trace so that its busiest minute has this many requests per second; 0: as it is")
	return cmd
}

// drawTo writes the picture of a report.
func drawTo(path string, report *simulate.Report) error {
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("cannot draw the picture (--svg): %w", err)
	}
	if err := errors.Join(report.WriteSVG(file), file.Close()); err != nil {
		return fmt.Errorf("cannot draw the picture (--svg) into %q: %w", path, err)
	}
	return nil
}

// simulation reads the files that s names.
func (c *cli) simulation(s simulation) (simulate.Options, error) {
	cfg, err := config.Load(s.config)
	if err != nil {
		return simulate.Options{}, err
	}
	spec, err := c.scalingOf(cfg, s.service)
	if err != nil {
		return simulate.Options{}, err
	}
	trace, err := simulate.OpenTrace(s.trace)
	if err != nil {
		return simulate.Options{}, err
	}
	return simulate.Options{Trace: trace, Spec: spec, Plant: simulate.Plant{StartDelay: s.startDelay}, Peak: s.peak}, nil
}

// scalingOf returns the scaling of the service called name, or of the only one.
func (c *cli) scalingOf(cfg *config.Config, name string) (*scaler.Spec, error) {
	names := cfg.ServiceNames()
	if name == "" && len(names) == 1 {
		name = names[0]
	}
	service := cfg.Services[name]
	if service == nil {
		return nil, usageError{fmt.Errorf("--service: got %q; want one of %q", name, names)}
	}
	return c.scaling(service), nil
}
