package data

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// OwnCSV says how the table of a participant is read. Zero detects everything.
type OwnCSV struct {
	Separator rune   // 0: detected
	Decimal   rune   // '.' or ','; 0: detected, and asked for where no number shows it
	Header    Header // whether the first line holds names

	// Columns are what a person has chosen: the column of the file, from 0, by field.
	Columns map[string]int
	// Aliases are what a person has chosen: values of a field by the text in the file.
	// They come before all others. An entry for a field, even an empty one, is the answer
	// to its Offer.
	Aliases map[string]map[string]string

	Size     int64                             // of the file in bytes, 0 if unknown; refuses a file that is too long early
	Progress func(bytes int64, rows int) error // called for each MiB or so; its error ends the reading
}

// Bounds of a table that a participant brings. Reading takes 8 bytes for each cell (a row
// has one for each field) and about 5 MB beside them.
const (
	MaxOwnCells   = 1 << 26 // rows times fields: 512 MiB
	maxOwnColumns = 1 << 14 // of the file, as in a spreadsheet
	maxOwnRecord  = 1 << 20 // bytes of a row
	ownSample     = 1 << 20 // bytes from which the dialect is detected
	ownSampleRows = 1000    // rows from which it is detected
	maxTexts      = 4096    // different texts that are remembered of a column
)

// Dialect is how a table is written.
type Dialect struct {
	Encoding  string // UTF-8, UTF-16 or Windows-1252
	Separator rune
	Decimal   rune
	Header    bool // the first line holds the names of the columns
}

// Problem is a value that cannot be used, or a row.
type Problem struct {
	Line   int
	Column string // name in the file; empty: the row
	Value  string
	Want   string // what would be right
}

// String returns the problem as a sentence without its point.
func (p Problem) String() string {
	return fmt.Sprintf("line %d: %s", p.Line, p.Words())
}

// Words returns the problem as String does, without the line.
func (p Problem) Words() string {
	if p.Column == "" {
		return fmt.Sprintf("%s, want %s", p.Value, p.Want)
	}
	return fmt.Sprintf("%s is %s, want %s", clipName(p.Column), clip(p.Value), p.Want)
}

// Question is a number of a file that can be read in two ways. OwnCSV.Decimal is the
// answer.
type Question struct {
	Line         int
	Column       string
	Value        string
	Point, Comma string // the number with a decimal point, and with a decimal comma
}

// String returns the question.
func (q *Question) String() string {
	return fmt.Sprintf("Line %d: %s is %s. Is that %s, with a decimal point, or %s, with a decimal comma?", q.Line, clipName(q.Column), clip(q.Value), q.Point, q.Comma)
}

// ownReader reads a table under a schema.
type ownReader struct {
	Dialect
	name   string
	schema *TableSchema
	how    OwnCSV
	names  []string // of the file's columns
	first  []string // the line of names, as it is
	found  []Found
	notes  []string
	signs  signs
	asks   bool // a number may still show the decimal sign

	fields []ownField // features, label last
	order  []int      // fields in the order of their columns in the file
	cells  []float64  // of the current row, by field
	wants  []string   // of the current row, by field: what would be right; empty: the value is

	skipped  int // lines before the table
	line     int // of the current row, from 1
	rejected int // rows with problems
	repeated int // lines of names
	problems []Problem
	count    int // all problems
}

// ownField is how a field is read, and what was.
type ownField struct {
	*Field
	column   int
	lo, hi   float64
	chosen   map[string]string   // aliases that the person has chosen
	answered bool                // the person has answered the offer
	texts    map[string]*ownText // of a category; at most maxTexts
	order    []*ownText          // in the order of the file
	missing  int
}

// openOwn looks at the beginning of a file and settles how it is read. It returns the
// text, of which it has consumed nothing, and the whole lines at its beginning.
func openOwn(r io.Reader, name string, s *Schema, how OwnCSV) (o *ownReader, in *bufio.Reader, sample []byte, err error) {
	o = &ownReader{name: name, schema: s.Table, how: how}
	if s.Table == nil {
		return nil, nil, nil, o.refuse("The task wants images, not a table.")
	}
	raw := bufio.NewReaderSize(r, ownSample)
	head, err := raw.Peek(ownSample)
	if err != nil && err != io.EOF {
		return nil, nil, nil, fmt.Errorf("data: read %s: %w", name, err)
	}
	if what := foreign(head); what != "" {
		return nil, nil, nil, o.refuse("%s is %s, not a table in text.%s", name, what, remedy(what))
	}
	o.Encoding = encodingOf(head)
	if in, err = utf8Reader(raw, name); err != nil {
		return nil, nil, nil, err
	}
	if sample, err = look(in, name); err != nil {
		if text := (*textError)(nil); errors.As(err, &text) {
			err = text.refusal()
		}
		return nil, nil, nil, err
	}
	if rest, sep := excelSeparator(sample); sep != 0 {
		if _, err := in.Discard(len(sample) - len(rest)); err != nil {
			return nil, nil, nil, err
		}
		o.skipped, o.Separator, sample = 1, sep, rest
	}
	if err := o.settle(sample, in.Buffered() > 0); err != nil {
		return nil, nil, nil, err
	}
	return o, in, sample, nil
}

