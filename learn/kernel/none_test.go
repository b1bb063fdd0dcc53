//go:build !goexperiment.simd || !(amd64 || wasm)

package kernel

func vectorVersions() []version { return nil }
