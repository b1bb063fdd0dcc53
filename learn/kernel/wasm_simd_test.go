//go:build goexperiment.simd && wasm

package kernel

func vectorVersions() []version {
	return []version{{"wasm-simd128", Forward, InputGradient, AddWeightGradient, AddColumnSums, Axpy, Dot}}
}
