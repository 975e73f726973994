package process

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/template"
)

// Vars is what the templates of a command and its environment may use.
type Vars struct {
	Address    string // where the instance is to listen, host:port
	Host       string
	Port       string
	Version    string
	Instance   string // its id
	Service    string
	Executable string // path of the gateway's own program
}

// commandTemplate is a parsed command with its environment.
type commandTemplate struct {
	args []*template.Template
	keys []string // of env, sorted
	env  []*template.Template
}

// parseCommand parses all templates and tries each once, so that an unknown variable is found before anything runs.
func parseCommand(command []string, env map[string]string) (*commandTemplate, error) {
	c := &commandTemplate{keys: slices.Sorted(maps.Keys(env))}
	for i, text := range command {
		t, err := parseOne(fmt.Sprintf("provider.process.command[%d]", i), text)
		if err != nil {
			return nil, err
		}
		c.args = append(c.args, t)
	}
	for _, key := range c.keys {
		if key == "" || strings.ContainsAny(key, "=\x00") {
			return nil, fmt.Errorf("provider.process.env: got %q; want the name of an environment variable", key)
		}
		t, err := parseOne("provider.process.env."+key, env[key])
		if err != nil {
			return nil, err
		}
		c.env = append(c.env, t)
	}
	return c, nil
}

func parseOne(name, text string) (*template.Template, error) {
	t, err := template.New(name).Parse(text)
	if err == nil {
		_, err = render(t, Vars{})
	}
	if err != nil {
		return nil, fmt.Errorf("%s: cannot use template %q: %w; want {{.Address}}, {{.Host}}, {{.Port}}, {{.Version}}, {{.Instance}}, {{.Service}} or {{.Executable}}", name, text, err)
	}
	return t, nil
}

func render(t *template.Template, v Vars) (string, error) {
	var b strings.Builder
	err := t.Execute(&b, v)
	return b.String(), err
}

// render returns the arguments, program first, and the environment entries as key=value.
func (c *commandTemplate) render(v Vars) (args, env []string, err error) {
	for _, t := range c.args {
		s, err := render(t, v)
		if err != nil {
			return nil, nil, err
		}
		args = append(args, s)
	}
	for i, t := range c.env {
		s, err := render(t, v)
		if err != nil {
			return nil, nil, err
		}
		env = append(env, c.keys[i]+"="+s)
	}
	return args, env, nil
}
