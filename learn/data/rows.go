package data

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// Row is a row of a table as a trained model takes it.
type Row struct {
	Line     int
	Features []float32 // valid until the next row is read; nil: a problem is in the way
	Target   float64   // label or number; NaN: the row has none, or one that is a problem
	Problems []Problem
}

// RowReader reads the rows of a table for a trained model, as ReadCSV reads a table. It
// holds one row.
type RowReader struct {
	Strict bool // a problem is an error, which reads NAME:LINE: column 3 (age) is "x", want a number

	c      *csvReader
	texts  *RowEncoder
	at     []int    // the column of the file that each column of the encoding is
	target int      // -1: none
	row    []string // of the file; it has been read and not yet returned; nil: none
	first  int      // line that has told the number of columns
	rows   int      // so far

	fields []string // of a row, by column of the encoding
	x      []float32
	out    Row
}

// NewRowReader reads the beginning of a table and finds the columns of e, by name and in
// any order; others are ignored. The column of the target may be absent, or miss values.
// Of cfg it uses Separator, Decimal, Header and, of Limits, Columns and Record. Errors
// are those of ReadCSV.
func NewRowReader(r io.Reader, name string, e *Encoding, cfg CSV) (*RowReader, error) {
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
	t := &RowReader{c: c, first: c.line, fields: make([]string, len(e.Columns))}
	if t.texts, err = NewRowEncoder(e); err != nil {
		return nil, err
	}
	t.x = make([]float32, t.texts.features)
	if err := t.find(); err != nil {
		return nil, err
	}
	if err := c.settleDecimal(sample); err != nil {
		return nil, err
	}
	if !header {
		t.row = row
	}
	return t, nil
}

// find finds the columns of the encoding in the file.
func (t *RowReader) find() error {
	c, e := t.c, t.texts.e
	if err := c.named(); err != nil {
		return err
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
	for k, col := range e.Columns {
		i, ok := find(col.Name)
		switch {
		case !ok && c.unnamed != "":
			return fmt.Errorf("data: %s: there is no column %s, want every column that the model was trained with: %s: %w", c.name, clip(col.Name), c.unnamed, ErrFormat)
		case !ok:
			return fmt.Errorf("data: %s: there is no column %s among %s, want every column that the model was trained with: %w", c.name, clip(col.Name), firstNames(c.names), ErrFormat)
		case c.columns[i].role != ignored:
			return fmt.Errorf("data: %s: %s is given for %s and for another use, want one use: %w", c.name, c.column(i), clip(col.Name), ErrFormat)
		}
		c.columns[i] = column{role: t.texts.columns[k].role}
		t.at = append(t.at, i)
	}
	t.target = -1
	if i, ok := find(e.Target.Name); ok && c.columns[i].role == ignored {
		t.target = i
		c.columns[i] = t.texts.target
	}
	return nil
}

// Bound sets the bounds of the numbers, as [RowEncoder.Bound] does.
func (t *RowReader) Bound(s *TableSchema) { t.texts.Bound(s) }

// HasTarget reports whether the table has the column that is predicted.
func (t *RowReader) HasTarget() bool { return t.target >= 0 }

// Next returns the next row, which is valid until the next call, or io.EOF. A missing value
// that the encoding does not fill is a problem, and so is a category that it does not
// have. Reading goes on after a row with problems. Rows whose fields are all empty are
// skipped unless it is strict. Errors are those of ReadCSV: reading, a quote that is not
// closed, no rows.
func (t *RowReader) Next() (*Row, error) {
	for {
		fields, err := t.next()
		q := (*quoteError)(nil)
		switch {
		case err == io.EOF && t.rows == 0:
			return nil, fmt.Errorf("data: %s has a line of names and no rows: %w", t.c.name, ErrFormat)
		case err == io.EOF:
			return nil, err
		case !t.Strict && errors.As(err, &q) && q.line == q.start: // otherwise it would swallow rows
			t.rows++
			t.out = Row{Line: q.line, Target: math.NaN(), Problems: []Problem{q.problem(q.line)}}
			return &t.out, nil
		case err != nil:
			return nil, t.c.failed(err)
		case !t.Strict && empty(fields):
			continue
		case !t.Strict && len(fields) > len(t.c.names) && empty(fields[len(t.c.names):]):
			fields = fields[:len(t.c.names)]
		}
		t.rows++
		return t.read(fields)
	}
}

// next returns the fields of the next row.
func (t *RowReader) next() ([]string, error) {
	if row := t.row; row != nil {
		t.row = nil
		return row, nil
	}
	return t.c.nextRow()
}

// read encodes the fields of a row.
func (t *RowReader) read(fields []string) (*Row, error) {
	c := t.c
	row := &t.out
	*row = Row{Line: c.line, Target: math.NaN()}
	if len(fields) != len(c.names) {
		if t.Strict {
			return nil, c.refuse("%d fields, want %d as in line %d", len(fields), len(c.names), t.first)
		}
		row.Problems = []Problem{{row.Line, "", plural(len(fields), "value"), fmt.Sprintf("%d as in line %d", len(c.names), t.first)}}
		return row, nil
	}
	for k, i := range t.at {
		t.fields[k] = fields[i]
	}
	flaws := t.texts.encode(t.x, t.fields, c.cfg.Decimal, true)
	if len(flaws) == 0 {
		row.Features = t.x
	}
	if t.target >= 0 {
		y, want := t.texts.target.read(fields[t.target], c.cfg.Decimal)
		if row.Target = y; want != "" {
			row.Target = math.NaN()
			flaws = append(flaws, flaw{-1, want})
		}
	}
	for _, f := range flaws {
		i := t.target
		if f.column >= 0 {
			i = t.at[f.column]
		}
		value := strings.TrimSpace(fields[i])
		if t.Strict {
			return nil, c.bad(i, value, f.want)
		}
		row.Problems = append(row.Problems, Problem{row.Line, c.names[i], shortened(value), f.want})
	}
	return row, nil
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
