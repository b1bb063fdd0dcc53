// Package ui is fedtab's page: a Vugu application that shows what the coordinator and
// this tab's workers do. It runs in a worker of its own, the role page of the tab's
// program (package wasm), and trains nothing itself.
//
// The state of the page is [Page], plain Go that knows neither Vugu nor the
// browser: events go in through its On... methods, words and numbers come out.
// The components (name.vugu, name.go and the generated name_gen.go) only lay
// them out, and the files ending in _js.go connect them to the browser:
//
//	coordinator (fetch, EventSource) --+
//	workers (postMessage) -------------+--> loop --> Page --> components --> host.js --> DOM
//	buttons, visibility (host.js) -----+                 \--> charts (uPlot)
//
// [Write] draws the same components natively: the coordinator sends a page as it stands,
// so that it can be read, and has its final layout, before any WebAssembly has arrived
// (docs/adr/0013-page.md).
package ui

//go:generate go tool vugugen -skip-go-mod -skip-main .
//go:generate go run ./shorten .
//go:generate gofmt -w .
