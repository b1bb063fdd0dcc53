package main

import "syscall/js"

// main runs the role that the worker's name asks for (static/tab.js).
func main() {
	name := js.Global().Get("fedtabRole").String()
	role := roles[name]
	if role == nil {
		panic("wasm: this program has no role " + name)
	}
	role()
}
