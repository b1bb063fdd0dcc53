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
// loss have: 600 examples in mini-batches of 10, an update at 1 bit, an aggregate that is
// added. A browser can run it: package e2e does.
func TestShareSpeed(t *testing.T) {
	if testing.Short() || raced {
		t.Skip("it measures")
	}
	const examples, batch, rounds = 600, 10, 200
	m, err := learn.New(learn.MLP([]int{28, 28}, []int{200, 200}, 10))
	if err != nil {
		t.Fatal(err)
	}
	from, params := make([]float32, m.Layout().Size), make([]float32, m.Layout().Size)
	m.Init(from, 1)
	c := lookup(t, protocol.CodecDeadzone)
	enc, dec, w, o := c.NewEncoder(TensorsOf(m.Layout())), c.NewDecoder(), m.NewWorker(batch), Options{Bits: 1, Seed: 1}
	x, y := images(examples)
	update, block := make([]float32, len(params)), []byte(nil)
	var train, encode, add, loss time.Duration
	timed := func(total *time.Duration, do func() error) {
		start := time.Now()
		if err := do(); err != nil {
			t.Fatal(err)
		}
		*total += time.Since(start)
	}
	for range rounds {
		timed(&train, func() error {
			copy(params, from)
			for i := 0; i < examples; i += batch {
				w.Step(params, x[i*784:][:batch*784], y[i:][:batch], .1)
			}
			kernel.Sub(update, params, from)
			return nil
		})
		timed(&encode, func() (err error) { block, err = enc.Append(block[:0], update, o); return err })
		timed(&add, func() error { return AddWith(dec, params, 1, block, o) })
	}
	dz := make([]float32, len(w.Outputs()))
	timed(&loss, func() error { // at once: a browser's clock is coarse
		for range rounds * examples / batch {
			kernel.SoftmaxCrossEntropy(dz, w.Outputs(), y[:batch], 10, .1)
		}
		return nil
	})
	all := train + encode + add
	share := func(d time.Duration) float64 { return 100 * d.Seconds() / all.Seconds() }
	t.Logf("a round: %.1f ms, of it encode %.1f%%, add %.1f%%, train %.1f%%, of it the loss %.1f%%",
		1e3*all.Seconds()/rounds, share(encode), share(add), share(train), 100*loss.Seconds()/train.Seconds())
}
