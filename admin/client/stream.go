package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"gatewayd/admin/api"
	"gatewayd/events"
)

// reconnectDelay is how long Events waits before it connects again.
const reconnectDelay = time.Second

// maxEventBytes bounds one line of the stream.
const maxEventBytes = 4 << 20

// EventQuery says which events are wanted.
type EventQuery struct {
	Types   []string // empty: all
	Service string   // "": all
	Since   string   // a duration before now or an RFC 3339 time; "": see Follow
	Follow  bool     // wait for what happens; false: all that is kept, then end
}

// EventHandler gets an event, or how many were missed before the next one. Its error ends the stream.
type EventHandler func(e events.Event, missed uint64) error

// Events hands each event to handle until ctx ends, handle fails, or, without Follow,
// nothing is left. With Follow a broken stream is taken up again where it
// was; the first connection must succeed.
func (c *Client) Events(ctx context.Context, q EventQuery, handle EventHandler) error {
	s := &stream{client: c, query: q, handle: handle}
	connected, err := s.read(ctx)
	for q.Follow && connected && s.failed == nil && ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-time.After(c.retry):
			_, err = s.read(ctx)
			var refused *api.Error
			if errors.As(err, &refused) && refused.Status < http.StatusInternalServerError {
				return err
			}
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return errors.Join(s.failed, err)
}

// stream is one call of Events over all its connections.
type stream struct {
	client *Client
	query  EventQuery
	handle EventHandler
	lastID uint64 // 0: none yet
	failed error  // of handle
}

// read takes events from one connection until it ends. An end that the server chose is no error.
func (s *stream) read(ctx context.Context) (connected bool, err error) {
	header := http.Header{"Accept": {"text/event-stream"}}
	if s.lastID > 0 {
		header.Set("Last-Event-ID", strconv.FormatUint(s.lastID, 10))
	}
	resp, err := s.client.send(ctx, http.MethodGet, path("events")+"?"+s.query.encode(), nil, header)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, maxEventBytes)
	name, data := "", ""
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "event":
			name = value
		case "data":
			data = value
		case "":
			if data != "" && s.dispatch(name, data) != nil {
				return true, nil
			}
			name, data = "", ""
		}
	}
	if err := lines.Err(); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return true, fmt.Errorf("cannot read events of %s: %w", s.client.base, err)
	}
	return true, nil
}

// dispatch hands one message of the stream on.
func (s *stream) dispatch(name, data string) error {
	var e struct {
		events.Event
		Missed uint64 `json:"missed"`
	}
	if err := json.Unmarshal([]byte(data), &e); err != nil {
		s.failed = fmt.Errorf("cannot read event %q: %w", name, err)
		return s.failed
	}
	if e.ID > 0 {
		s.lastID = e.ID
	}
	s.failed = s.handle(e.Event, e.Missed)
	return s.failed
}

func (q EventQuery) encode() string {
	values := url.Values{"follow": {strconv.FormatBool(q.Follow)}}
	if len(q.Types) > 0 {
		values.Set("type", strings.Join(q.Types, ","))
	}
	if q.Service != "" {
		values.Set("service", q.Service)
	}
	if q.Since != "" {
		values.Set("since", q.Since)
	}
	return values.Encode()
}
