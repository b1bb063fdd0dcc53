package compress

import (
	"compress/gzip"
	"errors"
	"io/fs"
	"os"
	"sync"
	"testing"

	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/learn/rng"
)

// recording is what the measurements of this package are made on: federated
// averaging as the task mnist-2nn does it (100 clients with 600 examples each,
// independent and identically distributed, C = .1, E = 1, B = 10, learning rate
// .1), in float32, from one seed. It takes seconds to make, so that no file of
// megabytes need be kept.
type recording struct {
	tensors  []Tensor
	versions [][]float32 // after each round, version 0 first
	updates  [][]float32 // of the ten clients of the last round
}

// recordedRounds is how far training is followed.
const recordedRounds = 30

var record = sync.OnceValues(func() (*recording, error) {
	const seed, clients, chosen = 1, 100, 10
	train, err := mnist()
	if err != nil {
		return nil, err
	}
	model, err := learn.New(learn.MLP(train.Shape, []int{200, 200}, train.Classes()))
	if err != nil {
		return nil, err
	}
	shards, err := data.IID(train.Len(), clients, seed)
	if err != nil {
		return nil, err
	}
	r := &recording{}
	for _, t := range model.Layout().Tensors {
		r.tensors = append(r.tensors, Tensor{Size: t.Size(), Row: t.Shape[len(t.Shape)-1]})
	}
	w := make([]float32, model.Layout().Size)
	model.Init(w, seed)
	r.versions = append(r.versions, w)
	fit := learn.NewFit(model)
	for round := range recordedRounds {
		r.updates = nil
		sum := make([]float64, len(w))
		for _, c := range rng.Stream(seed, "cohort", uint64(round)).Perm(clients)[:chosen] {
			local := append([]float32(nil), w...)
			err := fit.Start(local, data.NewSubset(train, shards[c]), learn.FitConfig{
				Epochs: 1, Batch: 10, LR: .1, Seed: rng.Derive(seed, "order", uint64(round), uint64(c)),
			})
			if err != nil {
				return nil, err
			}
			if _, err := fit.Run(1 << 20); err != nil {
				return nil, err
			}
			for i, base := range w {
				local[i] -= base
				sum[i] += float64(local[i])
			}
			r.updates = append(r.updates, local)
		}
		next := make([]float32, len(w))
		for i, x := range sum {
			next[i] = w[i] + float32(x/chosen)
		}
		w = next
		r.versions = append(r.versions, w)
	}
	return r, nil
})

// recorded returns the recording. It skips the test where MNIST has not been
// unpacked.
func recorded(t testing.TB) *recording {
	t.Helper()
	if raced {
		t.Skip("training takes minutes with the race detector")
	}
	r, err := record()
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("MNIST is not there: run make data")
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func mnist() (*data.Set, error) {
	images, err := idx("train-images-idx3-ubyte.gz")
	if err != nil {
		return nil, err
	}
	labels, err := idx("train-labels-idx1-ubyte.gz")
	if err != nil {
		return nil, err
	}
	return data.NewSet(images, labels, 10)
}

func idx(name string) (data.Array, error) {
	f, err := os.Open("../coordinator/dataset/mnist/" + name)
	if err != nil {
		return data.Array{}, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return data.Array{}, err
	}
	return data.ReadIDX(z, 64<<20)
}
