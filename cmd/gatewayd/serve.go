package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/spf13/cobra"

	"gatewayd/config"
)

// serveOptions is what the run verb gives to the gateway.
type serveOptions struct {
	ConfigPath     string
	Version        string
	Stdout, Stderr io.Writer
	Reload         <-chan os.Signal // SIGHUP: read the config file again
	Upgrade        <-chan os.Signal // SIGUSR2: put a new binary in the place of this one
}

func (c *cli) runCommand() *cobra.Command {
	if c.serve == nil {
		return nil
	}
	var path string
	cmd := &cobra.Command{
		Use:   "run -c FILE",
		Short: "Serve; SIGHUP reloads, SIGTERM drains and stops, SIGUSR2 upgrades the binary in place",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			reload, upgrade := make(chan os.Signal, 1), make(chan os.Signal, 1)
			c.notify(reload, syscall.SIGHUP)
			c.notify(upgrade, syscall.SIGUSR2)
			err := c.serve(cmd.Context(), serveOptions{
				ConfigPath: path, Version: buildVersion().Version,
				Stdout: c.stdout, Stderr: c.stderr, Reload: reload, Upgrade: upgrade,
			})
			return c.printConfigErrors(err)
		},
	}
	configFlag(cmd, &path)
	return cmd
}

// configFlag adds the flag that names the config file.
func configFlag(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVarP(path, "config", "c", "gatewayd.yaml", "config file")
}

func (c *cli) validateCommand() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "validate -c FILE",
		Short: "Check a config file; print every error as FILE:LINE:COLUMN: PATH: what; want what",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := config.Load(path)
			if c.output == "json" {
				return c.showValidation(err)
			}
			if err := c.printConfigErrors(err); err != nil {
				return err
			}
			fmt.Fprintf(c.stdout, "%s is valid\n", path)
			return nil
		},
	}
	configFlag(cmd, &path)
	return cmd
}

// printConfigErrors prints the errors of a config file by line, and returns others as they are.
func (c *cli) printConfigErrors(err error) error {
	var all config.Errors
	if !errors.As(err, &all) {
		return err
	}
	for _, e := range all {
		fmt.Fprintln(c.stderr, e.Error())
	}
	return errSilent
}

// validation is what validate prints with -o json.
type validation struct {
	Valid  bool            `json:"valid"`
	Errors []validationRow `json:"errors"`
}

type validationRow struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Path    string `json:"path,omitempty"`
	Message string `json:"message"`
}

func (c *cli) showValidation(err error) error {
	var all config.Errors
	if err != nil && !errors.As(err, &all) {
		return err
	}
	v := validation{Valid: err == nil, Errors: []validationRow{}}
	for _, e := range all {
		v.Errors = append(v.Errors, validationRow{e.File, e.Line, e.Column, e.Path, e.Found + "; want " + e.Want})
	}
	if printErr := show(c, v, func(io.Writer, validation) {}); printErr != nil || v.Valid {
		return printErr
	}
	return errSilent
}

func (c *cli) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the config file",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := c.stdout.Write(config.Schema())
			return err
		},
	}
}
