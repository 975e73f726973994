package config

import (
	"fmt"
	"time"
)

func (v *validator) service(path string, s *Service) {
	v.exactlyOne(path, "instances", "provider")
	v.instances(path, s)
	if s.Provider != nil && v.sound(path+".provider") {
		v.provider(path+".provider", s.Provider)
	}
	v.health(path+".healthCheck", &s.HealthCheck)
	if o := &s.Outlier; o.MaxEjection < o.BaseEjection && v.sound(path+".outlier.baseEjection", path+".outlier.maxEjection") {
		v.fail(path+".outlier.maxEjection", fmt.Sprintf("got %s, less than baseEjection %s", short(o.MaxEjection), short(o.BaseEjection)), "baseEjection or more")
	}
	if s.Balancer.HashKey.Kind == KeyRoute {
		v.fail(path+".balancer.hashKey", `got "route"`, "client-ip, header:NAME, cookie:NAME, query:NAME, host or path")
	}
	if t := s.TLS; t != nil && (t.ClientCert == "") != (t.ClientKey == "") && v.sound(path+".tls.clientCert", path+".tls.clientKey") {
		v.fail(path+".tls", "got one of clientCert and clientKey", "both, or none")
	}
	v.resources(path+".resources", s)
	v.scaling(path+".scaling", s)
	v.rollout(path+".rollout", &s.Rollout)
}

// instances checks the listed ones, and that nothing is asked that they cannot do.
func (v *validator) instances(path string, s *Service) {
	if !v.has(path + ".instances") {
		return
	}
	if len(s.Instances) == 0 && v.sound(path+".instances") {
		v.fail(path+".instances", "got an empty list", "at least one element")
	}
	seen := map[string]string{}
	for i, in := range s.Instances {
		v.unique(seen, in.Address, index(path+".instances", i)+".address")
	}
	for _, key := range []string{"scaling", "rollout"} {
		if v.has(path+"."+key) && s.Provider == nil {
			v.fail(path+"."+key, "got "+key+" for instances that are listed by hand", "it left out, or a provider")
		}
	}
}

func (v *validator) provider(path string, p *Provider) {
	v.exactlyOne(path, "process", "docker", "exec", "kubernetes")
	if p.Process != nil {
		v.backoff(path+".process.backoff", p.Process.Backoff)
		if p.Process.OnGatewayExit == ExitAdopt && p.Process.Output == "log" && v.sound(path+".process.output") {
			v.fail(path+".process.output", "got log for processes that outlive the gateway", "none, or a folder")
		}
	}
	if p.Docker != nil {
		v.backoff(path+".docker.backoff", p.Docker.Backoff)
	}
}

func (v *validator) backoff(path string, b Backoff) {
	if b.Max < b.Initial && v.sound(path+".initial", path+".max") {
		v.fail(path+".max", fmt.Sprintf("got %s, less than initial %s", short(b.Max), short(b.Initial)), "initial or more")
	}
}

// health derives what the check leaves out, and checks what is there.
func (v *validator) health(path string, h *HealthCheck) {
	if h.Type == "" {
		h.Type = CheckTCP
		if v.has(path + ".path") {
			h.Type = CheckHTTP
		}
	}
	if h.FastInterval == 0 {
		h.FastInterval = max(h.Interval/4, time.Millisecond)
	}
	v.kinds(path, h)
	if h.FastInterval > h.Interval && v.sound(path+".interval", path+".fastInterval") {
		v.fail(path+".fastInterval", fmt.Sprintf("got %s, more than interval %s", short(h.FastInterval), short(h.Interval)), "interval or less")
	}
	v.repeatedFields(path+".headers", h.Headers)
}

func (v *validator) resources(path string, s *Service) {
	known := make([]string, len(v.c.ResourcePools))
	var pool *ResourcePool
	for i := range v.c.ResourcePools {
		known[i] = v.c.ResourcePools[i].Name
		if known[i] == s.Resources.Pool {
			pool = &v.c.ResourcePools[i]
		}
	}
	if s.Resources.Pool == "" {
		return
	}
	if pool == nil {
		v.unknownName(path+".pool", s.Resources.Pool, "resource pool", known)
		return
	}
	if c := pool.Capacity.CPU; c > 0 && s.Resources.CPU > c && v.sound(path+".cpu") {
		v.fail(path+".cpu", fmt.Sprintf("got %g, and the pool %s has %g", s.Resources.CPU, pool.Name, c), "no more than the pool has")
	}
	if c := pool.Capacity.Memory; c > 0 && s.Resources.Memory > c && v.sound(path+".memory") {
		v.fail(path+".memory", fmt.Sprintf("got %s, and the pool %s has %s", s.Resources.Memory, pool.Name, c), "no more than the pool has")
	}
}
