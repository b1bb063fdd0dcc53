package ui

import (
	"math"
	"slices"
	"strings"

	"fedtab/fields"
	"fedtab/learn/data"
	"fedtab/tab"
)

// Own is the tab's own data: how to bring it, how it was understood, and what is kept.
// Its elements are always there, as those of Train are.
type Own struct {
	Page *Page
}

// schema is what the shown task wants; nil if it wants nothing.
func (p *Page) schema() *data.Schema { return p.Task.Data.Own }

// ownSchema returns the schema in a description of a task, for the worker.
func ownSchema(o map[string]any) any {
	d, _ := o["data"].(map[string]any)
	return d["own"]
}

// HasData reports whether there is what the shown task wants of this tab.
func (p *Page) HasData() bool { return p.schema() == nil || p.Data.Step == tab.DataReady }

// MayDelete reports whether kept data can be deleted now.
func (p *Page) MayDelete() bool { return p.Loaded && p.schema() != nil && !p.Taking() }

// MayBring reports whether data can be brought, or changed, now.
func (p *Page) MayBring() bool { return p.MayDelete() && !p.Over() }

// OnData takes in what the worker says of the tab's data.
func (p *Page) OnData(o map[string]any) {
	name := p.Data.Name
	fields.Fill(&p.Data, o)
	if p.Data.Name != name || p.Data.Step == tab.DataNone || p.Data.Step == tab.DataReady {
		p.Answers = tab.Answers{}
	}
}

// OnProgress takes in how much is read.
func (p *Page) OnProgress(o map[string]any) {
	var d tab.Data
	fields.Fill(&d, o)
	p.Data.Done, p.Data.Total = d.Done, d.Total
}

// OnBringFailed takes in why data could not be brought, before the worker has it. The page
// shows it until the person does something about the data.
func (p *Page) OnBringFailed(words string) { p.DataTrouble = words }

// AnswerColumn notes which column of the file, from 1, a column of the task is; 0: none.
func (p *Page) AnswerColumn(name string, column int) {
	a := &p.Answers
	i := slices.Index(a.Columns, name)
	if i < 0 {
		a.Columns, a.Numbers = append(a.Columns, name), append(a.Numbers, column)
		return
	}
	a.Numbers[i] = column
}

// AnswerDecimal notes the decimal sign of the file: point or comma.
func (p *Page) AnswerDecimal(sign string) { p.Answers.Decimal = sign }

// AnswerOffer takes the values that are offered for a column's texts; with asTheyAre all
// texts are values already.
func (p *Page) AnswerOffer(name string, asTheyAre bool) {
	for _, o := range p.Data.Offers {
		if o.Column != name {
			continue
		}
		if asTheyAre {
			p.AnswerText(name, "", "")
			return
		}
		for _, t := range o.Texts {
			if t.As != "" {
				p.AnswerText(name, t.Text, t.As)
			}
		}
	}
}

// AnswerLayout notes where the colours of images in a file are: first or last.
func (p *Page) AnswerLayout(layout string) { p.Answers.Layout = layout }

// AnswerText notes the value that a text in a column of the task stands for.
func (p *Page) AnswerText(name, text, value string) {
	a := &p.Answers
	for i := range a.In {
		if a.In[i] == name && a.Texts[i] == text {
			a.As[i] = value
			return
		}
	}
	a.In, a.Texts, a.As = append(a.In, name), append(a.Texts, text), append(a.As, value)
}

func (c *Own) shown() bool { return c.Page.schema() != nil }

func (c *Own) images() *data.ImageSchema {
	if s := c.Page.schema(); s != nil {
		return s.Images
	}
	return nil
}

// classes returns the names of the classes of pictures.
func (c *Own) classes() []string {
	if im := c.images(); im != nil {
		return im.Classes
	}
	return nil
}

// is reports whether the data is at one of the steps, and may be changed.
func (c *Own) is(steps ...tab.Step) bool {
	return c.Page.MayBring() && slices.Contains(steps, c.Page.Data.Step)
}

func (c *Own) bringing() bool {
	return c.is("", tab.DataNone, tab.DataAsking, tab.DataRefused, tab.DataReady)
}
func (c *Own) busy() bool   { return c.is(tab.DataLoading, tab.DataReading) }
func (c *Own) asking() bool { return c.is(tab.DataAsking, tab.DataRefused) }
func (c *Own) camera() bool { return c.images() != nil && c.bringing() && c.Page.Camera }
func (c *Own) drawn() bool  { return c.images() != nil && c.images().Drawn && c.bringing() }

