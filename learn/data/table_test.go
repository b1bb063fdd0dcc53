package data

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// rowsOf returns 0 to n-1.
func rowsOf(n int) []int32 {
	rows := make([]int32, n)
	for i := range rows {
		rows[i] = int32(i)
	}
	return rows
}

// Statistics come from the training rows, 0 to 3, and are applied to row 4 too.
func TestPrepare(t *testing.T) {
	const text = "a,b,c,y\n1,red,7,no\n2,blue,7,yes\n,red,7,yes\n9,?,7,no\n?,green,8,no\n"
	for _, c := range []struct {
		name     string
		missing  Missing
		scale    bool
		features []float32 // of a, in all rows
		mean     float64
		sd       float64
	}{
		// Of 1, 2 and 9: mean 4, median 2.
		{"mean", FillMean, false, []float32{1, 2, 4, 9, 4}, 0, 1},
		{"median", FillMedian, false, []float32{1, 2, 2, 9, 2}, 0, 1},
		// Of 1, 2, 4 and 9: mean 4, variance (9 + 4 + 0 + 25) / 4.
		{"scaled mean", FillMean, true, []float32{-3, -2, 0, 5, 0}, 4, math.Sqrt(9.5)},
		// Of 1, 2, 2 and 9: mean 3.5, variance (6.25 + 2.25 + 2.25 + 30.25) / 4.
		{"scaled median", FillMedian, true, []float32{-2.5, -1.5, -1.5, 5.5, -1.5}, 3.5, math.Sqrt(10.25)},
	} {
		t.Run(c.name, func(t *testing.T) {
			tab := read(t, text, CSV{Target: "y", Categorical: []Category{{Column: "b"}}, Missing: c.missing})
			p, err := tab.Prepare(rowsOf(4), []int32{4}, Preparation{Standardise: c.scale, DropConstant: true})
			if err != nil {
				t.Fatal(err)
			}
			if want := []string{"a", "b=blue", "b=green", "b=red"}; !slices.Equal(p.Encoding.Features(), want) || !slices.Equal(p.Constant, []string{"c"}) {
				t.Errorf("features are %q, without %q, want %q", p.Encoding.Features(), p.Constant, want)
			}
			if a, b := p.Encoding.Columns[0], p.Encoding.Columns[1]; math.Abs(a.Mean-c.mean) > 1e-12 || math.Abs(a.Deviation-c.sd) > 1e-12 || b.Mean != 0 || b.Deviation != 1 {
				t.Errorf("a has mean %v and deviation %v, want %v and %v; b has %v and %v", a.Mean, a.Deviation, c.mean, c.sd, b.Mean, b.Deviation)
			}
			// Row 3 has no colour: red is the most frequent.
			indicators := [][]float32{{0, 0, 1}, {1, 0, 0}, {0, 0, 1}, {0, 0, 1}, {0, 1, 0}}
			x, y := make([]float32, 4), make([]float32, 1)
			for i, want := range c.features {
				if i < 4 {
					p.Train.Fill(x, y, []int32{int32(i)})
				} else {
					p.Test.Fill(x, y, []int32{0})
				}
				want = float32(float64(want) / c.sd)
				if math.Abs(float64(x[0]-want)) > 1e-6 || !slices.Equal(x[1:], indicators[i]) || y[0] != []float32{0, 1, 1, 0, 0}[i] {
					t.Errorf("row %d is %v of class %v, want %v, %v", i, x, y[0], want, indicators[i])
				}
			}
			if p.Train.Classes() != 2 || p.Test.Classes() != 2 {
				t.Errorf("%d and %d classes, want 2", p.Train.Classes(), p.Test.Classes())
			}
		})
	}
}

func TestPrepareTargets(t *testing.T) {
	tab := read(t, "a,y\n1,0.5\n2,-1e3\n3,7\n", CSV{Target: "y", Values: true})
	p, err := tab.Prepare([]int32{0, 2}, []int32{1}, Preparation{})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(p.Train.Targets, []float32{0.5, 7}) || !slices.Equal(p.Test.Targets, []float32{-1000}) || p.Train.Y != nil || p.Train.Classes() != 0 {
		t.Errorf("targets are %v and %v, labels %v", p.Train.Targets, p.Test.Targets, p.Train.Y)
	}
	y := []float32{9, 9}
	p.Train.Fill(make([]float32, 2), y, []int32{0, 1})
	if !slices.Equal(y, []float32{0.5, 7}) {
		t.Errorf("the targets read as %v, want 0.5 and 7", y)
	}
}

