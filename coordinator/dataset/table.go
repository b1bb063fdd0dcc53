package dataset

import (
	"bytes"
	_ "embed"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"fedtab/coordinator/task"
	"fedtab/learn/data"
	"fedtab/learn/rng"
)

// anes96 is the embedded table; see anes96/README.md.
//
//go:embed anes96/anes96.csv
var anes96 []byte

func loadANES96(t *task.Task) (*Dataset, error) {
	v := task.CSV{Target: "vote", Classes: []string{"Clinton", "Dole"}, Scale: "standard"}
	d, err := loadTable(t, v, bytes.NewReader(anes96), "anes96.csv", int64(len(anes96)))
	if err != nil {
		return nil, err
	}
	d.Public = true
	d.Summary = "How Americans meant to vote in 1996: " + d.Summary
	return d, nil
}

func loadCSV(t *task.Task) (*Dataset, error) {
	f, err := open(t.Data.CSV.Path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	d, err := loadTable(t, t.Data.CSV, f, t.Data.CSV.Path, f.size)
	if err != nil {
		return nil, err
	}
	d.Summary = filepath.Base(t.Data.CSV.Path) + ": " + d.Summary
	return d, nil
}

// Dialect returns the settings of a table in the words of a task's data.csv; what is
// empty, or no such word, is detected.
func Dialect(separator, decimal, header string) data.CSV {
	cfg := data.CSV{
		Separator: map[string]rune{"comma": ',', "semicolon": ';', "tab": '\t'}[separator],
		Decimal:   map[string]rune{"point": '.', "comma": ','}[decimal],
		Header:    map[string]data.Header{"present": data.HeaderPresent, "absent": data.HeaderAbsent}[header],
	}
	if sep, n := utf8.DecodeRuneInString(separator); n == len(separator) && n > 0 {
		cfg.Separator = sep
	}
	return cfg
}

// loadTable reads a table, holds out the test rows and prepares both sets.
func loadTable(t *task.Task, v task.CSV, r io.Reader, name string, size int64) (*Dataset, error) {
	cfg := Dialect(v.Separator, v.Decimal, v.Header)
	cfg.Target, cfg.Values, cfg.Classes, cfg.Ignore, cfg.Size = v.Target, v.Predict == "number", v.Classes, v.Ignore, size
	if t.Data.Partition.Kind == task.ByColumn {
		cfg.Group = t.Data.Partition.Column
	}
	cfg.Missing = map[string]data.Missing{"drop": data.DropMissing, "mean": data.FillMean, "median": data.FillMedian}[v.Missing]
	for _, c := range v.Categorical {
		cfg.Categorical = append(cfg.Categorical, data.Category{Column: c.Column, Values: c.Values})
	}
	table, err := data.ReadCSV(r, name, cfg)
	if err != nil {
		return nil, err
	}
	if !cfg.Values && len(table.Classes) < 2 {
		return nil, fmt.Errorf("%s: all rows have the same %s, %q, want at least two classes", name, table.Target, table.Classes[0])
	}
	train, test, err := data.Holdout(table.Len(), t.Data.Holdout, rng.Derive(t.DataSeed(), "holdout"))
	if err != nil {
		return nil, fmt.Errorf("%s: data.holdout: %w", name, err)
	}
	p, err := table.Prepare(train, test, data.Preparation{Standardise: v.Scale == "standard", DropConstant: v.Constant == "drop"})
	if err != nil {
		return nil, err
	}
	said := notes(table, p)
	// Rows may be equal by chance where columns have few values; many equal rows are
	// most often duplicates.
	if n := overlap(p.Train, p.Test); n > 0 && 10*n >= p.Test.Len() {
		said = append(said, fmt.Sprintf("%d of the %d test rows are equal to training rows: test metrics are optimistic if these are duplicates", n, p.Test.Len()))
	}
	said = append(said, absent(table, p)...)
	d := &Dataset{
		Summary: summary(table, p), Train: p.Train, Test: p.Test,
		encoding: &p.Encoding, Classes: table.Classes, Notes: said,
	}
	if table.Groups != nil {
		names := make([]string, len(train))
		for i, row := range train {
			names[i] = table.Groups[row]
		}
		if err := d.divideByName(names); err != nil {
			return nil, fmt.Errorf("%s: column %s: %w", name, cfg.Group, err)
		}
		slices.Sort(table.Groups)
		if without := len(slices.Compact(table.Groups)) - len(d.clients); without > 0 {
			d.Notes = append(d.Notes, fmt.Sprintf("%d values of %s have all their rows in the test set, and are no clients", without, cfg.Group))
		}
	}
	return d, nil
}

// absent says which classes have no rows for training, or none for testing: their
// figures are unknown, and means over the classes leave them out.
func absent(t *data.Table, p *data.Prepared) (notes []string) {
	if t.Classes == nil {
		return nil
	}
	for _, part := range []struct {
		set *data.Set
		why string
	}{
		{p.Train, "no training row is of class %s: it cannot be learned"},
		{p.Test, "no test row is of class %s: its recall is unknown, and balanced accuracy and F1 leave it out"},
	} {
		for c, n := range data.Count(part.set.Y, len(t.Classes)) {
			if n == 0 {
				notes = append(notes, fmt.Sprintf(part.why, strconv.Quote(t.Classes[c])))
			}
		}
	}
	return notes
}

func summary(t *data.Table, p *data.Prepared) string {
	what := "a number"
	if t.Classes != nil {
		what = fmt.Sprintf("one of %d classes", len(t.Classes))
	}
	return fmt.Sprintf("%d rows of %d features, %d more for testing; %s is %s", p.Train.Len(), p.Train.Features(), p.Test.Len(), t.Target, what)
}

// notes tells what preparation has changed, one line each.
func notes(t *data.Table, p *data.Prepared) []string {
	var notes []string
	if t.Dropped > 0 {
		notes = append(notes, fmt.Sprintf("%d rows dropped: a value is missing", t.Dropped))
	}
	if t.Missing > 0 {
		notes = append(notes, fmt.Sprintf("%d missing values filled", t.Missing))
	}
	if len(p.Constant) > 0 {
		notes = append(notes, "constant columns dropped: "+strings.Join(p.Constant, ", "))
	}
	for _, c := range t.Columns {
		if c.Categories != nil {
			notes = append(notes, fmt.Sprintf("categories of %s: %s", c.Name, strings.Join(c.Categories, ", ")))
		}
	}
	return notes
}

// Guess reads a table, plain or compressed with gzip, and guesses what its columns hold.
func Guess(path string, dialect data.CSV) (*data.Guess, error) {
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return data.GuessCSV(f, path, dialect)
}
