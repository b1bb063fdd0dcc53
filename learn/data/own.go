package data

import (
	"fmt"
	"math"

	"fedtab/learn/rng"
)

// Own is the data that a participant has brought, read under a schema: rows of a table
// before they are standardised, or images. It never leaves the participant.
type Own struct {
	Schema *Schema
	Seed   uint64 // draws the holdout; kept with the data, so that it stays the same

	table       *Table // its columns are the schema's features, in their order; nil for images
	images      *Set
	names       []string // of images; nil if they have none
	train, test []int32
}

// NewOwnTable returns own data of rows of a table, whose columns and classes are those
// of the schema. The error wraps ErrFormat.
func NewOwnTable(s *Schema, t *Table, seed uint64) (*Own, error) {
	o := &Own{Schema: s, Seed: seed, table: t}
	return o, o.split(t.Len())
}

// NewOwnImages returns own data of images of the schema's shape. The error wraps
// ErrFormat.
func NewOwnImages(s *Schema, images *Set, seed uint64) (*Own, error) {
	o := &Own{Schema: s, Seed: seed, images: images}
	return o, o.split(images.Len())
}

// least returns the min number of examples.
func (s *Schema) least() int {
	if s.Holdout > 0 {
		return max(s.Min, 2) // one to train on, one to hold out
	}
	return max(s.Min, 1)
}

// split draws the holdout.
func (o *Own) split(n int) (err error) {
	if n < o.Schema.least() || o.Schema.Max > 0 && n > o.Schema.Max {
		return fmt.Errorf("data: %d examples, want %d to %d: %w", n, o.Schema.least(), o.Schema.Max, ErrFormat)
	}
	if o.Schema.Holdout == 0 {
		o.train = permutation(n, rng.Stream(o.Seed, "holdout"))
		return nil
	}
	if o.images != nil {
		o.train, o.test = growingHoldout(n, o.Schema.Holdout, o.Seed)
		return nil
	}
	o.train, o.test, err = Holdout(n, o.Schema.Holdout, o.Seed)
	return err
}

// growingHoldout divides n examples, at least two, so that each stays where it is when
// more are added: a person adds pictures. Of each run of 1/share examples one is held out,
// drawn from the seed; above half, one is trained on. Both parts have an example.
func growingHoldout(n int, share float64, seed uint64) (train, test []int32) {
	rare, others := &test, &train
	if share > 0.5 {
		rare, others, share = &train, &test, 1-share
	}
	start, drawn := 0, 0
	end := func(k int) int { return int(math.Ceil(float64(k) / share)) }
	for k, i := 1, 0; i < n; i++ {
		if i == start {
			drawn = i + int(rng.Derive(seed, "holdout", uint64(k))%uint64(end(k)-start))
		}
		if i == drawn {
			*rare = append(*rare, int32(i))
		} else {
			*others = append(*others, int32(i))
		}
		if i+1 == end(k) {
			start, k = i+1, k+1
		}
	}
	for _, move := range [][2]*[]int32{{rare, others}, {others, rare}} { // a few examples may all be of one part
		if to, from := move[0], move[1]; len(*to) == 0 {
			*to = append(*to, (*from)[len(*from)-1])
			*from = (*from)[:len(*from)-1]
		}
	}
	return train, test
}

// Len returns the number of examples, those of the holdout included.
func (o *Own) Len() int { return len(o.train) + len(o.test) }

// Trained returns the number of examples that are trained on.
func (o *Own) Trained() int { return len(o.train) }

// Train returns the examples to train on, standardised by c, which images ignore.
func (o *Own) Train(c Constants) (Examples, error) { return o.examples(o.train, c) }

// Test returns the examples of the holdout, of which there may be none.
func (o *Own) Test(c Constants) (Examples, error) { return o.examples(o.test, c) }

func (o *Own) examples(rows []int32, c Constants) (Examples, error) {
	if o.images != nil {
		return NewSubset(o.images, rows), nil
	}
	e, err := o.Schema.Table.Encoding(c)
	if err != nil {
		return nil, err
	}
	return &ownRows{of: o.table, rows: rows, by: e, features: o.Schema.Table.Width()}, nil
}

// ownRows are rows of a table, encoded whenever they are read: indicators of categories
// would take many times the memory of the rows.
type ownRows struct {
	of       *Table
	rows     []int32
	by       *Encoding
	features int
}

// Len implements [Examples].
func (x *ownRows) Len() int { return len(x.rows) }

// Features implements [Examples].
func (x *ownRows) Features() int { return x.features }

// Classes implements [Examples].
func (x *ownRows) Classes() int { return len(x.of.Classes) }

// Fill implements [Examples].
func (x *ownRows) Fill(to, y []float32, index []int32) {
	y = y[:len(index)]
	for k, i := range index {
		y[k] = x.fill(to[k*x.features:][:x.features], i)
	}
}

// fill writes example i to to and returns its label or target.
func (x *ownRows) fill(to []float32, i int32) float32 {
	r := int(x.rows[i])
	x.by.Encode(to, x.of.cells.row(r)) // a row without a value that it needs was refused
	if x.of.targets == nil {
		return float32(x.of.labels[r])
	}
	return float32((x.of.targets[r] - x.by.Target.Mean) / x.by.Target.Deviation)
}

// Each calls visit for every row that is trained on: with its numbers, as
// TableSchema.Numbers orders them, NaN where one is missing, and with its label, or 0 in
// a regression. It does nothing for images but give the labels. visit must not keep
// numbers.
func (o *Own) Each(visit func(numbers []float64, label uint8)) {
	if o.images != nil {
		for _, i := range o.train {
			visit(nil, o.images.Y[i])
		}
		return
	}
	s := o.Schema.Table
	numbers := make([]float64, 0, len(s.Numbers()))
	for _, r := range o.train {
		cells := o.table.cells.row(int(r))
		numbers = numbers[:0]
		for k := range s.Features {
			if s.Features[k].Type == NumberField {
				numbers = append(numbers, cells[k])
			}
		}
		label := uint8(0)
		if o.table.targets != nil {
			numbers = append(numbers, o.table.targets[r])
		} else {
			label = o.table.labels[r]
		}
		visit(numbers, label)
	}
}
