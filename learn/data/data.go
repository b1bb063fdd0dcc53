// Package data holds the examples that clients train on, reads and writes
// them, and divides them into one part for each client.
//
// Images stay bytes and are converted to float32 when a batch is filled: MNIST
// takes 47 MB instead of 188. Tables are kept as float32.
// Images come from IDX files (LeCun's format of the MNIST database), tables
// from CSV: [ReadCSV] makes a [Table] of numbers, [Table.Prepare] the two
// training and test [Set]. What a participant brings becomes [Own] under a
// [Schema]: a table by [ReadOwn], images by [Pictures] or [ReadOwnIDX]. A shard,
// as fetched over HTTP, is an IDX file of examples followed directly by an IDX
// file of labels. This package reads uncompressed files only.
package data

import (
	"fmt"
	"slices"

	"fedtab/learn/kernel"
)

// Examples are labelled examples that training reads in any order. Reading is
// safe for concurrent use.
type Examples interface {
	// Len returns the number of examples.
	Len() int
	// Features returns the number of features of an example.
	Features() int
	// Classes returns the number of classes, 0 for a regression. Labels are less
	// than it.
	Classes() int
	// Fill writes the examples index to x, [len(index), Features()], and their
	// labels or regression targets to y, [len(index)]. It panics if a slice is
	// too short or an index is out of range.
	Fill(x, y []float32, index []int32)
}

// Array is an array of bytes with a shape, as an IDX file holds it.
type Array struct {
	Dims []int
	Data []uint8 // row-major; its length is the product of Dims
}

// Set is a set of examples: of images, made by [NewSet], or of rows of a table,
// made by [NewLabelled] or [NewMeasured]; [ReadShard] makes either. Pixel p of
// an image becomes float32(p) / 255, or what [Set.Scaled] defines. A Set must not
// be changed.
type Set struct {
	Shape   []int     // of one example, for instance 28, 28
	X       []uint8   // pixels, [Len(), Shape...]; nil in a table
	Values  []float32 // of a table, [Len(), Shape...]; nil for images
	Y       []uint8   // labels, [Len()]; nil for regression
	Targets []float32 // of a regression, [Len()]; nil with labels

	n, features, classes int
	scaling              *Scaling      // nil: float32(p) / 255
	pixel                *[256]float32 // the feature of each pixel value
}

// NewSet makes a set of images, an array [n, ...], and labels, an array [n].
// It keeps their memory. Labels must be less than classes; classes = 0 takes
// the largest label plus one.
func NewSet(images, labels Array, classes int) (*Set, error) {
	switch {
	case len(images.Dims) < 2:
		return nil, fmt.Errorf("data: images have shape %v, want [n, ...]: %w", images.Dims, ErrFormat)
	case len(labels.Dims) != 1:
		return nil, fmt.Errorf("data: labels have shape %v, want [n]: %w", labels.Dims, ErrFormat)
	case images.Dims[0] != labels.Dims[0]:
		return nil, fmt.Errorf("data: %d images but %d labels: %w", images.Dims[0], labels.Dims[0], ErrFormat)
	case classes < 0 || classes > 256:
		return nil, fmt.Errorf("data: %d classes, want 0 to 256: %w", classes, ErrFormat)
	}
	features := 1
	for _, d := range images.Dims[1:] {
		if d <= 0 {
			return nil, fmt.Errorf("data: images have shape %v, want dimensions >= 1: %w", images.Dims[1:], ErrFormat)
		}
		features *= d
	}
	if n := labels.Dims[0]; len(images.Data) != n*features || len(labels.Data) != n {
		return nil, fmt.Errorf("data: %d image bytes and %d label bytes, want %d and %d for the shapes %v and %v: %w",
			len(images.Data), len(labels.Data), n*features, n, images.Dims, labels.Dims, ErrFormat)
	}
	largest := 0
	for i, y := range labels.Data {
		if classes > 0 && int(y) >= classes {
			return nil, fmt.Errorf("data: label %d is %d, want less than %d: %w", i, y, classes, ErrFormat)
		}
		largest = max(largest, int(y)+1)
	}
	if classes == 0 {
		classes = largest
	}
	return &Set{
		Shape: slices.Clone(images.Dims[1:]), X: images.Data, Y: labels.Data,
		n: len(labels.Data), features: features, classes: classes, pixel: &unit,
	}, nil
}

// Len returns the number of examples.
func (s *Set) Len() int { return s.n }

