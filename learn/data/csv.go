package data

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// CSV configures ReadCSV. Only Target is required.
type CSV struct {
	Target  string   // the column to be predicted: its name, or its number from 1
	Values  bool     // the target is a number; otherwise it is a class
	Classes []string // the classes in the order of their labels; empty: those in the file, sorted

	Ignore      []string   // columns that are left out
	Categorical []Category // columns that hold categories; all others hold numbers
	Group       string     // the column that tells whose each row is, which is no feature; empty: none

	Separator rune    // ',', ';', '\t' or any other; 0: detected from the first lines
	Decimal   rune    // '.' or ','; 0: detected from the first lines
	Header    Header  // whether the first line holds the names of the columns
	Missing   Missing // what happens to rows with missing values

	Size   int64  // of the file in bytes, 0 if unknown; refuses a table that is too large early
	Limits Limits // zero: DefaultLimits
}

// Category is a column that holds one of several texts.
type Category struct {
	Column string   // its name, or its number from 1
	Values []string // the allowed values, in this order; empty: those in the file, sorted
}

// Header tells whether the first line of a table holds the names of the columns.
type Header int

// The kinds of Header.
const (
	DetectHeader  Header = iota // a header if all fields are texts or empty
	HeaderPresent               // a header
	HeaderAbsent                // a row; columns are numbered from 1
)

// Missing tells what happens to a row with a missing value: an empty field, ?, -,
// NA, N/A, NaN or null, in lower or upper case.
type Missing int

// The kinds of Missing. All but DropMissing refuse a row whose target is missing.
const (
	RefuseMissing Missing = iota
	DropMissing           // drop the row
	FillMean              // the mean of the column over the training rows, or its most frequent category
	FillMedian            // the same with the median
)

// Limits bound the memory that a file can take.
type Limits struct {
	Rows    int // examples
	Columns int // of the file
	Values  int // rows times features; each takes about 30 bytes while a table is read
	Record  int // bytes of one row
}

// DefaultLimits keep ReadCSV below about 600 MB.
var DefaultLimits = Limits{Rows: 1 << 23, Columns: 4096, Values: 1 << 24, Record: 1 << 20}

// maxCategories is the max number of categories of a column, and of classes.
const maxCategories = 256

// ReadCSV reads a table in the format of RFC 4180 or a common variant: comma,
// semicolon or tab as separator, LF or CRLF as line end, in UTF-8, UTF-16 or
// Windows-1252, with or without a byte order mark. Quoted fields may hold separators
// and line ends. ReadCSV skips empty lines and ignores spaces around a value.
//
// Numbers may have a decimal comma if all of them do, groups of three digits and a
// per cent sign. The table is read in one pass and holds numbers only. name is the
// file's name in errors, which read NAME:LINE: column 3 (age) is "x", want a number.
// They wrap ErrFormat, or ErrTooLarge if a limit is exceeded.
func ReadCSV(r io.Reader, name string, cfg CSV) (*Table, error) {
	c, sample, err := newCSVReader(r, name, cfg)
	if err != nil {
		return nil, err
	}
	return c.read(sample)
}

// newCSVReader returns a reader of a table, whose dialect is settled but for the decimal
// sign, and the whole lines at the beginning of it.
func newCSVReader(r io.Reader, name string, cfg CSV) (*csvReader, []byte, error) {
	if cfg.Limits == (Limits{}) {
		cfg.Limits = DefaultLimits
	}
	raw := bufio.NewReaderSize(r, sampleSize)
	if head, _ := raw.Peek(sampleSize); foreign(head) != "" { // an error comes again
		return nil, nil, fmt.Errorf("data: %s:1: is %s, want text in CSV: %w", name, foreign(head), ErrFormat)
	}
	in, err := utf8Reader(raw, name)
	if err != nil {
		return nil, nil, err
	}
	sample, err := look(in, name)
	if err != nil {
		return nil, nil, err
	}
	if cfg.Separator == 0 {
		cfg.Separator = separator(sample)
	}
	if !validSeparator(cfg.Separator) {
		return nil, nil, fmt.Errorf("data: separator %q, want a valid character other than a quote or a line end: %w", cfg.Separator, ErrFormat)
	}
	c := &csvReader{cfg: cfg, name: name, in: newRecords(in, cfg.Separator, cfg.Limits.Record)}
	return c, sample, nil
}

