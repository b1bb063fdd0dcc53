package compress

import (
	"testing"
	"time"

	"fedtab/learn"
	"fedtab/learn/kernel"
	"fedtab/protocol"
)

// images returns n images in ten classes. A fifth of their 784 pixels is not zero, as in
// MNIST.
func images(n int) (x, y []float32) {
	x, y = make([]float32, n*784), make([]float32, n)
	state := uint32(7)
	for i := range y {
		y[i] = float32(i % 10)
		for row := 4; row < 24; row++ {
			state = state*1664525 + 1013904223
			for col := range 8 {
				state = state*1664525 + 1013904223
				x[i*784+row*28+5+int(y[i])+col] = float32(state>>24) / 255
			}
		}
	}
	return x, y
}

// What a round of the task mnist-2nn costs a tab, and which shares of it the packing and the
// loss have: 600 examples in mini-batches of 10, an update that is packed at 1 bit with
// feedback, and the next version, which is on a grid. A browser can run it: package e2e does.
func TestShareSpeed(t *testing.T) {
	if testing.Short() || raced {
		t.Skip("it measures")
	}
	const examples, batch, rounds = 600, 10, 200
	m, err := learn.New(learn.MLP([]int{28, 28}, []int{200, 200}, 10))
	if err != nil {
		t.Fatal(err)
	}
	tensors, size := TensorsOf(m.Layout()), m.Layout().Size
	from, params := make([]float32, size), make([]float32, size)
	m.Init(from, 1)
	c := lookup(t, protocol.CodecDeadzone)
	f, w, o := NewFeedback(c.NewEncoder(tensors), c.NewDecoder()), m.NewWorker(batch), Options{Bits: 1, Seed: 1}
	x, y := images(examples)
	update, block := make([]float32, size), []byte(nil)
	var train, pack, apply, loss time.Duration
	timed := func(total *time.Duration, do func() error) {
		start := time.Now()
		if err := do(); err != nil {
			t.Fatal(err)
		}
		*total += time.Since(start)
	}
	step := func() error {
		copy(params, from)
		for i := 0; i < examples; i += batch {
			w.Step(params, x[i*784:][:batch*784], y[i:][:batch], .1)
		}
		kernel.Sub(update, params, from)
		return nil
	}
	timed(new(time.Duration), step)
	grid, next := nextVersion(t, tensors, from, params, update)
	for range rounds {
		timed(&train, step)
		timed(&pack, func() (err error) { block, err = f.Append(block[:0], update, o); return err })
		timed(&apply, func() error {
			copy(params, from)
			_, err := grid.Apply(params, next)
			return err
		})
	}
	dz := make([]float32, len(w.Outputs()))
	timed(&loss, func() error { // at once: a browser's clock is coarse
		for range rounds * examples / batch {
			kernel.SoftmaxCrossEntropy(dz, w.Outputs(), y[:batch], 10, .1)
		}
		return nil
	})
	all := train + pack + apply
	share := func(d time.Duration) float64 { return 100 * d.Seconds() / all.Seconds() }
	t.Logf("a round: %.1f ms, of it pack %.1f%%, apply %.1f%%, train %.1f%%, of it the loss %.1f%%",
		1e3*all.Seconds()/rounds, share(pack), share(apply), share(train), 100*loss.Seconds()/train.Seconds())
}

// nextVersion returns the block that leads from version 0 to the one at params, and the grid
// that applies it.
func nextVersion(t *testing.T, tensors []Tensor, from, params, update []float32) (*Grid, []byte) {
	t.Helper()
	grid, err := NewGrid(tensors, from)
	if err != nil {
		t.Fatal(err)
	}
	levels, step := make([]int32, len(from)), GridStep(update, 3.5)
	if err := grid.Round(levels, make([]float32, len(from)), params, step); err != nil {
		t.Fatal(err)
	}
	block, err := grid.Append(nil, nil, levels, step, 0)
	if err != nil {
		t.Fatal(err)
	}
	return grid, block
}
