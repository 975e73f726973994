package scenario

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// program is the gateway that TestMain builds.
var program string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	flag.Parse()
	dir, err := os.MkdirTemp("", "gatewayd-scenario-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "gatewayd")
	if out, err := exec.Command("go", "build", "-o", program, "gatewayd/cmd/gatewayd").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "cannot build gatewayd: %v\n%s", err, out)
		return 1
	}
	// Scenarios wait most of the time, so that many more than there are cores can run side by side.
	if err := flag.Set("test.parallel", "64"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}