func validSeparator(r rune) bool {
	return r != '"' && r != '\r' && r != '\n' && r != 0 && utf8.ValidRune(r) && r != utf8.RuneError
}

// csvReader reads one table.
type csvReader struct {
	cfg    CSV
	name   string
	in     *records
	line   int      // of the current row, from 1
	fields []string // of the current row, as next returns them
	text   []byte   // of the current row, a workspace

	names   []string       // of the file's columns
	at      map[string]int // columns by name
	unnamed string         // why the columns have no names; empty if they have
	columns []column       // of the file
	target  int            // index into columns
	table   *Table
	cells   []float64         // of the current row, a workspace
	groups  map[string]string // the names of groups, by themselves; nil: there is no such column
}

// column is how a column of the file is read.
type column struct {
	role  role
	fixed bool           // the categories in codes are the only ones
	codes map[string]int // of a category or class
	texts []string       // by code

	// For rows that a trained model takes:
	aliases  map[string]string // other ways to write texts
	min, max *float64          // bounds of a number; nil: none
}

type role uint8

const (
	number role = iota
	category
	target // with codes if it is a class
	ignored
	group
)

func (c *csvReader) read(sample []byte) (*Table, error) {
	row, err := c.next()
	if err == io.EOF {
		return nil, fmt.Errorf("data: %s is empty, want rows of values: %w", c.name, ErrFormat)
	}
	if err != nil {
		return nil, err
	}
	header := c.header(row, sample)
	if err := c.resolve(); err != nil {
		return nil, err
	}
	if err := c.settleDecimal(sample); err != nil {
		return nil, err
	}
	first := c.line
	for fresh := !header; ; fresh = true {
		if fresh {
			if len(row) != len(c.names) {
				return nil, c.refuse("%d fields, want %d as in line %d", len(row), len(c.names), first)
			}
			if err := c.row(row); err != nil {
				return nil, err
			}
		}
		if row, err = c.next(); err == io.EOF {
			break
		} else if err != nil {
			return nil, err
		}
	}
	if c.table.Len() == 0 {
		if c.table.Dropped > 0 {
			return nil, fmt.Errorf("data: %s: a value is missing in each of the %d rows: %w", c.name, c.table.Dropped, ErrFormat)
		}
		return nil, fmt.Errorf("data: %s has a line of names and no rows: %w", c.name, ErrFormat)
	}
	return c.finish(), nil
}

// settleDecimal detects the decimal sign unless it is set.
func (c *csvReader) settleDecimal(sample []byte) error {
	if c.cfg.Decimal != 0 {
		return nil
	}
	sign, ambiguous := c.decimal(sample)
	if ambiguous != "" {
		return fmt.Errorf("data: %s, want to be told the decimal sign, point or comma: %w", ambiguous, ErrDecimal)
	}
	c.cfg.Decimal = sign
	return nil
}

// next returns the next row, or io.EOF.
func (c *csvReader) next() ([]string, error) {
	row, err := c.nextRow()
	if err != nil && err != io.EOF {
		return nil, c.failed(err)
	}
	return row, err
}

// nextRow is next with the errors of records.
func (c *csvReader) nextRow() ([]string, error) {
	fields, err := c.in.next()
	if err != nil {
		return nil, err
	}
	c.line = c.in.start
	c.text = c.text[:0]
	for _, f := range fields {
		c.text = append(c.text, f...)
	}
	text := string(c.text) // one allocation for the whole row
	c.fields = c.fields[:0]
	for _, f := range fields {
		c.fields = append(c.fields, text[:len(f)])
		text = text[len(f):]
	}
	return c.fields, nil
}

// failed returns an error of records, with the line and what would be right.
func (c *csvReader) failed(err error) error {
	if errors.Is(err, errRecord) {
		c.line = c.in.start
		return fmt.Errorf("data: %s:%d: a row is longer than %d bytes (is a quote not closed?): %w", c.name, c.line, c.in.limit, ErrTooLarge)
	}
	if q := (*quoteError)(nil); errors.As(err, &q) {
		c.line = q.line
		return c.refuse("%v", q)
	}
	return fmt.Errorf("data: read %s after line %d: %w", c.name, c.line, err)
}

