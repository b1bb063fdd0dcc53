package data

import (
	"fmt"
	"math"
	"strings"
)

// RowEncoder encodes rows of texts for a model that was trained with an encoding. It is
// not safe for concurrent use.
type RowEncoder struct {
	e        *Encoding
	columns  []column // of e
	target   column
	features int
	values   []float64 // of a row, by column
}

// NewRowEncoder returns a RowEncoder. An error wraps ErrFormat: a column has a category
// twice, or too many.
func NewRowEncoder(e *Encoding) (*RowEncoder, error) {
	r := &RowEncoder{e: e, columns: make([]column, len(e.Columns)), features: len(e.Features()), values: make([]float64, len(e.Columns))}
	for k := range e.Columns {
		from, col := &e.Columns[k], &r.columns[k]
		if from.Categories != nil {
			if err := col.hold(category, from.Name, from.Categories, from.Aliases); err != nil {
				return nil, err
			}
		}
	}
	r.target.role = target
	if t := &e.Target; t.Classes != nil {
		if err := r.target.hold(target, t.Name, t.Classes, t.Aliases); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// Bound sets the bounds of the numbers to those of a schema's fields of the same names.
func (r *RowEncoder) Bound(s *TableSchema) {
	for k := range r.columns {
		for i := range s.Features {
			if f := &s.Features[i]; f.Name == r.e.Columns[k].Name && f.Type == NumberField && r.columns[k].codes == nil {
				r.columns[k].min, r.columns[k].max = f.Min, f.Max
			}
		}
	}
}

// Bounds returns the bounds of a column with numbers; nil is none.
func (r *RowEncoder) Bounds(column int) (min, max *float64) {
	c := &r.columns[column]
	return c.min, c.max
}

// hold makes a column hold texts and their aliases.
func (c *column) hold(r role, name string, texts []string, aliases map[string]string) error {
	c.role, c.aliases = r, aliases
	if wrong := c.allow(texts); wrong != "" {
		return fmt.Errorf("data: column %s is to hold %s: %w", clip(name), wrong, ErrFormat)
	}
	return nil
}

// Encode writes the features of a row to x, which has as many. texts has one for each
// column. decimal, '.' or ',', is the decimal sign of a number that could have either, as
// 12.345. It returns what is wrong with the texts, nil if x is complete.
func (r *RowEncoder) Encode(x []float32, texts []string, decimal rune) []Problem {
	if len(texts) != len(r.columns) {
		return []Problem{{Value: plural(len(texts), "value"), Want: fmt.Sprint(len(r.columns))}}
	}
	var problems []Problem
	for _, f := range r.encode(x, texts, decimal, false) {
		problems = append(problems, Problem{0, r.e.Columns[f.column].Name, shortened(strings.TrimSpace(texts[f.column])), f.want})
	}
	return problems
}

// flaw is a text that cannot be used.
type flaw struct {
	column int // of the encoding; -1: the target
	want   string
}

// encode is Encode. same says that the numbers have no other decimal sign.
func (r *RowEncoder) encode(x []float32, texts []string, decimal rune, same bool) (flaws []flaw) {
	for k := range r.columns {
		sign := decimal
		if !same && r.columns[k].codes == nil {
			sign = signOf(strings.TrimSpace(texts[k]), decimal)
		}
		v, want := r.columns[k].read(texts[k], sign)
		if want == "" && math.IsNaN(v) && r.e.Columns[k].Fill == nil {
			want = "a value (the model has none that stands for a missing one)"
		}
		if r.values[k] = v; want != "" {
			flaws = append(flaws, flaw{k, want})
		}
	}
	if flaws != nil {
		return flaws
	}
	r.e.Encode(x, r.values)
	at := 0
	for k := range r.columns {
		if c := &r.e.Columns[k]; !finite(x[at]) {
			flaws = append(flaws, flaw{k, fmt.Sprintf("a number nearer to the mean that the model knows, %g", c.Mean)})
		}
		at += max(len(r.e.Columns[k].Categories), 1)
	}
	return flaws
}

// signOf returns decimal, or the other decimal sign if a text is a number with that alone.
func signOf(s string, decimal rune) rune {
	if _, ok := parseNumber(s, decimal); ok {
		return decimal
	}
	other := '.'
	if decimal == '.' {
		other = ','
	}
	if _, ok := parseNumber(s, other); ok {
		return other
	}
	return decimal
}

// read reads a text of the column: a number, the index of a category or class, or NaN for
// a missing value. want is what would be right, empty if the text is.
func (c *column) read(s string, decimal rune) (v float64, want string) {
	s = strings.TrimSpace(s)
	code, listed := c.codes[s]
	if !listed && c.codes != nil {
		code = indexOf(s, c.texts, c.aliases)
		listed = code >= 0
	}
	switch {
	case listed:
		return float64(code), ""
	case missing(s):
		return math.NaN(), ""
	case c.codes != nil:
		return 0, "one of " + strings.Join(c.texts, ", ")
	}
	field := Field{Type: NumberField, Min: c.min, Max: c.max}
	v, ok := parseNumber(s, decimal)
	switch {
	case !ok && decimal == ',':
		return 0, field.wants() + ", with a decimal comma if any"
	case !ok:
		return 0, field.wants() + ", with a decimal point if any"
	case c.min != nil && v < *c.min || c.max != nil && v > *c.max:
		return 0, field.wants()
	case math.Abs(v) > math.MaxFloat32:
		return 0, "a number of at most 3.4e38"
	}
	return v, ""
}

// empty reports whether all fields are empty but for spaces.
func empty(fields []string) bool {
	for _, s := range fields {
		if strings.TrimSpace(s) != "" {
			return false
		}
	}
	return true
}
