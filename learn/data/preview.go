package data

import (
	"bytes"
	"io"
	"math"
	"strconv"
)

// Preview is how the first rows of a participant's table are understood.
type Preview struct {
	Dialect
	Names    []string     // of the file's columns, in their order; numbers from 1 without a header
	Found    []Found      // by field: the features in order, then the label
	Rows     []PreviewRow // at most PreviewRows
	Problems []Problem    // of the first rows
	Offers   []Offer      // what texts of the first rows can stand for
	Question *Question    // nil if the decimal sign is clear
	Notes    []string     // sentences
}

// PreviewRows is the max number of rows of a preview.
const PreviewRows = 50

// PreviewRow is a row of a preview.
type PreviewRow struct {
	Line  int
	Cells []PreviewCell // by field
}

// PreviewCell is a value of a preview.
type PreviewCell struct {
	Text  string // as it is in the file
	Value string // as it is understood: a number, or a value of the schema; empty if it is missing or wrong
	Want  string // what would be right; empty: the value is
}

// Ready reports whether the table can be read: each field has a column, and the decimal
// sign is clear.
func (p *Preview) Ready() bool {
	for _, f := range p.Found {
		if f.Column < 0 {
			return false
		}
	}
	return p.Question == nil
}

// PreviewOwn reads the first rows, at most 1 MiB, of a table that a participant has
// brought, and tells how they are understood. name is the file's in errors, which are
// those of reading, or a *Refusal: what is no table.
func PreviewOwn(r io.Reader, name string, s *Schema, how OwnCSV) (*Preview, error) {
	o, _, sample, err := openOwn(r, name, s, how)
	if err != nil {
		return nil, err
	}
	p := &Preview{Dialect: o.Dialect, Names: o.names, Found: o.found, Question: o.question(), Notes: o.notes}
	skipped := o.skipped
	in := newRecords(bytes.NewReader(sample), o.Separator, maxOwnRecord)
	if o.Header {
		in.next() // settle has read it
	}
	for rows := 0; rows < ownSampleRows; rows++ {
		fields, err := in.next()
		if err == io.EOF {
			break
		}
		o.line = skipped + in.start
		if err != nil {
			// The sample may end inside quotes, which reading all rows reports.
			continue
		}
		before := o.rejected
		if isRow := o.row(fields) || o.rejected > before; !isRow || len(p.Rows) == PreviewRows || len(fields) < len(o.names) {
			continue
		}
		row := PreviewRow{Line: o.line}
		for k := range o.fields {
			row.Cells = append(row.Cells, o.cell(k, fields))
		}
		p.Rows = append(p.Rows, row)
	}
	p.Problems, p.Offers = o.problems, o.offers()
	return p, nil
}

// cell returns field k of the current row.
func (o *ownReader) cell(k int, fields [][]byte) PreviewCell {
	f := &o.fields[k]
	if f.column < 0 {
		return PreviewCell{}
	}
	c := PreviewCell{Text: string(trim(fields[f.column])), Want: o.wants[k]}
	switch v := o.cells[k]; {
	case c.Want != "", math.IsNaN(v):
	case f.texts != nil:
		c.Value = f.Values[int(v)]
	default:
		c.Value = strconv.FormatFloat(v, 'g', -1, 64)
	}
	return c
}