// refuse returns an error about the current line.
func (c *csvReader) refuse(format string, args ...any) error {
	return fmt.Errorf("data: %s:%d: %s: %w", c.name, c.line, fmt.Sprintf(format, args...), ErrFormat)
}

// bad returns an error about a value of the current line.
func (c *csvReader) bad(i int, value, want string) error {
	return c.refuse("%s is %s, want %s", c.column(i), clip(value), want)
}

// column returns a column's number and name, for errors.
func (c *csvReader) column(i int) string {
	if c.names[i] == strconv.Itoa(i+1) {
		return fmt.Sprintf("column %d", i+1)
	}
	return fmt.Sprintf("column %d (%s)", i+1, clipName(c.names[i]))
}

// clip quotes a value for an error message, shortened when it is long.
func clip(s string) string {
	const most = 40
	if len(s) > most {
		return strconv.Quote(strings.ToValidUTF8(s[:most], "")) + "..."
	}
	return strconv.Quote(s)
}

// clipName is clip without quotes for a short printable name.
func clipName(s string) string {
	if q := clip(s); len(q) != len(s)+2 {
		return q
	}
	return s
}

// row adds one row to the table.
func (c *csvReader) row(row []string) error {
	t := c.table
	cells := c.cells[:0]
	var y float64
	owner := ""
	for i, s := range row {
		col := &c.columns[i]
		if col.role == ignored {
			continue
		}
		s = strings.TrimSpace(s)
		// A category may be called NA or ? if it is listed.
		if _, listed := col.codes[s]; missing(s) && !(col.fixed && listed) {
			switch {
			case c.cfg.Missing == DropMissing:
				t.Dropped++
				return nil
			case col.role == group:
				return c.bad(i, s, "a text that tells whose the row is (rows without one can only be dropped)")
			case col.role == target:
				return c.bad(i, s, "a value (rows without their target can only be dropped)")
			case c.cfg.Missing == RefuseMissing && c.unnamed == "" && c.names[i] == strconv.Itoa(i+1):
				return c.bad(i, s, "a value (the column has no name; it can be ignored)")
			case c.cfg.Missing == RefuseMissing:
				return c.bad(i, s, "a value (missing ones can be dropped, or filled with the mean or the median)")
			}
			cells = append(cells, math.NaN())
			t.Missing++
			continue
		}
		if col.role == group {
			if !ValidText(s) {
				return c.bad(i, s, "a short text that tells whose the row is")
			}
			owner = s
			continue
		}
		v, err := c.value(i, col, s)
		if err != nil {
			return err
		}
		if col.role == target {
			y = v
		} else {
			cells = append(cells, v)
		}
	}
	if c.cfg.Values {
		t.targets = append(t.targets, y)
	} else {
		t.labels = append(t.labels, uint8(y))
	}
	if c.groups != nil {
		t.Groups = append(t.Groups, c.intern(owner))
	}
	t.cells.add(cells)
	return c.bound()
}

// intern returns a copy of a group's name that all its rows share.
func (c *csvReader) intern(name string) string {
	kept, ok := c.groups[name]
	if !ok {
		kept = strings.Clone(name) // the field shares its memory with the whole row
		c.groups[kept] = kept
	}
	return kept
}

// value reads one field: a number, or the code of a text.
func (c *csvReader) value(i int, col *column, s string) (float64, error) {
	if col.codes == nil {
		if v, ok := parseNumber(s, c.cfg.Decimal); ok {
			if math.Abs(v) > math.MaxFloat32 {
				return 0, c.bad(i, s, "a number of at most 3.4e38")
			}
			return v, nil
		}
		want := "a number"
		if c.cfg.Decimal == ',' {
			want = "a number, with a decimal comma if any (if the point is the decimal sign, say so)"
		} else if _, ok := parseNumber(s, ','); ok {
			want = "a number with a decimal point (if the comma is the decimal one, say so)"
		} else if col.role == number {
			want = "a number (a column of texts must be listed as categorical, or ignored)"
		} else {
			want = "a number, or the target told to be a class"
		}
		return 0, c.bad(i, s, want)
	}
	if code, ok := col.codes[s]; ok {
		return float64(code), nil
	}
	if col.fixed {
		return 0, c.bad(i, s, "one of "+strings.Join(col.texts, ", "))
	}
	if !utf8.ValidString(s) {
		return 0, c.bad(i, s, "text in UTF-8")
	}
	if len(col.texts) == maxCategories {
		want := fmt.Sprintf("at most %d different values (more are no categories)", maxCategories)
		if col.role == target {
			want = fmt.Sprintf("at most %d different classes (is it a number to be predicted?)", maxCategories)
		}
		return 0, c.bad(i, s, want)
	}
	s = strings.Clone(s) // the field shares its memory with the whole row
	code := len(col.texts)
	col.codes[s] = code
	col.texts = append(col.texts, s)
	return float64(code), nil
}

