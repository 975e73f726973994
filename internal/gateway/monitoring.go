package gateway

import (
	"context"
	"time"

	"gatewayd/admin"
	"gatewayd/config"
	"gatewayd/scaler"
)

type watchers struct{}

func (g *Gateway) observe(now time.Time)                                           { g.measure(now); g.copyViews() }
func (g *Gateway) startMonitoring(start func(string, func(context.Context) error)) {}
func (g *Gateway) applyMonitoring(cfg *config.Config)                              {}
func (g *Gateway) addPorts(opts *admin.Options)                                    {}
func (g *Gateway) capsFor(s *service) []scaler.Cap                                 { return nil }
