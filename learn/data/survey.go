package data

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// Totals are what a participant tells of its training rows before any is trained on,
// so that all numbers can be standardised by the means of all participants
// (docs/protocol.md, "Enquiries").
type Totals struct {
	Rows    uint64
	Classes []uint64  // rows of each class; none in a regression
	Present []uint64  // of each number: rows that have it
	Sums    []float64 // of the same rows
}

// Totals returns the totals of the rows that are trained on.
func (o *Own) Totals() Totals {
	t := Totals{Classes: make([]uint64, len(o.Schema.Classes())), Present: make([]uint64, len(o.Schema.Numbers())), Sums: make([]float64, len(o.Schema.Numbers()))}
	fills := o.Schema.fills()
	sums := make([]compensated, len(t.Sums))
	o.Each(func(numbers []float64, label uint8) {
		t.Rows++
		if len(t.Classes) > 0 {
			t.Classes[label]++
		}
		for k, v := range numbers {
			if math.IsNaN(v) {
				v = fills[k]
			}
			if !math.IsNaN(v) {
				t.Present[k]++
				sums[k].add(v)
			}
		}
	})
	for k := range sums {
		t.Sums[k] = sums[k].value()
	}
	return t
}

// Squares returns for each number the sum of the squared differences from mean.
func (o *Own) Squares(mean []float64) []float64 {
	sums := make([]compensated, len(mean))
	fills := o.Schema.fills()
	o.Each(func(numbers []float64, _ uint8) {
		for k, v := range numbers {
			if math.IsNaN(v) {
				v = fills[k]
			}
			if d := v - mean[k]; !math.IsNaN(d) {
				sums[k].add(d * d)
			}
		}
	})
	squares := make([]float64, len(mean))
	for k := range sums {
		squares[k] = sums[k].value()
	}
	return squares
}

// Scaled returns the constants of the participant's own training rows.
func (o *Own) Scaled() Constants {
	all := []Totals{o.Totals()}
	mean := Mean(all)
	return o.Schema.CombineConstants(mean, all, [][]float64{o.Squares(mean)})
}

// compensated is a sum without the rounding errors of a long addition (Neumaier, ZAMM
// 54, 1974).
type compensated struct{ sum, lost float64 }

func (c *compensated) add(v float64) {
	t := c.sum + v
	if math.Abs(c.sum) >= math.Abs(v) {
		c.lost += (c.sum - t) + v
	} else {
		c.lost += (v - t) + c.sum
	}
	c.sum = t
}

func (c *compensated) value() float64 { return c.sum + c.lost }

// Numbers returns the fields of a table that are standardised; none of images.
func (s *Schema) Numbers() []*Field {
	if s.Table == nil {
		return nil
	}
	return s.Table.Numbers()
}

// fills returns for each number what stands for a missing one; NaN: nothing, or the
// mean of all participants.
func (s *Schema) fills() []float64 {
	var fills []float64
	for _, f := range s.Numbers() {
		v, err := f.fill(math.NaN())
		if err != nil {
			v = math.NaN() // the field is not filled: a row needs a value
		}
		fills = append(fills, v)
	}
	return fills
}

// Append appends the totals as they travel.
func (t *Totals) Append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, t.Rows)
	for _, n := range t.Classes {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	for k, n := range t.Present {
		b = binary.LittleEndian.AppendUint64(b, n)
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(t.Sums[k]))
	}
	return b
}

// TotalsSize returns the bytes of totals under the schema.
func (s *Schema) TotalsSize() int { return 8 * (1 + len(s.Classes()) + 2*len(s.Numbers())) }

// trained returns how many of n examples are trained on.
func (s *Schema) trained(n int) uint64 {
	if s.Holdout == 0 || n < 2 {
		return uint64(n)
	}
	return uint64(n - min(max(int(math.Round(s.Holdout*float64(n))), 1), n-1))
}

// MaxTrained returns the most examples that a participant trains on.
func (s *Schema) MaxTrained() uint64 {
	if s.Images != nil { // whose hold-out grows with them
		return uint64(s.Max)
	}
	return s.trained(s.Max)
}

// ParseTotals reads the totals of a participant. The error, which wraps ErrFormat, names
// the first that cannot be under the schema.
func (s *Schema) ParseTotals(b []byte) (Totals, error) {
	refuse := func(format string, args ...any) (Totals, error) {
		return Totals{}, fmt.Errorf("totals: "+format+": %w", append(args, ErrFormat)...)
	}
	if len(b) != s.TotalsSize() {
		return refuse("%d bytes, want %d", len(b), s.TotalsSize())
	}
	next := func() uint64 {
		v := binary.LittleEndian.Uint64(b)
		b = b[8:]
		return v
	}
	t := Totals{Rows: next()}
	if fewest, most := s.trained(s.Min), s.trained(s.Max); t.Rows < max(fewest, 1) || t.Rows > most {
		return refuse("%d examples, want %d to %d", t.Rows, max(fewest, 1), most)
	}
	left := t.Rows
	for range s.Classes() {
		n := next()
		if n > left {
			return refuse("the classes have more than %d examples", t.Rows)
		}
		left -= n
		t.Classes = append(t.Classes, n)
	}
	if len(t.Classes) > 0 && left > 0 {
		return refuse("the classes have %d examples, want %d", t.Rows-left, t.Rows)
	}
	for _, f := range s.Numbers() {
		n, sum := next(), math.Float64frombits(next())
		if n > t.Rows || f.Missing != MeanFill && n != t.Rows {
			return refuse("%s has %d values in %d rows", f.Name, n, t.Rows)
		}
		low, high := f.within(float64(n))
		if !(sum >= low && sum <= high) {
			return refuse("the sum of %d values of %s is %g, want %.6g to %.6g", n, f.Name, sum, low, high)
		}
		t.Present, t.Sums = append(t.Present, n), append(t.Sums, sum)
	}
	return t, nil
}

