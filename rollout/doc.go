// Package rollout decides how a new version of a service goes in, and when it
// goes out again. It is a pure state machine: Step takes the state, what was
// seen since the last step and the time, and returns the actions to carry out.
// The same state and the same input give the same actions. It does no I/O,
// reads no clock, starts no goroutine and keeps nothing outside State.
//
// The owner calls Step from one goroutine, a few times a second, and stores the
// state before it carries out what a step returned. A step that returned nothing
// need not be stored each time: a crash then loses the figures and the time since the
// last one that was. After a crash the owner loads the state, carries out what
// Reissue returns and goes on with Step; every action may be carried out twice without harm.
//
// Judge is the statistical half: it compares the candidate with the stable
// revision over the same seconds by tests that may be looked at continuously.
package rollout