// Features returns the number of features of an example.
func (s *Set) Features() int { return s.features }

// Classes returns the number of classes, 0 for a regression.
func (s *Set) Classes() int { return s.classes }

// unit maps a byte p to float32(p) / 255.
var unit = func() (t [256]float32) {
	for p := range t {
		t[p] = float32(p) / 255
	}
	return t
}()

// Fill implements [Examples].
func (s *Set) Fill(x, y []float32, index []int32) {
	y = y[:len(index)]
	for k, i := range index {
		y[k] = s.fill(x[k*s.features:][:s.features], i)
	}
}

// fill writes example i to x and returns its label or target.
func (s *Set) fill(x []float32, i int32) float32 {
	if s.Values != nil {
		copy(x, s.Values[int(i)*s.features:][:len(x)])
	} else {
		kernel.Lookup(x, s.X[int(i)*s.features:][:len(x)], s.pixel)
	}
	if s.Y == nil {
		return s.Targets[i]
	}
	return float32(s.Y[i])
}

// Subset is a selection of other examples. It copies none of them.
type Subset struct {
	of    Examples
	index []int32
}

// NewSubset returns the examples index of ex, in that order. It keeps index and
// panics if one is out of range.
func NewSubset(ex Examples, index []int32) *Subset {
	n := ex.Len()
	for _, i := range index {
		if i < 0 || int(i) >= n {
			panic(fmt.Sprintf("data: subset of %d examples has example %d", n, i))
		}
	}
	return &Subset{of: ex, index: index}
}

// Len implements [Examples].
func (s *Subset) Len() int { return len(s.index) }

// Features implements [Examples].
func (s *Subset) Features() int { return s.of.Features() }

// Classes implements [Examples].
func (s *Subset) Classes() int { return s.of.Classes() }

// Fill implements [Examples].
func (s *Subset) Fill(x, y []float32, index []int32) {
	n := s.of.Features()
	y = y[:len(index)]
	for k, i := range index {
		fillOne(s.of, x[k*n:][:n], y[k:k+1], s.index[i])
	}
}

// Union is several collections of examples, one after the other.
type Union struct {
	parts   []Examples
	ends    []int // ends[i] examples are in parts[:i+1]
	classes int
}

// NewUnion returns the examples of all parts. It panics if there is no part or if
// they differ in the number of features.
func NewUnion(parts ...Examples) *Union {
	if len(parts) == 0 {
		panic("data: union of no parts")
	}
	u := &Union{parts: slices.Clone(parts), ends: make([]int, len(parts))}
	n := 0
	for i, p := range parts {
		if p.Features() != parts[0].Features() {
			panic(fmt.Sprintf("data: union of examples with %d and %d features", parts[0].Features(), p.Features()))
		}
		n += p.Len()
		u.ends[i] = n
		u.classes = max(u.classes, p.Classes())
	}
	return u
}

// Len implements [Examples].
func (u *Union) Len() int { return u.ends[len(u.ends)-1] }

// Features implements [Examples].
func (u *Union) Features() int { return u.parts[0].Features() }

// Classes implements [Examples].
func (u *Union) Classes() int { return u.classes }

// Fill implements [Examples].
func (u *Union) Fill(x, y []float32, index []int32) {
	n := u.Features()
	y = y[:len(index)]
	for k, i := range index {
		ex, i := u.find(i)
		fillOne(ex, x[k*n:][:n], y[k:k+1], i)
	}
}

// find returns the part that has example i, and its number there.
func (u *Union) find(i int32) (Examples, int32) {
	// The first part that ends after i: empty parts end where another does.
	p, _ := slices.BinarySearch(u.ends, int(i)+1)
	if p > 0 {
		i -= int32(u.ends[p-1])
	}
	return u.parts[p], i
}

// fillOne writes example i of ex to x and its label to y[0]. It switches on the
// types of this package: a call through the interface would make the slice of
// indices escape and so allocate for every example.
func fillOne(ex Examples, x, y []float32, i int32) {
	for {
		switch e := ex.(type) {
		case *Set:
			y[0] = e.fill(x, i)
			return
		case *Subset:
			ex, i = e.of, e.index[i]
		case *Union:
			ex, i = e.find(i)
		case *ownRows:
			y[0] = e.fill(x, i)
			return
		default:
			ex.Fill(x, y, []int32{i})
			return
		}
	}
}
