// Package module generates the WebAssembly module of package kernel: its loops in vector
// instructions, on the memory of the Go program that calls them.
//
// Go's compiler adds and wraps for every address, and keeps sums in memory; here each
// instruction is chosen. The bytes are the same at every build.
package module

// Bytes returns the module. Relaxed, it needs relaxed vector instructions, and its
// products may differ in rounding from one processor to the next.
func Bytes(relaxed bool) []byte {
	v, grade := flavour{rows: 5}, 1
	if relaxed {
		v, grade = flavour{relaxed: true, rows: 6}, 2
	}
	var m functions
	v.products(&m, windows(&m))
	v.vectors(&m)
	packing(&m)
	level := m.function("level")
	level.results = []byte{typeI32}
	level.give(i32(grade))
	return m.bytes()
}
