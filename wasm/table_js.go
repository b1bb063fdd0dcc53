//go:build readers

package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall/js"

	"fedtab/fields"
	"fedtab/learn/data"
	"fedtab/tab"
)

// openTable is a file with a table that the person looks at.
type openTable struct {
	file    js.Value
	name    string
	size    int64
	answers tab.Answers
	rows    *data.OwnRows // once it is read
}

const (
	shownColumns  = 16  // of the task, in a preview; the page gets slow with more
	shownProblems = 200 // of a file
	shownTexts    = 30  // of an offer
	shownRunes    = 60  // of a value
)

// openTable looks at the first of the files.
func (o *own) openTable(files js.Value) {
	file := files.Index(0).Get("file")
	o.closeFile()
	o.table = &openTable{file: file, name: file.Get("name").String(), size: int64(file.Get("size").Float())}
	o.report.Notes, o.report.Name = nil, o.table.name
	if n := files.Length(); n > 1 {
		o.report.Notes = []string{fmt.Sprintf("Of %d files only %s is read: a table is one file.", n, o.table.name)}
	}
	o.look()
}

// how is what the person has answered about the file.
func (t *openTable) how() data.OwnCSV {
	h := data.OwnCSV{Size: t.size, Columns: map[string]int{}, Aliases: map[string]map[string]string{}}
	switch t.answers.Decimal {
	case "point":
		h.Decimal = '.'
	case "comma":
		h.Decimal = ','
	}
	for i, name := range t.answers.Columns {
		h.Columns[name] = t.answers.Numbers[i] - 1
	}
	for i, name := range t.answers.In {
		if h.Aliases[name] == nil {
			h.Aliases[name] = map[string]string{}
		}
		if text := t.answers.Texts[i]; text != "" {
			h.Aliases[name][text] = t.answers.As[i]
		}
	}
	return h
}

// look reads the first rows of the file.
func (o *own) look() {
	t := o.table
	t.rows = nil
	// What is shown belongs to what was brought before.
	o.report.Problems, o.report.AllProblems, o.report.BadRows, o.report.GoodRows = nil, 0, 0, 0
	o.begin(tab.DataLoading, func(j *job) {
		p, err := data.PreviewOwn(newFileReader(t.file), t.name, o.schema, t.how())
		j.do(func() {
			if err != nil {
				o.fail(refusal(t.name, err))
				return
			}
			o.job = nil
			o.show(p)
		})
	})
}

// refusal says in words for a person why a file cannot be used.
func refusal(name string, err error) string {
	if words := fileTrouble(name, err); words != "" {
		return words
	}
	refused := (*data.Refusal)(nil)
	if errors.As(err, &refused) {
		return refused.Text
	}
	return name + " cannot be read: " + err.Error() + "."
}

// show tells the page how the first rows were understood.
func (o *own) show(p *data.Preview) {
	r := &o.report
	r.Step, r.Table, r.Name = tab.DataAsking, true, o.table.name
	r.Found = nil
	for _, name := range p.Names {
		r.Found = append(r.Found, short(name))
	}
	var shown []int
	r.Want = nil
	for k, f := range p.Found {
		if k < shownColumns || k == len(p.Found)-1 || f.Column < 0 && len(shown) < 2*shownColumns {
			shown = append(shown, k)
			r.Want = append(r.Want, tab.Wanted{Name: f.Field, Column: f.Column + 1, Several: f.Several, Why: f.Why})
		}
	}
	rows := tab.Preview{Type: "rows"}
	for _, row := range p.Rows {
		cells := make([]tab.Cell, len(shown))
		for i, k := range shown {
			c := row.Cells[k]
			cells[i] = tab.Cell{Text: short(c.Text), Value: short(c.Value), Problem: c.Want}
		}
		rows.Rows = append(rows.Rows, tab.Row{Line: row.Line, Cells: cells})
	}
	o.page.post(fields.Map(rows))
	o.questions(p.Question, p.Offers)
	r.Notes = append(first(r.Notes, "Of "), p.Notes...)
	o.post()
}

// first returns the notes that begin so.
func first(notes []string, with string) (kept []string) {
	for _, n := range notes {
		if strings.HasPrefix(n, with) {
			kept = append(kept, n)
		}
	}
	return kept
}

// questions tells the page what the person is asked.
func (o *own) questions(q *data.Question, offers []data.Offer) {
	r := &o.report
	r.Decimal, r.Question = o.table.answers.Decimal, ""
	if q != nil {
		r.Question = q.String()
	}
	o.offers(offers)
}

// offers tells the page which texts stand for no value, or for another.
func (o *own) offers(offers []data.Offer) {
	r := &o.report
	r.Offers = nil
	for _, f := range offers {
		of := tab.Offer{Column: f.Field, Why: f.Shifted, More: f.More, Values: f.Values}
		for i, t := range f.Texts {
			if i == shownTexts {
				of.More += len(f.Texts) - i
				break
			}
			of.Texts = append(of.Texts, tab.Text{Text: t.Text, Rows: t.Rows, As: f.Suggested[t.Text]})
		}
		if f.Shifted != "" { // the suggestion is for values too
			listed := map[string]bool{}
			for _, t := range of.Texts {
				listed[t.Text] = true
			}
			for text, value := range f.Suggested {
				if !listed[text] {
					of.Texts = append(of.Texts, tab.Text{Text: text, As: value})
				}
			}
		}
		r.Offers = append(r.Offers, of)
	}
}

// read reads all rows; with skip, those with problems are left out.
func (o *own) read(skip bool) {
	t := o.table
	if t.rows != nil {
		o.take(skip)
		return
	}
	o.begin(tab.DataReading, func(j *job) {
		how := t.how()
		how.Progress = func(bytes int64, _ int) error { return j.progress(bytes, t.size) }
		rows, err := data.ReadOwn(newFileReader(t.file), t.name, o.schema, how)
		j.do(func() {
			o.job = nil
			switch {
			case errors.Is(err, data.ErrFormat), errors.Is(err, data.ErrTooLarge): // the person may correct an answer
				o.report.Error, o.report.Step = refusal(t.name, err), tab.DataAsking
				o.post()
			case err != nil:
				o.fail(refusal(t.name, err))
			default:
				t.rows = rows
				o.take(skip)
			}
		})
	})
}

// take makes data of the rows that are read, or lists what is wrong with them.
func (o *own) take(skip bool) {
	t, r := o.table, &o.report
	d, err := t.rows.Own(rand.Uint64(), skip)
	r.Notes = append(first(r.Notes, "Of "), t.rows.Notes...)
	r.Problems, r.AllProblems = nil, t.rows.Count
	for i, p := range t.rows.Problems {
		if i == shownProblems {
			break
		}
		r.Problems = append(r.Problems, problem(p))
	}
	if err == nil {
		r.Error = "" // of the rows that are left out now
		before := r.ID
		o.has(d, t.name, t.size, "")
		o.keep(before)
		return
	}
	r.Step, r.Error = tab.DataRefused, refusal(t.name, err)
	r.BadRows, r.GoodRows = t.rows.Rejected, t.rows.Len()
	o.questions(t.rows.Question, t.rows.Offers)
	o.post()
}

// problem tells the page of a problem.
func problem(p data.Problem) tab.Problem {
	words := p.String()
	if where, what, ok := strings.Cut(words, ": "); ok {
		return tab.Problem{Where: where, What: what}
	}
	return tab.Problem{What: words}
}

// short cuts a text for the page.
func short(s string) string {
	if r := []rune(s); len(r) > shownRunes {
		return string(r[:shownRunes]) + "…"
	}
	return s
}
