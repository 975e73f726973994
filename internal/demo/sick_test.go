package demo

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

func TestCallsWhatItDependsOn(t *testing.T) {
	dependency := start(t, Options{Version: "db"})
	i := start(t, Options{Calls: "http://" + dependency.addr + "/"})
	i.expect("GET", "/", "", 200, "hello")
	dependency.expect("POST", "/break?mode=errors", "", 200, "")
	i.expect("GET", "/", "", 500, "meant to fail")
	i.expect("GET", "/health", "", 200, "ok")
	dependency.stop()
	i.expect("GET", "/", "", 500, "meant to fail")
}

func TestInstancesWithOneLockWorkInTurn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	s, err := New(Options{Lock: path})
	if err != nil {
		t.Fatal(err)
	}
	other, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	isFree := func() bool {
		err := unix.Flock(int(other.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			err = unix.Flock(int(other.Fd()), unix.LOCK_UN)
		} else if err == unix.EWOULDBLOCK {
			return false
		}
		if err != nil {
			t.Fatal(err)
		}
		return true
	}
	if !isFree() {
		t.Fatal("the lock is held without a request")
	}
	s.lock.acquire()
	if isFree() {
		t.Fatal("another can have the lock during a request")
	}
	s.lock.release()
	if !isFree() {
		t.Fatal("the lock is held after the request")
	}
	if !s.work() || !s.work() || !isFree() {
		t.Fatal("want requests one after another to be worked on")
	}
}

func TestBurnTakesCPUTime(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := threadTime()
	burn(20 * time.Millisecond)
	if used := threadTime() - before; used < 20*time.Millisecond {
		t.Fatalf("used %s; want 20ms", used)
	}
	f := func(burn time.Duration, fault Fault, want time.Duration) {
		t.Helper()
		s, err := New(Options{Burn: burn})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.cpuTime(fault); got != want {
			t.Fatalf("got %s; want %s", got, want)
		}
	}
	f(0, FaultNone, 0)
	f(time.Millisecond, FaultNone, time.Millisecond)
	f(time.Millisecond, FaultBurn, 10*time.Millisecond)
	f(0, FaultBurn, 5*time.Millisecond)
}

func TestLeakGrowsUntilRepaired(t *testing.T) {
	var d decay
	for range 10 {
		if !d.step(FaultLeak) {
			t.Fatal("the leak ended")
		}
	}
	if got := float64(len(d.leaked)*leakStep) / (1 << 20); got < 0.9 || got > 1 {
		t.Fatalf("got %.2f MiB in ten steps; want 1 MiB a second", got)
	}
	if d.step(FaultNone) || len(d.leaked) != 0 {
		t.Fatalf("repaired, it keeps %d pieces", len(d.leaked))
	}
}

func TestHoardKeepsFilesUntilRepaired(t *testing.T) {
	var d decay
	before := openFiles()
	for range 10 {
		if !d.step(FaultHoard) {
			t.Fatal("the hoarding ended")
		}
	}
	held := len(d.files)
	if now := openFiles(); held < 10 || now < before+held/2 {
		t.Fatalf("holds %d files of %d open ones, %d before; want more and more", held, now, before)
	}
	if d.step(FaultNone) || len(d.files) != 0 {
		t.Fatalf("repaired, it keeps %d files", len(d.files))
	}
}

func TestDecayEndsWithTheInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := New(Options{Fault: FaultLeak})
		if err != nil {
			t.Fatal(err)
		}
		d := decay{s: s}
		ended := make(chan struct{})
		go func() { d.run(); close(ended) }()
		time.Sleep(time.Second)
		s.Break(FaultNone)
		time.Sleep(time.Hour)
		s.Break(FaultLeak)
		time.Sleep(time.Second)
		close(s.done)
		<-ended
		if len(d.leaked) != 0 {
			t.Fatalf("it keeps %d pieces after its end", len(d.leaked))
		}
	})
}
