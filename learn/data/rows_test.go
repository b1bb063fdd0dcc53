package data

import (
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
)

// encoded is the encoding of a table with one column of each kind.
func encoded() *Encoding {
	fill, first := 4., 0.
	return &Encoding{
		Columns: []EncodedColumn{
			{Name: "age", Mean: 40, Deviation: 10},
			{Name: "sex", Categories: []string{"f", "m"}, Deviation: 1, Fill: &first},
			{Name: "size", Mean: 2, Deviation: 2, Fill: &fill},
		},
		Target: EncodedTarget{Name: "ill", Classes: []string{"no", "yes"}, Deviation: 1},
	}
}

// rows are all rows of a table.
type rows struct {
	Features []float32
	Targets  []float64 // nil without the column
	n        int
}

func (r *rows) Len() int { return r.n }

// readRows reads all rows, strictly.
func readRows(r io.Reader, name string, e *Encoding, cfg CSV) (*rows, error) {
	in, err := NewRowReader(r, name, e, cfg)
	if err != nil {
		return nil, err
	}
	in.Strict = true
	out := &rows{}
	for {
		row, err := in.Next()
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		out.n++
		out.Features = append(out.Features, row.Features...)
		if in.HasTarget() {
			out.Targets = append(out.Targets, row.Target)
		}
	}
}

func TestRowReader(t *testing.T) {
	numbers := encoded()
	numbers.Target = EncodedTarget{Name: "price", Mean: 5, Deviation: 2}
	unnamed := &Encoding{Columns: []EncodedColumn{{Name: "1", Deviation: 1}, {Name: "3", Deviation: 1}}, Target: EncodedTarget{Name: "2", Deviation: 1}}
	nan := math.NaN()
	for _, c := range []struct {
		name, text string
		e          *Encoding
		features   []float32
		targets    []float64
	}{
		{"as trained", "age,sex,size,ill\n50,m,6,yes\n30,f,2,no\n", encoded(), []float32{1, 0, 1, 2, -1, 1, 0, 0}, []float64{1, 0}},
		{"another order, others between, decimal commas", "note;size;ill;sex;age\nx;2,5;no;m;45,5\n", encoded(), []float32{.55, 0, 1, .25}, []float64{0}},
		{"names written otherwise", "Si ze,SEX,_age\n2,f,40\n", encoded(), []float32{0, 1, 0, 0}, nil},
		{"no target", "size,sex,age\n2,f,40\n", encoded(), []float32{0, 1, 0, 0}, nil},
		{"missing values", "age,sex,size,ill\n40,,NA,?\n", encoded(), []float32{0, 1, 0, 1}, []float64{nan}},
		{"numbers", "age,sex,size,price\n40,f,2,7.5\n40,f,2,-\n", numbers, []float32{0, 1, 0, 0, 0, 1, 0, 0}, []float64{7.5, nan}},
		{"no header", "1,2,3\n4,5,6\n", unnamed, []float32{1, 3, 4, 6}, []float64{2, 5}},
		{"numbers of columns under a header", "a,b,c\n4,5,6\n", unnamed, []float32{4, 6}, []float64{5}},
	} {
		t.Run(c.name, func(t *testing.T) {
			rows, err := readRows(strings.NewReader(c.text), "x.csv", c.e, CSV{})
			if err != nil {
				t.Fatal(err)
			}
			same := func(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }
			if !slices.Equal(rows.Features, c.features) || !slices.EqualFunc(rows.Targets, c.targets, same) || rows.Len()*len(c.e.Features()) != len(c.features) {
				t.Errorf("%d rows, features %v, targets %v, want %v and %v", rows.Len(), rows.Features, rows.Targets, c.features, c.targets)
			}
		})
	}
}

