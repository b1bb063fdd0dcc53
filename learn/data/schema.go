package data

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Schema is what a task wants of the data that participants bring: a table or images.
// Its JSON is what the API serves, and readers of own data follow it.
type Schema struct {
	Table   *TableSchema `json:"table,omitempty"`
	Images  *ImageSchema `json:"images,omitempty"`
	Scale   Scale        `json:"standardise,omitempty"` // of a table's numbers
	Holdout float64      `json:"holdout"`               // share of a participant's examples that is not trained on
	Min     int          `json:"min_examples"`          // of a participant, for training and holdout together
	Max     int          `json:"max_examples"`
}

// TableSchema says which columns a table must have. Their order is that of the
// features; a file may have another, and other columns, which are ignored.
type TableSchema struct {
	Features []Field `json:"features"`
	Label    Field   `json:"label"` // a category: its values are the classes; or a number
}

// Field is a column of a schema.
type Field struct {
	Name    string            `json:"name"`
	Columns []string          `json:"columns,omitempty"` // other names that the column may have in a file
	Type    FieldType         `json:"type"`
	Min     *float64          `json:"min,omitempty"` // of a number; nil: no bound
	Max     *float64          `json:"max,omitempty"`
	Values  []string          `json:"values,omitempty"`  // of a category or boolean
	Aliases map[string]string `json:"aliases,omitempty"` // other ways to write a value, to the value; case does not matter
	Missing string            `json:"missing,omitempty"` // what stands for a missing value: one of Values, a number, or MeanFill; empty: a row needs a value
}

// FieldType is the type of a field.
type FieldType string

// The types of field.
const (
	NumberField   FieldType = "number"
	CategoryField FieldType = "category"
	BooleanField  FieldType = "boolean" // a category whose values are no and yes
)

// MeanFill, as Field.Missing, stands for the mean of all participants' values.
const MeanFill = "mean"

// Scale says how the numbers of a table are standardised.
type Scale string

// The scales.
const (
	FederatedScale Scale = "federated" // by the mean and deviation of all participants' training rows
	LocalScale     Scale = "local"     // each participant by its own
	NoScale        Scale = "none"
)

// ImageSchema says what images must become: they are cropped to the middle and resized.
type ImageSchema struct {
	Width    int      `json:"width"`
	Height   int      `json:"height"`
	Channels int      `json:"channels"` // 1: grey, 3: RGB
	Classes  []string `json:"classes"`
	Drawn    bool     `json:"drawn,omitempty"` // can be drawn by hand, light on dark
}

// Shape returns the shape of an example.
func (s *Schema) Shape() []int {
	if im := s.Images; im != nil {
		if im.Channels == 1 {
			return []int{im.Height, im.Width}
		}
		return []int{im.Height, im.Width, im.Channels}
	}
	return []int{s.Table.Width()}
}

// Classes returns the names of the classes, nil for a regression.
func (s *Schema) Classes() []string {
	if s.Images != nil {
		return s.Images.Classes
	}
	if s.Table.Label.Type == NumberField {
		return nil
	}
	return s.Table.Label.Values
}

// Width returns the number of features: one for a number, one for each value of a
// category.
func (t *TableSchema) Width() int {
	n := 0
	for i := range t.Features {
		n += t.Features[i].Width()
	}
	return n
}

// Width returns the number of features that the field makes.
func (f *Field) Width() int {
	if f.Type == NumberField {
		return 1
	}
	return len(f.Values)
}

// Numbers returns the fields with numbers, the label last if it is one: those that are
// standardised, in the order of the constants.
func (t *TableSchema) Numbers() []*Field {
	var all []*Field
	for i := range t.Features {
		if t.Features[i].Type == NumberField {
			all = append(all, &t.Features[i])
		}
	}
	if t.Label.Type == NumberField {
		all = append(all, &t.Label)
	}
	return all
}

// Constants are the means and standard deviations of the numbers of a schema, as
// TableSchema.Numbers orders them.
type Constants struct {
	Mean      []float64 `json:"mean"`
	Deviation []float64 `json:"deviation"`
}

// Plain returns constants that leave n numbers as they are.
func Plain(n int) Constants {
	c := Constants{Mean: make([]float64, n), Deviation: make([]float64, n)}
	for i := range c.Deviation {
		c.Deviation[i] = 1
	}
	return c
}

