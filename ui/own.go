package ui

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"fedtab/fields"
	"fedtab/learn/data"
	"fedtab/tab"
)

// Own is the tab's own data: how to bring it, how it was understood, and what is kept.
// Its elements are always there, as those of Panel are.
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
		return "Choose pictures"
	case c.Page.Data.Step == tab.DataReady:
		return "Choose another file"
	}
	return "Choose a file"
}

// wantedFields is how many columns a sentence names.
const wantedFields = 12

// wanted says what the task asks for.
func (c *Own) wanted() string {
	s := c.Page.schema()
	switch {
	case s == nil:
		return ""
	case s.Images != nil:
		im := s.Images
		colour := "grey"
		if im.Channels != 1 {
			colour = "in colour"
		}
		return "This task wants pictures of " + listing(im.Classes, "and") + ". They are cropped to the middle and become " +
			count(im.Width) + " x " + count(im.Height) + " pixels, " + colour + "."
	case s.Table != nil:
		var columns []string
		for i := range s.Table.Features {
			columns = append(columns, fieldWords(&s.Table.Features[i]))
		}
		if n := len(columns); n > wantedFields {
			columns = append(columns[:wantedFields], count(n-wantedFields)+" more")
		}
		return "This task wants a table, as CSV, with the columns " + listing(columns, "and") + "; it learns to predict " + fieldWords(&s.Table.Label) + "."
	}
	return ""
}

// fieldWords names a column and what it holds.
func fieldWords(f *data.Field) string { return f.Name + " (" + valueWords(f) + ")" }

// valueWords says what a column holds.
func valueWords(f *data.Field) string {
	if f.Type != data.NumberField {
		return listing(f.Values, "or")
	}
	switch {
	case f.Min != nil && f.Max != nil:
		return bound(*f.Min) + " to " + bound(*f.Max)
	case f.Min != nil:
		return "at least " + bound(*f.Min)
	case f.Max != nil:
		return "at most " + bound(*f.Max)
	}
	return "a number"
}

// listing joins names: a, b and c.
func listing(names []string, and string) string {
	if len(names) > wantedFields+1 {
		names = append(slices.Clone(names[:wantedFields]), count(len(names)-wantedFields)+" more")
	}
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " " + and + " " + names[len(names)-1]
}

// state says how far the data is.
func (c *Own) state() string {
	d := &c.Page.Data
	switch d.Step {
	case tab.DataLoading:
		return "Looking at " + c.name()
	case tab.DataAsking:
		return "Look at how " + c.name() + " was understood, then read it"
	case tab.DataReading:
		return c.reading()
	case tab.DataRefused:
		if d.BadRows == 0 {
			return "Look at how " + c.name() + " was understood"
		}
		return plural(d.BadRows, c.unit()) + " of " + c.name() + " cannot be used"
	case tab.DataReady:
		words := "Ready: " + plural(d.Examples, c.unit()) + " from " + c.name()
		if c.images() != nil && strings.HasSuffix(d.Name, " pictures") {
			words = "Ready: " + d.Name
		}
		if d.Holdout > 0 {
			words += "; " + count(d.Holdout) + " of them only test the model"
		}
		return words
	}
	if im := c.images(); im != nil && d.Examples > 0 {
		return plural(d.Examples, "picture") + " so far: the task wants at least " + count(c.Page.schema().Min)
	}
	return "No data yet"
}

func (c *Own) name() string {
	if c.Page.Data.Name == "" {
		return "your data"
	}
	return c.Page.Data.Name
}

func (c *Own) reading() string {
	d := &c.Page.Data
	if c.images() != nil && !d.Table {
		if d.Total == 0 {
			return "Reading pictures"
		}
		return "Reading pictures: " + count(int(d.Done)) + " of " + count(int(d.Total))
	}
	return "Reading " + c.name() + ": " + size(d.Done) + " of " + size(d.Total)
}

// unit is what the data has many of.
func (c *Own) unit() string {
	if c.images() != nil {
		return "picture"
	}
	return "row"
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
		return c.Page.DataTrouble
	}
	return c.Page.Data.Error
}

func (c *Own) done() int64  { return min(c.Page.Data.Done, c.total()) }
func (c *Own) total() int64 { return max(1, c.Page.Data.Total) }

// skipWords is the text of the button that leaves rows out.
func (c *Own) skipWords() string {
	return "Leave out " + plural(c.Page.Data.BadRows, c.unit()) + " with problems, use " + count(c.Page.Data.GoodRows)
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
		return "Decimal sign of the file"
	}
	return c.Page.Data.Question
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
		return valueWords(&s.Table.Label) + "; this is predicted"
	}
	for i := range s.Table.Features {
		if f := &s.Table.Features[i]; f.Name == name {
			return valueWords(f)
		}
	}
	return ""
}