// bound checks the limits after a row.
func (c *csvReader) bound() error {
	t, limits := c.table, c.cfg.Limits
	rows := t.Len()
	if rows > limits.Rows {
		return fmt.Errorf("data: %s:%d: more than %d rows: %w", c.name, c.line, limits.Rows, ErrTooLarge)
	}
	features := 0
	for i := range c.columns {
		switch c.columns[i].role {
		case number:
			features++
		case category:
			features += len(c.columns[i].texts)
		}
	}
	if rows*features > limits.Values {
		return fmt.Errorf("data: %s:%d: %d rows of %d values each, want at most %d values: %w", c.name, c.line, rows, features, limits.Values, ErrTooLarge)
	}
	// After some rows, the file's size gives an estimate of their number. It may
	// exceed the limit twice, because rows differ in length.
	const enough = 1000
	if rows == enough && c.cfg.Size > 0 {
		rows := float64(c.cfg.Size) / float64(c.in.offset) * float64(rows+t.Dropped)
		if rows*float64(features) > 2*float64(limits.Values) || rows > 2*float64(limits.Rows) {
			return fmt.Errorf("data: %s has %d bytes, which makes about %.0f rows of %d values each, want at most %d values and %d rows: %w",
				c.name, c.cfg.Size, rows, features, limits.Values, limits.Rows, ErrTooLarge)
		}
	}
	return nil
}

// finish sorts categories and classes and returns the table.
func (c *csvReader) finish() *Table {
	t := c.table
	if col := &c.columns[c.target]; !c.cfg.Values {
		order := col.sort()
		for i, y := range t.labels {
			t.labels[i] = uint8(order[y])
		}
		t.Classes = col.texts
	}
	k := 0
	for i := range c.columns {
		col := &c.columns[i]
		if col.role == category {
			order := col.sort()
			for r := range t.cells.rows {
				if cells := t.cells.row(r); !math.IsNaN(cells[k]) {
					cells[k] = float64(order[int(cells[k])])
				}
			}
			t.Columns[k].Categories = col.texts
		}
		if col.role == number || col.role == category {
			k++
		}
	}
	return t
}

// sort sorts texts that the settings do not list, by value if all are numbers. It
// returns the new code of every old one.
func (c *column) sort() []int {
	order := make([]int, len(c.texts))
	old := slices.Clone(c.texts)
	if !c.fixed {
		value := make(map[string]float64, len(c.texts))
		for _, s := range c.texts {
			if v, ok := parseNumber(s, '.'); ok {
				value[s] = v
			}
		}
		numbers := len(value) == len(c.texts)
		slices.SortFunc(c.texts, func(a, b string) int {
			if va, vb := value[a], value[b]; numbers && va != vb {
				if va < vb {
					return -1
				}
				return 1
			}
			return strings.Compare(a, b)
		})
		for code, s := range c.texts {
			c.codes[s] = code
		}
	}
	for i, s := range old {
		order[i] = c.codes[s]
	}
	return order
}

// missing reports whether s stands for a missing value.
func missing(s string) bool {
	switch len(s) {
	case 0:
		return true
	case 1:
		return s == "?" || s == "-"
	case 2, 3, 4:
		return strings.EqualFold(s, "NA") || strings.EqualFold(s, "N/A") || strings.EqualFold(s, "NaN") || strings.EqualFold(s, "null")
	}
	return false
}
