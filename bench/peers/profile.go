package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// profiled loads gatewayd once more, outside the figures, and keeps a CPU profile of it, if one is wanted.
func (r *run) profiled(l load, t traffic, all []*proxy) error {
	if r.profile == "" {
		return nil
	}
	for _, p := range all {
		if p.name != "gatewayd" {
			continue
		}
		t.addr, t.duration = p.addr, 4*time.Second
		got := make(chan error, 1)
		go func() { got <- fetchProfile(filepath.Join(r.profile, fileName(l)), 3*time.Second) }()
		_, err := generate(t)
		if perr := <-got; perr != nil {
			return perr
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func fileName(l load) string {
	return strings.Trim(strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' {
			return c
		}
		return '-'
	}, l.setup+"-"+l.name), "-") + ".pprof"
}

func fetchProfile(path string, took time.Duration) error {
	res, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/debug/pprof/profile?seconds=%.0f", adminPort, took.Seconds()))
	if err != nil {
		return fmt.Errorf("cannot take a profile: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("cannot take a profile: %s", res.Status)
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(f, res.Body)
	return err
}
