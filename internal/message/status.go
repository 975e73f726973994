package message

import "net/http"

// StatusText returns the standard reason phrase of a status, empty for an unknown one.
func StatusText(status int) string { return http.StatusText(status) }