// remedy says how to make a table in text of a file.
func remedy(what string) string {
	switch {
	case strings.Contains(what, "Excel"), strings.Contains(what, "LibreOffice"), strings.Contains(what, "spreadsheet"):
		return " Open it in its program, save the sheet as CSV (File, Save as, CSV UTF-8) and choose that file."
	case strings.Contains(what, "Parquet"):
		return " Save it as CSV (in Python: pandas.read_parquet(FILE).to_csv(NEW, index=False)) and choose that file."
	case strings.Contains(what, "compressed"), strings.Contains(what, "archive"):
		return " Unpack it and choose the file in it."
	}
	return " Choose a CSV file: a table in text with a line for each row."
}

// plainly returns an error about a file as sentences for a person.
func plainly(err error) error {
	for _, kind := range []error{ErrFormat, ErrTooLarge, ErrSettings} {
		if errors.Is(err, kind) {
			text := strings.TrimSuffix(strings.TrimPrefix(err.Error(), "data: "), ": "+kind.Error())
			return &Refusal{text + ".", kind}
		}
	}
	return err
}

// encodingOf returns the encoding of a text by its first bytes, as utf8Reader reads it.
func encodingOf(head []byte) string {
	switch {
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		return "UTF-8"
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")), halfZero(head, 0), halfZero(head, 1):
		return "UTF-16"
	case validUTF8(head, len(head) < ownSample):
		return "UTF-8"
	}
	return "Windows-1252"
}

func (o *ownReader) refuse(format string, args ...any) error {
	return &Refusal{fmt.Sprintf(format, args...), ErrFormat}
}

func (o *ownReader) tooLarge(format string, args ...any) error {
	return &Refusal{fmt.Sprintf(format, args...), ErrTooLarge}
}

// settle settles separator, header, columns and decimal sign. more reports whether the
// file has more than the sample.
func (o *ownReader) settle(sample []byte, more bool) error {
	if o.Separator = cmp.Or(o.how.Separator, o.Separator); o.Separator == 0 {
		o.Separator = separator(sample)
	}
	if !validSeparator(o.Separator) {
		return o.refuse("The separator is %q, want a character other than a quote or a line end.", o.Separator)
	}
	r := newRecords(bytes.NewReader(sample), o.Separator, maxOwnRecord)
	fields, err := r.next()
	switch {
	case len(sample) == 0 && more:
		return o.tooLarge("%s has a row of more than %d bytes. Is it a table, with a line for each row?", o.name, maxOwnRecord)
	case err == io.EOF:
		return o.refuse("%s is empty.", o.name)
	case err != nil:
		return o.refuse("%s, line %d: %v.", o.name, o.skipped+r.start, err)
	case len(fields) > maxOwnColumns:
		return o.tooLarge("%s has %d columns, more than %d.", o.name, len(fields), maxOwnColumns)
	}
	for _, f := range fields {
		o.first = append(o.first, strings.TrimSpace(string(f)))
	}
	o.settleHeader(sample)
	o.found = o.schema.find(o.names, o.Header, o.how.Columns)
	if !o.Header {
		how := "are called by their numbers"
		if o.found[0].By == ByOrder {
			how = "are taken in the order of the task"
		}
		o.notes = append(o.notes, "The file has no line of names: its columns "+how+".")
	}
	all := o.schema.fields()
	label := o.schema.Label
	label.Missing = "" // nothing stands for what is to be predicted
	all[len(all)-1] = &label
	for k, f := range all {
		col := ownField{Field: f, column: o.found[k].Column, lo: -math.MaxFloat32, hi: math.MaxFloat32}
		col.chosen, col.answered = o.how.Aliases[f.Name]
		if f.Type == NumberField {
			if f.Min != nil {
				col.lo = *f.Min
			}
			if f.Max != nil {
				col.hi = *f.Max
			}
		} else {
			col.texts = map[string]*ownText{}
		}
		o.fields = append(o.fields, col)
	}
	for k := range o.fields {
		if o.fields[k].column >= 0 {
			o.order = append(o.order, k)
		}
	}
	slices.SortFunc(o.order, func(a, b int) int { return o.fields[a].column - o.fields[b].column })
	o.cells, o.wants = make([]float64, len(o.fields)), make([]string, len(o.fields))
	if o.Decimal = o.how.Decimal; o.Decimal == 0 {
		o.settleDecimal(sample)
	}
	return nil
}

