// Package bench is how the browser benchmark judges what it measures: the curves that must
// agree, and the report. The jobs and their data are fedtab/learn/workload's. It imports no
// browser and no clock. The scripts beside it run an engine each in a worker of a page;
// program is fedtab's, a Go program in WebAssembly; fedtab/e2e drives the browsers.
package bench
