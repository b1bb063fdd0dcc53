package compare

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"fedtab/client"
	"fedtab/compress"
	"fedtab/coordinator/dataset"
	"fedtab/coordinator/task"
	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/learn/rng"
	"fedtab/protocol"
)

// federation is the first round of a run, whose participants are those of production.
type federation struct {
	welcome protocol.Welcome
	model   learn.Model
	start   []float32
}

// attackUnits are those of the hidden layer of the model that is attacked.
const attackUnits = 64

// newFederation begins a run of seed with a network for 28 x 28 digits.
func newFederation(seed uint64) (*federation, error) {
	f := &federation{welcome: protocol.Welcome{
		Participant: 1, ResumeToken: []byte("token"), Run: "attack", Seed: rng.Derive(seed, "run"),
		Model: protocol.ModelSpec{Input: []uint32{28, 28}, Layers: []protocol.Layer{
			{Kind: protocol.LayerDense, Units: attackUnits, Activation: protocol.ActivationReLU}, {Kind: protocol.LayerDense, Units: 10},
		}},
	}}
	var err error
	if f.model, err = learn.New(client.SpecOf(f.welcome.Model)); err != nil {
		return nil, err
	}
	f.start = make([]float32, f.model.Layout().Size)
	f.model.Init(f.start, f.welcome.Seed)
	hash := learn.Hash(f.start)
	f.welcome.InitialHash, f.welcome.Parameters = hash[:], uint64(len(f.start))
	return f, nil
}

// update returns the update that a participant sends after training with some examples.
func (f *federation) update(w *client.Workspace, own data.Examples, h protocol.Hyper, seed uint64) ([]float32, error) {
	c := client.New(client.Config{Name: "attack", Task: f.welcome.Run})
	c.SetExamples(own)
	h.Codec = protocol.CodecFloat32
	order := protocol.Order{Order: 1, Kind: protocol.OrderFit, Round: 1, BaseHash: f.welcome.InitialHash, Seed: seed, Hyper: h}
	var sent []protocol.Message
	for _, m := range []protocol.Message{&f.welcome, &order} {
		out, err := c.Receive(m)
		if err != nil {
			return nil, err
		}
		sent = append(sent, out...)
	}
	for c.Ready() {
		sent = append(sent, c.Work(w, 1)...)
	}
	for _, m := range sent {
		if m, ok := m.(*protocol.Contribution); ok && len(m.Vectors) == 1 {
			update := make([]float32, len(f.start))
			return update, compress.Decode(protocol.CodecFloat32, update, m.Vectors[0].Block)
		}
	}
	return nil, fmt.Errorf("an order is answered by %d messages and no contribution: does training diverge?", len(sent))
}

// mnist returns the training and the test set of it.
func mnist() (train, test *data.Set, err error) {
	t, err := task.Find("mnist-2nn", nil)
	if err != nil {
		return nil, nil, err
	}
	d, err := dataset.Open(t)
	if err != nil {
		return nil, nil, err
	}
	return d.Train, d.Test, nil
}

// sideBySide calls f for 0 to n-1, several at a time.
func sideBySide(ctx context.Context, n int, f func(i int) error) error {
	errs := make([]error, n)
	next := make(chan int)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for i := range next {
				if errs[i] = ctx.Err(); errs[i] == nil {
					errs[i] = f(i)
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	workers.Wait()
	return errors.Join(errs...)
}
