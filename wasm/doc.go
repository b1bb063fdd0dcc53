// Command wasm is the tab's program. Each of the tab's workers runs it, in the role that
// the worker's name says (roles_js.go, roles_readers_js.go):
//
//	page   draws the page (package ui)
//	train  takes part: drives a client.Client over the browser's WebSocket, fetches
//	       shards of public data, and trains in slices of a few milliseconds
//	own    takes part with the data that a person brings, which it reads, checks and
//	       keeps, too (own_js.go)
//	try    predicts with models (try_js.go)
//	bench  measures how fast this device trains (bench_js.go)
//	lab    computes and draws a page of the lab (lab_js.go)
//
// own, try and bench are in the program that is built with the tag readers, lab in that with
// the tag lab; both are loaded where they are needed. Nothing of Go runs on the browser's main thread.
//
// In a participant one goroutine, the loop, owns everything. JavaScript's callbacks only put
// events in its way; so do the jobs that wait for the browser while data is read.
// Go on js/wasm has one thread and no preemption, so the loop hands the thread back
// to the browser after every slice; otherwise no callback would ever run.
package main
