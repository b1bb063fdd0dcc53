package data

import (
	"fmt"
	"math"
	"slices"
)

// NewLabelled makes a set of rows with classes: values is [n, shape...],
// row-major, and labels [n]. It keeps their memory. Labels must be less than
// classes; classes = 0 takes the largest label plus one. The error wraps
// ErrFormat and names the first value that is not finite by its row and column,
// counted from 0.
func NewLabelled(shape []int, values []float32, labels []uint8, classes int) (*Set, error) {
	if classes < 0 || classes > 256 {
		return nil, fmt.Errorf("data: %d classes, want 0 to 256: %w", classes, ErrFormat)
	}
	s, err := newTable(shape, values, len(labels))
	if err != nil {
		return nil, err
	}
	for i, y := range labels {
		if classes > 0 && int(y) >= classes {
			return nil, fmt.Errorf("data: label %d is %d, want less than %d: %w", i, y, classes, ErrFormat)
		}
		s.classes = max(s.classes, int(y)+1)
	}
	if classes > 0 {
		s.classes = classes
	}
	s.Y = labels
	return s, nil
}

// NewMeasured makes a set of rows with regression targets: values is [n, shape...],
// row-major, and targets [n]. It keeps their memory. The error wraps ErrFormat and
// names the first number that is not finite.
func NewMeasured(shape []int, values, targets []float32) (*Set, error) {
	s, err := newTable(shape, values, len(targets))
	if err != nil {
		return nil, err
	}
	for i, v := range targets {
		if !finite(v) {
			return nil, fmt.Errorf("data: target %d is %v, want a finite number: %w", i, v, ErrFormat)
		}
	}
	s.Targets = targets
	return s, nil
}

func newTable(shape []int, values []float32, n int) (*Set, error) {
	features := 1
	for _, d := range shape {
		if d <= 0 {
			return nil, fmt.Errorf("data: rows have shape %v, want dimensions >= 1: %w", shape, ErrFormat)
		}
		features *= d
	}
	if len(shape) == 0 || features <= 0 || len(values)/features != n || len(values)%features != 0 {
		return nil, fmt.Errorf("data: %d values for %d rows of shape %v: %w", len(values), n, shape, ErrFormat)
	}
	for i, v := range values {
		if !finite(v) {
			return nil, fmt.Errorf("data: row %d has %v in column %d, want a finite number: %w", i/features, v, i%features, ErrFormat)
		}
	}
	if values == nil {
		values = []float32{} // nil stands for a set of images
	}
	return &Set{Shape: slices.Clone(shape), Values: values, n: n, features: features}, nil
}

func finite(v float32) bool { return v-v == 0 }

// Scaling maps pixel p to float32(p)*Scale + Offset. Scale = 1/(255*deviation) and
// Offset = -mean/deviation standardise pixels with the given mean and deviation of
// p/255.
type Scaling struct {
	Scale, Offset float32
}

// Scaled returns the same images with another scaling; it shares the bytes. It
// returns an error that wraps ErrFormat if s is a table or a feature would not be
// finite.
func (s *Set) Scaled(by Scaling) (*Set, error) {
	if s.Values != nil {
		return nil, fmt.Errorf("data: a table has no pixels to scale: %w", ErrFormat)
	}
	t := new([256]float32)
	for p := range t {
		// The conversion prevents a fused multiply-add:
		// all devices must get the same features.
		t[p] = float32(float32(p)*by.Scale) + by.Offset
	}
	if by.Scale == 0 || !finite(by.Scale) || !finite(by.Offset) || !finite(t[255]) || math.Abs(float64(t[255])) > 1e6 {
		return nil, fmt.Errorf("data: pixels with scale %v and offset %v reach %v, want scale != 0 and at most 1e6: %w", by.Scale, by.Offset, t[255], ErrFormat)
	}
	scaled := *s
	scaled.scaling, scaled.pixel = &by, t
	return &scaled, nil
}

// Scaling returns the scaling of the pixels of images: 1/255 and 0 unless Scaled has
// set another.
func (s *Set) Scaling() Scaling {
	if s.scaling == nil {
		return Scaling{Scale: 1. / 255}
	}
	return *s.scaling
}

// White returns the feature of pixel 255, the largest of an image; 1 for a table.
func (s *Set) White() float32 {
	if s.pixel == nil {
		return 1
	}
	return s.pixel[255]
}

// First returns the first n examples, 1 to Len(). They share the memory of s.
func (s *Set) First(n int) *Set {
	c := *s
	c.n = n
	if s.X != nil {
		c.X = s.X[:n*s.features]
	}
	if s.Values != nil {
		c.Values = s.Values[:n*s.features]
	}
	if s.Y != nil {
		c.Y = s.Y[:n]
	}
	if s.Targets != nil {
		c.Targets = s.Targets[:n]
	}
	return &c
}

// Select returns a copy of the examples index, in that order.
func (s *Set) Select(index []int32) *Set {
	c := *s
	c.n = len(index)
	c.X, c.Values = picked(s.X, index, s.features), picked(s.Values, index, s.features)
	c.Y, c.Targets = picked(s.Y, index, 1), picked(s.Targets, index, 1)
	return &c
}

// picked returns the rows index, of width values each; nil for nil.
func picked[T any](rows []T, index []int32, width int) []T {
	if rows == nil {
		return nil
	}
	some := make([]T, 0, len(index)*width)
	for _, i := range index {
		some = append(some, rows[int(i)*width:][:width]...)
	}
	return some
}

// Release frees the features. The labels, the shape and the counts remain, which
// is all that a coordinator needs after it has packed the shards.
func (s *Set) Release() { s.X, s.Values = nil, nil }
