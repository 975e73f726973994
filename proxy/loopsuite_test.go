package proxy

import (
	"os"
	"os/exec"
	"strconv"
	"testing"
)

// loopsUnderTest is how many event loops the servers under test have: none, but when TestAllOnLoops runs the tests.
var loopsUnderTest, _ = strconv.Atoi(os.Getenv("GATEWAYD_TEST_LOOPS"))

// The tests of the data path hold on event loops as they do on goroutines. One loop, so that a test that counts connections to an instance
// need not know which loop a client is on.
func TestAllOnLoops(t *testing.T) {
	if loopsUnderTest > 0 {
		return
	}
	t.Parallel()
	cmd := exec.Command(os.Args[0], "-test.timeout=120s")
	cmd.Env = append(os.Environ(), "GATEWAYD_TEST_LOOPS=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out[:min(len(out), 20<<10)])
	}
}
