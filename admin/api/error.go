package api

import (
	"fmt"
	"net/http"
	"strings"
)

// Error is the body of every response that is not a success. Whoever implements an
// interface of the admin package returns it to choose the status; any other
// error is answered with 500.
type Error struct {
	Status  int      `json:"-"`                 // of the HTTP response
	Message string   `json:"error"`             // one sentence
	Field   string   `json:"field,omitempty"`   // of the request or the config that it is about
	Details []string `json:"details,omitempty"` // more than one finding, such as each error of a config file
}

// Error returns the sentence, with the field before it where the sentence does not name it itself.
func (e *Error) Error() string {
	if e.Field != "" && e.Status != http.StatusNotFound {
		return e.Field + ": " + e.Message
	}
	return e.Message
}

// Invalid says that a field of the request has a value that cannot be accepted (422).
func Invalid(field, format string, args ...any) *Error {
	return &Error{Status: http.StatusUnprocessableEntity, Field: field, Message: fmt.Sprintf(format, args...)}
}

// NotFound says that there is no such thing, such as NotFound("service", "shop"), and which there are (404).
func NotFound(kind, name string, known ...string) *Error {
	message := fmt.Sprintf("there is no %s %q", kind, name)
	if len(known) > 0 && len(known) <= maxKnown {
		message += "; want one of " + strings.Join(known, ", ")
	}
	return &Error{Status: http.StatusNotFound, Field: kind, Message: message}
}

// maxKnown is how many names fit into a sentence.
const maxKnown = 20

// Conflict says that the request does not fit the present state (409).
func Conflict(format string, args ...any) *Error {
	return &Error{Status: http.StatusConflict, Message: fmt.Sprintf(format, args...)}
}

// Unavailable says that something needed for the request is away for now (503).
func Unavailable(format string, args ...any) *Error {
	return &Error{Status: http.StatusServiceUnavailable, Message: fmt.Sprintf(format, args...)}
}
