//go:build lab

package main

// roles are those of the lab's program, by the name of the worker. It does not return.
var roles = map[string]func(){
	"lab": stand,
}
