package admin

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"gatewayd/admin/api"
	"gatewayd/events"
)

// eventQuery is what a reader of the event stream asks for.
type eventQuery struct {
	types   map[events.Type]bool // empty: all
	service string               // "": all
	follow  bool                 // false: end after the replay

	after  *uint64   // replay what comes after this id
	since  time.Time // replay from this time on
	replay bool      // replay at all
}

func (q *eventQuery) wants(e *events.Event) bool {
	return (len(q.types) == 0 || q.types[e.Type]) && (q.service == "" || q.service == e.Service)
}

func (q *eventQuery) subscribe(bus Events) *events.Subscription {
	switch {
	case q.after != nil:
		return bus.SubscribeAfter(*q.after)
	case q.replay:
		return bus.SubscribeSince(q.since)
	default:
		return bus.Subscribe()
	}
}

// parseEventQuery reads the query and the header of r. A Last-Event-ID, which a browser sends
// when it connects again, wins over since, which is still in its URL. Without follow everything
// kept is replayed unless since or the id say less.
func parseEventQuery(r *http.Request) (*eventQuery, error) {
	values := r.URL.Query()
	q := &eventQuery{service: values.Get("service"), follow: true, types: map[events.Type]bool{}}
	for _, list := range values["type"] {
		for name := range strings.SplitSeq(list, ",") {
			if !events.Type(name).Valid() {
				return nil, api.Invalid("type", "got %q; want one of %s", name, typeNames())
			}
			q.types[events.Type(name)] = true
		}
	}
	switch follow := values.Get("follow"); follow {
	case "", "true":
	case "false":
		q.follow, q.replay = false, true
	default:
		return nil, api.Invalid("follow", "got %q; want true or false", follow)
	}
	if text := values.Get("since"); text != "" {
		since, err := parseSince(text, time.Now())
		if err != nil {
			return nil, err
		}
		q.since, q.replay = since, true
	}
	if text := r.Header.Get("Last-Event-ID"); text != "" {
		id, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return nil, api.Invalid("Last-Event-ID", "got %q; want the id of an event", text)
		}
		q.after = &id
	}
	return q, nil
}

// parseSince reads a time, or a duration before now.
func parseSince(text string, now time.Time) (time.Time, error) {
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	return time.Time{}, api.Invalid("since", "got %q; want a duration such as 1h, or a time such as 2006-01-02T15:04:05Z", text)
}

func typeNames() string {
	var names []string
	for _, t := range events.Types() {
		names = append(names, string(t))
	}
	return strings.Join(names, ", ")
}