// within returns the bounds of a sum of n values of the field, with room for rounding.
func (f *Field) within(n float64) (low, high float64) {
	low, high = -math.MaxFloat64, math.MaxFloat64
	if f.Min != nil {
		low = *f.Min*n - 1e-9*math.Abs(*f.Min*n)
	}
	if f.Max != nil {
		high = *f.Max*n + 1e-9*math.Abs(*f.Max*n)
	}
	return low, high
}

// AppendSquares appends sums of squares as they travel.
func AppendSquares(b []byte, squares []float64) []byte {
	for _, v := range squares {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
	}
	return b
}

// ParseSquares reads the sums of squares about mean of a participant with the totals t.
// The error wraps ErrFormat.
func (s *Schema) ParseSquares(b []byte, t *Totals, mean []float64) ([]float64, error) {
	numbers := s.Numbers()
	if len(b) != 8*len(numbers) {
		return nil, fmt.Errorf("squares: %d bytes, want %d: %w", len(b), 8*len(numbers), ErrFormat)
	}
	squares := make([]float64, len(numbers))
	for k, f := range numbers {
		squares[k] = math.Float64frombits(binary.LittleEndian.Uint64(b[8*k:]))
		n := float64(t.Present[k])
		// No sum of squares is below that of n values equal to their mean, which the
		// totals told, and none above that of values at the bounds.
		low, high := 0., math.MaxFloat64
		if n > 0 {
			d := t.Sums[k]/n - mean[k]
			low = n * d * d
		}
		if f.Min != nil && f.Max != nil {
			d := max(mean[k]-*f.Min, *f.Max-mean[k])
			high = n * d * d
			low -= 1e-9 * high
		} else {
			low -= 1e-6 * low
		}
		if v := squares[k]; !(v >= max(low, 0) && v <= high*(1+1e-9)) {
			return nil, fmt.Errorf("squares: the squared differences of %s are %g, want %g to %g: %w", f.Name, v, max(low, 0), high, ErrFormat)
		}
	}
	return squares, nil
}

// heaviest is how many times the median of their rows a participant's rows count.
const heaviest = 4

// Shares returns for each number of rows the factor from 0 to 1 by which totals of as
// many count: what exceeds four times the median does not.
func Shares(rows []uint64) []float64 {
	shares := make([]float64, len(rows))
	if len(rows) == 0 {
		return shares
	}
	sorted := slices.Sorted(slices.Values(rows))
	most := heaviest * max(float64(sorted[len(sorted)/2]), 1)
	for i, n := range rows {
		shares[i] = min(1, most/max(float64(n), 1))
	}
	return shares
}

// Mean returns the means of the numbers of all participants. The order of all matters in
// the last bits.
func Mean(all []Totals) []float64 {
	pooled, _ := pool(all)
	return pooled.mean()
}

// CombineConstants returns the constants of all participants, from their totals and the
// sums of squares about the mean that they were announced.
func (s *Schema) CombineConstants(mean []float64, all []Totals, squares [][]float64) Constants {
	pooled, shares := pool(all)
	sums := make([]compensated, len(mean))
	for i, of := range squares {
		for k, v := range of {
			sums[k].add(shares[i] * v)
		}
	}
	total := make([]float64, len(mean))
	for k := range sums {
		total[k] = sums[k].value()
	}
	c := Constants{Mean: mean, Deviation: make([]float64, len(mean))}
	for k, f := range s.Numbers() {
		n := pooled.present[k]
		if f.Missing == MeanFill { // rows that are filled with the mean count too
			n = pooled.rows
		}
		if n > 0 {
			c.Deviation[k] = math.Sqrt(total[k] / n)
		}
	}
	return c
}

// pooled are totals of several participants, each by its share.
type pooled struct {
	rows          float64
	present, sums []float64
}

func pool(all []Totals) (p pooled, shares []float64) {
	rows := make([]uint64, len(all))
	for i := range all {
		rows[i] = all[i].Rows
	}
	shares = Shares(rows)
	if len(all) == 0 {
		return p, shares
	}
	p.present, p.sums = make([]float64, len(all[0].Sums)), make([]float64, len(all[0].Sums))
	sums := make([]compensated, len(p.sums))
	for i := range all {
		t := &all[i]
		p.rows += shares[i] * float64(t.Rows)
		for k := range t.Sums {
			p.present[k] += shares[i] * float64(t.Present[k])
			sums[k].add(shares[i] * t.Sums[k])
		}
	}
	for k := range sums {
		p.sums[k] = sums[k].value()
	}
	return p, shares
}

// mean returns the means of the numbers, 0 where there is none.
func (p *pooled) mean() []float64 {
	mean := make([]float64, len(p.sums))
	for k, n := range p.present {
		if n > 0 {
			mean[k] = p.sums[k] / n
		}
	}
	return mean
}
