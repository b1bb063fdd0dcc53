//go:build !wasm && !(goexperiment.simd && amd64)

package kernel

func vectorVersions() []version { return nil }

// atEachLevel calls f with every level that can run here.
func atEachLevel(f func(level string)) { f(Name()) }