// Encoding returns how rows under the schema become features and targets. Deviations of
// 0, of columns in which all rows are equal, count as 1.
func (t *TableSchema) Encoding(c Constants) (*Encoding, error) {
	n := len(t.Numbers())
	if len(c.Mean) != n || len(c.Deviation) != n {
		return nil, fmt.Errorf("data: %d means and %d deviations, want %d of each: %w", len(c.Mean), len(c.Deviation), n, ErrFormat)
	}
	at := 0
	next := func() (mean, deviation float64) {
		mean, deviation = c.Mean[at], c.Deviation[at]
		if deviation == 0 {
			deviation = 1
		}
		at++
		return mean, deviation
	}
	for i := range c.Mean {
		if m, d := c.Mean[i], c.Deviation[i]; math.IsNaN(m+d) || math.IsInf(m+d, 0) || d < 0 {
			return nil, fmt.Errorf("data: constants %d are %v and %v, want a finite mean and a deviation of at least 0: %w", i, m, d, ErrFormat)
		}
	}
	e := &Encoding{Target: EncodedTarget{Name: t.Label.Name, Deviation: 1}}
	for i := range t.Features {
		f := &t.Features[i]
		col := EncodedColumn{Name: f.Name, Deviation: 1}
		switch f.Type {
		case NumberField:
			col.Mean, col.Deviation = next()
		default:
			col.Categories, col.Aliases = f.Values, f.Aliases
		}
		if f.Missing != "" {
			v, err := f.fill(col.Mean)
			if err != nil {
				return nil, err
			}
			col.Fill = &v
		}
		e.Columns = append(e.Columns, col)
	}
	if t.Label.Type == NumberField {
		e.Target.Mean, e.Target.Deviation = next()
	} else {
		e.Target.Classes, e.Target.Aliases = t.Label.Values, t.Label.Aliases
	}
	return e, nil
}

// fill returns what stands for a missing value, where mean is that of the column.
func (f *Field) fill(mean float64) (float64, error) {
	if f.Type == NumberField && f.Missing == MeanFill {
		return mean, nil
	}
	v, ok := f.Value(f.Missing, '.')
	if !ok {
		return 0, fmt.Errorf("data: %s has %q for a missing value, want %s: %w", f.Name, f.Missing, f.wants(), ErrFormat)
	}
	return v, nil
}

// Value reads a value of the field: a number, or the index of one of its values, whose
// case and aliases do not matter. decimal is the decimal sign of numbers.
func (f *Field) Value(s string, decimal rune) (float64, bool) {
	if f.Type == NumberField {
		v, ok := parseNumber(s, decimal)
		return v, ok && !(f.Min != nil && v < *f.Min) && !(f.Max != nil && v > *f.Max)
	}
	k := indexOf(s, f.Values, f.Aliases)
	return float64(k), k >= 0
}

// indexOf returns which of values a text stands for, -1 if it is none: that value, one
// of its aliases, the value in another case, or the same number, as 3.0 is 3.
func indexOf(s string, values []string, aliases map[string]string) int {
	if k := slices.Index(values, s); k >= 0 {
		return k
	}
	to, ok := aliases[s]
	if !ok {
		for alias, value := range aliases {
			if strings.EqualFold(alias, s) {
				to, ok = value, true
				break
			}
		}
	}
	if ok {
		return slices.Index(values, to)
	}
	if k := only(values, func(v string) bool { return strings.EqualFold(v, s) }); k >= 0 {
		return k
	}
	number, ok := parseNumber(s, '.')
	if !ok {
		return -1
	}
	return only(values, func(v string) bool {
		x, ok := parseNumber(v, '.')
		return ok && x == number
	})
}

// only returns the one value that fits, -1 if none or several do.
func only(values []string, fits func(string) bool) int {
	at := -1
	for k, v := range values {
		if fits(v) {
			if at >= 0 {
				return -1
			}
			at = k
		}
	}
	return at
}

// wants says what a value of the field must be.
func (f *Field) wants() string {
	if f.Type != NumberField {
		return "one of " + strings.Join(f.Values, ", ")
	}
	s := "a number"
	switch {
	case f.Min != nil && f.Max != nil:
		s += fmt.Sprintf(" from %g to %g", *f.Min, *f.Max)
	case f.Min != nil:
		s += fmt.Sprintf(" of at least %g", *f.Min)
	case f.Max != nil:
		s += fmt.Sprintf(" of at most %g", *f.Max)
	}
	return s
}
