package config

import (
	"fmt"
	"testing"
	"time"
)

// A stopTimeout of 0s is one that was given, and not one that was left out, also when the file is printed and read again.
func TestStopTimeoutOfZero(t *testing.T) {
	f := func(keys string, want time.Duration) {
		t.Helper()
		text := fmt.Sprintf("listeners: [{name: web, address: \":8080\"}]\nservices: {p: {version: v1, provider: {process: {command: [x]%s}}}, d: {version: v1, provider: {docker: {image: x, port: 80%[1]s}}}}", keys)
		c, err := Parse("x.yaml", []byte(text), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []*Config{c, reload(t, c)} {
			process, docker := c.Services["p"].Provider.Process.StopTimeout, c.Services["d"].Provider.Docker.StopTimeout
			if process != want || docker != want {
				t.Errorf("%q: got %s and %s; want %s", keys, process, docker, want)
			}
		}
	}
	f("", 10*time.Second)
	f(", stopTimeout: 0s", 0)
	f(", stopTimeout: 3s", 3*time.Second)
}
