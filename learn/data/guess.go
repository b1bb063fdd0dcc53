package data

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Guess is what a table seems to hold.
type Guess struct {
	Rows      int
	Separator rune
	Decimal   rune
	Header    bool
	Ambiguous string // why Decimal is no more than a guess; empty if it is sure
	Columns   []GuessedColumn
}

// GuessedColumn is what a column seems to hold. Without a name it is called by its
// number from 1.
type GuessedColumn struct {
	Name     string
	Kind     ColumnKind
	Values   []string // if there are few: in the order that ReadCSV gives categories and classes
	Counts   []int    // rows of each of Values
	Integers bool     // all numbers are whole
	Min, Max float64  // of numbers
	Distinct int      // different values, at most maxCategories + 1
	Missing  int      // missing values
	Odd      string   // the first value that is no number, in a column that has numbers too
	OddLine  int
}

// ColumnKind is what the values of a column are.
type ColumnKind int

// The kinds of column.
const (
	Numbers    ColumnKind = iota
	Categories            // at most 256 texts that occur more than once
	Dates                 // days, such as 2024-05-31 or 31.5.2024
	Texts                 // other texts, or of several lines
	RowNumbers            // whole numbers, each one more than that of the row above
	Constant              // one value, or none
)

// GuessCSV reads a whole table and guesses what its columns hold. Dialect, header and
// limits are those of [ReadCSV]; the other settings of cfg are not used. The error wraps
// ErrFormat or ErrTooLarge.
func GuessCSV(r io.Reader, name string, cfg CSV) (*Guess, error) {
	cfg = CSV{Separator: cfg.Separator, Decimal: cfg.Decimal, Header: cfg.Header, Limits: cfg.Limits}
	c, sample, err := newCSVReader(r, name, cfg)
	if err != nil {
		return nil, err
	}
	row, err := c.next()
	if err == io.EOF {
		return nil, fmt.Errorf("data: %s is empty, want rows of values: %w", name, ErrFormat)
	}
	if err != nil {
		return nil, err
	}
	g := &Guess{Separator: c.cfg.Separator, Header: c.header(row, sample)}
	if err := c.named(); err != nil {
		return nil, err
	}
	c.columns = make([]column, len(c.names))
	if c.cfg.Decimal == 0 {
		c.cfg.Decimal, g.Ambiguous = c.decimal(sample)
	}
	g.Decimal = c.cfg.Decimal
	seen := make([]guessing, len(c.names))
	for fresh := !g.Header; ; fresh = true {
		if fresh {
			if len(row) != len(c.names) {
				return nil, c.refuse("%d fields, want %d as in the first line", len(row), len(c.names))
			}
			if g.Rows++; g.Rows > c.cfg.Limits.Rows {
				return nil, fmt.Errorf("data: %s:%d: more than %d rows: %w", name, c.line, c.cfg.Limits.Rows, ErrTooLarge)
			}
			for i, s := range row {
				seen[i].add(strings.TrimSpace(s), c.cfg.Decimal, c.line)
			}
		}
		if row, err = c.next(); err == io.EOF {
			break
		} else if err != nil {
			return nil, err
		}
	}
	if g.Rows == 0 {
		return nil, fmt.Errorf("data: %s has a line of names and no rows: %w", name, ErrFormat)
	}
	for i := range seen {
		g.Columns = append(g.Columns, seen[i].column(c.names[i], g.Rows))
	}
	return g, nil
}

// guessing counts the values of a column.
type guessing struct {
	GuessedColumn
	numbers, dates, texts int
	serial                int            // numbers that follow the one above
	last                  float64        // number
	values                map[string]int // at most maxCategories + 1
	remarks               bool           // a text cannot be a category
}

func (g *guessing) add(s string, decimal rune, line int) {
	if missing(s) {
		g.Missing++
		return
	}
	if _, known := g.values[s]; known || len(g.values) <= maxCategories {
		if g.values == nil {
			g.values = map[string]int{}
		}
		g.values[strings.Clone(s)]++ // s shares its memory with the row
		g.remarks = g.remarks || !ValidText(s)
	}
	v, ok := parseNumber(s, decimal)
	if !ok {
		if date(s) {
			g.dates++
		} else {
			g.texts++
		}
		if g.Odd == "" {
			g.Odd, g.OddLine = strings.Clone(s), line
		}
		return
	}
	if g.numbers == 0 {
		g.Min, g.Max, g.Integers = v, v, true
	}
	if g.numbers > 0 && v == g.last+1 {
		g.serial++
	}
	g.numbers++
	g.last = v
	g.Min, g.Max = min(g.Min, v), max(g.Max, v)
	g.Integers = g.Integers && v == math.Trunc(v)
}

func (g *guessing) column(name string, rows int) GuessedColumn {
	c := g.GuessedColumn
	c.Name, c.Distinct = name, len(g.values)
	switch {
	case c.Distinct <= 1:
		c.Kind = Constant
	case g.texts == 0 && g.dates == 0 && g.serial == rows-1 && rows > 10:
		c.Kind = RowNumbers
	case g.texts == 0 && g.dates == 0:
		c.Kind = Numbers
	case g.dates > 0 && g.numbers == 0 && g.texts == 0:
		c.Kind = Dates
	// Texts that hardly repeat, or have several lines, are names or remarks.
	case c.Distinct <= maxCategories && 2*c.Distinct <= rows-c.Missing && !g.remarks:
		c.Kind = Categories
	default:
		c.Kind = Texts
	}
	if g.numbers == 0 {
		c.Odd, c.OddLine = "", 0
	}
	if c.Distinct <= maxCategories {
		col := column{}
		for s := range g.values {
			col.texts = append(col.texts, s)
		}
		col.codes = map[string]int{}
		col.sort()
		c.Values = col.texts
		for _, s := range c.Values {
			c.Counts = append(c.Counts, g.values[s])
		}
	}
	return c
}

// date reports whether a text is a day, as spreadsheets write it, perhaps with a time:
// 2024-05-31, 31.5.2024, 5/31/2024, 31-May-2024. Package time would take 13 KB of the tab.
func date(s string) bool {
	day := s
	if at := strings.IndexAny(s, " T"); at >= 0 {
		if day = s[:at]; strings.Trim(s[at:], "0123456789:.+- TZ") != "" {
			return false
		}
	}
	for _, sep := range []string{"-", ".", "/"} {
		parts := strings.Split(day, sep)
		if len(parts) != 3 {
			continue
		}
		yearFirst := len(parts[0]) == 4
		if yearFirst {
			slices.Reverse(parts)
		}
		return len(parts[2]) == 4 && digitsOnly(parts[2]) &&
			(within(parts[0], 31) && (within(parts[1], 12) || month(parts[1])) || !yearFirst && within(parts[0], 12) && within(parts[1], 31))
	}
	return false
}

// within reports whether a text is a number from 1 to most.
func within(s string, most int) bool {
	n, err := strconv.Atoi(s)
	return err == nil && digitsOnly(s) && len(s) <= 2 && n >= 1 && n <= most
}

// month reports whether a text is the beginning of an English month.
func month(s string) bool {
	at := strings.Index("janfebmaraprmayjunjulaugsepoctnovdec", strings.ToLower(s))
	return len(s) == 3 && at >= 0 && at%3 == 0
}
