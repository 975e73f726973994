package api

import "time"

// Health is how a service, or the whole system, fares.
type Health string

// The health of a service or of the system.
const (
	Healthy  Health = "healthy"
	Degraded Health = "degraded" // it serves, and somebody should look
	Critical Health = "critical" // requests fail, or soon will
)

// Status is the state of the system on one page.
type Status struct {
	Overall   Health       `json:"overall"`
	Reasons   []string     `json:"reasons"` // why it is not healthy, worst first
	Services  []Service    `json:"services"`
	Version   string       `json:"version"`
	StartedAt time.Time    `json:"startedAt"`
	Config    ConfigStatus `json:"config"`
}

// ConfigStatus says which configuration runs.
type ConfigStatus struct {
	Path       string    `json:"path"`
	Generation uint64    `json:"generation"` // 1 after the start, one more with each accepted reload
	LoadedAt   time.Time `json:"loadedAt"`
	// Rejected holds the errors of the newest file when it was refused and an
	// older one runs on.
	Rejected []string `json:"rejected,omitempty"`
}

// ReloadResult says what an accepted reload changed.
type ReloadResult struct {
	Success    bool     `json:"success"`
	Generation uint64   `json:"generation"`
	Changes    []string `json:"changes"` // one sentence each; empty when the file had not changed
}

// MaintenanceMode says what a service does with its requests.
type MaintenanceMode string

// The modes of maintenance.
const (
	MaintenanceOff  MaintenanceMode = "off"
	MaintenanceOn   MaintenanceMode = "on"   // 503 with the owner's message and Retry-After
	MaintenanceHold MaintenanceMode = "hold" // requests wait in the bounded queue
)

// MaintenanceRequest sets the maintenance of a service.
type MaintenanceRequest struct {
	Mode    MaintenanceMode `json:"mode"`
	Message string          `json:"message,omitempty"` // shown to clients; with mode on
	For     Duration        `json:"for,omitzero"`      // it ends by itself after that; 0: until it is set to off
}

// Maintenance is the maintenance that a service is in.
type Maintenance struct {
	Mode    MaintenanceMode `json:"mode"`
	Message string          `json:"message,omitempty"`
	Since   time.Time       `json:"since"`
	Until   *time.Time      `json:"until,omitempty"` // nil: until it is set to off
}

// Ready is the answer of /readyz while traffic may be sent to the gateway.
type Ready struct {
	Ready bool `json:"ready"`
}

// Whoami tells a caller who it is to the API.
type Whoami struct {
	Name string `json:"name"` // of the token; "local" where no tokens are configured
	Role string `json:"role"` // viewer, operator or admin
	From string `json:"from"` // address that the request came from
}
