package adversary

import (
	"fmt"

	"fedtab/learn/data"
)

// triggerSide is the side of a backdoor's trigger: a square of white pixels in the
// bottom right corner.
const triggerSide = 3

// trigger is a backdoor's trigger for images of one shape.
type trigger struct {
	features []int // that it sets
	value    float32
	label    float32
}

func newTrigger(c Config, shape []int, white float32) *trigger {
	t := &trigger{value: white, label: float32(c.Target)}
	height, width, channels := shape[0], shape[1], 1
	if len(shape) == 3 {
		channels = shape[2]
	}
	for y := height - triggerSide; y < height; y++ {
		for x := (width - triggerSide) * channels; x < width*channels; x++ {
			t.features = append(t.features, y*width*channels+x)
		}
	}
	return t
}

// triggered are examples of which every nth, from the first, has the trigger and its
// label.
type triggered struct {
	data.Examples
	*trigger
	every int32
}

// Fill implements data.Examples.
func (t *triggered) Fill(x, y []float32, index []int32) {
	t.Examples.Fill(x, y, index)
	n := t.Features()
	for k, i := range index {
		if i%t.every != 0 {
			continue
		}
		for _, j := range t.features {
			x[k*n+j] = t.value
		}
		y[k] = t.label
	}
}

// flipped are examples whose labels y are last - y.
type flipped struct {
	data.Examples
	last float32
}

// Fill implements data.Examples.
func (f *flipped) Fill(x, y []float32, index []int32) {
	f.Examples.Fill(x, y, index)
	for i := range y[:len(index)] {
		y[i] = f.last - y[i]
	}
}

// Examples returns what the member trains on in place of ex: examples, or a subset of
// them, of a set of the given shape and white (see data.Set). DataProblems must have
// allowed the set.
func (m *Member) Examples(ex data.Examples, shape []int, white float32) data.Examples {
	switch c := m.group.cfg; {
	case !m.lies:
	case c.Kind == LabelFlip:
		return &flipped{ex, float32(ex.Classes() - 1)}
	case c.Kind == Backdoor:
		return &triggered{ex, newTrigger(c, shape, white), 2}
	}
	return ex
}

// Set is Examples for a set of its own, such as a shard. The error says why the kind of
// adversary cannot use it.
func (m *Member) Set(s *data.Set) (*data.Set, error) {
	if ps := m.group.cfg.DataProblems(s.Shape, s.Classes()); m.lies && len(ps) > 0 {
		return nil, fmt.Errorf("adversary: %s: %v, want %s", ps[0].Field, ps[0].Value, ps[0].Want)
	}
	ex := m.Examples(s, s.Shape, s.White())
	if ex == data.Examples(s) {
		return s, nil
	}
	index := make([]int32, s.Len())
	for i := range index {
		index[i] = int32(i)
	}
	x, y := make([]float32, s.Len()*s.Features()), make([]float32, s.Len())
	ex.Fill(x, y, index)
	labels := make([]uint8, len(y))
	for i, label := range y {
		labels[i] = uint8(label)
	}
	return data.NewLabelled(s.Shape, x, labels, s.Classes())
}

// Triggered returns the examples of a test set that measure a backdoor: those of other
// classes than the target, with the trigger, labelled as the target. The accuracy of a
// model on them is the success of the backdoor. It is nil if c is no backdoor or there
// are no such examples.
func (c Config) Triggered(test *data.Set) data.Examples {
	if c.Kind != Backdoor {
		return nil
	}
	var index []int32
	for i, label := range test.Y {
		if int(label) != c.Target {
			index = append(index, int32(i))
		}
	}
	if index == nil {
		return nil
	}
	return &triggered{data.NewSubset(test, index), newTrigger(c, test.Shape, test.White()), 1}
}