// A target that is a number is standardised with the training rows, as features are:
// a price in euros is learned as well as one in millions.
func TestPrepareStandardisesTargets(t *testing.T) {
	tab := read(t, "area,price\n10,25000\n20,50000\n30,75000\n100,250000\n", CSV{Target: "price", Values: true})
	p, err := tab.Prepare([]int32{0, 1, 2}, []int32{3}, Preparation{Standardise: true})
	if err != nil {
		t.Fatal(err)
	}
	deviation := 25000 * math.Sqrt(2./3)
	if got := p.Encoding.Target; got.Name != "price" || got.Mean != 50000 || math.Abs(got.Deviation-deviation) > 1e-9 || got.Classes != nil {
		t.Errorf("the target is %+v, want mean 50000, deviation %v", got, deviation)
	}
	for i, want := range []float64{-25000, 0, 25000} {
		if got := float64(p.Train.Targets[i]); math.Abs(got-want/deviation) > 1e-6 {
			t.Errorf("target %d is %v, want %v", i, got, want/deviation)
		}
	}
	if got := float64(p.Test.Targets[0]); math.Abs(got-200000/deviation) > 1e-6 {
		t.Errorf("the test target is %v, want %v, by the training rows' mean and deviation", got, 200000/deviation)
	}
	if _, err := tab.Prepare([]int32{0}, nil, Preparation{DropConstant: true, Standardise: true}); err == nil {
		t.Error("one training row is no error")
	}
	same := read(t, "area,price\n10,5\n20,5\n", CSV{Target: "price", Values: true})
	if _, err := same.Prepare([]int32{0, 1}, nil, Preparation{Standardise: true}); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "all training rows have the same price, 5, want at least two values") {
		t.Errorf("equal targets: %v", err)
	}
}

// An encoding makes of a raw row what Prepare made of it, and has a value for a missing
// one only where it was told how to fill it.
func TestEncoding(t *testing.T) {
	const text = "a,b,y\n1,red,no\n2,blue,yes\n6,red,yes\n"
	cfg := CSV{Target: "y", Categorical: []Category{{Column: "b"}}, Missing: FillMedian}
	p, err := read(t, text, cfg).Prepare(rowsOf(3), nil, Preparation{Standardise: true})
	if err != nil {
		t.Fatal(err)
	}
	x := []float32{9, 9, 9}
	for i, row := range [][]float64{{1, 1}, {2, 0}, {6, 1}} {
		if _, ok := p.Encoding.Encode(x, row); !ok || !slices.Equal(x, p.Train.Values[3*i:3*i+3]) {
			t.Errorf("row %d is encoded as %v, want %v", i, x, p.Train.Values[3*i:3*i+3])
		}
	}
	// The median of a is 2, and red is the most frequent category.
	if _, ok := p.Encoding.Encode(x, []float64{math.NaN(), math.NaN()}); !ok || x[0] != p.Train.Values[3] || !slices.Equal(x[1:], []float32{0, 1}) {
		t.Errorf("a row without values is encoded as %v, want the median of a and red", x)
	}
	cfg.Missing = DropMissing
	if p, err = read(t, text, cfg).Prepare(rowsOf(3), nil, Preparation{}); err != nil {
		t.Fatal(err)
	}
	if column, ok := p.Encoding.Encode(x, []float64{1, math.NaN()}); ok || column != 1 {
		t.Errorf("a missing value that nothing stands for: column %d, %v, want 1, false", column, ok)
	}
}

