// Package config reads gatewayd's configuration file: it decodes YAML strictly,
// checks every value and every reference, and reports all errors of a file in one
// pass, each with file, line, column and path. A Config that Load returns is
// complete (defaults are filled in) and consistent, and nobody writes to it
// afterwards: it may be shared by any number of goroutines.
//
// The doc comments and tags of the types are the one source of the decoder's
// checks, of the JSON Schema and of the reference in docs/configuration.md:
//
//	key       the YAML key; "-" is not read from the file
//	default   the value where the key is left out, as it would stand in the file
//	range     "LOW..HIGH", both ends included; either may be left out
//	required  the key must stand there, and not be empty
//	format    a rule of formats.go for a string, for each element of a list, or for a map's keys
//	example   the value as it could stand in a file
//	for       the kinds of the block (by its type key, say) to which the key belongs
//	refused   why a shape is accepted and then refused
//
// The package opens no other file than the one it is given, resolves no name and
// starts no goroutine. Files that the configuration names (certificates, pages,
// folders) are opened by those who use them.
package config
