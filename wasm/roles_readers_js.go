//go:build readers

package main

// roles are those of the program that is loaded on demand, by the name of the worker.
// None returns.
var roles = map[string]func(){
	"bench": bench,
	"own":   train, // a participant with data of its own
	"try":   try,
}
