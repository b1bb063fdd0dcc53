package kernel

// scalarForward is [Forward], input by input: the inner loop runs along a row of w,
// which is contiguous.
func scalarForward(y, x, w, b []float32, rows, in, out int, relu bool) {
	for r := range rows {
		yr := y[r*out:][:out]
		copy(yr, b)
		for i, v := range x[r*in:][:in] {
			if v != 0 {
				scalarAxpy(yr, v, w[i*out:][:out])
			}
		}
		if relu {
			for o, v := range yr {
				if v < 0 {
					yr[o] = 0
				}
			}
		}
	}
}

func scalarInputGradient(dx, dy, w []float32, rows, in, out int) {
	for r := range rows {
		dyr := dy[r*out:][:out]
		for i := range in {
			wi := w[i*out:][:out]
			var sum float32
			for o, v := range dyr {
				sum += v * wi[o]
			}
			dx[r*in+i] = sum
		}
	}
}

// scalarBlock is the number of columns that scalarAddWeightGradient sums at a time.
const scalarBlock = 64

func scalarAddWeightGradient(w []float32, alpha float32, x, dy []float32, rows, in, out int) {
	var block [scalarBlock]float32
	for i := range in {
		for o := 0; o < out; o += scalarBlock {
			sum := block[:min(scalarBlock, out-o)]
			clear(sum)
			for r := range rows {
				if v := x[r*in+i]; v != 0 {
					scalarAxpy(sum, v, dy[r*out+o:][:len(sum)])
				}
			}
			scalarAxpy(w[i*out+o:][:len(sum)], alpha, sum)
		}
	}
}

func scalarAxpy(y []float32, alpha float32, x []float32) {
	x = x[:len(y)]
	for i := range y {
		y[i] += alpha * x[i]
	}
}

func scalarDot(x, y []float32) float64 {
	y = y[:len(x)]
	var sum float64
	for i, v := range x {
		sum += float64(v) * float64(y[i])
	}
	return sum
}

func scalarAddColumnSums(b []float32, alpha float32, dy []float32, rows, out int) {
	for o := range b {
		var sum float32
		for r := range rows {
			sum += dy[r*out+o]
		}
		b[o] += alpha * sum
	}
}
