package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gatewayd/admin/api"
	"gatewayd/admin/client"
)

func (c *cli) alertsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "alerts", Short: "What is firing, worst first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return ask(cmd.Context(), c, (*client.Client).Alerts, printAlerts)
		},
	}
}

func printAlerts(w io.Writer, all []api.Alert) {
	if len(all) == 0 {
		fmt.Fprintln(w, "no alerts")
		return
	}
	t := newTable(w, "SEVERITY", "SERVICE", "INSTANCE", "METRIC", "VALUE", "THRESHOLD", "SINCE", "SILENCED BY", "MESSAGE")
	for _, a := range all {
		t.row(a.Severity, a.Service, a.Instance, a.Metric, figure(a.Value, a.Unit), figure(a.Threshold, a.Unit), clock(a.Since), a.SilencedBy, withContext(&a))
	}
	t.flush()
}

// figure prints a value with its unit; one that is a word stands apart.
// withContext is the message of an alert with what was done shortly before.
func withContext(a *api.Alert) string {
	if len(a.Context) == 0 {
		return a.Message
	}
	return fmt.Sprintf("%s (shortly before: %s)", a.Message, strings.Join(a.Context, "; "))
}

func figure(value float64, unit string) string {
	space := ""
	if len(unit) > 2 && unit[0] != ' ' {
		space = " "
	}
	return strconv.FormatFloat(value, 'f', -1, 64) + space + unit
}

func (c *cli) bottlenecksCommand() *cobra.Command {
	return &cobra.Command{
		Use: "bottlenecks", Short: "What holds services back, worst first, and what to do", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return ask(cmd.Context(), c, (*client.Client).Bottlenecks, printFindings)
		},
	}
}

func printFindings(w io.Writer, all []api.Finding) {
	if len(all) == 0 {
		fmt.Fprintln(w, "no bottlenecks")
		return
	}
	for i, f := range all {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%s: %s on %s", f.Severity, oneLine(f.Type), oneLine(f.Service))
		if f.Instance != "" {
			fmt.Fprintf(w, " instance %s", oneLine(f.Instance))
		}
		fmt.Fprintf(w, ", since %s\n  %s\n", clock(f.Since), oneLine(f.Cause))
		for _, e := range f.Evidence {
			fmt.Fprintf(w, "  %s %s\n", oneLine(e.Name), oneLine(figure(e.Value, e.Unit)))
		}
		fmt.Fprintf(w, "  advice: %s\n", oneLine(f.Advice))
		if f.Command != "" {
			fmt.Fprintf(w, "  command: %s\n", oneLine(f.Command))
		}
	}
}

// costReport is what the cost verb prints.
type costReport struct {
	api.Cost
	Recommendations []api.Recommendation `json:"recommendations"`
}

func (c *cli) costCommand() *cobra.Command {
	return &cobra.Command{
		Use: "cost", Short: "What the instances cost, and how they could cost less", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			call := func(admin *client.Client, ctx context.Context) (costReport, error) {
				cost, err := admin.Cost(ctx)
				if err != nil {
					return costReport{}, err
				}
				recommendations, err := admin.Recommendations(ctx)
				return costReport{cost, recommendations}, err
			}
			return ask(cmd.Context(), c, call, printCost)
		},
	}
}

