package gateway

import (
	"fmt"
	"reflect"

	"gatewayd/config"
)

// changesBetween says in sentences what differs between two configs.
func changesBetween(a, b *config.Config) []string {
	changes := []string{}
	diff := func(kind string, before, after map[string]any, order []string) {
		for _, name := range order {
			old, was := before[name]
			cur, is := after[name]
			switch {
			case is && !was:
				changes = append(changes, fmt.Sprintf("%s %q is new", kind, name))
			case was && !is:
				changes = append(changes, fmt.Sprintf("%s %q is gone", kind, name))
			case was && is && !reflect.DeepEqual(old, cur):
				changes = append(changes, fmt.Sprintf("%s %q has changed", kind, name))
			}
		}
	}
	listeners := func(c *config.Config) (map[string]any, []string) {
		m, order := map[string]any{}, []string{}
		for i := range c.Listeners {
			m[c.Listeners[i].Name] = c.Listeners[i]
			order = append(order, c.Listeners[i].Name)
		}
		return m, order
	}
	routes := func(c *config.Config) (map[string]any, []string) {
		m, order := map[string]any{}, []string{}
		for i := range c.Routes {
			m[c.Routes[i].Name] = c.Routes[i]
			order = append(order, c.Routes[i].Name)
		}
		return m, order
	}
	services := func(c *config.Config) (map[string]any, []string) {
		m := map[string]any{}
		for name, s := range c.Services {
			m[name] = s
		}
		return m, c.ServiceNames()
	}
	for kind, parts := range map[string]func(*config.Config) (map[string]any, []string){"listener": listeners, "route": routes, "service": services} {
		before, orderA := parts(a)
		after, orderB := parts(b)
		diff(kind, before, after, union(orderA, orderB))
	}
	rest := func(c *config.Config) config.Config {
		r := *c
		r.Listeners, r.Routes, r.Services = nil, nil, nil
		return r
	}
	if !reflect.DeepEqual(rest(a), rest(b)) {
		changes = append(changes, "global settings have changed")
	}
	return changes
}

func union(a, b []string) []string {
	seen := map[string]bool{}
	var all []string
	for _, list := range [][]string{a, b} {
		for _, name := range list {
			if !seen[name] {
				seen[name] = true
				all = append(all, name)
			}
		}
	}
	return all
}
