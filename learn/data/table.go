package data

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Table is the result of [ReadCSV]: rows of numbers and categories with their
// classes or targets. [Table.Prepare] makes sets of it.
type Table struct {
	Columns []Column // of the features, in the order of the file
	Target  string   // the name of the column to be predicted
	Classes []string // by label; nil for a regression
	Groups  []string // whose each row is, [rows]; nil without CSV.Group
	Dropped int      // rows dropped because of a missing value
	Missing int      // missing values that Prepare fills

	name    string
	missing Missing
	cells   grid      // [rows, len(Columns)]: a number, the index of a category, or NaN if missing
	labels  []uint8   // [rows], or nil
	targets []float64 // [rows], or nil
}

// Column is a column of a Table.
type Column struct {
	Name       string
	Categories []string // nil if it holds numbers
}

// Len returns the number of rows.
func (t *Table) Len() int { return t.cells.rows }

// Preparation configures Prepare.
type Preparation struct {
	// Standardise gives every column of numbers, and a numeric target, mean 0 and
	// variance 1 over the training rows.
	Standardise bool
	// DropConstant drops columns in which all training rows have the same value.
	// Otherwise they are an error: they carry no information and cannot be
	// standardised.
	DropConstant bool
}

// Prepared is the result of Prepare. All statistics, such as means, come from the
// training rows alone, so that nothing leaks from the test rows into training.
type Prepared struct {
	Train, Test *Set
	Encoding    Encoding
	Constant    []string // dropped columns
}

// Prepare makes a set of the training rows and one of the test rows, which may be
// empty. A number becomes one feature. A category becomes an indicator feature, 1
// or 0, for each of its values. Missing values are filled. The error wraps
// ErrFormat and names the columns.
func (t *Table) Prepare(train, test []int32, p Preparation) (*Prepared, error) {
	if len(train) == 0 {
		return nil, fmt.Errorf("data: %s: no training rows, want at least one: %w", t.name, ErrFormat)
	}
	out := &Prepared{Encoding: Encoding{Target: EncodedTarget{Name: t.Target, Classes: t.Classes, Deviation: 1}}}
	var columns []int                     // of the table, in the order of out.Encoding.Columns
	values := make([]float64, len(train)) // one column of the training rows
	for k, col := range t.Columns {
		c := t.measure(k, train, values)
		if !c.known {
			return nil, fmt.Errorf("data: %s: column %s has no value in the %d training rows: %w", t.name, clipName(col.Name), len(train), ErrFormat)
		}
		if c.constant {
			out.Constant = append(out.Constant, col.Name)
			continue
		}
		e := EncodedColumn{Name: col.Name, Categories: col.Categories, Deviation: 1}
		if p.Standardise && col.Categories == nil {
			e.Mean, e.Deviation = c.mean, c.deviation
		}
		if t.missing == FillMean || t.missing == FillMedian {
			e.Fill = &c.fill
		}
		out.Encoding.Columns = append(out.Encoding.Columns, e)
		columns = append(columns, k)
	}
	if len(out.Constant) > 0 && !p.DropConstant {
		return nil, fmt.Errorf("data: %s: all training rows have the same value in %s, want columns with at least two values (constant ones can be dropped): %w",
			t.name, listed(out.Constant), ErrFormat)
	}
	if len(columns) == 0 {
		return nil, fmt.Errorf("data: %s: no column is left: %s are constant: %w", t.name, listed(out.Constant), ErrFormat)
	}
	if t.targets != nil && p.Standardise {
		for r, i := range train {
			values[r] = t.targets[i]
		}
		mean, square := moments(values)
		deviation := math.Sqrt(square / float64(len(train)))
		if deviation == 0 {
			return nil, fmt.Errorf("data: %s: all training rows have the same %s, %g, want at least two values: %w", t.name, clipName(t.Target), mean, ErrFormat)
		}
		out.Encoding.Target.Mean, out.Encoding.Target.Deviation = mean, deviation
	}
	var err error
	if out.Train, err = t.set(train, columns, &out.Encoding); err != nil {
		return nil, fmt.Errorf("data: %s: training rows: %w", t.name, err)
	}
	if out.Test, err = t.set(test, columns, &out.Encoding); err != nil {
		return nil, fmt.Errorf("data: %s: test rows: %w", t.name, err)
	}
	return out, nil
}