func TestPrepareRefuses(t *testing.T) {
	for _, c := range []struct {
		name, text  string
		train, test []int32
		p           Preparation
		want        string
	}{
		{"no rows", "a,y\n1,2\n", nil, nil, Preparation{}, "no training rows, want at least one"},
		{"constant", "a,b,y\n1,2,3\n1,3,3\n1,4,3\n", []int32{0, 1, 2}, nil, Preparation{}, "x.csv: all training rows have the same value in column a,"},
		{"constant but for the test", "a,b,y\n1,5,3\n1,5,3\n1,4,3\n", []int32{0, 1}, []int32{2}, Preparation{Standardise: true}, "in columns a, b,"},
		{"all constant", "a,b,y\n1,5,3\n1,5,3\n", []int32{0, 1}, nil, Preparation{DropConstant: true}, "no column is left: columns a, b are constant"},
		{"all missing", "a,b,y\n?,5,3\n?,6,3\n1,7,3\n", []int32{0, 1}, []int32{2}, Preparation{}, "column a has no value in the 2 training rows"},
		{"too close", "a,y\n1e-300,3\n2e-300,3\n", []int32{0, 1}, nil, Preparation{Standardise: true}, "same value in column a"},
		{"far beyond", "a,y\n1e-30,3\n2e-30,3\n3e38,1\n", []int32{0, 1}, []int32{2}, Preparation{Standardise: true}, "test rows: data: row 0 has +Inf in column 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tab, err := ReadCSV(strings.NewReader(c.text), "x.csv", CSV{Target: "y", Missing: FillMean})
			if err != nil {
				t.Fatal(err)
			}
			_, err = tab.Prepare(c.train, c.test, c.p)
			if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want ErrFormat with %s", err, c.want)
			}
		})
	}
}

// Standardised training columns have mean 0 and variance 1 at any offset and
// variance, filled values included.
func TestStandardised(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(3, 60).Draw(t, "rows")
		offset := rapid.SampledFrom([]float64{0, 1, -1e6, 1e9}).Draw(t, "offset")
		spread := rapid.SampledFrom([]float64{1e-3, 1, 1e5}).Draw(t, "spread")
		tab := &Table{
			Columns: []Column{{Name: "a"}}, Classes: []string{"0"}, cells: newGrid(1), labels: make([]uint8, n),
			missing: rapid.SampledFrom([]Missing{FillMean, FillMedian}).Draw(t, "missing"),
		}
		for i := range n {
			v := offset + spread*rapid.Float64Range(-1, 1).Draw(t, "value")
			if i > 1 && rapid.IntRange(0, 4).Draw(t, "hole") == 0 {
				v = math.NaN()
			}
			tab.cells.add([]float64{v})
		}
		tab.cells.row(0)[0], tab.cells.row(1)[0] = offset-spread, offset+spread
		p, err := tab.Prepare(rowsOf(n), nil, Preparation{Standardise: true})
		if err != nil {
			t.Fatal(err)
		}
		sum, squares := 0.0, 0.0
		for _, v := range p.Train.Values {
			sum += float64(v)
			squares += float64(v) * float64(v)
		}
		if mean, variance := sum/float64(n), squares/float64(n); math.Abs(mean) > 1e-3 || math.Abs(variance-1) > 1e-3 {
			t.Fatalf("mean %v, variance %v, want 0, 1", mean, variance)
		}
	})
}

func TestHoldout(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 500).Draw(t, "n")
		share := rapid.Float64Range(1e-9, 1-1e-9).Draw(t, "share")
		seed := rapid.Uint64().Draw(t, "seed")
		train, test, err := Holdout(n, share, seed)
		if err != nil {
			t.Fatal(err)
		}
		complete(t, [][]int32{train, test}, n)
		if d := math.Abs(float64(len(test)) - share*float64(n)); d > 0.5+1e-9 && len(test) != 1 && len(train) != 1 {
			t.Fatalf("%d of %d held out for a share of %v", len(test), n, share)
		}
		if !slices.IsSorted(train) || !slices.IsSorted(test) {
			t.Fatal("not in order")
		}
		train2, test2, _ := Holdout(n, share, seed)
		if !slices.Equal(train, train2) || !slices.Equal(test, test2) {
			t.Fatal("a second call gives another hold-out")
		}
	})
	_, a, _ := Holdout(100, 0.5, 1)
	_, b, _ := Holdout(100, 0.5, 2)
	if slices.Equal(a, b) {
		t.Error("two seeds give the same hold-out")
	}
	for _, c := range []struct {
		n     int
		share float64
	}{{1, 0.5}, {10, 0}, {10, 1}, {10, math.NaN()}, {10, -1}} {
		if _, _, err := Holdout(c.n, c.share, 1); !errors.Is(err, ErrSettings) {
			t.Errorf("Holdout(%d, %v): got %v, want ErrSettings", c.n, c.share, err)
		}
	}
}
