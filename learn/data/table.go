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
	Dropped int      // rows dropped because of a missing value
	Missing int      // missing values that Prepare fills

	name    string
	missing Missing
	rows    int
	cells   []float64 // [rows, len(Columns)]: a number, the index of a category, or NaN if missing
	labels  []uint8   // [rows], or nil
	targets []float32 // [rows], or nil
}

// Column is a column of a Table.
type Column struct {
	Name       string
	Categories []string // nil if it holds numbers
}

// Len returns the number of rows.
func (t *Table) Len() int { return t.rows }

// Preparation configures Prepare.
type Preparation struct {
	// Standardise gives every column of numbers mean 0 and variance 1 over the
	// training rows.
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
	Features    []string  // names; COLUMN=CATEGORY for the indicator of a category
	Mean        []float64 // subtracted from each feature; 0 if it is not standardised
	Deviation   []float64 // each feature is then divided by it; 1 if it is not standardised
	Constant    []string  // dropped columns
}

// Prepare makes a set of the training rows and one of the test rows, which may be
// empty. A number becomes one feature. A category becomes an indicator feature, 1
// or 0, for each of its values. Missing values are filled. The error wraps
// ErrFormat and names the columns.
func (t *Table) Prepare(train, test []int32, p Preparation) (*Prepared, error) {
	if len(train) == 0 {
		return nil, fmt.Errorf("data: %s: no training rows, want at least one: %w", t.name, ErrFormat)
	}
	out := &Prepared{}
	var plans []plan
	values := make([]float64, len(train)) // one column of the training rows
	for k, col := range t.Columns {
		c := t.plan(k, train, values)
		if !c.known {
			return nil, fmt.Errorf("data: %s: column %s has no value in the %d training rows: %w", t.name, clipName(col.Name), len(train), ErrFormat)
		}
		if c.constant {
			out.Constant = append(out.Constant, col.Name)
			continue
		}
		c.first = len(out.Features)
		if col.Categories != nil {
			for _, text := range col.Categories {
				out.Features = append(out.Features, col.Name+"="+text)
				out.Mean, out.Deviation = append(out.Mean, 0), append(out.Deviation, 1)
			}
		} else {
			if !p.Standardise {
				c.mean, c.deviation = 0, 1
			}
			out.Features = append(out.Features, col.Name)
			out.Mean, out.Deviation = append(out.Mean, c.mean), append(out.Deviation, c.deviation)
		}
		plans = append(plans, c)
	}
	if len(out.Constant) > 0 && !p.DropConstant {
		return nil, fmt.Errorf("data: %s: all training rows have the same value in %s, want columns with at least two values (constant ones can be dropped): %w",
			t.name, listed(out.Constant), ErrFormat)
	}
	if len(plans) == 0 {
		return nil, fmt.Errorf("data: %s: no column is left: %s are constant: %w", t.name, listed(out.Constant), ErrFormat)
	}
	var err error
	if out.Train, err = t.set(train, plans, len(out.Features)); err != nil {
		return nil, fmt.Errorf("data: %s: training rows: %w", t.name, err)
	}
	if out.Test, err = t.set(test, plans, len(out.Features)); err != nil {
		return nil, fmt.Errorf("data: %s: test rows: %w", t.name, err)
	}
	return out, nil
}

// plan is how a column becomes features.
type plan struct {
	column          int
	first           int // feature
	categories      int // 0 for a number
	fill            float64
	mean, deviation float64
	known           bool // at least one training row has a value
	constant        bool // all training rows have the same value
}

// plan computes the plan of column k from the training rows. values is a
// workspace, [len(train)].
func (t *Table) plan(k int, train []int32, values []float64) plan {
	c := plan{column: k, categories: len(t.Columns[k].Categories), constant: true}
	present := values[:0]
	for _, i := range train {
		if v := t.cells[int(i)*len(t.Columns)+k]; !math.IsNaN(v) {
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
	case len(present) == len(train):
	case c.categories > 0:
		c.fill = mode(present, c.categories)
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

// set makes a set of the given rows.
func (t *Table) set(rows []int32, plans []plan, features int) (*Set, error) {
	x := make([]float32, len(rows)*features)
	for r, i := range rows {
		from, to := t.cells[int(i)*len(t.Columns):], x[r*features:]
		for _, c := range plans {
			v := from[c.column]
			if math.IsNaN(v) {
				v = c.fill
			}
			if c.categories > 0 {
				to[c.first+int(v)] = 1
			} else {
				to[c.first] = float32((v - c.mean) / c.deviation)
			}
		}
	}
	if t.targets != nil {
		y := make([]float32, len(rows))
		for r, i := range rows {
			y[r] = t.targets[i]
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
