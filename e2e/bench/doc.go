// Package bench is what the browser benchmark measures and how it judges it: the jobs that
// every engine trains, their data, the curves that must agree, and the report. It imports
// no browser and no clock. The scripts beside it run an engine each in a worker of a page;
// program is fedtab's, a Go program in WebAssembly; fedtab/e2e drives the browsers.
package bench
