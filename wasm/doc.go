// Command wasm is the tab's Web Worker: a participant in a browser. It drives
// a client.Client over the browser's WebSocket, fetches shards of public data,
// trains in slices of a few milliseconds and tells the page what it does. No
// training ever happens on the page's own thread. It also reads, checks and keeps
// the data that a person brings (own_js.go). In the role try it predicts with models
// (try_js.go).
//
// One goroutine, the loop, owns everything. JavaScript's callbacks only put
// events in its way; so do the jobs that wait for the browser while data is read.
// Go on js/wasm has one thread and no preemption, so the loop hands the thread back
// to the browser after every slice; otherwise no callback would ever run.
package main
