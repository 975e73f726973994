// Package cost knows what instances cost: it places them into resource pools,
// keeps limits, books what ran in a ledger, and recommends what would cost less.
//
// It is pure: the present time, prices and counts go in, placements, sums and
// recommendations with their evidence come out. It starts no goroutine, reads no clock,
// does no I/O, and applies nothing. Money is counted in billionths of a unit of
// the currency of the prices, so sums are exact.
package cost
