package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// validator checks what one value alone does not show: references, names given
// twice, keys that exclude or need each other. It reports through the decoder, which
// knows the positions.
type validator struct {
	c *Config
	d *decoder
}

// validate completes c with the defaults that follow from other keys, and reports everything
// that does not fit together.
func validate(c *Config, d *decoder) {
	v := &validator{c, d}
	for name, s := range c.Services {
		s.Name = name
	}
	v.admin()
	v.listeners()
	v.routes()
	for _, name := range c.ServiceNames() {
		v.service("services."+name, c.Services[name])
	}
	v.pools()
	v.monitor()
	v.events()
}

// fail reports an error at a path, unless the value there is already known
// to be wrong. What does not stand in the file is reported where its block stands.
func (v *validator) fail(path, found, want string) {
	if v.d.bad[path] {
		return
	}
	at, ok := v.d.at[path]
	for p := path; !ok && p != ""; {
		p = p[:max(strings.LastIndexByte(p, '.'), strings.LastIndexByte(p, '['), 0)]
		at, ok = v.d.at[p]
	}
	if !ok {
		at = position{1, 1}
	}
	v.d.errs = append(v.d.errs, Error{v.d.file, max(at.line, 1), max(at.column, 1), path, found, want})
	v.d.bad[path] = true
}

// has tells whether a path stands in the file.
func (v *validator) has(path string) bool { _, ok := v.d.at[path]; return ok }

// sound tells whether none of these paths has an error, so that comparing their
// values makes sense.
func (v *validator) sound(paths ...string) bool {
	return !slices.ContainsFunc(paths, func(p string) bool { return v.d.bad[p] })
}

// kinds reports the keys of a block that do not belong to its type.
func (v *validator) kinds(path string, block kinded) {
	s, kind := v.d.shape(reflect.TypeOf(block).Elem()), block.kind()
	for i := range s.fields {
		f := &s.fields[i]
		if at := join(path, f.key); v.has(at) && !f.belongsTo(kind) && v.sound(path+".type") {
			v.fail(at, fmt.Sprintf("the key does not belong to type %s", kind), "it left out, or type "+oneOf(strings.Split(f.kinds, ",")))
		}
	}
}

// needs reports a key that is missing because of what others say.
func (v *validator) needs(path, reason string) {
	if !v.has(path) {
		v.fail(path, "missing", reason)
	}
}

// unique reports the second of two equal names; seen maps a name to its path.
func (v *validator) unique(seen map[string]string, name, path string) {
	if name == "" {
		return
	}
	if first, ok := seen[name]; ok {
		v.fail(path, "got "+quote(name)+" again", "another; "+first+" has this one")
		return
	}
	seen[name] = path
}

// exactlyOne reports when not exactly one of some keys of a block is given.
func (v *validator) exactlyOne(path string, keys ...string) {
	var given []string
	for _, k := range keys {
		if at := join(path, k); v.has(at) || !v.sound(at) {
			given = append(given, k)
		}
	}
	switch len(given) {
	case 0:
		v.fail(path, "got none of "+strings.Join(keys, ", "), "exactly one of them")
	case 1:
	default:
		v.fail(join(path, given[1]), "got "+strings.Join(given, " and "), "exactly one of "+strings.Join(keys, ", "))
	}
}

// serviceNamed reports a reference to a service that does not exist.
func (v *validator) serviceNamed(path, name string) {
	if _, ok := v.c.Services[name]; !ok && name != "" {
		v.unknownName(path, name, "service", v.c.ServiceNames())
	}
}

// unknownName reports a reference to something that the file does not define.
func (v *validator) unknownName(path, name, what string, known []string) {
	want := "the name of a " + what
	switch near, ok := nearest(name, known); {
	case ok:
		want = fmt.Sprintf("%q?", near)
	case len(known) > 0 && len(known) <= 10:
		want = "one of " + strings.Join(known, ", ")
	}
	v.fail(path, fmt.Sprintf("got %s, and there is no such %s", quote(name), what), want)
}

// short prints a duration as people write it: 1m, not 1m0s.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func index(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }
