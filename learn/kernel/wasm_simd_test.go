//go:build goexperiment.simd && wasm

package kernel

func vectorVersions() []version {
	return []version{{"wasm-simd128", Forward, InputGradient, AddWeightGradient, AddColumnSums, Axpy, Dot}}
}

// atEachLevel calls f with every level that can run here.
func atEachLevel(f func(level string)) { f(Name()) }
