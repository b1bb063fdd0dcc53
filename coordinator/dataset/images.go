package dataset

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"fedtab/coordinator/task"
	"fedtab/learn/data"
)

// imageLimit is the max number of bytes of a decompressed file of images: twenty
// times MNIST's.
const imageLimit = 1 << 30

// fashionDir is the folder of Debian's package dataset-fashion-mnist.
const fashionDir = "/usr/share/datasets/fashion-mnist"

// fashionClasses are the names of the ten classes, in the order of their labels
// (Xiao, Rasul and Vollgraf 2017).
var fashionClasses = []string{"T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot"}

func loadFashion(dir string) (*Dataset, error) {
	hint := "install Debian's package dataset-fashion-mnist, or give the folder of its four files as data.dir"
	if dir == "" {
		dir = fashionDir
	} else {
		hint = "want the folder of Fashion-MNIST's four files, compressed or not"
	}
	var v task.IDX
	for _, f := range []struct {
		path *string
		name string
	}{
		{&v.TrainImages, "train-images-idx3-ubyte"}, {&v.TrainLabels, "train-labels-idx1-ubyte"},
		{&v.TestImages, "t10k-images-idx3-ubyte"}, {&v.TestLabels, "t10k-labels-idx1-ubyte"},
	} {
		var ok bool
		if *f.path, ok = inFolder(dir, f.name); !ok {
			return nil, fmt.Errorf("fashion-mnist: there is no %s.gz in %s: %s", f.name, dir, hint)
		}
	}
	v.Classes = len(fashionClasses)
	d, err := loadIDX(v)
	if err != nil {
		return nil, fmt.Errorf("fashion-mnist: %w", err)
	}
	if !slices.Equal(d.Train.Shape, []int{28, 28}) || d.Train.Len() != 60000 || d.Test.Len() != 10000 {
		return nil, fmt.Errorf("fashion-mnist: %s has %d and %d images of shape %v, want 60000 and 10000 of [28 28]", dir, d.Train.Len(), d.Test.Len(), d.Train.Shape)
	}
	d.Summary = "Fashion-MNIST: 60,000 pictures of clothes of 28 x 28 pixels, 10,000 more for testing"
	d.Public, d.Classes = true, fashionClasses
	return d, nil
}

// inFolder returns the path of a file in a folder, compressed or not; false if there is
// neither.
func inFolder(dir, name string) (path string, ok bool) {
	for _, path := range []string{filepath.Join(dir, name+".gz"), filepath.Join(dir, name)} {
		if _, err := os.Stat(path); err == nil || !errors.Is(err, fs.ErrNotExist) {
			return path, true // open returns the error
		}
	}
	return "", false
}

// loadIDX reads four IDX files.
func loadIDX(v task.IDX) (*Dataset, error) {
	train, err := idxPair(v.TrainImages, v.TrainLabels, v.Classes)
	if err != nil {
		return nil, err
	}
	test, err := idxPair(v.TestImages, v.TestLabels, train.Classes())
	if err != nil {
		return nil, err
	}
	if !slices.Equal(train.Shape, test.Shape) {
		return nil, fmt.Errorf("%s has images of shape %v, want %v as in %s", v.TestImages, test.Shape, train.Shape, v.TrainImages)
	}
	notes, err := apart(train, test, v.TrainImages, v.TestImages)
	if err != nil {
		return nil, err
	}
	return &Dataset{
		Notes:   notes,
		Summary: fmt.Sprintf("%s: %d images of shape %v in %d classes, %d more for testing", filepath.Base(v.TrainImages), train.Len(), train.Shape, train.Classes(), test.Len()),
		Train:   train, Test: test,
	}, nil
}

// apart refuses a test set of training examples. It notes a partial overlap.
func apart(train, test *data.Set, trainName, testName string) (notes []string, err error) {
	switch n := overlap(train, test); {
	case n == test.Len():
		return nil, fmt.Errorf("%s: all %d test examples are training examples in %s, want a test set of other examples (hold some out of the training files)", testName, n, trainName)
	case n > 0:
		notes = append(notes, fmt.Sprintf("%d of the %d test examples are training examples too: test metrics are optimistic", n, test.Len()))
	}
	return notes, nil
}

func idxPair(images, labels string, classes int) (*data.Set, error) {
	x, y, err := idxFiles(images, labels)
	if err != nil {
		return nil, err
	}
	return idxSet(images, labels, x, y, classes)
}

func idxFiles(images, labels string) (x, y data.Array, err error) {
	if x, err = idxFile(images); err != nil {
		return x, y, err
	}
	y, err = idxFile(labels)
	return x, y, err
}

// idxSet makes a set of the content of two files.
func idxSet(images, labels string, x, y data.Array, classes int) (*data.Set, error) {
	// NewSet does not know the files; these errors name them.
	switch {
	case len(x.Dims) < 2:
		return nil, fmt.Errorf("%s has shape %v, want images [n, ...]", images, x.Dims)
	case len(y.Dims) != 1:
		return nil, fmt.Errorf("%s has shape %v, want labels [n]", labels, y.Dims)
	}
	for i, label := range y.Data {
		if classes > 0 && int(label) >= classes {
			return nil, fmt.Errorf("%s: label %d is %d, want less than %d", labels, i, label, classes)
		}
	}
	set, err := data.NewSet(x, y, classes)
	if err != nil {
		return nil, fmt.Errorf("%s and %s: %w", images, labels, err)
	}
	if set.Len() == 0 || set.Classes() < 2 {
		return nil, fmt.Errorf("%s has %d labels of %d classes, want at least one label and two classes", labels, set.Len(), set.Classes())
	}
	return set, nil
}

func idxFile(path string) (data.Array, error) {
	f, err := open(path)
	if err != nil {
		return data.Array{}, err
	}
	defer f.Close()
	a, err := data.ReadIDX(f, imageLimit)
	if err != nil {
		return data.Array{}, fmt.Errorf("%s: %w", path, err)
	}
	return a, nil
}

// scale sets the scaling of images.
func (d *Dataset) scale(v task.Pixels) error {
	if v == (task.Pixels{}) {
		return nil
	}
	by := data.Scaling{Scale: float32(1 / (255 * v.Deviation)), Offset: float32(-v.Mean / v.Deviation)}
	var err error
	if d.Train, err = d.Train.Scaled(by); err != nil {
		return err
	}
	d.Test, err = d.Test.Scaled(by)
	return err
}
