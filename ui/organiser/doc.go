// Package organiser is the organisers' dashboard: a Vugu application that shows what the
// organisers' API (/api/v1, package api/v1) says, and gives orders by it. It runs in a
// worker, in a program of its own (static/dist/extra/organiser.wasm) that participants do
// not load.
//
// [Board] is the state, plain Go that knows neither Vugu nor the browser. The components
// lay it out, and the files ending in _js.go connect it to the browser: the API
// (api_js.go), and what a person does (acts_js.go).
package organiser

//go:generate go tool vugugen -skip-go-mod -skip-main .
//go:generate go run ../shorten .
//go:generate gofmt -w .
