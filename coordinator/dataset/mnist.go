package dataset

import (
	"compress/gzip"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"fedtab/learn/data"
)

// The four files of MNIST (LeCun, Cortes, Burges). The build copies them here;
// without it the folder holds a placeholder.
//
//go:embed all:mnist
var mnist embed.FS

// mnistLimit is the max number of bytes of a decompressed file: the training images
// are 47 MB.
const mnistLimit = 64 << 20

func loadMNIST() (*Dataset, error) {
	train, err := mnistPair("train", 60000)
	if err != nil {
		return nil, err
	}
	test, err := mnistPair("t10k", 10000)
	if err != nil {
		return nil, err
	}
	return &Dataset{
		Summary: "MNIST: 60,000 handwritten digits of 28 x 28 pixels, 10,000 more for testing",
		Public:  true, Train: train, Test: test,
	}, nil
}

func mnistPair(name string, want int) (*data.Set, error) {
	images, err := mnistFile(name + "-images-idx3-ubyte.gz")
	if err != nil {
		return nil, err
	}
	labels, err := mnistFile(name + "-labels-idx1-ubyte.gz")
	if err != nil {
		return nil, err
	}
	set, err := data.NewSet(images, labels, 10)
	if err != nil {
		return nil, fmt.Errorf("mnist: %s: %w", name, err)
	}
	if set.Len() != want {
		return nil, fmt.Errorf("mnist: %s has %d examples, want %d", name, set.Len(), want)
	}
	return set, nil
}

func mnistFile(name string) (data.Array, error) {
	f, err := mnist.Open("mnist/" + name) // ReadFile would copy it
	if errors.Is(err, fs.ErrNotExist) {
		return data.Array{}, errors.New("mnist is not in this binary: build it with `make build`")
	}
	if err != nil {
		return data.Array{}, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return data.Array{}, fmt.Errorf("%s: %w", name, err)
	}
	a, err := data.ReadIDX(z, mnistLimit)
	if err != nil {
		return data.Array{}, fmt.Errorf("%s: %w", name, err)
	}
	return a, nil
}
