package docker

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/template"
)

// Vars is what the templates of an image, a command and its environment may use.
type Vars struct {
	Address    string // where the instance is to listen, host:port, as seen from inside the container
	Host       string // 0.0.0.0; in the network "host" 127.0.0.1
	Port       string
	Version    string
	Instance   string // its id
	Service    string
	Executable string // path of the gateway's own program, which is not in the container
}

// templates is what differs from one instance to the next.
type templates struct {
	image   *template.Template
	command []*template.Template
	keys    []string // of env, sorted
	env     []*template.Template
}

// parseTemplates parses all templates and tries each once, so that an unknown variable is found before anything runs.
func parseTemplates(o Options) (*templates, error) {
	t := &templates{keys: slices.Sorted(maps.Keys(o.Env))}
	var err error
	if t.image, err = parseOne("provider.docker.image", o.Image); err != nil {
		return nil, err
	}
	for i, text := range o.Command {
		one, err := parseOne(fmt.Sprintf("provider.docker.command[%d]", i), text)
		if err != nil {
			return nil, err
		}
		t.command = append(t.command, one)
	}
	for _, key := range t.keys {
		if key == "" || strings.ContainsAny(key, "=\x00") {
			return nil, fmt.Errorf("provider.docker.env: got %q; want the name of an environment variable", key)
		}
		one, err := parseOne("provider.docker.env."+key, o.Env[key])
		if err != nil {
			return nil, err
		}
		t.env = append(t.env, one)
	}
	return t, nil
}

func parseOne(name, text string) (*template.Template, error) {
	t, err := template.New(name).Parse(text)
	if err == nil {
		_, err = execute(t, Vars{})
	}
	if err != nil {
		return nil, fmt.Errorf("%s: cannot use template %q: %w; want {{.Address}}, {{.Host}}, {{.Port}}, {{.Version}}, {{.Instance}}, {{.Service}} or {{.Executable}}", name, text, err)
	}
	return t, nil
}

func execute(t *template.Template, v Vars) (string, error) {
	var b strings.Builder
	err := t.Execute(&b, v)
	return b.String(), err
}

// rendered is what one instance is made of.
type rendered struct {
	image   string
	command []string
	env     []string // key=value
}

func (t *templates) render(v Vars) (r rendered, err error) {
	if r.image, err = execute(t.image, v); err != nil {
		return r, err
	}
	for _, one := range t.command {
		s, err := execute(one, v)
		if err != nil {
			return r, err
		}
		r.command = append(r.command, s)
	}
	for i, one := range t.env {
		s, err := execute(one, v)
		if err != nil {
			return r, err
		}
		r.env = append(r.env, t.keys[i]+"="+s)
	}
	return r, nil
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