// statistics are what the training rows say of a column.
type statistics struct {
	fill            float64 // stands for a missing value
	mean, deviation float64 // with the filled values
	known           bool    // at least one training row has a value
	constant        bool    // all training rows have the same value
}

// measure measures column k of the training rows. values is a workspace, [len(train)].
func (t *Table) measure(k int, train []int32, values []float64) statistics {
	c := statistics{constant: true}
	categories := len(t.Columns[k].Categories)
	present := values[:0]
	for _, i := range train {
		if v := t.cells.row(int(i))[k]; !math.IsNaN(v) {
			c.constant = c.constant && (len(present) == 0 || v == present[0])
			present = append(present, v)
		}
	}
	c.known = len(present) > 0
	if !c.known || c.constant {
		return c
	}
	mean, square := moments(present)
	switch {
	case categories > 0:
		c.fill = mode(present, categories)
	case t.missing == FillMedian:
		c.fill = median(present)
	default:
		c.fill = mean
	}
	// The moments including the filled values (Chan, Golub and LeVeque 1979, for
	// two samples, one of which has variance 0).
	n, filled := float64(len(present)), float64(len(train)-len(present))
	square += (c.fill - mean) * (c.fill - mean) * n * filled / (n + filled)
	c.mean = mean + (c.fill-mean)*filled/(n+filled)
	c.deviation = math.Sqrt(square / (n + filled))
	c.constant = c.deviation == 0 // the squared differences underflow
	return c
}

// moments returns the mean of v and the sum of squared deviations from it, by
// Welford's method (Technometrics 4, 1962), which avoids cancellation.
func moments(v []float64) (mean, square float64) {
	for i, x := range v {
		d := x - mean
		mean += d / float64(i+1)
		square += d * (x - mean)
	}
	return mean, square
}

// median sorts v and returns its median.
func median(v []float64) float64 {
	slices.Sort(v)
	m := len(v) / 2
	if len(v)%2 == 1 {
		return v[m]
	}
	return v[m-1] + (v[m]-v[m-1])/2
}

// mode returns the most frequent category in v; of several, the first.
func mode(v []float64, categories int) float64 {
	count, best := make([]int, categories), 0
	for _, c := range v {
		count[int(c)]++
	}
	for c, n := range count {
		if n > count[best] {
			best = c
		}
	}
	return float64(best)
}

// set makes a set of the given rows; columns are those of the encoding.
func (t *Table) set(rows []int32, columns []int, e *Encoding) (*Set, error) {
	features := len(e.Features())
	x := make([]float32, len(rows)*features)
	values := make([]float64, len(columns))
	for r, i := range rows {
		from := t.cells.row(int(i))
		for c, k := range columns {
			values[c] = from[k]
		}
		if c, ok := e.Encode(x[r*features:][:features], values); !ok {
			panic(fmt.Sprintf("data: %s: row %d has no value in column %s", t.name, i, e.Columns[c].Name)) // ReadCSV refuses it
		}
	}
	if t.targets != nil {
		y := make([]float32, len(rows))
		for r, i := range rows {
			y[r] = float32((t.targets[i] - e.Target.Mean) / e.Target.Deviation)
		}
		return NewMeasured([]int{features}, x, y)
	}
	y := make([]uint8, len(rows))
	for r, i := range rows {
		y[r] = t.labels[i]
	}
	return NewLabelled([]int{features}, x, y, len(t.Classes))
}

// listed returns the first names, for errors.
func listed(names []string) string {
	const maxNames = 10
	var short []string
	for _, s := range names[:min(len(names), maxNames)] {
		short = append(short, clipName(s))
	}
	s := strings.Join(short, ", ")
	if len(names) > maxNames {
		s += fmt.Sprintf(" and %d more columns", len(names)-maxNames)
	}
	if len(names) == 1 {
		return "column " + s
	}
	return "columns " + s
}
