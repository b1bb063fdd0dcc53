package dataset

import (
	"archive/zip"
	"cmp"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"fedtab/coordinator/dataset/npy"
	"fedtab/coordinator/task"
	"fedtab/learn/data"
)

// arrayLimit is the max number of bytes of an array in memory.
const arrayLimit = 1 << 30

// loadNPZ reads a NumPy archive: a zip file of arrays.
func loadNPZ(v task.NPZ) (*Dataset, error) {
	a, err := openNPZ(v.Path)
	if err != nil {
		return nil, err
	}
	defer a.Close()
	numbers := v.Predict == "number"
	train, err := a.set(v.XTrain, v.YTrain, numbers, v.Classes)
	if err != nil {
		return nil, err
	}
	test, err := a.set(v.XTest, v.YTest, numbers, train.Classes())
	if err != nil {
		return nil, err
	}
	if !slices.Equal(train.Shape, test.Shape) {
		return nil, fmt.Errorf("%s: %s has examples of shape %v, want %v as %s", v.Path, v.XTest, test.Shape, train.Shape, v.XTrain)
	}
	notes, err := apart(train, test, v.Path+": "+v.XTrain, v.Path+": "+v.XTest)
	if err != nil {
		return nil, err
	}
	what := "of numbers"
	if !numbers {
		what = fmt.Sprintf("in %d classes", train.Classes())
	}
	d := &Dataset{
		Summary: fmt.Sprintf("%s: %d examples of shape %v %s, %d more for testing", filepath.Base(v.Path), train.Len(), train.Shape, what, test.Len()),
		Notes:   notes, Train: train, Test: test,
	}
	if train.Values != nil {
		d.plain()
	}
	return d, nil
}

// plain gives a table the encoding of numbers that are taken as they are.
func (d *Dataset) plain() {
	e := &data.Encoding{Target: data.EncodedTarget{Name: "y", Deviation: 1}}
	for i := range d.Train.Features() {
		e.Columns = append(e.Columns, data.EncodedColumn{Name: fmt.Sprintf("x%d", i+1), Deviation: 1})
	}
	if d.Train.Y != nil {
		d.Classes = d.ClassNames()
		e.Target.Classes = d.Classes
	}
	d.encoding = e
}

// archive is an open NumPy archive.
type archive struct {
	*zip.Reader
	io.Closer
	path string
}

func openNPZ(path string) (*archive, error) {
	f, err := openPacked(path)
	if err != nil {
		return nil, err
	}
	a := &archive{Closer: f, path: path}
	info, err := f.Stat()
	at, ok := f.(io.ReaderAt)
	switch {
	case err != nil:
	case info.IsDir() || !ok:
		err = fmt.Errorf("%s is a folder, want a file", path)
	default:
		if a.Reader, err = zip.NewReader(at, info.Size()); err != nil {
			err = fmt.Errorf("%s: %w, want a NumPy archive (numpy.savez)", path, err)
		}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return a, nil
}

// array reads the array called name.
func (a *archive) array(name string) (*npy.Array, error) {
	var names []string
	for _, f := range a.File {
		base, ok := strings.CutSuffix(f.Name, ".npy")
		if !ok {
			continue
		}
		if base != name {
			names = append(names, base)
			continue
		}
		in, err := f.Open()
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", a.path, name, err)
		}
		defer in.Close()
		array, err := npy.Read(in, arrayLimit)
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", a.path, name, err)
		}
		return array, nil
	}
	if names == nil {
		return nil, fmt.Errorf("%s has no arrays, want a NumPy archive (numpy.savez)", a.path)
	}
	return nil, fmt.Errorf("%s: there is no array %q among %s; data.npz tells the names of arrays", a.path, name, few(names))
}

// set makes a set of an array of examples and one of labels or numbers. classes is 0 if
// the labels tell.
func (a *archive) set(xName, yName string, numbers bool, classes int) (*data.Set, error) {
	x, err := a.array(xName)
	if err != nil {
		return nil, err
	}
	y, err := a.array(yName)
	if err != nil {
		return nil, err
	}
	wrong := func(name, format string, args ...any) error {
		return fmt.Errorf("%s: %s "+format, append([]any{a.path, name}, args...)...)
	}
	if dims := y.Shape; len(dims) != 1 && (len(dims) != 2 || dims[1] != 1) {
		return nil, wrong(yName, "has shape %v, want [n] or [n 1]", dims)
	}
	n, dims := y.Len(), x.Shape
	switch {
	case len(dims) < 2 || len(dims) > 4:
		return nil, wrong(xName, "has shape %v, want rows [n features] or images [n height width] or [n height width channels]", dims)
	case dims[0] != n:
		return nil, wrong(xName, "has %d examples, want %d as %s", dims[0], n, yName)
	case n == 0 || slices.Contains(dims, 0):
		return nil, wrong(xName, "has shape %v, want at least one example and one value", dims)
	case len(dims) > 2 && (x.Bytes == nil || !strings.HasSuffix(x.Type, "u1")):
		return nil, wrong(xName, "has images of type %s, want unsigned bytes, u1", x.Type)
	case numbers && len(dims) > 2:
		return nil, wrong(xName, "has images of shape %v, want rows [n features], because data.npz.predict is \"number\"", dims[1:])
	}
	named := func(set *data.Set, err error) (*data.Set, error) {
		if err != nil {
			return nil, fmt.Errorf("%s: %s and %s: %w", a.path, xName, yName, err)
		}
		return set, nil
	}
	if numbers {
		return named(data.NewMeasured(dims[1:], floats(x), floats(y)))
	}
	labels := make([]uint8, n)
	maxClasses, largest := cmp.Or(classes, 256), 0
	for i := range labels {
		v := y.At(i)
		if !(v >= 0 && v < float32(maxClasses)) || v != float32(uint8(v)) {
			return nil, wrong(yName, "has label %v in place %d, want a whole number from 0 to %d", v, i, maxClasses-1)
		}
		labels[i] = uint8(v)
		largest = max(largest, int(labels[i]))
	}
	if classes = cmp.Or(classes, largest+1); classes < 2 {
		return nil, wrong(yName, "has one class, want at least two")
	}
	if len(dims) == 2 {
		return named(data.NewLabelled(dims[1:], floats(x), labels, classes))
	}
	return named(data.NewSet(data.Array{Dims: dims, Data: x.Bytes}, data.Array{Dims: []int{n}, Data: labels}, classes))
}

// floats returns the elements of an array.
func floats(a *npy.Array) []float32 {
	if a.Bytes == nil {
		return a.Floats
	}
	all := make([]float32, a.Len())
	for i := range all {
		all[i] = a.At(i)
	}
	return all
}
