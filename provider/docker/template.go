package docker

import (
	"slices"

	"gatewayd/internal/launch"
)

// Vars is what the templates of an image, a command and its environment may use. Address is as seen from inside the container; Host is
// 0.0.0.0, in the network "host" 127.0.0.1; Executable is not in the container.
type Vars = launch.Vars

// templates is what differs from one instance to the next.
type templates struct {
	image   launch.Text
	command *launch.Command
}

// parseTemplates parses all templates and tries each once, so that an unknown variable is found before anything runs.
func parseTemplates(o Options) (t *templates, err error) {
	t = &templates{}
	if t.image, err = launch.ParseText("provider.docker.image", o.Image); err != nil {
		return nil, err
	}
	t.command, err = launch.ParseCommand("provider.docker", o.Command, o.Env)
	return t, err
}

// rendered is what one instance is made of.
type rendered struct {
	image   string
	command []string
	env     []string // key=value
}

func (t *templates) render(v Vars) (r rendered, err error) {
	if r.image, err = t.image.Render(v); err != nil {
		return r, err
	}
	r.command, r.env, err = t.command.Render(v)
	return r, err
}

// usesPort tells whether a container learns from its command or environment which port is its own.
func (t *templates) usesPort() (bool, error) {
	one, err := t.render(Vars{Port: "1", Address: "127.0.0.1:1"})
	if err != nil {
		return false, err
	}
	two, err := t.render(Vars{Port: "2", Address: "127.0.0.1:2"})
	return !slices.Equal(one.command, two.command) || !slices.Equal(one.env, two.env), err
}