// excelSeparator returns the separator of a first line sep=X, which Excel writes and
// reads, and what follows that line.
func excelSeparator(sample []byte) ([]byte, rune) {
	line, rest, _ := bytes.Cut(sample, []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	if s, ok := bytes.CutPrefix(bytes.ToLower(line), []byte("sep=")); ok {
		if r, n := utf8.DecodeRune(s); n == len(s) && validSeparator(r) {
			return rest, r
		}
	}
	return sample, 0
}

// settleHeader tells whether the first line holds names: it does if it holds that of a
// field, or if it looks like one.
func (o *ownReader) settleHeader(sample []byte) {
	switch o.how.Header {
	case HeaderPresent:
		o.Header = true
	case DetectHeader:
		for _, f := range o.schema.find(o.namesOf(o.first), true, nil) {
			o.Header = o.Header || f.Column >= 0
		}
		o.Header = o.Header || value(o.first, firstRows(sample, o.Separator)) < 0
	}
	if o.Header {
		o.names = o.namesOf(o.first)
		return
	}
	o.names = o.namesOf(make([]string, len(o.first)))
}

// namesOf returns the names of columns, numbers from 1 for those without one.
func (o *ownReader) namesOf(row []string) []string {
	names := make([]string, len(row))
	for i, s := range row {
		if names[i] = oneLine(strings.ToValidUTF8(s, "\ufffd")); names[i] == "" {
			names[i] = strconv.Itoa(i + 1)
		}
	}
	return names
}

// settleDecimal detects the decimal sign from the columns of numbers.
func (o *ownReader) settleDecimal(sample []byte) {
	r := newRecords(bytes.NewReader(sample), o.Separator, maxOwnRecord)
	for range ownSampleRows {
		row, err := r.next()
		if err == io.EOF || o.signs.point {
			break
		}
		if err != nil {
			continue // the reading of all rows reports it
		}
		for _, k := range o.order {
			if f := &o.fields[k]; f.Type == NumberField && f.column < len(row) {
				o.signs.add(string(bytes.TrimSpace(row[f.column])), o.skipped+r.start, f.column)
			}
		}
	}
	o.Decimal = o.signs.decimal()
	o.asks = !o.signs.settled()
}

// question returns what a person must be asked about the decimal sign, or nil.
func (o *ownReader) question() *Question {
	if o.how.Decimal != 0 || o.signs.either == "" || o.signs.settled() && o.signs.decimal() == o.Decimal {
		return nil
	}
	q := &Question{Line: o.signs.line, Column: o.names[o.signs.column], Value: o.signs.either}
	q.Point, q.Comma = o.signs.readings()
	return q
}

// lost returns what is wrong with the columns, nothing if each field has one.
func (o *ownReader) lost() string {
	var why []string
	for _, f := range o.found {
		if f.Column < 0 {
			why = append(why, f.Why)
		}
	}
	if why == nil {
		return ""
	}
	const most = 5
	more := ""
	if len(why) > most {
		more = fmt.Sprintf(" (and %d more)", len(why)-most)
		why = why[:most]
	}
	return strings.Join(why, "; ") + more
}

// row reads a record into o.cells. It returns whether the row can be used; otherwise it
// has added problems, or the record is no row.
func (o *ownReader) row(fields [][]byte) bool {
	switch {
	case blank(fields), len(fields) != len(o.names) && !o.fits(fields):
		return false
	case o.Header && o.repeats(fields):
		o.repeated++
		return false
	}
	bad := 0
	for _, k := range o.order {
		f := &o.fields[k]
		text := trim(fields[f.column])
		var v float64
		var want string
		if f.texts == nil {
			v, want = o.number(f, text)
		} else {
			v, want = f.category(text)
		}
		o.wants[k] = want
		if want != "" {
			bad++
		}
		o.cells[k] = v
	}
	if bad == 0 {
		return true
	}
	o.rejected++
	for _, k := range o.order {
		if want := o.wants[k]; want != "" {
			f := &o.fields[k]
			o.problem(Problem{o.line, o.names[f.column], string(trim(fields[f.column])), want})
		}
	}
	return false
}

// fits reports whether a record with more or fewer fields than there are names is a row:
// with empty fields after the others. Otherwise it adds a problem.
func (o *ownReader) fits(fields [][]byte) bool {
	if len(fields) > len(o.names) && blank(fields[len(o.names):]) {
		return true
	}
	o.rejected++
	o.problem(Problem{o.line, "", plural(len(fields), "value"), fmt.Sprintf("%d as in the first line", len(o.names))})
	return false
}

// repeats reports whether a record repeats the line of names.
func (o *ownReader) repeats(fields [][]byte) bool {
	for i, s := range o.first {
		if string(bytes.TrimSpace(fields[i])) != s {
			return false
		}
	}
	return true
}

// MaxProblems is the max number of problems that are listed; all are counted.
const MaxProblems = 1000

func (o *ownReader) problem(p Problem) {
	if o.count++; len(o.problems) < MaxProblems {
		p.Value = shortened(p.Value)
		o.problems = append(o.problems, p)
	}
}

// shortened returns a value for a Problem.
func shortened(s string) string {
	const most = 200
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}

// plural counts things.
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return strconv.Itoa(n) + " " + thing + "s"
}

func blank(fields [][]byte) bool {
	for _, f := range fields {
		if len(trim(f)) > 0 {
			return false
		}
	}
	return true
}

// trim is bytes.TrimSpace, faster where there is none.
func trim(b []byte) []byte {
	if n := len(b); n == 0 || b[0]-'!' < utf8.RuneSelf-'!' && b[n-1]-'!' < utf8.RuneSelf-'!' {
		return b
	}
	return bytes.TrimSpace(b)
}
