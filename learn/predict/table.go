package predict

import (
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"fedtab/learn"
	"fedtab/learn/data"
)

// Row is what a model says of a row of a table.
type Row struct {
	Line      int
	Predicted bool // otherwise a problem is in the way
	Answer    Answer
	Problems  []data.Problem
}

// Summary is what there is to say of all rows.
type Summary struct {
	Rows     int // that are predicted
	Rejected int // that are not
	Problems int // of all rows

	// Metrics are of the rows that have a target, in its unit. Their loss is 0.
	Metrics learn.Metrics
}

// Table predicts the rows of a table, in batches of at most a few hundred, and calls each
// for every row in order. The row is valid until the call returns. An error is one of each
// or of rows. It panics if the model is one of pictures.
func (m *Model) Table(rows *data.RowReader, each func(*Row) error) (*Summary, error) {
	outputs, err := learn.NewPredictor(m.model, m.Params, 0)
	if err != nil {
		return nil, err
	}
	b := &batch{m: m, outputs: outputs, each: each}
	if t := &m.Encoding.Target; t.Classes == nil {
		b.mean, b.deviation = t.Mean, t.Deviation
	} else {
		b.deviation = 1
	}
	for {
		row, err := rows.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		if b.add(row); len(b.rows) == outputs.Batch() {
			if err := b.flush(); err != nil {
				return nil, err
			}
		}
	}
	if err := b.flush(); err != nil {
		return nil, err
	}
	b.Metrics = b.Metrics.InUnits(b.mean, b.deviation)
	return &b.Summary, nil
}

// batch are rows that are predicted together.
type batch struct {
	Summary
	m               *Model
	outputs         *learn.Predictor
	each            func(*Row) error
	mean, deviation float64 // of the target

	rows    []Row
	x       []float32 // of the rows that can be predicted
	targets []float64
	known   []float32 // targets of those that have one, and their outputs
	z       []float32
}

func (b *batch) add(row *data.Row) {
	b.rows = append(b.rows, Row{Line: row.Line, Predicted: row.Features != nil, Problems: row.Problems})
	b.Problems += len(row.Problems)
	if row.Features == nil {
		b.Rejected++
		return
	}
	b.x = append(b.x, row.Features...)
	b.targets = append(b.targets, row.Target)
}

// flush predicts the rows of the batch, and empties it.
func (b *batch) flush() error {
	var z []float32
	if len(b.targets) > 0 {
		z = b.outputs.Outputs(b.x)
	}
	k := b.m.Spec.Outputs()
	for i, y := range b.targets {
		if !math.IsNaN(y) && finite(z[i*k:][:k]) {
			b.known = append(b.known, float32((y-b.mean)/b.deviation))
			b.z = append(b.z, z[i*k:][:k]...)
		}
	}
	if len(b.known) > 0 {
		b.Metrics.Add(b.m.Spec.Measure(b.z, b.known))
	}
	for i := range b.rows {
		row := &b.rows[i]
		if row.Predicted {
			if row.Predicted = finite(z[:k]); row.Predicted {
				b.Rows++
				row.Answer = b.m.answer(z[:k])
			} else {
				b.Rejected++
				b.Problems++
				problem := overflow
				problem.Line = row.Line
				row.Problems = append(row.Problems, problem)
			}
			z = z[k:]
		}
		if err := b.each(row); err != nil {
			return err
		}
	}
	b.rows, b.x, b.targets, b.known, b.z = b.rows[:0], b.x[:0], b.targets[:0], b.known[:0], b.z[:0]
	return nil
}

// Writer writes predictions as CSV: a line of names, and one for each row.
type Writer struct {
	out      *csv.Writer
	m        *Model
	tolerant bool
	line     []string
}

// NewWriter returns a Writer for the predictions of m, and writes the names of the
// columns: prediction, and with classes probability_CLASS for each, or score_CLASS. If it
// is tolerant, line and problems are columns too, the first and the last, and rows
// without a prediction are written. A text that a spreadsheet would take for a formula has
// an apostrophe in front.
func NewWriter(w io.Writer, m *Model, tolerant bool) *Writer {
	o := &Writer{out: csv.NewWriter(w), m: m, tolerant: tolerant}
	kind := "probability_"
	if !m.Spec.HasProbabilities() {
		kind = "score_"
	}
	names := make([]string, 0, 3+len(m.Classes))
	if tolerant {
		names = append(names, "line")
	}
	names = append(names, "prediction")
	for _, c := range m.Classes {
		names = append(names, kind+c)
	}
	if tolerant {
		names = append(names, "problems")
	}
	o.out.Write(names) // Flush returns an error
	return o
}

// Write writes a row, for [Model.Table]. If the Writer is not tolerant, a row without a
// prediction is an error that wraps [data.ErrFormat].
func (o *Writer) Write(row *Row) error {
	if !row.Predicted && !o.tolerant {
		return fmt.Errorf("predict: %v: %w", row.Problems[0], data.ErrFormat)
	}
	line := o.line[:0]
	if o.tolerant {
		line = append(line, strconv.Itoa(row.Line))
	}
	if row.Predicted {
		line = append(line, plain(o.m.Text(row.Answer)))
		for _, s := range row.Answer.Scores {
			line = append(line, strconv.FormatFloat(s, 'g', 6, 64))
		}
	} else {
		for range 1 + len(o.m.Classes) {
			line = append(line, "")
		}
	}
	if o.tolerant {
		line = append(line, plain(words(row.Problems)))
	}
	o.line = line
	return o.out.Write(line)
}

// plain returns a field that spreadsheets show as it is. Names of classes and columns come
// from the model's author, and one such as =A1 would be a formula. Numbers, and a sign
// alone, are none.
func plain(field string) string {
	if len(field) < 2 || !strings.ContainsRune("=+-@\t\r", rune(field[0])) {
		return field
	}
	if _, err := strconv.ParseFloat(field, 64); err == nil {
		return field
	}
	return "'" + field
}

// words lists problems without their line.
func words(problems []data.Problem) string {
	var b strings.Builder
	for i, p := range problems {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(p.Words())
	}
	return b.String()
}

// Flush writes what is buffered, and returns the first error of writing.
func (o *Writer) Flush() error {
	o.out.Flush()
	return o.out.Error()
}

// Text returns an answer as a text: the name of the class, or the number with 9 digits.
func (m *Model) Text(a Answer) string {
	if m.Classes == nil {
		return strconv.FormatFloat(a.Value, 'g', 9, 64)
	}
	return m.Classes[a.Class]
}
