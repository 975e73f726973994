package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Percent is a share in percent, 0 to 100 unless its key says otherwise. In a
// file "25" and "25%" are the same.
type Percent float64

// UnmarshalText reads a number with or without a percent sign.
func (p *Percent) UnmarshalText(text []byte) error {
	v, err := parseFloat(strings.TrimSuffix(string(text), "%"))
	if err != nil {
		return err
	}
	*p = Percent(v)
	return nil
}

// String prints the number alone.
func (p Percent) String() string { return strconv.FormatFloat(float64(p), 'g', -1, 64) }

// Fraction is the share between 0 and 1.
func (p Percent) Fraction() float64 { return float64(p) / 100 }

// Size is a number of bytes, 0 or more.
type Size int64

// Units of Size.
const (
	Byte Size = 1
	KiB       = 1024 * Byte
	MiB       = 1024 * KiB
	GiB       = 1024 * MiB
	TiB       = 1024 * GiB
)

// sizeUnit is a suffix of a size; longer ones stand before those that they end with.
type sizeUnit struct {
	suffix string
	size   Size
}

func sizeUnits() []sizeUnit {
	return []sizeUnit{
		{"TiB", TiB}, {"GiB", GiB}, {"MiB", MiB}, {"KiB", KiB},
		{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"KB", 1e3}, {"B", 1},
	}
}

// UnmarshalText reads a number with a unit: B, kB, MB, GB, TB in thousands, KiB,
// MiB, GiB, TiB in 1024s. A number alone is bytes.
func (s *Size) UnmarshalText(text []byte) error {
	number, unit := string(text), Byte
	for _, u := range sizeUnits() {
		if rest, ok := strings.CutSuffix(number, u.suffix); ok {
			number, unit = strings.TrimSpace(rest), u.size
			break
		}
	}
	v, err := parseFloat(number)
	if err != nil {
		return err
	}
	v *= float64(unit)
	if v < 0 || v >= math.MaxInt64 || v != math.Trunc(v) {
		return errors.New("not a whole number of bytes")
	}
	*s = Size(v)
	return nil
}

// String prints the size with the largest unit that divides it.
func (s Size) String() string {
	for _, u := range sizeUnits() {
		if s != 0 && s%u.size == 0 && u.size >= KiB && u.size%KiB == 0 {
			return fmt.Sprintf("%d%s", s/u.size, u.suffix)
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// Amount is a count or a percentage of a whole.
type Amount struct {
	Count   int     // where Percent is 0
	Percent Percent // where above 0
}

// UnmarshalText reads "3" or "25%".
func (a *Amount) UnmarshalText(text []byte) error {
	if s, ok := strings.CutSuffix(string(text), "%"); ok {
		v, err := parseFloat(s)
		if err != nil || v < 0 || v > 100 {
			return errors.New("not a percentage from 0% to 100%")
		}
		*a = Amount{Percent: Percent(v)}
		return nil
	}
	n, err := strconv.Atoi(string(text))
	if err != nil || n < 0 {
		return errors.New("not a count")
	}
	*a = Amount{Count: n}
	return nil
}

// String prints the amount as it stands in a file.
func (a Amount) String() string {
	if a.Percent > 0 {
		return a.Percent.String() + "%"
	}
	return strconv.Itoa(a.Count)
}

// Of is the amount of a whole, a percentage rounded down.
func (a Amount) Of(whole int) int {
	if a.Percent > 0 {
		return int(math.Floor(float64(whole) * a.Percent.Fraction()))
	}
	return a.Count
}

// OfRoundedUp is Of with a percentage rounded up.
func (a Amount) OfRoundedUp(whole int) int {
	if a.Percent > 0 {
		return int(math.Ceil(float64(whole) * a.Percent.Fraction()))
	}
	return a.Count
}

// StatusRange is HTTP statuses from From to To, both included.
type StatusRange struct{ From, To int }

// StatusRanges is a set of HTTP statuses; in a file "200-299,404".
type StatusRanges []StatusRange

// UnmarshalText reads ranges and single statuses with commas between.
func (r *StatusRanges) UnmarshalText(text []byte) error {
	var ranges StatusRanges
	for part := range strings.SplitSeq(string(text), ",") {
		low, high, isRange := strings.Cut(strings.TrimSpace(part), "-")
		if !isRange {
			high = low
		}
		from, err1 := strconv.Atoi(low)
		to, err2 := strconv.Atoi(high)
		if err1 != nil || err2 != nil || from < 100 || to > 599 || from > to {
			return errors.New("not a list of statuses")
		}
		ranges = append(ranges, StatusRange{from, to})
	}
	*r = ranges
	return nil
}

// String prints the set as it stands in a file.
func (r StatusRanges) String() string {
	var b strings.Builder
	for i, s := range r {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(s.From))
		if s.To != s.From {
			fmt.Fprintf(&b, "-%d", s.To)
		}
	}
	return b.String()
}

// Contains tells whether status is one of the set.
func (r StatusRanges) Contains(status int) bool {
	for _, s := range r {
		if s.From <= status && status <= s.To {
			return true
		}
	}
	return false
}

// KeySource is the part of a request by which it is counted or hashed.
type KeySource struct {
	Kind KeyKind
	Name string // of the header field, cookie or query parameter
}

// KeyKind is a kind of KeySource.
type KeyKind string

// Kinds of keys.
const (
	KeyClientIP KeyKind = "client-ip"
	KeyHeader   KeyKind = "header"
	KeyCookie   KeyKind = "cookie"
	KeyQuery    KeyKind = "query"
	KeyHost     KeyKind = "host"
	KeyPath     KeyKind = "path"
	KeyRoute    KeyKind = "route" // one key for all requests
)

// UnmarshalText reads a kind, followed by ":NAME" where the kind needs one.
func (k *KeySource) UnmarshalText(text []byte) error {
	kind, name, named := strings.Cut(string(text), ":")
	switch KeyKind(kind) {
	case KeyClientIP, KeyHost, KeyPath, KeyRoute:
		if named {
			return errors.New("takes no name")
		}
	case KeyHeader, KeyCookie, KeyQuery:
		if name == "" || (kind != string(KeyQuery) && !isToken(name)) {
			return errors.New("needs a name")
		}
	default:
		return errors.New("not a kind of key")
	}
	*k = KeySource{KeyKind(kind), name}
	return nil
}

// String prints the key as it stands in a file.
func (k KeySource) String() string {
	if k.Name != "" {
		return string(k.Kind) + ":" + k.Name
	}
	return string(k.Kind)
}

// Secret is text that is never printed: convert it to string to use it.
type Secret string

// hidden is printed in place of every secret.
const hidden = "***"

// String hides the text, the empty one excepted.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return hidden
}

// GoString hides the text in %#v too.
func (s Secret) GoString() string { return strconv.Quote(s.String()) }

// MarshalText hides the text in JSON and in logs.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalYAML hides the text.
func (s Secret) MarshalYAML() (any, error) { return s.String(), nil }

func parseFloat(s string) (float64, error) {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, errors.New("not a number")
	}
	return v, nil
}
