//go:build !wasm && !(goexperiment.simd && amd64)

package kernel

func scale(x []float32, alpha float32)             { scalarScale(x, alpha) }
func sub(dst, x, y []float32)                      { scalarSub(dst, x, y) }
func squaredDistance(x, y []float32) float64       { return scalarSquaredDistance(x, y) }
func magnitude(x []float32) uint32                 { return scalarMagnitude(x) }
func addFixed(sum []int64, x []float32, f float64) { scalarAddFixed(sum, x, f) }
