//go:build goexperiment.simd && amd64

package kernel

// atLevel runs the exported kernels with the level set to l.
func atLevel(l level) version {
	set := func() func() {
		before := best
		best = l
		return func() { best = before }
	}
	return version{
		name: [...]string{"dispatched scalar", "avx2", "avx512"}[l],
		forward: func(y, x, w, b []float32, rows, in, out int, relu bool) {
			defer set()()
			Forward(y, x, w, b, rows, in, out, relu)
		},
		inputGradient: func(dx, dy, w []float32, rows, in, out int) {
			defer set()()
			InputGradient(dx, dy, w, rows, in, out)
		},
		addWeightGradient: func(w []float32, alpha float32, x, dy []float32, rows, in, out int) {
			defer set()()
			AddWeightGradient(w, alpha, x, dy, rows, in, out)
		},
		addColumnSums: func(b []float32, alpha float32, dy []float32, rows, out int) {
			defer set()()
			AddColumnSums(b, alpha, dy, rows, out)
		},
		axpy: func(y []float32, alpha float32, x []float32) {
			defer set()()
			Axpy(y, alpha, x)
		},
		dot: func(x, y []float32) float64 {
			defer set()()
			return Dot(x, y)
		},
	}
}

func vectorVersions() []version {
	var all []version
	for l := scalar; l <= best; l++ {
		all = append(all, atLevel(l))
	}
	return all
}

// atEachLevel calls f with every level that can run here.
func atEachLevel(f func(level string)) {
	defer func(before level) { best = before }(best)
	for l := best; l >= scalar; l-- {
		best = l
		f(Name())
	}
}
