package exec

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"gatewayd/scaler"
)

// listed is an instance as the list command prints it.
type listed struct {
	ID          string
	Version     string
	Address     string
	State       scaler.InstanceState
	StartedAt   time.Time // zero: not said
	CPU         float64
	MemoryBytes uint64
	measured    bool // CPU or MemoryBytes was said
}

// parseList reads what the list command printed: a JSON array of objects, or objects one after another. Unknown keys, wrong types and impossible
// values are errors that name the line on which the object begins. Nothing at all is an empty list.
func parseList(out []byte) ([]listed, error) {
	d := json.NewDecoder(bytes.NewReader(out))
	isArray := bytes.HasPrefix(bytes.TrimSpace(out), []byte("["))
	if isArray {
		if _, err := d.Token(); err != nil {
			return nil, atLine(out, d.InputOffset(), err)
		}
	}
	var all []listed
	first := map[string]int{} // line of each id
	for d.More() {
		begin := d.InputOffset()
		line := lineOf(out, begin)
		var object map[string]json.RawMessage
		if err := d.Decode(&object); err != nil {
			return nil, atLine(out, begin, notAnObject(err))
		}
		l, err := parseOne(object)
		if err == nil && first[l.ID] > 0 {
			err = fmt.Errorf("id: got %q, which line %d has too; want one object for each instance", l.ID, first[l.ID])
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		first[l.ID] = line
		all = append(all, l)
	}
	if isArray {
		if _, err := d.Token(); err != nil {
			return nil, atLine(out, d.InputOffset(), err)
		}
	}
	if d.More() || len(bytes.TrimSpace(out[d.InputOffset():])) > 0 {
		return nil, fmt.Errorf("line %d: there is something after the end of the list", lineOf(out, d.InputOffset()))
	}
	return all, nil
}

// lineOf returns the line, from 1 on, of the first byte at offset or after it that is no space or comma.
func lineOf(out []byte, offset int64) int {
	rest := bytes.TrimLeft(out[offset:], ", \t\r\n")
	return 1 + bytes.Count(out[:len(out)-len(rest)], []byte("\n"))
}

// atLine names the line of what begins at offset.
func atLine(out []byte, offset int64, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("line %d: the list ends in the middle", 1+bytes.Count(bytes.TrimSpace(out), []byte("\n")))
	}
	if _, ok := errors.AsType[*json.SyntaxError](err); ok {
		err = fmt.Errorf("this is no JSON: %w", err)
	}
	return fmt.Errorf("line %d: %w", lineOf(out, offset), err)
}

func notAnObject(err error) error {
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("got a %s; want an object such as {\"id\": \"a\", \"version\": \"v1\", \"address\": \"10.0.0.5:80\"}", e.Value)
	}
	return err
}

// parseOne reads one object. Keys count as they are written.
func parseOne(object map[string]json.RawMessage) (l listed, err error) {
	if object == nil {
		return l, errors.New("got null; want an object")
	}
	for _, key := range slices.Sorted(maps.Keys(object)) {
		raw := object[key]
		switch key {
		case "id":
			err = readString(raw, &l.ID)
		case "version":
			err = readString(raw, &l.Version)
		case "address":
			err = readString(raw, &l.Address)
		case "state":
			err = readString(raw, (*string)(&l.State))
		case "startedAt":
			l.StartedAt, err = readTime(raw)
		case "cpu":
			l.CPU, err = readCPU(raw)
			l.measured = true
		case "memoryBytes":
			l.MemoryBytes, err = readBytes(raw)
			l.measured = true
		default:
			return l, fmt.Errorf("%s: unknown key; want id, version, address, state, startedAt, cpu or memoryBytes", key)
		}
		if err != nil {
			return l, fmt.Errorf("%s: %w", key, err)
		}
	}
	return l.complete()
}

// complete fills in the state and checks what has to be there.
func (l listed) complete() (listed, error) {
	if l.State == "" {
		l.State = scaler.InstanceRunning
		if l.Address == "" {
			l.State = scaler.InstanceStarting
		}
	}
	switch {
	case l.ID == "" || strings.ContainsFunc(l.ID, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }):
		return l, fmt.Errorf("id: got %q; want a name without spaces", l.ID)
	case l.Version == "":
		return l, fmt.Errorf("version: got nothing; want the version that instance %q was started with", l.ID)
	case l.State != scaler.InstanceStarting && l.State != scaler.InstanceRunning && l.State != scaler.InstanceStopping:
		return l, fmt.Errorf("state: got %q; want starting, running or stopping", l.State)
	case l.Address == "" && l.State == scaler.InstanceRunning:
		return l, fmt.Errorf("address: got nothing; want host:port of instance %q, which is running", l.ID)
	case l.Address != "" && !isAddress(l.Address):
		return l, fmt.Errorf("address: got %q; want host:port", l.Address)
	}
	return l, nil
}

func isAddress(s string) bool {
	host, port, err := net.SplitHostPort(s)
	n, portErr := strconv.ParseUint(port, 10, 16)
	return err == nil && portErr == nil && n > 0 && host != "" && !strings.ContainsAny(host, " /")
}

func readString(raw json.RawMessage, into *string) error {
	if len(raw) == 0 || raw[0] != '"' {
		return fmt.Errorf("got %s; want a text", raw)
	}
	return json.Unmarshal(raw, into)
}

func readTime(raw json.RawMessage) (time.Time, error) {
	var s string
	if err := readString(raw, &s); err != nil {
		return time.Time{}, err
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil || t.Year() < 1970 {
		return time.Time{}, fmt.Errorf("got %q; want a time such as 2026-01-02T15:04:05Z", s)
	}
	return t, nil
}

func readCPU(raw json.RawMessage) (float64, error) {
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || !(f >= 0) || math.IsInf(f, 0) {
		return 0, fmt.Errorf("got %s; want cores in use, 0 or more", raw)
	}
	return f, nil
}

func readBytes(raw json.RawMessage) (uint64, error) {
	n, err := strconv.ParseUint(string(raw), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("got %s; want a whole number of bytes, 0 or more", raw)
	}
	return n, nil
}
