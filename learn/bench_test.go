package learn

import (
	"fmt"
	"runtime"
	"testing"

	"fedtab/learn/data"
	"fedtab/learn/kernel"
)

// digits returns n images with the sparsity of MNIST's: a fifth of the pixels,
// in the middle, is nonzero.
func digits(n int) (x, y []float32) {
	x, y = make([]float32, n*784), make([]float32, n)
	state := uint32(7)
	for i := range y {
		y[i] = float32(i % 10)
		for row := 4; row < 24; row++ {
			state = state*1664525 + 1013904223
			from := 5 + int(state>>28)
			for col := from; col < min(from+8, 24); col++ {
				state = state*1664525 + 1013904223
				x[i*784+row*28+col] = float32(state>>24) / 255
			}
		}
	}
	return x, y
}

func BenchmarkStep2NN(b *testing.B) {
	m := must(b, MLP([]int{28, 28}, []int{200, 200}, 10))
	for _, n := range []int{10, 32, 128} {
		b.Run(fmt.Sprintf("%s/batch=%d", kernel.Name(), n), func(b *testing.B) {
			p := version0(m, 1)
			w := m.NewWorker(n)
			x, y := digits(16 * n)
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				w.Step(p, x[i*n*784:][:n*784], y[i*n:][:n], 0.01)
				i = (i + 1) % 16
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "samples/s")
		})
	}
}

// BenchmarkStepCNN is the FedAvg paper's CNN for MNIST.
func BenchmarkStepCNN(b *testing.B) {
	m := must(b, fedavgCNN)
	for _, n := range []int{10, 32} {
		b.Run(fmt.Sprintf("%s/batch=%d", kernel.Name(), n), func(b *testing.B) {
			p := version0(m, 1)
			w := m.NewWorker(n)
			x, y := digits(n)
			b.ReportAllocs()
			for b.Loop() {
				w.Step(p, x, y, 0.01)
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "samples/s")
			b.ReportMetric(float64(m.Cost().Training)*float64(n)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
		})
	}
}

// BenchmarkStepLeNet is a CNN with few channels: the network of NIID-Bench for
// MNIST, a variant of LeNet-5.
func BenchmarkStepLeNet(b *testing.B) {
	m := must(b, Spec{Input: []int{28, 28}, Layers: []Layer{
		{Kind: Conv, Units: 6, Size: 5, Activation: ReLU}, {Kind: MaxPool, Size: 2},
		{Kind: Conv, Units: 16, Size: 5, Activation: ReLU}, {Kind: MaxPool, Size: 2},
		{Kind: Dense, Units: 120, Activation: ReLU}, {Kind: Dense, Units: 84, Activation: ReLU}, {Kind: Dense, Units: 10},
	}})
	b.Run(fmt.Sprintf("%s/batch=64", kernel.Name()), func(b *testing.B) {
		p := version0(m, 1)
		w := m.NewWorker(64)
		x, y := digits(64)
		for b.Loop() {
			w.Step(p, x, y, 0.01)
		}
		b.ReportMetric(64*float64(b.N)/b.Elapsed().Seconds(), "samples/s")
	})
}

// BenchmarkEvaluate2NN evaluates 10,000 images, the size of MNIST's test set, on
// one core and on all.
func BenchmarkEvaluate2NN(b *testing.B) {
	m := must(b, MLP([]int{28, 28}, []int{200, 200}, 10))
	const n = 10_000
	x, y := digits(n)
	pixels, labels := make([]uint8, len(x)), make([]uint8, n)
	for i, v := range x {
		pixels[i] = uint8(v * 255)
	}
	for i, v := range y {
		labels[i] = uint8(v)
	}
	set, err := data.NewSet(data.Array{Dims: []int{n, 28, 28}, Data: pixels}, data.Array{Dims: []int{n}, Data: labels}, 0)
	if err != nil {
		b.Fatal(err)
	}
	p := version0(m, 1)
	for _, goroutines := range []int{1, runtime.GOMAXPROCS(0)} {
		b.Run(fmt.Sprintf("%s/goroutines=%d", kernel.Name(), goroutines), func(b *testing.B) {
			for b.Loop() {
				if _, err := Evaluate(m, p, set, goroutines); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(b.Elapsed().Seconds()*1e3/float64(b.N), "ms/10000-images")
		})
	}
}