// accept returns the types of files that the browser offers first.
func (c *Own) accept() string {
	if c.images() != nil {
		return "image/*,.zip,.csv,.gz,.idx,.idx3-ubyte,.idx1-ubyte"
	}
	return ".csv,.tsv,.tab,.txt,text/csv,text/tab-separated-values"
}

func (c *Own) chooseWords() string {
	switch {
	case c.images() != nil:
		return c.Page.say("own.choose.pictures")
	case c.Page.Data.Step == tab.DataReady:
		return c.Page.say("own.choose.another")
	}
	return c.Page.say("own.choose")
}

// wantedFields is how many columns a sentence names.
const wantedFields = 12

// wanted says what the task asks for.
func (c *Own) wanted() string {
	p := c.Page
	s := p.schema()
	switch {
	case s == nil:
		return ""
	case s.Images != nil:
		im := s.Images
		if im.Channels == 1 {
			return p.say("own.wanted.grey", p.listing(im.Classes), im.Width, im.Height)
		}
		return p.say("own.wanted.colour", p.listing(im.Classes), im.Width, im.Height)
	case s.Table != nil:
		var columns []string
		for i := range s.Table.Features {
			columns = append(columns, p.fieldWords(&s.Table.Features[i]))
		}
		return p.say("own.wanted.table", p.listing(columns), p.fieldWords(&s.Table.Label))
	}
	return ""
}

// fieldWords names a column and what it holds.
func (p *Page) fieldWords(f *data.Field) string { return f.Name + " (" + p.valueWords(f) + ")" }

// valueWords says what a column holds.
func (p *Page) valueWords(f *data.Field) string {
	if f.Type != data.NumberField {
		return p.Lang.Or(p.first(f.Values))
	}
	switch {
	case f.Min != nil && f.Max != nil:
		return p.say("value.between", p.bound(*f.Min), p.bound(*f.Max))
	case f.Min != nil:
		return p.say("value.min", p.bound(*f.Min))
	case f.Max != nil:
		return p.say("value.max", p.bound(*f.Max))
	}
	return p.say("value.number")
}

// listing joins names: a, b and c.
func (p *Page) listing(names []string) string { return p.Lang.And(p.first(names)) }

// first returns the names that a sentence can hold, and how many more there are.
func (p *Page) first(names []string) []string {
	if len(names) <= wantedFields+1 {
		return names
	}
	return append(slices.Clone(names[:wantedFields]), p.say("list.more", len(names)-wantedFields))
}

// state says how far the data is.
func (c *Own) state() string {
	p, d := c.Page, &c.Page.Data
	switch d.Step {
	case tab.DataLoading:
		return p.say("own.loading", c.name())
	case tab.DataAsking:
		return p.say("own.asking", c.name())
	case tab.DataReading:
		return c.reading()
	case tab.DataRefused:
		switch {
		case d.BadRows == 0:
			return p.say("own.refused", c.name())
		case c.images() != nil:
			return p.say("own.refused.pictures", d.BadRows, c.name())
		}
		return p.say("own.refused.rows", d.BadRows, c.name())
	case tab.DataReady:
		words := p.say("own.ready.rows", d.Examples, c.name())
		if c.images() != nil {
			words = p.say("own.ready.pictures", d.Examples, c.name())
			if strings.HasSuffix(d.Name, " pictures") {
				words = p.say("own.ready", c.name())
			}
		}
		if d.Holdout > 0 {
			words = p.say("own.ready.holdout", words, d.Holdout)
		}
		return words
	}
	if c.images() != nil && d.Examples > 0 {
		return p.say("own.few", d.Examples, p.schema().Min)
	}
	return p.say("own.none")
}

func (c *Own) name() string {
	if c.Page.Data.Name == "" {
		return c.Page.say("own.name")
	}
	return c.Page.phrase(c.Page.Data.Name)
}

func (c *Own) reading() string {
	p, d := c.Page, &c.Page.Data
	if c.images() != nil && !d.Table {
		if d.Total == 0 {
			return p.say("own.reading.pictures")
		}
		return p.say("own.reading.some", d.Done, d.Total)
	}
	return p.say("own.reading", c.name(), p.Lang.Size(d.Done), p.Lang.Size(d.Total))
}

