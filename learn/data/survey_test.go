package data

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

func pointer(v float64) *float64 { return &v }

// surveyed is a schema with the numbers that are hard to sum.
func surveyed(missing string) *Schema {
	return &Schema{Holdout: 0.2, Min: 5, Max: 10000, Scale: FederatedScale, Table: &TableSchema{
		Features: []Field{
			{Name: "age", Type: NumberField, Min: pointer(0), Max: pointer(120)},
			{Name: "sex", Type: CategoryField, Values: []string{"f", "m"}},
			{Name: "far", Type: NumberField, Min: pointer(0), Max: pointer(2e6), Missing: missing}, // mean a million times the spread
			{Name: "same", Type: NumberField, Min: pointer(-1), Max: pointer(1)},
		},
		Label: Field{Name: "ill", Type: CategoryField, Values: []string{"no", "yes"}},
	}}
}

// ownRowsOf makes own data of n random rows.
func ownRowsOf(t *testing.T, s *Schema, n int, seed uint64) *Own {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	tab := &Table{Classes: s.Classes(), cells: newGrid(len(s.Table.Features))}
	for i := range s.Table.Features {
		tab.Columns = append(tab.Columns, Column{Name: s.Table.Features[i].Name, Categories: s.Table.Features[i].Values})
	}
	for range n {
		far := 1e6 + r.NormFloat64()
		if s.Table.Features[2].Missing != "" && r.IntN(10) == 0 {
			far = math.NaN()
		}
		tab.cells.add([]float64{20 + 60*r.Float64(), float64(r.IntN(2)), far, 0.5})
		tab.labels = append(tab.labels, uint8(r.IntN(2)))
	}
	o, err := NewOwnTable(s, tab, seed)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// Constants of several participants are those of all their rows in one place.
func TestFederatedConstants(t *testing.T) {
	for _, missing := range []string{"", MeanFill, "1000000"} {
		s := surveyed(missing)
		var all []Totals
		var owns []*Own
		var column [3][]float64 // of the training rows, pooled
		rows := 0
		for i, n := range []int{100, 333, 371} {
			o := ownRowsOf(t, s, n, uint64(i+1))
			owns = append(owns, o)
			parsed, err := s.ParseTotals(packed(o.Totals()))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, parsed)
			o.Each(func(numbers []float64, _ uint8) {
				rows++
				for k, v := range numbers {
					if math.IsNaN(v) && missing == "1000000" {
						v = 1e6
					}
					if !math.IsNaN(v) {
						column[k] = append(column[k], v)
					}
				}
			})
		}
		mean := Mean(all)
		var squares [][]float64
		for i, o := range owns {
			sq, err := s.ParseSquares(AppendSquares(nil, o.Squares(mean)), &all[i], mean)
			if err != nil {
				t.Fatal(err)
			}
			squares = append(squares, sq)
		}
		c := s.CombineConstants(mean, all, squares)
		for k := range column {
			want, square := moments(column[k])
			n := float64(len(column[k]))
			if missing == MeanFill {
				n = float64(rows)
			}
			deviation := math.Sqrt(square / n)
			if math.Abs(c.Mean[k]-want) > 1e-6*max(deviation, 1e-9) || math.Abs(c.Deviation[k]-deviation) > 1e-6*deviation {
				t.Errorf("missing %q, number %d: mean %v, deviation %v, want %v and %v", missing, k, c.Mean[k], c.Deviation[k], want, deviation)
			}
		}
	}
}

func packed(t Totals) []byte { return t.Append(nil) }

// Nobody's rows count more than four times the median.
func TestShares(t *testing.T) {
	got := fmt.Sprint(Shares([]uint64{100, 100, 400, 800}), Shares([]uint64{1, 1, 1000}), Shares(nil))
	if want := "[1 1 1 1] [1 1 0.004] []"; got != want {
		t.Errorf("shares %s, want %s", got, want)
	}
}

// Totals that cannot be are refused, each with its reason.
func TestLyingTotals(t *testing.T) {
	s := surveyed("")
	o := ownRowsOf(t, s, 100, 1)
	nan := math.NaN()
	for want, lie := range map[string]func(*Totals){
		"0 examples, want 4 to 8000":                             func(t *Totals) { t.Rows = 0 },
		"8001 examples, want 4 to 8000":                          func(t *Totals) { t.Rows = 8001 },
		"the classes have more than 80 examples":                 func(t *Totals) { t.Classes[1] = 1 << 63 },
		"the classes have 0 examples, want 80":                   func(t *Totals) { t.Classes[0], t.Classes[1] = 0, 0 },
		"age has 79 values in 80 rows":                           func(t *Totals) { t.Present[0]-- },
		"the sum of 80 values of age is 9601, want 0 to 9600":    func(t *Totals) { t.Sums[0] = 9601 },
		"the sum of 80 values of age is NaN, want 0 to 9600":     func(t *Totals) { t.Sums[0] = nan },
		"the sum of 80 values of same is -80.1, want -80 to 80":  func(t *Totals) { t.Sums[2] = -80.1 },
		"the sum of 80 values of far is +Inf, want 0 to 1.6e+08": func(t *Totals) { t.Sums[1] = math.Inf(1) },
	} {
		totals := o.Totals()
		lie(&totals)
		if _, err := s.ParseTotals(packed(totals)); err == nil || !strings.Contains(err.Error(), want) || !errors.Is(err, ErrFormat) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if _, err := s.ParseTotals(packed(o.Totals())[1:]); err == nil {
		t.Error("totals that are cut off are taken")
	}
	totals := o.Totals()
	mean := Mean([]Totals{totals})
	for want, lie := range map[string]func([]float64){
		"age are NaN":    func(v []float64) { v[0] = nan },
		"age are -1":     func(v []float64) { v[0] = -1 },
		"far are 1e+300": func(v []float64) { v[1] = 1e300 },
	} {
		squares := o.Squares(mean)
		lie(squares)
		if _, err := s.ParseSquares(AppendSquares(nil, squares), &totals, mean); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	// Sums of squares below what the sender's own mean demands.
	other := []float64{mean[0] + 30, mean[1], mean[2]}
	squares := o.Squares(mean)
	if _, err := s.ParseSquares(AppendSquares(nil, squares), &totals, other); err == nil || !strings.Contains(err.Error(), "age") {
		t.Errorf("squares below those of equal values are taken: %v", err)
	}
}

func FuzzParseTotals(f *testing.F) {
	f.Add(make([]byte, 8*9))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := surveyed(MeanFill)
		totals, err := s.ParseTotals(b)
		if err != nil {
			return
		}
		for k, m := range Mean([]Totals{totals}) {
			if f := s.Numbers()[k]; !(m >= *f.Min-1e-6 && m <= *f.Max*(1+1e-6)) {
				t.Errorf("mean %v of %s from %v to %v", m, f.Name, *f.Min, *f.Max)
			}
		}
	})
}
