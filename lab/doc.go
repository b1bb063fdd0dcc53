// Package lab has the pages of the lab: the article's effects under a person's fingers. It
// is pure: the worker of the lab's program (package wasm) hands it what a person does, and
// gives it time; the coordinator draws with it what a page begins with.
//
//	sheet.go    a page as data: what it says, and the parts that can be played with
//	setting.go  what a person can set, and the points that can be moved
//	state.go    the values of these, from an address's query and back
//	machine.go  Machine: a page with its state; what is done to it, and what it shows
//	plot.go     figures as SVG
//	contour.go  lines of equal value
//	pictures.go pictures of pixels as SVG
//	glyphs.go   digits drawn by a program
//	problem.go  data, model and clients, for simulations
//	lane.go     a scheme at work on a problem, and what has happened
//	race.go, racedraw.go, radon.go, nodes.go, surface.go, networks.go, lambda.go, packing.go, leaks.go
//	            what there is to see, one file for each
//
// What a page shows is a function of its state: settings, moved points, and the step that it
// is at. The state is in the address, so that an address shows what was seen.
package lab
