//go:build organiser

package main

import "fedtab/ui/organiser"

// roles are those of the organisers' program, by the name of the worker. It does not return.
var roles = map[string]func(){
	"organise": organiser.Main,
}
