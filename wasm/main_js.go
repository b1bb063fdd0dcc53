package main

import (
	"syscall/js"

	"fedtab/ui"
)

// main runs the role that the worker's name asks for (static/tab.js).
func main() {
	switch name := js.Global().Get("name").String(); name {
	case "page":
		ui.Run()
	case "train":
		train()
	case "try":
		try()
	default:
		panic("wasm: the worker's name is " + name + ", want page, train or try")
	}
}
