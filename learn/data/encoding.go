package data

import "math"

// Encoding is how the values of a table's rows become features and targets, and what
// a model's outputs stand for. A model is of no use without the encoding that it was
// trained with, so it is exported beside it.
type Encoding struct {
	Columns []EncodedColumn `json:"columns"` // in the order of their features
	Target  EncodedTarget   `json:"target"`
}

// EncodedColumn is a column of the features: one feature if it holds numbers, an
// indicator, 1 or 0, for each of its categories otherwise.
type EncodedColumn struct {
	Name       string            `json:"name"`
	Categories []string          `json:"categories,omitempty"`
	Aliases    map[string]string `json:"aliases,omitempty"` // other ways to write a category in a file, to the category; case does not matter
	Mean       float64           `json:"mean"`              // subtracted from a number; 0 if it is not standardised
	Deviation  float64           `json:"deviation"`         // a number is then divided by it; 1 if it is not standardised
	Fill       *float64          `json:"fill,omitempty"`    // stands for a missing value: a number, or the index of a category; nil: a row needs a value
}

// EncodedTarget is the predicted column. A model of a regression predicts the target
// minus Mean, divided by Deviation; they are 0 and 1 if it is not standardised, and
// with classes.
type EncodedTarget struct {
	Name      string            `json:"name"`
	Classes   []string          `json:"classes,omitempty"` // by label; none in a regression
	Aliases   map[string]string `json:"aliases,omitempty"` // of classes, as those of categories
	Mean      float64           `json:"mean"`
	Deviation float64           `json:"deviation"`
}

// Features returns the names of the features: that of the column, or COLUMN=CATEGORY.
func (e *Encoding) Features() []string {
	var names []string
	for _, c := range e.Columns {
		if c.Categories == nil {
			names = append(names, c.Name)
		}
		for _, text := range c.Categories {
			names = append(names, c.Name+"="+text)
		}
	}
	return names
}

// Encode writes the features of a row to x. values has a number for each of Columns:
// the number itself, or the index of a category; NaN is a missing value. It returns
// false, and the column, if a value is missing and nothing stands for it. It panics
// if a slice is too short or there is no such category.
func (e *Encoding) Encode(x []float32, values []float64) (column int, ok bool) {
	at := 0
	for k := range e.Columns {
		c := &e.Columns[k]
		v := values[k]
		if math.IsNaN(v) {
			if c.Fill == nil {
				return k, false
			}
			v = *c.Fill
		}
		if n := len(c.Categories); n > 0 {
			clear(x[at : at+n])
			x[at : at+n][int(v)] = 1
			at += n
			continue
		}
		x[at] = float32((v - c.Mean) / c.Deviation)
		at++
	}
	return 0, true
}
