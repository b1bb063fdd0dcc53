// Package kernel holds the float32 loops that training spends its time in, and those of
// packing (package compress).
//
// The comment of each kernel is its reference: the plain loop that defines the
// result. scalar.go, packing.go and coding.go hold these loops in Go and are
// always built.
// Vector versions take over where there are some: on amd64, with GOEXPERIMENT=simd,
// 512-bit or 256-bit ones, as the processor allows; in a browser the 128-bit ones of
// a module of its own, which package module generates (docs/adr/0014). [Name] says
// which is in use. All pass the same tests.
//
// Matrices are row-major and dense. A weight matrix is [in, out]: w[i*out+o]
// leads from input i to output o.
//
// # Rounding
//
// The versions differ in rounding: amd64's and the relaxed module's use fused
// multiply-add, and amd64's sums along a vector are split into lanes. The module without
// relaxed instructions has the bits of scalar Go. One version on one machine
// always gives the same bits for the same input: nothing depends on memory
// alignment, and no kernel starts a goroutine.
//
// # Zeros
//
// Four fifths of an MNIST image are zeros, and so is about half of a ReLU's
// output. Products with sparse x therefore use a list of the nonzero elements.
// Skipping a zero changes no bit of a finite result, but an infinite or NaN weight
// that is multiplied by zeros only does not reach the result.
//
// Every kernel panics when a slice is shorter than its shape. No kernel
// allocates.
package kernel
