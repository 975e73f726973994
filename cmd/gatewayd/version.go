package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by the linker: -X main.version=v1.2.3. Nothing writes to it.
var version string

// versionInfo names a build.
type versionInfo struct {
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	Go      string `json:"go"`
}

// buildVersion reads what the Go tool recorded in the binary.
func buildVersion() (v versionInfo) {
	v = versionInfo{Version: "(devel)", Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	defer func() {
		if version != "" {
			v.Version = version
		}
	}()
	if !ok {
		return v
	}
	if info.Main.Version != "" {
		v.Version = info.Main.Version
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			v.Commit = setting.Value
		}
	}
	return v
}

func (c *cli) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of this binary",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return show(c, buildVersion(), func(w io.Writer, v versionInfo) {
				fmt.Fprintf(w, "gatewayd %s, %s\n", v.Version, v.Go)
				if v.Commit != "" {
					fmt.Fprintf(w, "commit %s\n", v.Commit)
				}
			})
		},
	}
}
