//go:build goexperiment.simd || !goexperiment.simd

package kernel

func vectorVersions() []version { return nil }
