package data

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Rows are the rows of a table as a trained model takes them.
type Rows struct {
	Features []float32 // [Len(), features of the encoding]
	Targets  []float64 // [Len()]: labels or numbers, NaN if missing; nil if the table has no column of the target

	n int
}

// Len returns the number of rows.
func (r *Rows) Len() int { return r.n }

// ReadRows reads a table, as ReadCSV does, and encodes its rows for a model that was
// trained with e. It finds the columns by name, in any order, and ignores others. The
// column of the target may be absent, or miss values. Of cfg it uses Separator,
// Decimal, Header and Limits. Errors are those of ReadCSV: a missing value that e does
// not fill, and a category that e does not have, are some.
func ReadRows(r io.Reader, name string, e *Encoding, cfg CSV) (*Rows, error) {
	c, sample, err := newCSVReader(r, name, cfg)
	if err != nil {
		return nil, err
	}
	row, err := c.next()
	if err == io.EOF {
		return nil, fmt.Errorf("data: %s is empty, want rows of values: %w", c.name, ErrFormat)
	}
	if err != nil {
		return nil, err
	}
	header := c.header(row, sample)
	first := c.line
	t, err := c.follow(e)
	if err != nil {
		return nil, err
	}
	if err := c.settleDecimal(sample); err != nil {
		return nil, err
	}
	if header {
		row, err = c.next()
	}
	for ; err == nil; row, err = c.next() {
		if len(row) != len(c.names) {
			return nil, c.refuse("%d fields, want %d as in line %d", len(row), len(c.names), first)
		}
		if err := t.add(row); err != nil {
			return nil, err
		}
	}
	if err != io.EOF {
		return nil, err
	}
	if t.n == 0 {
		return nil, fmt.Errorf("data: %s has a line of names and no rows: %w", c.name, ErrFormat)
	}
	return &t.Rows, nil
}

// rowReader encodes rows of a file.
type rowReader struct {
	Rows
	c        *csvReader
	e        *Encoding
	at       []int // the column of the file that each column of e is
	target   int   // -1: none
	features int
	values   []float64 // of a row, by column of e
}

// follow finds the columns of an encoding in the file.
func (c *csvReader) follow(e *Encoding) (*rowReader, error) {
	if err := c.named(); err != nil {
		return nil, err
	}
	c.columns = make([]column, len(c.names))
	for i := range c.columns {
		c.columns[i].role = ignored
	}
	find := func(name string) (i int, ok bool) {
		if i, ok = c.at[name]; ok {
			return i, true
		}
		if i = c.only(name); i >= 0 {
			return i, true
		}
		// The columns of a table without a header are called by their numbers.
		k, err := strconv.Atoi(name)
		return k - 1, err == nil && k >= 1 && k <= len(c.names)
	}
	t := &rowReader{c: c, e: e, target: -1, features: len(e.Features()), values: make([]float64, len(e.Columns))}
	for _, col := range e.Columns {
		i, ok := find(col.Name)
		switch {
		case !ok && c.unnamed != "":
			return nil, fmt.Errorf("data: %s: there is no column %s, want every column that the model was trained with: %s: %w", c.name, clip(col.Name), c.unnamed, ErrFormat)
		case !ok:
			return nil, fmt.Errorf("data: %s: there is no column %s among %s, want every column that the model was trained with: %w", c.name, clip(col.Name), firstNames(c.names), ErrFormat)
		case c.columns[i].role != ignored:
			return nil, fmt.Errorf("data: %s: %s is given for %s and for another use, want one use: %w", c.name, c.column(i), clip(col.Name), ErrFormat)
		}
		c.columns[i].role = number
		if col.Categories != nil {
			c.columns[i].role, c.columns[i].aliases = category, col.Aliases
			if err := c.allow(i, col.Categories); err != nil {
				return nil, err
			}
		}
		t.at = append(t.at, i)
	}
	if i, ok := find(e.Target.Name); ok && c.columns[i].role == ignored {
		t.target = i
		c.columns[i].role, c.columns[i].aliases = target, e.Target.Aliases
		if e.Target.Classes != nil {
			if err := c.allow(i, e.Target.Classes); err != nil {
				return nil, err
			}
		}
	}
	return t, nil
}

// only returns the only column that is called name but for case, spaces, underscores,
// hyphens and points; -1 if there is none, or are several.
func (c *csvReader) only(name string) int {
	found := -1
	for i, s := range c.names {
		if fold(s) == fold(name) {
			if found >= 0 {
				return -1
			}
			found = i
		}
	}
	return found
}

// add encodes a row.
func (t *rowReader) add(row []string) error {
	c := t.c
	for k, i := range t.at {
		v, err := t.value(i, row[i])
		if err != nil {
			return err
		}
		if math.IsNaN(v) && t.e.Columns[k].Fill == nil {
			return c.bad(i, strings.TrimSpace(row[i]), "a value (the model has none that stands for a missing one)")
		}
		t.values[k] = v
	}
	begin := len(t.Features)
	t.Features = slices.Grow(t.Features, t.features)[:begin+t.features]
	x := t.Features[begin:]
	t.e.Encode(x, t.values)
	for j, v := range x {
		if !finite(v) {
			return c.refuse("feature %s is %v, want a finite number after standardisation", clip(t.e.Features()[j]), v)
		}
	}
	if t.target >= 0 {
		y, err := t.value(t.target, row[t.target])
		if err != nil {
			return err
		}
		t.Targets = append(t.Targets, y)
	}
	t.n++
	switch limits := c.cfg.Limits; {
	case t.n > limits.Rows:
		return fmt.Errorf("data: %s:%d: more than %d rows: %w", c.name, c.line, limits.Rows, ErrTooLarge)
	case len(t.Features) > limits.Values:
		return fmt.Errorf("data: %s:%d: %d rows of %d values each, want at most %d values: %w", c.name, c.line, t.n, t.features, limits.Values, ErrTooLarge)
	}
	return nil
}

// value reads a field of column i: a number, the index of a category or class, or NaN
// for a missing value.
func (t *rowReader) value(i int, s string) (float64, error) {
	c, s := t.c, strings.TrimSpace(s)
	col := &c.columns[i]
	code, listed := col.codes[s]
	if !listed && col.codes != nil {
		code = indexOf(s, col.texts, col.aliases)
		listed = code >= 0
	}
	switch {
	case listed:
		return float64(code), nil
	case missing(s):
		return math.NaN(), nil
	case col.codes != nil:
		return 0, c.bad(i, s, "one of "+strings.Join(col.texts, ", "))
	}
	v, ok := parseNumber(s, c.cfg.Decimal)
	switch {
	case !ok && c.cfg.Decimal == ',':
		return 0, c.bad(i, s, "a number, with a decimal comma if any")
	case !ok:
		return 0, c.bad(i, s, "a number, with a decimal point if any")
	case math.Abs(v) > math.MaxFloat32:
		return 0, c.bad(i, s, "a number of at most 3.4e38")
	}
	return v, nil
}