// bound writes a bound of a number: a year as 1800, a price as 1,300,000.
func bound(v float64) string {
	if a := math.Abs(v); a >= 10000 && a <= math.MaxInt32 && v == math.Trunc(v) {
		return count(int(v))
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// mapWords says which columns are not found, or that all are.
func (c *Own) mapWords() string {
	var missing, sentences []string
	for _, w := range c.Page.Data.Want {
		switch {
		case w.Column > 0:
		case w.Several:
			sentences = append(sentences, sentence(w.Why)+".")
		default:
			missing = append(missing, w.Name)
		}
	}
	if len(missing) > 0 {
		sentences = append(sentences, "Not found in the file: "+listing(missing, "and")+". Choose the columns below, or name them so in the file.")
	}
	words := strings.Join(sentences, " ")
	if words == "" {
		words = "Every column of the task was found in the file."
	}
	if n := len(c.choices()); n < len(c.Page.Data.Found) {
		words += " The lists show the first " + count(n) + " of the file's " + count(len(c.Page.Data.Found)) + " columns."
	}
	return words
}

// problemWords says how many problems there are.
func (c *Own) problemWords() string {
	d := &c.Page.Data
	words := plural(d.AllProblems, "problem")
	if len(d.Problems) < d.AllProblems {
		words += ", of which these are the first " + count(len(d.Problems))
	}
	return words + ":"
}

// classWords says how many examples each class has.
func (c *Own) classWords() string {
	var parts []string
	if c.Page.Data.Step != tab.DataReady {
		return ""
	}
	for _, k := range c.Page.Data.Classes {
		parts = append(parts, k.Name+": "+count(k.Examples)) // a class may be called 7
	}
	return strings.Join(parts, ", ")
}

// storage says where the data is kept.
func (c *Own) storage() string {
	d := &c.Page.Data
	switch {
	case d.Storage != "":
		return d.Storage
	case d.Step == tab.DataReady && d.ID != "":
		return "Kept in this browser, for this page only: a reload goes on with it."
	}
	return ""
}

// leaves says what of the data leaves the tab.
const leaves = "Your data stays in this tab. What leaves it are sums over all your rows and changes of the model's parameters, never a row, a picture or a file's name. " +
	"The coordinator sees each participant's sums and updates, and a few or unusual rows can show in them."

func (c *Own) keptWords(k tab.Kept) string {
	words := plural(k.Examples, "example") + ", " + size(k.Bytes) + ", " + k.At
	switch {
	case k.Stale != "":
		words += "; " + k.Stale
	case k.ID == c.Page.Data.ID:
		words += "; in use"
	}
	return words
}

func (c *Own) canUse(k tab.Kept) bool {
	return c.Page.MayBring() && k.Stale == "" && k.ID != c.Page.Data.ID
}

func (c *Own) forgetWords() string {
	if c.Page.Forgetting {
		return "Yes, forget everything"
	}
	return "Forget everything"
}

// offerWords says what is asked about a column.
func offerWords(o tab.Offer) string {
	words := "What do these texts in " + o.Column + " stand for?"
	if o.Why != "" {
		words = sentence(o.Why) + ". Is it so?"
	}
	if o.More > 0 {
		words += " There are " + count(o.More) + " more such texts: is it the right column?"
	}
	return words
}

// textWords names a text and how many rows have it.
func textWords(t tab.Text) string {
	if t.Rows == 0 {
		return t.Text
	}
	return t.Text + " (" + plural(t.Rows, "row") + ")"
}

// suggests reports whether an offer says what texts may stand for.
func suggests(o tab.Offer) bool {
	return slices.ContainsFunc(o.Texts, func(t tab.Text) bool { return t.As != "" })
}

// leaveFirst says why the data cannot be changed now.
func (c *Own) leaveFirst() string {
	if c.shown() && c.Page.Taking() {
		return "This tab takes part with this data. To change it, leave first."
	}
	return ""
}

// OnDataLost takes in that the worker's program ended by itself while it had data.
func (p *Page) OnDataLost(detail string) {
	p.Data = tab.Data{Kept: p.Data.Kept, Storage: p.Data.Storage}
	p.DataTrouble = "The program that reads data stopped: " + detail + ". Choose the data again, or reload the page."
}

// OnForgotten takes in that nothing is kept any more, or what is as a sentence.
func (p *Page) OnForgotten(trouble string) {
	p.OnGone()
	p.Data, p.Answers, p.DataTrouble = tab.Data{}, tab.Answers{}, trouble
	p.Forgetting = false
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
	switch {
	case score == nil:
		return dash
	case c.Page.Task.Numbers():
		return figure(score).amount()
	}
	return figure(score).percent()
}

// gainWords says what the figures are.
func (c *Own) gainWords() string {
	words := "share classified rightly"
	if c.Page.Task.Numbers() {
		words = "typical error"
	}
	return "What you gain: " + words + " on your own hold-out, which no model here has trained on. These figures stay in this tab."
}

// canPersonalise reports whether the worker can make a personal model.
func (c *Own) canPersonalise() bool {
	l := &c.Page.Local
	return l.BeforeRound > 0 && (l.Connection == tab.Joined || l.Connection == tab.Finished)
}
