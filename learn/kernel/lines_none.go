//go:build !wasm

package kernel

func transpose(t, x []float32, rows, cols int) { scalarTranspose(t, x, rows, cols) }

func momentum(w, m, g []float32, mu, rate float32) { scalarMomentum(w, m, g, mu, rate) }
func nesterov(w, m, g []float32, mu, rate float32) { scalarNesterov(w, m, g, mu, rate) }
func adam(w, m, v, g []float32, s AdamStep)        { scalarAdam(w, m, v, g, s) }

func lookup(x []float32, bytes []uint8, table *[256]float32) { scalarLookup(x, bytes, table) }
