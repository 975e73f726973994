package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"gatewayd/admin/client"
)

// show prints v as JSON with -o json, else by table.
func show[T any](c *cli, v T, table func(io.Writer, T)) error {
	if c.output == "json" {
		return writeJSON(c.stdout, v, "  ")
	}
	table(c.stdout, v)
	return nil
}

// writeJSON prints v for scripts and people: without the escapes that HTML would need.
func writeJSON(w io.Writer, v any, indent string) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", indent)
	return encoder.Encode(v)
}

// ask calls the gateway and shows its answer. The order of call's arguments is that of a method
// expression, such as (*client.Client).Status.
func ask[T any](ctx context.Context, c *cli, call func(*client.Client, context.Context) (T, error), table func(io.Writer, T)) error {
	admin, err := c.connect()
	if err != nil {
		return err
	}
	defer admin.Close()
	answer, err := call(admin, ctx)
	if err != nil {
		return err
	}
	return show(c, answer, table)
}

// table prints rows in columns, each as wide as its widest cell.
type table struct{ w *tabwriter.Writer }

func newTable(w io.Writer, header ...string) *table {
	t := &table{tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
	t.row(header...)
	return t
}

func (t *table) row(cells ...string) {
	for i, cell := range cells {
		cells[i] = oneLine(cell)
	}
	fmt.Fprintln(t.w, strings.Join(cells, "\t"))
}

func (t *table) flush() { t.w.Flush() }

// oneLine keeps a cell from breaking the table, and text from elsewhere from controlling the terminal.
func oneLine(text string) string {
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || 0x80 <= r && r < 0xa0 {
			return ' '
		}
		return r
	}, text)
	if clean == "" {
		return "-"
	}
	return clean
}

func percent(v float64) string { return fmt.Sprintf("%.1f%%", v) }

// maybePercent prints a figure that may be unknown.
func maybePercent(v *float64) string {
	if v == nil {
		return "-"
	}
	return percent(*v)
}

func millis(v float64) string { return fmt.Sprintf("%.1fms", v) }

func money(currency string, v float64) string { return fmt.Sprintf("%.2f %s", v, currency) }

// clock prints a time for people, in UTC so that two machines say the same.
func clock(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}
