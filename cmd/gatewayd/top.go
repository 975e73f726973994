package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"gatewayd/admin/api"
	"gatewayd/admin/client"
)

// Terminal control sequences (ECMA-48) of the live view.
const (
	cursorHome    = "\x1b[H"
	eraseLine     = "\x1b[K"
	eraseBelow    = "\x1b[J"
	hideCursor    = "\x1b[?25l"
	showCursor    = "\x1b[?25h"
	enterAltPage  = "\x1b[?1049h"
	leaveAltPage  = "\x1b[?1049l"
	minTopRefresh = 100 * time.Millisecond
)

func (c *cli) topCommand() *cobra.Command {
	var interval time.Duration
	var count int
	cmd := &cobra.Command{
		Use:   "top",
		Short: "The state of the system, live",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if interval < minTopRefresh {
				return usageError{fmt.Errorf("--interval: got %s; want at least %s", interval, minTopRefresh)}
			}
			admin, err := c.connect()
			if err != nil {
				return err
			}
			defer admin.Close()
			return c.top(cmd.Context(), admin, interval, count)
		},
	}
	cmd.Flags().DurationVar(&interval, "interval", time.Second, "how often to look")
	cmd.Flags().IntVar(&count, "count", 0, "end after so many looks; 0: at ^C")
	return cmd
}

// top draws the status over itself until ctx ends or count looks were taken. A look that fails is shown
// in its place, for a gateway that restarts comes back; the first look must succeed.
func (c *cli) top(ctx context.Context, admin *client.Client, interval time.Duration, count int) error {
	status, err := admin.Status(ctx)
	if err != nil {
		return err
	}
	if c.output == "json" {
		return c.topJSON(ctx, admin, interval, count)
	}
	io.WriteString(c.stdout, enterAltPage+hideCursor)
	defer io.WriteString(c.stdout, showCursor+leaveAltPage)
	for n := 1; ; n++ {
		draw(c.stdout, status, err)
		if !pause(ctx, interval, n, count) {
			return nil
		}
		status, err = admin.Status(ctx)
	}
}

// topJSON prints one status on each line.
func (c *cli) topJSON(ctx context.Context, admin *client.Client, interval time.Duration, count int) error {
	for n := 1; ; n++ {
		status, err := admin.Status(ctx)
		if err != nil {
			return err
		}
		if err := writeJSON(c.stdout, status, ""); err != nil {
			return err
		}
		if !pause(ctx, interval, n, count) {
			return nil
		}
	}
}

// pause waits for the next look; it reports false when the last one was taken.
func pause(ctx context.Context, interval time.Duration, looks, count int) bool {
	if count > 0 && looks >= count {
		return false
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(interval):
		return true
	}
}

// draw writes one page over the one before, line by line, so that it does not flicker.
func draw(w io.Writer, status api.Status, failed error) {
	var page bytes.Buffer
	if failed != nil {
		fmt.Fprintf(&page, "%v\n", failed)
	} else {
		printStatus(&page, status)
	}
	out := bytes.ReplaceAll(page.Bytes(), []byte("\n"), []byte(eraseLine+"\r\n"))
	_, _ = w.Write(append([]byte(cursorHome), append(out, eraseBelow...)...))
}
