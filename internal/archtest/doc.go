// Package archtest holds no code: its tests hold the rules of the house, which package may import which, and that each
// says what it is.
package archtest
