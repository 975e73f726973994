// Package router finds the route of a request. A Router is built once from all
// rules, never changes afterwards and takes no lock and no memory for a match.
//
// Of all rules that match a request the most specific one wins. In plain words, and in this order:
//
//  1. Host: an exact host before a wildcard, a longer wildcard before a shorter one, a rule without hosts last.
//     "*.example.com" stands for one label or more in front of example.com, not for example.com itself.
//  2. Path: an exact path before a prefix, a longer prefix before a shorter one, then the regular
//     expressions in the order of the file, and last the rules that take every path: those without a path and
//     those with the prefix "/", which says no more.
//  3. Conditions: the rule with more of them, where Methods counts as one and each header and each query
//     parameter as one.
//  4. The order of the file.
//
// A rule that matches but for its conditions is passed over, and the next one in this order is tried, down to the rules for any
// host. What it costs depends on the length of host and path and on how many rules share them, not on the
// number of rules; only regular expressions are tried one after the other, those of one host, and only when no
// exact path and no prefix but "/" took the request.
//
// It knows nothing of what a route does: the Value of a rule is the caller's.
package router
