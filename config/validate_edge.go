package config

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
)

func (v *validator) admin() {
	a := &v.c.Admin
	if len(a.Tokens) == 0 && !isLoopback(a.Listen) && v.sound("admin.listen", "admin.tokens") {
		v.fail("admin.listen", "got "+quote(a.Listen)+" without admin.tokens", "a loopback address, or tokens")
	}
	names, values := map[string]string{}, map[Secret]string{}
	for i, t := range a.Tokens {
		path := index("admin.tokens", i)
		v.unique(names, t.Name, path+".name")
		if first, ok := values[t.Value]; ok && t.Value != "" {
			v.fail(path+".value", "got the same value as "+first, "another")
		}
		values[t.Value] = path + ".value"
	}
}

// isLoopback tells whether an address is reachable from this machine only.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

func (v *validator) listeners() {
	names := map[string]string{}
	addresses := map[string]string{v.c.Admin.Listen: "admin.listen"}
	for i := range v.c.Listeners {
		l, path := &v.c.Listeners[i], index("listeners", i)
		v.unique(names, l.Name, path+".name")
		if first, ok := addresses[l.Address]; ok && !strings.HasSuffix(l.Address, ":0") && l.Address != "" {
			v.fail(path+".address", "got "+quote(l.Address)+" again", "another; "+first+" has this one")
		}
		addresses[l.Address] = path + ".address"
		if l.Limits.URIBytes > l.Limits.HeaderBytes && v.sound(path+".limits.uriBytes", path+".limits.headerBytes") {
			v.fail(path+".limits.uriBytes", fmt.Sprintf("got %s, more than headerBytes %s", l.Limits.URIBytes, l.Limits.HeaderBytes),
				"headerBytes or less")
		}
		if t := l.TLS; t != nil && len(t.Certificates) == 0 && t.ACME == nil && v.sound(path+".tls", path+".tls.certificates") {
			v.fail(path+".tls.certificates", "got no certificate", "at least one")
		}
	}
}

func (v *validator) pools() {
	names := map[string]string{}
	for i, p := range v.c.ResourcePools {
		v.unique(names, p.Name, index("resourcePools", i)+".name")
	}
}

func (v *validator) monitor() {
	m := &v.c.Monitor
	for i := range m.Thresholds {
		v.threshold(index("monitor.thresholds", i), &m.Thresholds[i])
	}
	for i, o := range m.Objectives {
		v.serviceNamed(index("monitor.objectives", i)+".service", o.Service)
	}
	for i, s := range m.Silences {
		if !strings.HasSuffix(s.Service, "*") {
			v.serviceNamed(index("monitor.silences", i)+".service", s.Service)
		}
	}
}

func (v *validator) threshold(path string, t *Threshold) {
	v.serviceNamed(path+".service", t.Service)
	levels := []struct {
		key   string
		value float64
	}{{"info", t.Info}, {"warning", t.Warning}, {"critical", t.Critical}, {"page", t.Page}}
	below, given := levels[0], 0
	for _, l := range levels {
		if l.value == 0 {
			continue
		}
		given++
		if l.key != below.key && l.value <= below.value && v.sound(path+"."+l.key, path+"."+below.key) {
			v.fail(path+"."+l.key, fmt.Sprintf("got %g, and %s is %g", l.value, below.key, below.value),
				"more, since it is more severe")
		}
		below = l
	}
	if given == 0 && v.sound(path+".info", path+".warning", path+".critical", path+".page") {
		v.fail(path, "got no value for any severity", "info, warning, critical or page above 0")
	}
	if unit := unitOf(t.Metric); t.Unit != "" && t.Unit != unit && v.sound(path+".unit", path+".metric") {
		want := fmt.Sprintf("%q", unit)
		if unit == "" {
			want = "the unit left out"
		}
		v.fail(path+".unit", fmt.Sprintf("got %q for %s", t.Unit, t.Metric), want)
	}
}

// unitOf is the unit of a metric; empty where it is a plain number.
func unitOf(m AlertMetric) Unit {
	switch m {
	case AlertMetric(MetricResponseTime):
		return UnitMilliseconds
	case AlertMetric(MetricCPU), AlertMetric(MetricMemory), AlertMetric(MetricErrorRate), MetricRejectedRate:
		return UnitPercent
	case AlertMetric(MetricRequestRate):
		return UnitPerSecond
	}
	return ""
}

func (v *validator) events() {
	for i, w := range v.c.Events.Webhooks {
		v.serviceNamed(index("events.webhooks", i)+".service", w.Service)
	}
}
