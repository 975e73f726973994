package gateway

import (
	"maps"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestUpgradeLosesNothing(t *testing.T) {
	t.Parallel()
	w := startReal(t, configFile(oneRoute, demoService(2, "")))
	w.untilReady(2)
	before := w.processes()
	ws := w.openWebSocket()
	l := w.load(8)
	w.more(l, 200)
	for n := 2; n <= 3; n++ {
		w.signal(syscall.SIGUSR2)
		w.untilServing(n)
		w.more(l, 300)
		if n == 2 {
			ws.echo(t, "still here")
		}
	}
	l.finish(t)
	w.untilReady(2)
	if after := w.processes(); !maps.Equal(before, after) || len(after) != 2 {
		t.Errorf("got instances %v after the upgrades; want those of before, %v", after, before)
	}
	if status, _ := w.get("/"); status != 200 {
		t.Errorf("got %d after the upgrades; want 200", status)
	}
	w.signal(syscall.SIGTERM)
	w.untilExit()
	if left := w.processes(); len(left) > 0 || !w.cmd.ProcessState.Success() {
		t.Errorf("got %v and instances %v after the end; want success and none", w.cmd.ProcessState, left)
	}
}

// replaceProgram puts a shell script where the program was started from.
func (w *realWorld) replaceProgram(script string) {
	w.t.Helper()
	next := w.program + ".new"
	if err := os.WriteFile(next, []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Rename(next, w.program); err != nil {
		w.t.Fatal(err)
	}
}

func TestUpgradeToABadProgramChangesNothing(t *testing.T) {
	t.Parallel()
	w := startReal(t, configFile(oneRoute, demoService(2, "")))
	w.untilReady(2)
	before := w.processes()
	l := w.load(4)
	f := func(script, want string) {
		t.Helper()
		told := strings.Count(w.log.String(), want)
		w.replaceProgram(script)
		w.signal(syscall.SIGUSR2)
		w.eventually("the log to tell of "+want, func() bool { return strings.Count(w.log.String(), want) > told })
		w.more(l, 50)
	}
	f("exit 3\n", "the new process ended before it was ready: exit status 3")
	f("echo hello >&4\n", "the new process said")
	f("exec >&- 4>&-; exit 0\n", "the new process ended before it was ready: exit status 0")
	// From here on the old gateway has let go of everything when the new one fails.
	serves := func(n int) {
		t.Helper()
		w.untilServing(n)
		w.more(l, 200)
	}
	f("echo loaded >&4; read word <&3; exit 4\n", "the gateway begins anew in the process that runs")
	serves(2)
	f("echo loaded >&4; kill -9 $$\n", "signal: killed") // before or after it was told
	serves(3)
	w.write(strings.Replace(configFile(oneRoute, demoService(2, "")), "drainTimeout", "drainTimeot", 1))
	w.eventually("the file to be refused", func() bool { return strings.Contains(w.log.String(), "the config file was refused") })
	l.finish(t)
	w.untilReady(2)
	if after := w.processes(); !maps.Equal(before, after) {
		t.Errorf("got instances %v; want those of before, %v", after, before)
	}
	w.signal(syscall.SIGTERM)
	w.untilExit()
	if left := w.processes(); len(left) > 0 || !w.cmd.ProcessState.Success() {
		t.Errorf("got %v and instances %v after the end; want success and none", w.cmd.ProcessState, left)
	}
}

func TestUpgradedGatewayThatIsKilled(t *testing.T) {
	t.Parallel()
	f := func(mode string, first bool) {
		t.Helper()
		w := startReal(t, configFile(oneRoute, strings.Replace(demoService(2, ""), "stopTimeout: 3s", "stopTimeout: 3s, output: none, onGatewayExit: "+mode, 1)))
		w.untilReady(2)
		before := w.processes()
		w.signal(syscall.SIGUSR2)
		w.untilServing(2)
		if first {
			w.kill()
		} else {
			for pid := range w.gateways() {
				if pid != w.cmd.Process.Pid {
					syscall.Kill(pid, syscall.SIGKILL)
				}
			}
		}
		w.untilExit()
		w.eventually("both gateways to be gone", func() bool { return len(w.gateways()) == 0 })
		if mode == "stop" {
			w.eventually("the instances to be gone", func() bool { return len(w.processes()) == 0 })
			return
		}
		w.launch()
		w.untilReady(2)
		if after := w.processes(); !maps.Equal(before, after) {
			t.Errorf("got instances %v; want those of before, %v", after, before)
		}
	}
	f("stop", true)
	f("stop", false)
	f("adopt", true)
	f("adopt", false)
}
