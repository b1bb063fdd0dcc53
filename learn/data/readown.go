package data

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
)

// OwnRows are the rows of a participant's table, read under a schema, and what was wrong
// with it. [OwnRows.Own] makes data of them.
type OwnRows struct {
	Dialect
	Found    []Found
	Rejected int       // rows with problems, which are not in the data
	Problems []Problem // the first MaxProblems
	Count    int       // all problems
	Offers   []Offer   // what texts can stand for
	Question *Question // about the decimal sign; rows are not used before it is answered
	Notes    []string  // sentences on what was understood, and on what is odd

	name   string
	schema *Schema
	table  *Table
}

// Len returns the number of rows without problems.
func (r *OwnRows) Len() int { return r.table.Len() }

// ReadOwn reads all rows of a table that a participant has brought, in one pass: it never
// holds the file. Rows with problems are listed and not kept. name is the file's in
// errors: those of reading and of OwnCSV.Progress, and *Refusal: what is no table, a field
// without a column, more rows than the schema takes or more than MaxOwnCells values.
func ReadOwn(r io.Reader, name string, s *Schema, how OwnCSV) (*OwnRows, error) {
	counted := &countedReader{r: r, progress: how.Progress}
	o, in, _, err := openOwn(counted, name, s, how)
	if err != nil {
		return nil, counted.first(err)
	}
	if lost := o.lost(); lost != "" {
		return nil, o.refuse("%s does not have all columns of the task: %s. Its columns are %s.", name, lost, firstNames(o.names))
	}
	out := &OwnRows{Dialect: o.Dialect, Found: o.found, name: name, schema: s}
	t := s.Table.table(name)
	out.table = t
	records := newRecords(in, o.Separator, maxOwnRecord)
	features := len(t.Columns)
	most := MaxOwnCells / len(o.fields)
	if s.Max > 0 {
		most = min(most, s.Max)
	}
	header := o.Header
	for {
		fields, err := records.next()
		o.line = o.skipped + records.start
		if err == io.EOF {
			break
		}
		if err != nil {
			if err = o.wrong(err); err != nil {
				return nil, counted.first(err)
			}
			continue
		}
		if header {
			header = false
			continue
		}
		if !o.row(fields) {
			continue
		}
		t.cells.add(o.cells[:features])
		if y := o.cells[features]; t.Classes != nil {
			t.labels = append(t.labels, uint8(y))
		} else {
			t.targets = append(t.targets, y)
		}
		if counted.rows = t.Len(); counted.rows&1023 == 0 || counted.rows > most {
			if err := o.bound(most, counted.rows, records.offset); err != nil {
				return nil, err
			}
		}
	}
	out.Rejected, out.Problems, out.Count = o.rejected, o.problems, o.count
	out.Offers, out.Question = o.offers(), o.question()
	out.Notes = append(o.notes, o.remarks(t)...)
	return out, nil
}

// table returns an empty table of the schema.
func (s *TableSchema) table(name string) *Table {
	t := &Table{name: name, Target: s.Label.Name, cells: newGrid(len(s.Features))}
	for i := range s.Features {
		t.Columns = append(t.Columns, Column{Name: s.Features[i].Name, Categories: s.Features[i].Values})
	}
	if s.Label.Type != NumberField {
		t.Classes = s.Label.Values
	}
	return t
}

// wrong makes a problem of a record whose quotes are wrong, or returns why the file
// cannot be read further.
func (o *ownReader) wrong(err error) error {
	q := (*quoteError)(nil)
	switch {
	case errors.Is(err, errRecord):
		return o.tooLarge("%s, line %d: a row is longer than %d bytes. Is a quote not closed?", o.name, o.line, maxOwnRecord)
	case !errors.As(err, &q):
		return fmt.Errorf("data: read %s after line %d: %w", o.name, o.line-1, err)
	case q.line != q.start: // it would swallow rows
		return o.refuse("%s, line %d: a quote is not closed. Correct that line.", o.name, o.line)
	}
	o.rejected++
	o.problem(q.problem(o.line))
	return nil
}

// bound checks the number of rows: those so far, and those that the size of the file lets
// expect after offset bytes. That may be twice the limit, because rows differ in length.
func (o *ownReader) bound(most, rows int, offset int64) error {
	expected, about := rows, ""
	if o.how.Size > 0 && offset > 0 {
		if e := float64(o.how.Size) / float64(offset) * float64(rows); e > 2*float64(most) {
			expected, about = int(min(e, 1e15)), "about "
		}
	}
	if expected <= most {
		return nil
	}
	if most*len(o.fields) > MaxOwnCells-len(o.fields) {
		return o.tooLarge("%s has %s%d rows of %d values, and at most %d rows fit in memory. Choose a part of it.", o.name, about, expected, len(o.fields), most)
	}
	if about == "" {
		about = "more than "
		expected = most
	}
	return o.tooLarge("%s has %s%d rows, and the task takes at most %d. Choose a part of it.", o.name, about, expected, most)
}

