package api

import (
	"fmt"
	"time"
)

// Duration is a time.Duration that reads and writes as text, such as "1m30s".
type Duration time.Duration

// MarshalText writes d as time.Duration prints it.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText accepts what time.ParseDuration does, unless it is negative.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil || parsed < 0 {
		return fmt.Errorf("got %q; want a duration of 0 or more, such as 90s", text)
	}
	*d = Duration(parsed)
	return nil
}

// String prints d as time.Duration does.
func (d Duration) String() string { return time.Duration(d).String() }
