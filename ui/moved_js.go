package ui

import (
	"syscall/js"

	"fedtab/fields"
	"fedtab/tab"
)

// saveMoved has the browser save a file of all that has moved, as JSON.
func saveMoved(p *Page, h *host) {
	// Entry by entry: memory of WebAssembly never shrinks.
	entries := js.Global().Get("Array").New()
	for e := range p.Moved.entries.all(0) {
		entries.Call("push", fields.Map(e))
	}
	all := js.ValueOf(fields.Map(tab.Moved{Type: "moved", Skipped: p.Moved.dropped}))
	all.Set("entries", entries)
	text := js.Global().Get("JSON").Call("stringify", all, nil, 1)
	h.tell(map[string]any{"type": "file", "name": p.Selected + "-moved.json", "bytes": text})
}
