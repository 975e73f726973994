package scaler

import (
	"math"
	"time"
)

// moves turns the best size at each moment into few changes, as ski rental: staying costs
// a regret every second, moving costs about what a start-up does; a move is made once the
// regrets add up to it, which is never more than twice as dear as knowing the future.
// Turning round is dearer the more often it happened lately.
type moves struct {
	Begun   bool    `json:"begun"`
	Falling bool    `json:"falling"` // the last move was down
	Turns   float64 `json:"turns"`   // changes of direction, fading with turnMemory
	Debt    float64 `json:"debt"`    // regret of being too small, in instance seconds
	Rent    float64 `json:"rent"`    // regret of being too large
	Highest int     `json:"highest"` // best size since Rent began to add up
}

const (
	turnMemory = 2 * time.Hour // half-life
	freeTurns  = 5             // an hour, beyond which each 0.8 more double the cost of one
	turnOctave = 0.8

	// The cost of moves, in instances times horizons.
	costTurnDown = 1.5
	costDown     = 1.0 // once falling
	costTurnUp   = 0.2
	costUp       = 0.02 // once rising
)

// decide says how many instances to run, given that best would be right now and that regret
// instances are lost each second while from run. h is the horizon.
func (m *moves) decide(from, best int, regret float64, dt, h time.Duration) int {
	if !m.Begun {
		// Nothing is known of how restless the load is: take it for middling.
		m.Begun, m.Turns = true, freeTurns*turnMemory.Hours()/math.Ln2
	}
	m.Turns *= math.Exp2(-dt.Seconds() / turnMemory.Seconds())
	switch {
	case best > from:
		m.Rent, m.Highest = 0, 0
		m.Debt += max(regret, 0) * dt.Seconds()
		if m.Debt < m.cost(costUp, costTurnUp, !m.Falling, 0.5)*h.Seconds() {
			return from
		}
		m.turn(false)
		return best
	case best < from:
		m.Debt = 0
		m.Highest = max(m.Highest, best)
		m.Rent += max(regret, 0) * dt.Seconds()
		if m.Rent < m.cost(costDown, costTurnDown, m.Falling, 1)*h.Seconds() {
			return from
		}
		best = m.Highest
		m.turn(true)
		return best
	}
	m.forget()
	return from
}

// cost of going on in the same direction or of turning; effect is how strongly the
// turns of late count.
func (m *moves) cost(on, turn float64, same bool, effect float64) float64 {
	if same {
		return on
	}
	perHour := m.Turns * math.Ln2 / turnMemory.Hours()
	return turn * math.Exp2(effect*max(perHour-freeTurns, 0)/turnOctave)
}

func (m *moves) turn(falling bool) {
	if m.Falling != falling {
		m.Turns++
	}
	m.Falling = falling
	m.forget()
}

// forget begins the regrets anew.
func (m *moves) forget() { m.Debt, m.Rent, m.Highest = 0, 0, 0 }
