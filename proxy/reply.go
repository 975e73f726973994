package proxy

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"gatewayd/internal/message"
)

var (
	plainText = []byte("text/plain; charset=utf-8")
	jsonType  = []byte("application/json")
)

// fail tells the client what went wrong, if that can still be said; if the response is under way already the connection is broken
// off instead, so that what arrived is not taken for the whole.
func (x *exchange) fail(f *failure) {
	x.outcome.cause = f.cause
	if x.outcome.status != 0 || f.cause == CauseClientGone {
		if x.outcome.status == 0 {
			x.outcome.status = f.status
		}
		x.down.abort()
		return
	}
	if f.retryAfter > 0 {
		x.ans.add("Retry-After", strconv.AppendInt(nil, int64(f.retryAfter), 10))
	}
	wantJSON := acceptsJSON(x.req.Fields)
	kind := plainText
	if wantJSON {
		kind = jsonType
	}
	x.ans.add("Content-Type", kind)
	x.replyBody(f.status, errorBody(nil, x.requestID, f, wantJSON))
}

// reply answers with a status and a short body of the gateway's own.
func (x *exchange) reply(status int, body []byte) *failure {
	x.replyBody(status, body)
	return nil
}

func (x *exchange) replyBody(status int, body []byte) {
	a := &x.ans
	a.status, a.fields, a.rules = status, nil, nil
	a.bodiless = x.req.Verb == message.VerbHead || status == 204 || status == 304
	a.length = int64(len(body))
	// A body that nobody is going to read would have to be read over first; closing is cheaper for both.
	if _, whole := x.down.wholeBody(); !whole {
		a.close = true
	}
	if x.requestID != nil {
		a.add("X-Request-Id", x.requestID)
	}
	x.server.addDate(a, x.time())
	x.outcome.status = status
	if x.route != nil {
		x.addCORS(a)
	}
	if err := x.down.start(a, body, true); err != nil {
		x.outcome.cause = CauseClientGone
		x.down.abort()
	}
}

func acceptsJSON(fs message.Fields) bool {
	v, _ := fs.Lookup("accept")
	return bytes.Contains(v, []byte("json"))
}

// errorBody is what a client gets to read of a failure: the status in words, what happened in plain language, the cause as the
// access log has it, and the id to ask for.
func errorBody(dst, requestID []byte, f *failure, asJSON bool) []byte {
	if asJSON {
		body, err := json.Marshal(map[string]string{
			"error": f.detail, "cause": string(f.cause), "requestId": string(requestID),
		})
		if err != nil {
			panic("BUG: an error body of strings cannot be marshalled: " + err.Error())
		}
		return append(append(dst, body...), '\n')
	}
	dst = strconv.AppendInt(dst, int64(f.status), 10)
	dst = append(dst, ' ')
	dst = append(dst, http.StatusText(f.status)...)
	dst = append(dst, ": "...)
	dst = append(dst, f.detail...)
	dst = append(dst, " ("...)
	dst = append(dst, f.cause...)
	dst = append(dst, ")\n"...)
	if requestID != nil {
		dst = append(dst, "request id: "...)
		dst = append(dst, requestID...)
		dst = append(dst, '\n')
	}
	return dst
}

func (x *exchange) replyMaintenance(m *Maintenance) *failure {
	x.outcome.cause = CauseMaintenance
	x.ans.add("Content-Type", []byte(m.ContentType))
	x.ans.add("Retry-After", strconv.AppendInt(nil, int64(m.RetryAfter), 10))
	return x.reply(503, m.Body)
}

// dateNow is the Date of the present second, printed once a second.
type dateNow struct {
	second int64
	text   []byte
}

// addDate adds Date as of now (RFC 9110 section 6.6.1).
func (s *Server) addDate(a *answer, now time.Time) {
	d := s.date.Load()
	if d == nil || d.second != now.Unix() {
		d = &dateNow{now.Unix(), now.UTC().AppendFormat(nil, http.TimeFormat)}
		s.date.Store(d)
	}
	a.add("Date", d.text)
}
