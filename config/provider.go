package config

import "time"

// Provider runs the instances of a service; exactly one of its keys is given.
//
// Commands and environments are templates of text/template with {{.Executable}}
// (gatewayd's own file), {{.Service}}, {{.Version}}, {{.Instance}} (the instance's id),
// {{.Address}}, {{.Host}} and {{.Port}} (where the instance has to listen).
type Provider struct {
	// Processes on this machine.
	Process *ProcessProvider `key:"process" example:"{command: [./shop, --listen, \"{{.Address}}\"], env: {VERSION: \"{{.Version}}\"}, stopTimeout: 10s, onGatewayExit: stop}"`
	// Containers of a Docker Engine.
	Docker *DockerProvider `key:"docker" example:"{image: \"shop:{{.Version}}\", port: 8080, network: apps, cpu: 0.5, memory: 256MiB}"`
	// Your own commands.
	Exec *ExecProvider `key:"exec" example:"{scale: [./scale.sh], list: [./list.sh]}"`
	// A Deployment in Kubernetes.
	Kubernetes *KubernetesProvider `key:"kubernetes" refused:"the kubernetes provider is not available in this version" example:"{namespace: default, deployment: shop, port: http}"`
}

// ProcessProvider starts a command on a free port of 127.0.0.1 for each instance.
type ProcessProvider struct {
	// The program and its arguments, each a template. No shell is involved.
	Command []string `key:"command" required:"true" format:"template" example:"[./shop, --listen, \"{{.Address}}\"]"`
	// Added to the gateway's own environment; values are templates.
	Env map[string]Secret `key:"env" format:"env-template" example:"{VERSION: \"{{.Version}}\"}"`
	// The folder it runs in. Left out: the gateway's.
	Dir string `key:"dir" example:"/srv/shop"`
	// Where its output goes: log (the gateway's own), none, or a folder that gets a file for each instance.
	Output string `key:"output" default:"log" example:"/var/log/shop"`
	// How long an instance may take to its first good health check; then it has failed.
	StartTimeout time.Duration `key:"startTimeout" default:"30s" range:"100ms..1h"`
	// From SIGTERM to SIGKILL. 0s: killed at once.
	StopTimeout time.Duration `key:"stopTimeout" default:"10s" range:"0s..1h"`
	// How starts are spaced after failures.
	Backoff Backoff `key:"backoff" example:"{initial: 500ms, max: 1m}"`
	// stop: instances end with the gateway, even when it is killed. adopt: they live on, and the next gateway takes them over; their output then goes to a folder or nowhere.
	OnGatewayExit OnExit `key:"onGatewayExit" default:"stop"`
}

// Backoff spaces the starts of instances that fail: the wait doubles with each
// failure in a row.
type Backoff struct {
	// The wait after the first failure.
	Initial time.Duration `key:"initial" default:"500ms" range:"10ms..1h"`
	// The longest wait.
	Max time.Duration `key:"max" default:"1m" range:"10ms..24h"`
}

// DockerProvider starts a container for each instance.
type DockerProvider struct {
	// The Engine. Left out: DOCKER_HOST, else the local socket.
	Host string `key:"host" example:"unix:///var/run/docker.sock"`
	// The image, a template.
	Image string `key:"image" required:"true" format:"template" example:"shop:{{.Version}}"`
	// The port on which the container listens.
	Port int `key:"port" required:"true" range:"1..65535" example:"8080"`
	// The network over which the gateway reaches containers. Left out: the port is published on 127.0.0.1.
	Network string `key:"network" example:"apps"`
	// Instead of the image's own command; each a template.
	Command []string `key:"command" format:"template" example:"[shop, --verbose]"`
	// Environment; values are templates.
	Env map[string]Secret `key:"env" format:"env-template" example:"{VERSION: \"{{.Version}}\"}"`
	// CPU cores; 0 is resources.cpu.
	CPU float64 `key:"cpu" default:"0" range:"0..100000"`
	// Memory; 0 is resources.memory.
	Memory Size `key:"memory" default:"0" range:"0.."`
	// When the image is fetched.
	Pull PullPolicy `key:"pull" default:"missing"`
	// How long an instance may take to its first good health check; then it has failed.
	StartTimeout time.Duration `key:"startTimeout" default:"1m" range:"100ms..1h"`
	// From SIGTERM to SIGKILL. 0s: killed at once.
	StopTimeout time.Duration `key:"stopTimeout" default:"10s" range:"0s..1h"`
	// How starts are spaced after failures.
	Backoff Backoff `key:"backoff" example:"{initial: 500ms, max: 1m}"`
	// stop: containers end with the gateway. adopt: they live on, and the next gateway takes them over.
	OnGatewayExit OnExit `key:"onGatewayExit" default:"adopt"`
}

// ExecProvider leaves instances to commands of the user.
type ExecProvider struct {
	// Makes a number of instances run; what is wanted comes in its environment.
	Scale []string `key:"scale" required:"true" example:"[./scale.sh]"`
	// Prints the instances that there are.
	List []string `key:"list" required:"true" example:"[./list.sh]"`
	// Added to the gateway's own environment.
	Env map[string]Secret `key:"env" format:"env-name" example:"{CLUSTER: blue}"`
	// How long a command may take.
	Timeout time.Duration `key:"timeout" default:"30s" range:"100ms..1h"`
	// From one list to the next.
	Interval time.Duration `key:"interval" default:"5s" range:"100ms..1h"`
}

// KubernetesProvider is an accepted shape: a file that uses it is checked and then
// refused, since this version does not speak to a Kubernetes API.
type KubernetesProvider struct {
	// The namespace.
	Namespace string `key:"namespace" default:"default"`
	// The Deployment whose scale is changed.
	Deployment string `key:"deployment" required:"true" example:"shop"`
	// A port of its pods, by name or number.
	Port string `key:"port" required:"true" example:"http"`
}