// tone is the kind of the state, for its colour.
func (c *Own) tone() string {
	switch c.Page.Data.Step {
	case tab.DataLoading, tab.DataReading:
		return "busy"
	case tab.DataRefused:
		return "trouble"
	case tab.DataReady:
		return "done"
	}
	return "calm"
}

// trouble says what failed last.
func (c *Own) trouble() string {
	if c.Page.DataTrouble != "" {
		return c.Page.phrase(c.Page.DataTrouble)
	}
	return c.Page.phrase(c.Page.Data.Error)
}

func (c *Own) done() int64  { return min(c.Page.Data.Done, c.total()) }
func (c *Own) total() int64 { return max(1, c.Page.Data.Total) }

// skipWords is the text of the button that leaves rows out.
func (c *Own) skipWords() string {
	d := &c.Page.Data
	if c.images() != nil {
		return c.Page.say("own.skip.pictures", d.BadRows, d.GoodRows)
	}
	return c.Page.say("own.skip.rows", d.BadRows, d.GoodRows)
}

func (c *Own) canSkip() bool {
	d := &c.Page.Data
	asked := d.Question != "" || d.Layout || slices.ContainsFunc(d.Offers, func(o tab.Offer) bool { return o.Why != "" })
	return c.is(tab.DataRefused) && d.BadRows > 0 && d.GoodRows > 0 && !asked
}

// canRead reports whether every column of the task has one of the file.
func (c *Own) canRead() bool {
	return c.asking() && c.Page.Data.Table && c.Page.Data.Question == "" && !slices.ContainsFunc(c.Page.Data.Want, func(w tab.Wanted) bool { return w.Column == 0 })
}

func (c *Own) decimalAsked() bool {
	return c.asking() && (c.Page.Data.Question != "" || c.Page.Data.Decimal != "")
}

func (c *Own) decimalWords() string {
	if c.Page.Data.Question == "" {
		return c.Page.say("own.decimal")
	}
	return c.Page.phrase(c.Page.Data.Question)
}

// chosen returns "selected", so that the attribute is there, where it is true.
func chosen(is bool) any {
	if is {
		return "selected"
	}
	return nil
}

// want returns the columns that are looked at, nothing at other times: the page is slow
// with many.
func (c *Own) want() []tab.Wanted {
	if !c.asking() {
		return nil
	}
	return c.Page.Data.Want
}

// maxChoices is how many columns of a file all lists offer together.
const maxChoices = 1200

// choices returns the columns of the file that a column of the task can be.
func (c *Own) choices() []string {
	found := c.Page.Data.Found
	return found[:min(len(found), maxChoices/max(1, len(c.Page.Data.Want)))]
}

// wants says what a column of the task holds.
func (c *Own) wants(name string) string {
	s := c.Page.schema()
	if s == nil || s.Table == nil {
		return ""
	}
	if s.Table.Label.Name == name {
		return c.Page.say("value.label", c.Page.valueWords(&s.Table.Label))
	}
	for i := range s.Table.Features {
		if f := &s.Table.Features[i]; f.Name == name {
			return c.Page.valueWords(f)
		}
	}
	return ""
}

// bound writes a bound of a number: a year as 1800, a price as 1,300,000.
func (p *Page) bound(v float64) string {
	if a := math.Abs(v); a >= 10000 && a <= math.MaxInt32 && v == math.Trunc(v) {
		return p.Lang.Count(int(v))
	}
	return p.Lang.Exact(v)
}

// mapWords says which columns are not found, or that all are.
func (c *Own) mapWords() string {
	var missing, parts []string
	for _, w := range c.Page.Data.Want {
		switch {
		case w.Column > 0:
		case w.Several:
			parts = append(parts, sentence(c.Page.phrase(w.Why))+".")
		default:
			missing = append(missing, w.Name)
		}
	}
	if len(missing) > 0 {
		parts = append(parts, c.Page.say("own.map.missing", c.Page.listing(missing)))
	}
	if len(parts) == 0 {
		parts = append(parts, c.Page.say("own.map.all"))
	}
	if n := len(c.choices()); n < len(c.Page.Data.Found) {
		parts = append(parts, c.Page.say("own.map.lists", n, len(c.Page.Data.Found)))
	}
	return strings.Join(parts, " ")
}

// columnWords names the list of columns that one of the task can be.
func (c *Own) columnWords(name string) string { return c.Page.say("own.column.for", name) }

