package main

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"gatewayd/admin/api"
	"gatewayd/admin/client"
)

func (c *cli) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "status [SERVICE]",
		Short:             "Health of the system, services, revisions, instances, and what is draining",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: c.completes(services),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return ask(cmd.Context(), c, (*client.Client).Status, printStatus)
			}
			one := func(admin *client.Client, ctx context.Context) (api.Service, error) {
				return admin.Service(ctx, args[0])
			}
			return ask(cmd.Context(), c, one, printService)
		},
	}
}

func printStatus(w io.Writer, s api.Status) {
	fmt.Fprintf(w, "%s, gatewayd %s since %s, config %s generation %d\n",
		s.Overall, oneLine(s.Version), clock(s.StartedAt), oneLine(s.Config.Path), s.Config.Generation)
	for _, reason := range s.Reasons {
		fmt.Fprintf(w, "  %s\n", oneLine(reason))
	}
	if len(s.Config.Rejected) > 0 {
		fmt.Fprintln(w, "  the config file was refused, an older one runs:")
		for _, e := range s.Config.Rejected {
			fmt.Fprintf(w, "    %s\n", oneLine(e))
		}
	}
	if len(s.Services) == 0 {
		fmt.Fprintln(w, "no services")
		return
	}
	fmt.Fprintln(w)
	t := newTable(w, "SERVICE", "HEALTH", "READY", "TARGET", "RATE", "P50", "P95", "P99", "ERRORS", "IN FLIGHT", "QUEUE", "STATE")
	for i := range s.Services {
		t.row(serviceCells(&s.Services[i])...)
	}
	t.flush()
	fmt.Fprintln(w)
	t = newInstanceTable(w, "SERVICE")
	for i := range s.Services {
		addInstances(t, &s.Services[i], s.Services[i].Name)
	}
	t.flush()
}

// serviceCells is the row of a service.
func serviceCells(s *api.Service) []string {
	return []string{
		s.Name, string(s.Health), strconv.Itoa(countReady(s)), strconv.Itoa(s.Target),
		fmt.Sprintf("%.1f/s", s.RequestRate), millis(s.P50Ms), millis(s.P95Ms), millis(s.P99Ms), percent(s.ErrorRate),
		strconv.FormatInt(s.InFlight, 10), strconv.FormatInt(s.QueueLength, 10), serviceState(s),
	}
}

func countReady(s *api.Service) int {
	ready := 0
	for _, r := range s.Revisions {
		for _, i := range r.Instances {
			if i.State == api.StateReady {
				ready++
			}
		}
	}
	return ready
}

// serviceState says in a few words what is special about a service now.
func serviceState(s *api.Service) string {
	state := ""
	add := func(text string) {
		if state != "" {
			state += ", "
		}
		state += text
	}
	if s.Maintenance != nil && s.Maintenance.Mode != api.MaintenanceOff {
		add("maintenance " + string(s.Maintenance.Mode))
	}
	if s.Scaling != nil && s.Scaling.Mode != api.ScalingAuto {
		add("scaling " + string(s.Scaling.Mode))
	}
	if s.Rollout != "" {
		add("rollout " + s.Rollout)
	}
	return state
}

func newInstanceTable(w io.Writer, first ...string) *table {
	return newTable(w, append(first, "VERSION", "ROLE", "TRAFFIC", "INSTANCE", "ADDRESS", "WEIGHT", "STATE", "RATE", "P95", "ERRORS", "IN FLIGHT", "CPU", "MEMORY", "REASON")...)
}

// addInstances adds a row for each instance of s, and one for each revision without any.
func addInstances(t *table, s *api.Service, first ...string) {
	for _, r := range s.Revisions {
		revision := append(append([]string{}, first...), r.Version, string(r.Role), percent(r.Weight))
		if len(r.Instances) == 0 {
			t.row(append(revision, "", "", "", "no instances", "", "", "", "", "", "", "")...)
		}
		for _, i := range r.Instances {
			t.row(append(append([]string{}, revision...), i.ID, i.Address, strconv.Itoa(i.Weight), string(i.State), fmt.Sprintf("%.1f/s", i.RequestRate),
				millis(i.P95Ms), percent(i.ErrorRate), strconv.FormatInt(i.InFlight, 10), maybePercent(i.CPU), maybePercent(i.Memory), i.Reason)...)
		}
	}
}

func printService(w io.Writer, s api.Service) {
	fmt.Fprintf(w, "%s: %s, %d ready of %d wanted (%d to %d), load needs %.1f\n",
		oneLine(s.Name), s.Health, countReady(&s), s.Target, s.MinInstances, s.MaxInstances, s.Demand)
	for _, reason := range s.Reasons {
		fmt.Fprintf(w, "  %s\n", oneLine(reason))
	}
	fmt.Fprintf(w, "traffic: %.1f/s, p50 %s, p95 %s, p99 %s, errors %s, %d in flight, %d queued\n",
		s.RequestRate, millis(s.P50Ms), millis(s.P95Ms), millis(s.P99Ms), percent(s.ErrorRate), s.InFlight, s.QueueLength)
	if state := serviceState(&s); state != "" {
		fmt.Fprintf(w, "state: %s\n", oneLine(state))
	}
	printScaling(w, s.Scaling)
	fmt.Fprintln(w)
	t := newInstanceTable(w)
	addInstances(t, &s)
	t.flush()
}

// printScaling says who chooses the number of instances, and the last decision with its reason.
func printScaling(w io.Writer, s *api.Scaling) {
	if s == nil {
		return
	}
	if s.Hold != nil {
		fmt.Fprintf(w, "scaling: held at %d by %s since %s: %s\n", s.Hold.Instances, oneLine(s.Hold.By), clock(s.Hold.Since), oneLine(s.Hold.Reason))
	}
	if s.Last == nil {
		return
	}
	fmt.Fprintf(w, "last decision: %s, %d to %d: %s\n", clock(s.Last.Time), s.Last.From, s.Last.Want, oneLine(s.Last.Reason))
	for _, want := range s.Last.Wants {
		fmt.Fprintf(w, "  %s wants %d: %s\n", oneLine(want.Policy), want.Want, oneLine(want.Reason))
	}
	for _, bound := range s.Last.Bounds {
		fmt.Fprintf(w, "  bound: %s\n", oneLine(bound))
	}
}
