// Package kernel holds the float32 loops that training spends its time in.
//
// The comment of each kernel is its reference: the plain loop that says what
// is computed. scalar.go writes those loops down in Go and is always built.
// Where the build has GOEXPERIMENT=simd, vector versions take over: 512-bit or
// 256-bit ones on amd64, as the processor allows, and 128-bit ones in
// WebAssembly. [Name] says which is in use. All pass the same tests.
//
// Matrices are row-major and dense. A weight matrix is [in, out]: w[i*out+o]
// leads from input i to output o.
//
// # Rounding
//
// The versions differ in rounding: amd64's use fused multiply-add, and those
// that sum along a vector split the sum into lanes. One version on one machine
// always gives the same bits for the same numbers: nothing depends on memory
// alignment, and no kernel starts a goroutine.
//
// # Zeros
//
// Four fifths of an MNIST image are zeros, and so is about half of what comes
// out of a ReLU. The products with x therefore go by a list of what is not
// zero, when that pays. Leaving out a zero changes no bit of a finite result,
// but an infinite or undefined weight that only meets zeros stays unnoticed.
//
// Every kernel panics when a slice is shorter than its shape says. No kernel
// allocates.
package kernel
