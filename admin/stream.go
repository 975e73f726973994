package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"gatewayd/admin/api"
	"gatewayd/events"
)

// streamWriteTimeout is how long one event may take to leave for a slow reader. Its connection is
// cut then; it resumes by the last id that it has seen.
const streamWriteTimeout = 10 * time.Second

// streamBatch is how many events go out with one flush.
const streamBatch = 64

// serveEvents sends events as Server-Sent Events: first what is replayed, then what happens.
func (s *Server) serveEvents(w http.ResponseWriter, r *http.Request) {
	query, err := parseEventQuery(r)
	if err != nil {
		writeError(w, err)
		return
	}
	if s.streams.Add(1) > int64(s.opts.MaxStreams) {
		s.streams.Add(-1)
		writeError(w, api.Unavailable("%d event streams are open already", s.opts.MaxStreams))
		return
	}
	defer s.streams.Add(-1)
	stream := &eventStream{w: w, control: http.NewResponseController(w)}
	if stream.begin() == nil && r.Method != http.MethodHead {
		s.copyEvents(r.Context(), stream, query.subscribe(s.opts.Events), query)
	}
}

// copyEvents returns when the reader goes away, the server stops, or, without follow,
// when nothing is left to replay.
func (s *Server) copyEvents(ctx context.Context, stream *eventStream, sub *events.Subscription, query *eventQuery) {
	heartbeat := time.NewTicker(s.opts.Heartbeat)
	defer heartbeat.Stop()
	for {
		batch, missed, wait := sub.Take(streamBatch)
		if missed > 0 {
			stream.missed(missed)
		}
		for i := range batch {
			if query.wants(&batch[i]) {
				stream.event(&batch[i])
			}
		}
		switch {
		case stream.flush() != nil:
			return
		case wait == nil:
			continue
		case !query.follow:
			return
		}
		select {
		case <-wait:
		case <-heartbeat.C:
			stream.comment("still here")
		case <-ctx.Done():
			return
		case <-s.stopping:
			return
		}
	}
}

// eventStream writes Server-Sent Events.
type eventStream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	buffer  bytes.Buffer
}

// begin sends the head, so that the reader knows that it is connected.
func (es *eventStream) begin() error {
	es.w.Header().Set("Content-Type", "text/event-stream")
	es.w.Header().Set("X-Accel-Buffering", "no") // for a proxy in between that would hold events back
	_ = es.control.SetReadDeadline(time.Time{})  // not supported: none is set
	es.buffer.WriteString("retry: 2000\n\n")
	return es.flush()
}

func (es *eventStream) event(e *events.Event) {
	data, err := json.Marshal(e)
	if err != nil { // Data holds what JSON cannot
		data, _ = json.Marshal(api.Error{Message: fmt.Sprintf("cannot encode event %d: %v", e.ID, err)})
	}
	fmt.Fprintf(&es.buffer, "id: %d\nevent: %s\ndata: %s\n\n", e.ID, e.Type, data)
}

// missed tells how many events were overwritten before this reader got to them.
func (es *eventStream) missed(count uint64) {
	fmt.Fprintf(&es.buffer, "event: missed\ndata: {\"missed\":%d}\n\n", count)
}

func (es *eventStream) comment(text string) { fmt.Fprintf(&es.buffer, ": %s\n\n", text) }

// flush sends what was written. It fails when the reader takes too long.
func (es *eventStream) flush() error {
	if es.buffer.Len() == 0 {
		return nil
	}
	_ = es.control.SetWriteDeadline(time.Now().Add(streamWriteTimeout)) // not supported: none is set
	if _, err := es.buffer.WriteTo(es.w); err != nil {
		return err
	}
	return es.control.Flush()
}