// problemWords says how many problems there are.
func (c *Own) problemWords() string {
	d := &c.Page.Data
	if len(d.Problems) < d.AllProblems {
		return c.Page.say("own.problems.first", d.AllProblems, len(d.Problems))
	}
	return c.Page.say("own.problems", d.AllProblems)
}

// classWords says how many examples each class has.
func (c *Own) classWords() string {
	var parts []string
	if c.Page.Data.Step != tab.DataReady {
		return ""
	}
	for _, k := range c.Page.Data.Classes {
		parts = append(parts, k.Name+": "+c.Page.Lang.Count(k.Examples)) // a class may be called 7
	}
	return strings.Join(parts, ", ")
}

// storage says where the data is kept.
func (c *Own) storage() string {
	d := &c.Page.Data
	switch {
	case d.Storage != "":
		return c.Page.phrase(d.Storage)
	case d.Step == tab.DataReady && d.ID != "":
		return c.Page.say("own.kept")
	}
	return ""
}

func (c *Own) keptWords(k tab.Kept) string {
	words := c.Page.say("own.kept.entry", k.Examples, c.Page.Lang.Size(k.Bytes), k.At)
	switch {
	case k.Stale != "":
		words += "; " + c.Page.phrase(k.Stale)
	case k.ID == c.Page.Data.ID:
		words += "; " + c.Page.say("own.kept.used")
	}
	return words
}

func (c *Own) canUse(k tab.Kept) bool {
	return c.Page.MayBring() && k.Stale == "" && k.ID != c.Page.Data.ID
}

func (c *Own) forgetWords() string {
	if c.Page.Forgetting {
		return c.Page.say("own.forget.sure")
	}
	return c.Page.say("own.forget")
}

// offerWords says what is asked about a column.
func (c *Own) offerWords(o tab.Offer) string {
	words := c.Page.say("own.offer", o.Column)
	if o.Why != "" {
		words = c.Page.say("own.offer.why", sentence(c.Page.phrase(o.Why)))
	}
	if o.More > 0 {
		words = sentences(words, c.Page.say("own.offer.more", o.More))
	}
	return words
}

// textWords names a text and how many rows have it.
func (c *Own) textWords(t tab.Text) string {
	if t.Rows == 0 {
		return t.Text
	}
	return c.Page.say("own.text", t.Text, t.Rows)
}

// suggests reports whether an offer says what texts may stand for.
func suggests(o tab.Offer) bool {
	return slices.ContainsFunc(o.Texts, func(t tab.Text) bool { return t.As != "" })
}

// leaveFirst says why the data cannot be changed now.
func (c *Own) leaveFirst() string {
	if c.shown() && c.Page.Taking() {
		return c.Page.say("own.leavefirst")
	}
	return ""
}

// OnDataLost takes in that the worker's program ended by itself while it had data.
func (p *Page) OnDataLost(detail string) {
	p.Data = tab.Data{Kept: p.Data.Kept, Storage: p.Data.Storage}
	p.DataTrouble = p.say("own.lost", p.phrase(detail))
}

// OnForgotten takes in that nothing is kept any more, or what is as a sentence.
func (p *Page) OnForgotten(trouble string) {
	p.OnGone()
	p.earlier = Part{}
	p.Data, p.Answers, p.DataTrouble = tab.Data{}, tab.Answers{}, trouble
	p.Forgetting = false
	p.Settings, p.Held = p.Settings.reset(), false
}

// samples returns the names of the files to try the task with.
func (c *Own) samples() []string {
	if !c.bringing() {
		return nil
	}
	return c.Page.Task.Data.Samples
}

// gains reports whether there is something to say about what the person gains.
func (c *Own) gains() bool {
	l := &c.Page.Local
	return c.shown() && (l.Before != nil || l.After != nil || l.Alone != nil || l.PersonalVersion > 0)
}

// gain writes how good a model is on the tab's own hold-out.
func (c *Own) gain(score *float64) string {
	if c.Page.Task.Numbers() {
		return c.Page.amount(score)
	}
	return c.Page.percent(score)
}

// gainWords says what the figures are.
func (c *Own) gainWords() string {
	if c.Page.Task.Numbers() {
		return c.Page.say("gain.error")
	}
	return c.Page.say("gain.share")
}

// canPersonalise reports whether the worker can make a personal model.
func (c *Own) canPersonalise() bool {
	l := &c.Page.Local
	return l.BeforeRound > 0 && (l.Connection == tab.Joined || l.Connection == tab.Finished)
}
