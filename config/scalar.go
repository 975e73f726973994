package config

import (
	"encoding"
	"errors"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// scalar decodes one scalar: variables are expanded, then its text is read as
// the type demands, whatever YAML would take it for. So 1.10 is a version where a text is
// wanted, and a variable can stand for a number.
func (d *decoder) scalar(path string, n *yaml.Node, v reflect.Value, f *field) {
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	secret := v.Type() == reflect.TypeFor[Secret]()
	if n.Kind != yaml.ScalarNode || n.Style&yaml.TaggedStyle != 0 {
		found := "got " + describeNode(n)
		if n.Kind == yaml.ScalarNode {
			found = "got the tag " + n.Tag
		}
		d.fail(n, path, found, f.wanted(v.Type()))
		return
	}
	text := n.Value
	if strings.Contains(text, "${") {
		expanded, found, want := expand(text, d.env)
		if found != "" {
			d.fail(n, path, found, want)
			return
		}
		text = expanded
	}
	if v.Kind() == reflect.String && text == "" && !f.required {
		return // as if it were left out, so that ${VAR:-} means that
	}
	if want := f.set(v, text); want != "" {
		found := describeNode(n)
		switch {
		case text != n.Value && secret:
			found = quote(n.Value)
		case text != n.Value:
			found = quote(text) + " from " + quote(n.Value)
		case secret:
			found = "a text that is not shown"
		}
		d.fail(n, path, "got "+found, want)
	}
}

// set reads text into v, and returns what would have been right when it cannot.
func (f *field) set(v reflect.Value, text string) (want string) {
	if strings.ContainsRune(text, 0) {
		return "a text without NUL bytes"
	}
	if values, ok := isEnum(v.Type()); ok {
		for _, allowed := range values {
			if text == allowed {
				v.SetString(text)
				return ""
			}
		}
		return f.wanted(v.Type())
	}
	if v.Kind() == reflect.String {
		if text == "" {
			return f.wanted(v.Type()) + ", not empty"
		}
		if f.format != "" {
			if want, ok := checkFormat(f.format, text); !ok {
				return want
			}
		}
		v.SetString(text)
		return ""
	}
	if parseScalar(v, text) != nil || !f.within(v) {
		return f.wanted(v.Type())
	}
	return ""
}

// parseScalar reads text as the type of v demands, without regard to bounds.
func parseScalar(v reflect.Value, text string) error {
	switch p := v.Addr().Interface().(type) {
	case *netip.Prefix:
		return parsePrefix(p, text)
	case *time.Duration:
		duration, err := time.ParseDuration(text)
		*p = duration
		return err
	case encoding.TextUnmarshaler:
		return p.UnmarshalText([]byte(text))
	case *bool:
		*p = text == "true"
		if text != "true" && text != "false" {
			return errors.New("not true or false")
		}
		return nil
	case *int:
		n, err := strconv.Atoi(text)
		*p = n
		return err
	case *float64:
		x, err := parseFloat(text)
		*p = x
		return err
	}
	panic("BUG: config has a key of type " + v.Type().String())
}

// parsePrefix reads a CIDR, or an address as the CIDR of it alone.
func parsePrefix(p *netip.Prefix, text string) error {
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		*p = netip.PrefixFrom(addr, addr.BitLen())
		return nil
	}
	prefix, err := netip.ParsePrefix(text)
	*p = prefix.Masked()
	return err
}

// within tells whether v lies within the field's bounds.
func (f *field) within(v reflect.Value) bool {
	x, ok := number(v)
	if !ok {
		return true
	}
	low, hasLow := number(f.low)
	high, hasHigh := number(f.high)
	return (!hasLow || x >= low) && (!hasHigh || x <= high)
}

// number is the value of a numeric type for comparing it with bounds.
func number(v reflect.Value) (float64, bool) {
	switch {
	case !v.IsValid():
		return 0, false
	case v.CanInt():
		return float64(v.Int()), true
	case v.CanFloat():
		return v.Float(), true
	}
	return 0, false
}