func printCost(w io.Writer, r costReport) {
	fmt.Fprintf(w, "%.4f %s per hour; today %s, this month %s, forecast %s; %s idle\n", r.PerHour, r.Currency,
		money(r.Currency, r.Today), money(r.Currency, r.Month), money(r.Currency, r.Forecast), percent(r.IdlePercent))
	if r.MonthlyBudget != nil {
		fmt.Fprintf(w, "budget: %s a month\n", money(r.Currency, *r.MonthlyBudget))
	}
	t := newTable(w, "SERVICE", "VERSION", "POOL", "INSTANCES", "PER HOUR", "TODAY", "MONTH", "PER 1000 REQUESTS", "IDLE")
	for _, s := range r.Services {
		per1000 := "-"
		if s.Per1000Requests != nil {
			per1000 = fmt.Sprintf("%.4f", *s.Per1000Requests)
		}
		t.row(s.Service, s.Revision, s.Pool, strconv.Itoa(s.Instances), fmt.Sprintf("%.4f", s.PerHour),
			fmt.Sprintf("%.2f", s.Today), fmt.Sprintf("%.2f", s.Month), per1000, percent(s.IdlePercent))
	}
	t.flush()
	for _, rec := range r.Recommendations {
		fmt.Fprintf(w, "save %s a month: %s (risk %s, confidence %.0f%%)\n", money(r.Currency, rec.SavingPerMonth), oneLine(rec.Change), oneLine(rec.Risk), 100*rec.Confidence)
		if rec.Command != "" {
			fmt.Fprintf(w, "  command: %s\n", oneLine(rec.Command))
		}
	}
	for _, h := range r.Withheld {
		if h.Type == "" {
			fmt.Fprintf(w, "no advice on %s yet: %s\n", oneLine(h.Service), oneLine(h.Reason))
		} else {
			fmt.Fprintf(w, "not recommended for %s: %s, which would save %s a month: %s\n", oneLine(h.Service), oneLine(h.Type),
				money(r.Currency, h.SavingPerMonth), oneLine(h.Reason))
		}
	}
}

func (c *cli) reportCommand() *cobra.Command {
	var window time.Duration
	var page string
	cmd := &cobra.Command{
		Use: "report", Short: "How the services did over a window that ends now", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if page != "" {
				return c.savePage(cmd.Context(), window, page)
			}
			call := func(admin *client.Client, ctx context.Context) (api.Report, error) { return admin.Report(ctx, window) }
			return ask(cmd.Context(), c, call, printReport)
		},
	}
	cmd.Flags().DurationVar(&window, "window", time.Hour, "how far to look back")
	cmd.Flags().StringVar(&page, "html", "", "write one self-contained page to this file instead")
	return cmd
}

func (c *cli) savePage(ctx context.Context, window time.Duration, path string) error {
	admin, err := c.connect()
	if err != nil {
		return err
	}
	defer admin.Close()
	page, err := admin.ReportHTML(ctx, window)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, page, 0o644); err != nil {
		return fmt.Errorf("cannot write the report: %w", err)
	}
	fmt.Fprintf(c.stdout, "wrote %s\n", path)
	return nil
}

func printReport(w io.Writer, r api.Report) {
	fmt.Fprintf(w, "%s to %s, cost %s\n\n", clock(r.From), clock(r.To), money(r.Currency, r.Cost))
	t := newTable(w, "SERVICE", "REQUESTS", "RATE", "PEAK", "P50", "P95", "P99", "ERRORS", "INSTANCES", "SCALED", "COST")
	for _, s := range r.Services {
		t.row(s.Service, strconv.FormatUint(s.Requests, 10), fmt.Sprintf("%.1f/s", s.RequestRate), fmt.Sprintf("%.1f/s", s.PeakRequestRate),
			millis(s.P50Ms), millis(s.P95Ms), millis(s.P99Ms), percent(s.ErrorRate),
			fmt.Sprintf("%d to %d, %.1f on average", s.MinInstances, s.MaxInstances, s.AverageInstances), strconv.Itoa(s.ScalingActions), fmt.Sprintf("%.2f", s.Cost))
	}
	t.flush()
	if len(r.Scalings) > 0 {
		fmt.Fprintln(w)
		t := newTable(w, "TIME", "SERVICE", "SCALING")
		for _, e := range r.Scalings {
			t.row(clock(e.Time), e.Service, e.Text)
		}
		t.flush()
	}
	if len(r.Rollouts) > 0 {
		fmt.Fprintln(w)
		printRollouts(w, r.Rollouts)
	}
	if len(r.Alerts) > 0 {
		fmt.Fprintln(w)
		printAlerts(w, r.Alerts)
	}
	if len(r.Bottlenecks) > 0 {
		fmt.Fprintln(w)
		printFindings(w, r.Bottlenecks)
	}
	for i, advice := range r.Advice {
		fmt.Fprintf(w, "\n%d. %s", i+1, oneLine(advice))
	}
	if len(r.Advice) > 0 {
		fmt.Fprintln(w)
	}
}