// remarks returns sentences on the rows that were read.
func (o *ownReader) remarks(t *Table) (notes []string) {
	if o.repeated > 0 {
		notes = append(notes, fmt.Sprintf("Left out, because they repeat the names: %s.", plural(o.repeated, "line")))
	}
	for k := range o.fields {
		if f := &o.fields[k]; f.missing > 0 {
			what := clipName(f.Missing)
			if f.Type == NumberField && f.Missing == MeanFill {
				what = "the mean of all participants"
			}
			notes = append(notes, fmt.Sprintf("Missing in %s: %s, filled with %s.", clipName(f.Name), plural(f.missing, "value"), what))
		}
	}
	if t.Len() < 2 {
		return notes
	}
	if t.Classes != nil {
		notes = append(notes, absent(Count(t.labels, len(t.Classes)), t.Classes)...)
	}
	if names := t.constant(); names != nil {
		notes = append(notes, fmt.Sprintf("All rows have the same value in %s.", listed(names)))
	}
	return notes
}

// constant returns the names of the columns in which all rows are equal.
func (t *Table) constant() (names []string) {
	equal := make([]bool, len(t.Columns))
	left := len(equal)
	for k := range equal {
		equal[k] = true
	}
	first := t.cells.row(0)
	for r := 1; r < t.Len() && left > 0; r++ {
		for k, v := range t.cells.row(r) {
			if equal[k] && v != first[k] && !(math.IsNaN(v) && math.IsNaN(first[k])) {
				equal[k] = false
				left--
			}
		}
	}
	for k, same := range equal {
		if same {
			names = append(names, t.Columns[k].Name)
		}
	}
	return names
}

// Own returns the rows as data, whose holdout is drawn from seed. skip leaves out the
// rows with problems; without it, and in the cases below, it returns a *Refusal: no rows,
// fewer or more than the schema wants, or a question that is not answered.
func (r *OwnRows) Own(seed uint64, skip bool) (*Own, error) {
	refuse := func(format string, args ...any) (*Own, error) {
		return nil, &Refusal{fmt.Sprintf(format, args...), ErrFormat}
	}
	if r.Question != nil {
		return refuse("%s: %v", r.name, r.Question)
	}
	for _, o := range r.Offers {
		if o.Shifted != "" {
			return refuse("%s: %s. Say what its values stand for.", r.name, o.Shifted)
		}
	}
	switch n := r.Len(); {
	case n == 0 && r.Rejected == 0:
		return refuse("%s has no rows.", r.name)
	case n == 0:
		return refuse("%s has no row without problems. The first: %v.", r.name, r.Problems[0])
	case r.Rejected > 0 && !skip:
		return refuse("%s: problems in %d of %d rows. The first: %v. Correct them, or leave these rows out.", r.name, r.Rejected, n+r.Rejected, r.Problems[0])
	case n < r.schema.least():
		return refuse("%s has %s without problems, and the task wants at least %d.", r.name, plural(n, "row"), r.schema.least())
	}
	return NewOwnTable(r.schema, r.table, seed)
}

// countedReader counts what is read, reports it, and ends when the report says so.
type countedReader struct {
	r        io.Reader
	progress func(bytes int64, rows int) error
	rows     int
	at, next int64
	stop     error
}

// Read implements io.Reader.
func (c *countedReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if c.at += int64(n); c.progress != nil && (c.at >= c.next || err == io.EOF) {
		const step = 1 << 20
		c.next = c.at + step
		if c.stop = c.progress(c.at, c.rows); c.stop != nil {
			return n, c.stop
		}
	}
	return n, err
}

// first returns the error that has ended the reading, else err.
func (c *countedReader) first(err error) error {
	if c.stop != nil {
		return c.stop
	}
	return err
}

// firstNames lists the first of names, for errors.
func firstNames(names []string) string {
	const most = 20
	var b strings.Builder
	for i, s := range names[:min(len(names), most)] {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(clipName(s))
	}
	if len(names) > most {
		fmt.Fprintf(&b, " and %d more", len(names)-most)
	}
	return b.String()
}
