package message

import "fmt"

// Error says why a message was refused. Status is what the client gets for a request; a refused response is a 502.
type Error struct {
	Status int    // 400, 413, 414, 417, 431, 501 or 505
	Reason string // for the access log and the operator, never a value the peer sent
}

// Error returns the reason.
func (e *Error) Error() string { return fmt.Sprintf("malformed message: %s", e.Reason) }

func bad(reason string) *Error                { return &Error{Status: 400, Reason: reason} }
func refuse(status int, reason string) *Error { return &Error{Status: status, Reason: reason} }
