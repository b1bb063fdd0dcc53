// Package ui is fedtab's page: a Vugu application that runs on the browser's
// main thread and shows what the coordinator and this tab's Web Worker do. It
// trains nothing itself.
//
// The state of the page is [Page], plain Go that knows neither Vugu nor the
// browser: events go in through its On... methods, words and numbers come out.
// The components (name.vugu, name.go and the generated name_gen.go) only lay
// them out, and the files ending in _js.go connect them to the browser:
//
//	coordinator (fetch, EventSource) --+
//	Web Worker (postMessage) ----------+--> loop --> Page --> components --> DOM
//	buttons, visibility, address ------+                 \--> charts (uPlot)
//
// Compiled natively, the program prints the page's first state as HTML; the
// asset packer puts that into index.html, so that the page is readable, and has
// its final layout, before any WebAssembly has arrived.
package ui

//go:generate go tool vugugen -skip-go-mod -skip-main .
//go:generate gofmt -w .
