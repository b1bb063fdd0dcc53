package draw

import "syscall/js"

// Take has f called with every message of the page's main thread (static/host.js), those
// included that have come so far. f must not wait.
func Take(f func(kind string, m js.Value)) {
	js.Global().Call("fedtabTake", js.FuncOf(func(_ js.Value, args []js.Value) any {
		f(args[0].Get("type").String(), args[0])
		return nil
	}))
}

// Tell sends a message to the main thread.
func Tell(m map[string]any) { js.Global().Call("postMessage", m) }

// Hand hands what the renderer has drawn to the main thread.
func Hand() { js.Global().Call("fedtabRendered") }
