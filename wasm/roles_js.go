//go:build !readers && !organiser && !lab

package main

import "fedtab/ui"

// roles are those of the program of the first load, by the name of the worker. None
// returns.
var roles = map[string]func(){
	"page":  ui.Run,
	"train": train,
}
