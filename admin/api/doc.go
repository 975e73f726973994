// Package api holds the JSON documents of the admin API, which its handlers
// write, its client reads, and the assembler fills. There is no behaviour in it
// beyond the names of constants and errors.
//
// Percentages run from 0 to 100, durations in fields called ...Ms are
// milliseconds, rates are per second. A pointer is left out of the JSON
// where the figure is not known.
package api