func TestRowReaderRefuses(t *testing.T) {
	for _, c := range []struct {
		name, text, want string
		cfg              CSV
		err              error
	}{
		{"empty", "", "x.csv is empty", CSV{}, ErrFormat},
		{"no rows", "age,sex,size\n", "a line of names and no rows", CSV{}, ErrFormat},
		{"no column", "age,sex,ill\n40,f,no\n", `x.csv: there is no column "size" among age, sex, ill, want every column`, CSV{}, ErrFormat},
		{"no header", "40,f,2\n", `there is no column "age", want every column that the model was trained with: no header was recognised, because line 1 has "40"`, CSV{}, ErrFormat},
		{"two columns", "age,age,sex,size\n1,2,f,3\n", `columns 1 and 2 are both called "age"`, CSV{}, ErrFormat},
		{"missing", "sex,age,size\nf,40,2\nf,,2\n", `x.csv:3: column 2 (age) is "", want a value (the model has none that stands for a missing one)`, CSV{}, ErrFormat},
		{"category", "sex,age,size\nx,40,2\n", `x.csv:2: column 1 (sex) is "x", want one of f, m`, CSV{}, ErrFormat},
		{"class", "sex,age,size,ill\nf,40,2,maybe\n", `x.csv:2: column 4 (ill) is "maybe", want one of no, yes`, CSV{}, ErrFormat},
		{"text", "sex,age,size\nf,old,2.5\n", `x.csv:2: column 2 (age) is "old", want a number, with a decimal point if any`, CSV{}, ErrFormat},
		{"comma", "sex,age,size\nf,old,2\n", `column 2 (age) is "old", want a number, with a decimal comma if any`, CSV{Decimal: ','}, ErrFormat},
		{"ambiguous", "sex,age,size\nf,12.345,2\n", "want to be told the decimal sign", CSV{}, ErrDecimal},
		{"large", "sex,age,size\nf,1e39,2\n", "want a number of at most 3.4e38", CSV{}, ErrFormat},
		{"fields", "sex,age,size\nf,1\n", "x.csv:2: 2 fields, want 3 as in line 1", CSV{}, ErrFormat},
		{"columns", "sex,age,size\nf,1,2\n", "x.csv:1: 3 columns, want at most 2", CSV{Limits: Limits{Rows: 9, Columns: 2, Values: 7, Record: 99}}, ErrTooLarge},
		{"separator", "sex,age,size\n", "want a valid character", CSV{Separator: '"'}, ErrFormat},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := readRows(strings.NewReader(c.text), "x.csv", encoded(), c.cfg)
			if err == nil || !strings.Contains(err.Error(), c.want) || !errors.Is(err, c.err) {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
	overflows := &Encoding{Columns: []EncodedColumn{{Name: "a", Deviation: 1e-30}}, Target: EncodedTarget{Name: "b", Deviation: 1}}
	if _, err := readRows(strings.NewReader("a\n1e30\n"), "x.csv", overflows, CSV{}); err == nil || !strings.Contains(err.Error(), `x.csv:2: column 1 (a) is "1e30", want a number nearer to the mean that the model knows, 0`) {
		t.Errorf("a feature that float32 cannot hold: %v", err)
	}
}

func FuzzRowReader(f *testing.F) {
	for _, text := range []string{"age,sex,size,ill\n50,m,6,yes\n", "size;sex;age\n2,5;;\"4\n", "ill\tage\tsex\tsize\r\nno\t1\tf\tNaN\r\n"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		e := encoded()
		limits := CSV{Limits: Limits{Rows: 100, Columns: 20, Values: 1000, Record: 1000}}
		r, err := NewRowReader(strings.NewReader(string(text)), "x.csv", e, limits)
		if err != nil {
			return
		}
		n, problems := 0, 0
		for {
			row, err := r.Next()
			if err != nil {
				break
			}
			n++
			problems += len(row.Problems)
			if row.Features == nil && row.Problems == nil || row.Features != nil && len(row.Features) != len(e.Features()) {
				t.Fatalf("row of line %d: %d features, %d problems", row.Line, len(row.Features), len(row.Problems))
			}
			for _, v := range row.Features {
				if !finite(v) {
					t.Fatalf("a feature is %v", v)
				}
			}
		}
		// What is read strictly has no problems, and all that has none but for empty rows.
		if rows, err := readRows(strings.NewReader(string(text)), "x.csv", e, limits); err == nil && (problems > 0 || rows.Len() < n) {
			t.Fatalf("%d rows and %d problems, strictly %d rows", n, problems, rows.Len())
		}
	})
}

// A row with a problem does not end the reading.
func TestRowReaderGoesOn(t *testing.T) {
	text := "age,sex,size,ill\n40,f,2,yes\n,f,2,no\n \t,,,\n40,x,y,no\n40,f\n40,f,2,no,,\n\"40\"a,f,2,no\n40,f,2,maybe\n"
	r, err := NewRowReader(strings.NewReader(text), "x.csv", encoded(), CSV{})
	if err != nil {
		t.Fatal(err)
	}
	want := []struct {
		line     int
		target   float64
		encoded  bool
		problems string
	}{
		{2, 1, true, ""},
		{3, 0, false, `line 3: age is "", want a value (the model has none that stands for a missing one)`},
		{5, 0, false, `line 5: sex is "x", want one of f, m; line 5: size is "y", want a number, with a decimal point if any`},
		{6, math.NaN(), false, "line 6: 2 values, want 4 as in line 1"},
		{7, 0, true, ""},
		{8, math.NaN(), false, "line 8: a quote at byte 4 is not closed, or inside a value, want it doubled and the value in quotes"},
		{9, math.NaN(), true, `line 9: ill is "maybe", want one of no, yes`},
	}
	for _, w := range want {
		row, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		var problems []string
		for _, p := range row.Problems {
			problems = append(problems, p.String())
		}
		if row.Line != w.line || row.Target != w.target && !math.IsNaN(w.target) || math.IsNaN(w.target) != math.IsNaN(row.Target) || (row.Features != nil) != w.encoded || strings.Join(problems, "; ") != w.problems {
			t.Errorf("%+v, %s\nwant %+v", row, problems, w)
		}
	}
	if _, err := r.Next(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	r, err = NewRowReader(strings.NewReader("age,sex,size\n40,f,2\n40,\"f,2\n40,f,2\n"), "x.csv", encoded(), CSV{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Next(); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "not closed") {
		t.Errorf("a quote that swallows rows: %v", err)
	}
}

// Raw rows are read as participants' tables are: by aliases, and in any case.
func TestRowReaderOfOwn(t *testing.T) {
	s := patients().Table
	s.Label.Aliases = map[string]string{"sick": "ill"}
	s.Features[3].Missing = ""
	e, err := s.Encoding(Plain(2))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := readRows(strings.NewReader("outcome,age,sex,smoker,blood_pressure\nSICK,31,Weiblich,WAHR,1\nHealthy,42,M,,2\n"), "x.csv", e, CSV{})
	if err != nil {
		t.Fatal(err)
	}
	if want := []float32{31, 1, 0, 0, 1, 1, 42, 0, 1, 1, 0, 2}; !slices.Equal(rows.Features, want) || !slices.Equal(rows.Targets, []float64{1, 0}) {
		t.Errorf("got %v of %v, want %v of [1 0]", rows.Features, rows.Targets, want)
	}
	if _, err := readRows(strings.NewReader("age,sex,smoker,blood_pressure\n31,x,yes,1\n"), "x.csv", e, CSV{}); err == nil || !strings.Contains(err.Error(), `column 2 (sex) is "x", want one of f, m`) {
		t.Errorf("got %v", err)
	}
}
