package gateway

import (
	"time"

	"gatewayd/proxy"
)

// deployment is a rollout under way.
type deployment struct{ id string }

// rolloutControl is what a service keeps about rollouts between them.
type rolloutControl struct{}

// rolloutHistory holds the rollouts that have ended.
type rolloutHistory struct{}

func (g *Gateway) stepRollout(s *service, now time.Time)   {}
func (s *service) addDeploymentRules(v *proxy.ServiceView) {}
func (s *service) planDeployment(total int)                {}
