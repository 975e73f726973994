package main

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"gatewayd/internal/demo"
)

func (c *cli) demoCommand() *cobra.Command {
	var opts demo.Options
	var listen, errorRate string
	cmd := &cobra.Command{
		Use:   "demo-instance --listen ADDR",
		Short: "An instance to try gatewayd with: / /health /echo /headers /sse /ws /bytes?n=; POST /break?mode=errors|slow|hang|refuse|unhealthy|burn|leak|hoard",
		Long: `An instance to try gatewayd with. It answers /, /health, /echo, /headers, /sse, /ws and /bytes?n=NUMBER.

POST /break?mode=MODE makes it sick, POST /break makes it well again:
  errors     500 to everything
  slow       ten times the latency, and at least a second
  hang       no answer
  refuse     from the next request on it takes no connection; beyond repair
  unhealthy  /health answers 503
  burn       ten times the CPU time, and at least 5 ms for each request
  leak       1 MiB more memory each second, up to 1 GiB
  hoard      opens files and keeps them, up to 95 % of what it may have open
The environment variable DEMO_BREAK holds the mode to begin with.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			rate, err := parseShare(errorRate)
			if err != nil {
				return usageError{fmt.Errorf("--error-rate: %w", err)}
			}
			opts.ErrorRate = rate
			opts.Fault = demo.Fault(c.env("DEMO_BREAK"))
			instance, err := demo.New(opts)
			if err != nil {
				return usageError{err}
			}
			ln, err := net.Listen("tcp", listen)
			if err != nil {
				return fmt.Errorf("cannot listen: %w", err)
			}
			fmt.Fprintf(c.stdout, "demo %s listens on %s\n", opts.Version, ln.Addr())
			return instance.Run(cmd.Context(), ln)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&listen, "listen", "127.0.0.1:0", "address to listen on")
	flags.DurationVar(&opts.Latency, "latency", 0, "mean time that a request takes")
	flags.BoolVar(&opts.Fixed, "latency-fixed", false, "each request takes that time; else it varies (lognormal)")
	flags.DurationVar(&opts.Burn, "burn", 0, "CPU time that each request takes besides")
	flags.StringVar(&opts.Calls, "calls", "", "URL that each request asks for first, and fails with: a service that this one depends on")
	flags.StringVar(&opts.Lock, "lock", "", "file that each request locks (flock) while it works: instances with the same file work one at a time")
	flags.StringVar(&errorRate, "error-rate", "0", "share of requests that fail: 0 to 1, or a percentage such as 5%")
	flags.StringVar(&opts.Version, "version", "v1", "told in each answer")
	flags.IntVar(&opts.Concurrency, "concurrency", 0, "requests worked on at once, others wait; 0: no bound")
	return cmd
}

// parseShare reads 0.05 or 5%.
func parseShare(text string) (float64, error) {
	number, isPercent := strings.CutSuffix(text, "%")
	share, err := strconv.ParseFloat(number, 64)
	if isPercent {
		share /= 100
	}
	if err != nil || !(share >= 0 && share <= 1) {
		return 0, fmt.Errorf("got %q; want 0 to 1, or a percentage such as 5%%", text)
	}
	return share, nil
}
