package launch

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/template"
)

// Vars is what templates may use.
type Vars struct {
	Address    string // where the instance is to listen, host:port, as it sees that itself
	Host       string // of Address
	Port       string // of Address
	Version    string
	Instance   string // its id
	Service    string
	Executable string // path of the gateway's own program
}

// Text is one template.
type Text struct{ t *template.Template }

// ParseText parses a template and tries it once, so that an unknown variable is found before anything runs. name is its key in the config.
func ParseText(name, text string) (Text, error) {
	t, err := template.New(name).Parse(text)
	if err == nil {
		_, err = Text{t}.Render(Vars{})
	}
	if err != nil {
		return Text{}, fmt.Errorf("%s: cannot use template %q: %w; want {{.Address}}, {{.Host}}, {{.Port}}, {{.Version}}, {{.Instance}}, {{.Service}} or {{.Executable}}", name, text, err)
	}
	return Text{t}, nil
}

// Render fills in the variables.
func (x Text) Render(v Vars) (string, error) {
	var b strings.Builder
	err := x.t.Execute(&b, v)
	return b.String(), err
}

// Command is a command with its environment, all of them templates.
type Command struct {
	args []Text
	keys []string // of env, sorted
	env  []Text
}

// ParseCommand parses all templates. key is that of the provider in the config, such as "provider.process".
func ParseCommand(key string, command []string, env map[string]string) (*Command, error) {
	c := &Command{keys: slices.Sorted(maps.Keys(env))}
	for i, text := range command {
		t, err := ParseText(fmt.Sprintf("%s.command[%d]", key, i), text)
		if err != nil {
			return nil, err
		}
		c.args = append(c.args, t)
	}
	for _, name := range c.keys {
		if name == "" || strings.ContainsAny(name, "=\x00") {
			return nil, fmt.Errorf("%s.env: got %q; want the name of an environment variable", key, name)
		}
		t, err := ParseText(key+".env."+name, env[name])
		if err != nil {
			return nil, err
		}
		c.env = append(c.env, t)
	}
	return c, nil
}

// Render returns the arguments, and the environment entries as key=value.
func (c *Command) Render(v Vars) (args, env []string, err error) {
	for _, t := range c.args {
		s, err := t.Render(v)
		if err != nil {
			return nil, nil, err
		}
		args = append(args, s)
	}
	for i, t := range c.env {
		s, err := t.Render(v)
		if err != nil {
			return nil, nil, err
		}
		env = append(env, c.keys[i]+"="+s)
	}
	return args, env, nil
}
