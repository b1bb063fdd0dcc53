package ui

import (
	"slices"
	"unicode/utf8"

	"fedtab/api"
	"fedtab/fields"
	"fedtab/tab"
)

// Try predicts with the model. What it says of a drawing, a picture or a row is drawn by a
// script (static/extra/try.js) in elements that are empty here; each has an attribute from
// Go, as Vugu empties those whose content is constant.
type Try struct {
	Page *Page
}

// TryStep is how far the model to try is.
type TryStep int

const (
	TryClosed  TryStep = iota // nobody has asked for it
	TryOpening                // its program or the model is loading
	TryReady                  // it answers
	TryFailed                 // Why says how
)

// Trying is the model that is tried.
type Trying struct {
	Step     TryStep
	Why      string
	Model    tab.Loaded
	Kept     bool          // it comes from this browser's storage: there was no network
	Beside   bool          // a model of the tab's own data alone answers beside it
	Versions []api.Version // that can be had, newest first
	Run      string        // of those
	Asked    int           // the version that was chosen; 0: the newest
}

// OnTryLoaded takes in that a model answers (tab.Loaded).
func (p *Page) OnTryLoaded(o map[string]any) {
	var m tab.Loaded
	fields.Fill(&m, o)
	if m.Slot == besideSlot {
		p.Try.Beside = true
		return
	}
	p.Try.Model, p.Try.Step, p.Try.Why = m, TryReady, ""
}

// The slots of the models that answer.
const (
	modelSlot  = "a"
	besideSlot = "b"
)

// OnTryFailed takes in why there is no model to try, in words. One that answers stays.
func (p *Page) OnTryFailed(words string) {
	p.Try.Why = words
	if p.Try.Model.Slot == "" {
		p.Try.Step = TryFailed
	}
}

// OnVersions takes in which versions can be had (api.Versions).
func (p *Page) OnVersions(o map[string]any) {
	var v api.Versions
	fields.Fill(&v, o)
	p.Try.Versions, p.Try.Run = v.Versions, v.Run
}

// tryable reports whether there is a model, as far as is known.
func (p *Page) tryable() bool {
	return p.Task.Version > 0 || p.Local.Run != nil && p.Local.Run.Version > 0 || p.Try.Step != TryClosed || p.Link == LinkLost
}

// pictures reports whether the task is about pictures.
func (p *Page) pictures() bool {
	if s := p.schema(); s != nil {
		return s.Images != nil
	}
	return len(p.Task.Data.Columns) == 0
}

// Drawn reports whether examples can be drawn: those that the task says so of, and signs.
func (p *Page) Drawn() bool {
	if s := p.schema(); s != nil {
		return s.Images != nil && s.Images.Drawn
	}
	names := p.Task.Data.ClassNames
	sign := func(name string) bool { return utf8.RuneCountInString(name) == 1 }
	return p.pictures() && len(names) > 0 && !slices.ContainsFunc(names, func(name string) bool { return !sign(name) })
}

func (c *Try) look() string {
	if c.Page.tryable() {
		return "step try"
	}
	return "step try later"
}

// words says what there is to do.
func (c *Try) words() string {
	p := c.Page
	switch {
	case !p.tryable():
		return p.say("try.later")
	case p.Drawn():
		return p.say("try.draw.lead", p.listing(p.Task.Data.ClassNames))
	case p.pictures():
		return p.say("try.picture.lead")
	}
	return p.say("try.table.lead")
}

func (c *Try) canOpen() bool {
	return c.Page.tryable() && (c.Page.Try.Step == TryClosed || c.Page.Try.Step == TryFailed)
}
func (c *Try) opening() bool { return c.Page.Try.Step == TryOpening }
func (c *Try) ready() bool   { return c.Page.Try.Step == TryReady }
func (c *Try) image() bool   { return c.ready() && c.Page.Try.Model.What == "picture" }
func (c *Try) drawn() bool   { return c.image() && c.Page.Drawn() }
func (c *Try) table() bool   { return c.ready() && c.Page.Try.Model.What == "table" }
func (c *Try) samples() bool { return c.image() && c.Page.Task.Data.Picture }

// which says which model answers.
func (c *Try) which() string {
	p, t := c.Page, &c.Page.Try
	v := p.version(t.Model.Version)
	words := p.say("try.version", t.Model.Version)
	if v != nil && (v.TestAccuracy != nil || v.TestRMSE != nil) {
		words = p.say("try.version.result", t.Model.Version, p.resultWords(v.TestAccuracy, v.TestRMSE))
	}
	if t.Kept {
		words = sentences(words, p.say("try.kept"))
	}
	return words
}

// version returns what is known of a version that can be had.
func (p *Page) version(n int) *api.Version {
	i := slices.IndexFunc(p.Try.Versions, func(v api.Version) bool { return v.Version == n })
	if i < 0 {
		return nil
	}
	return &p.Try.Versions[i]
}

// slides reports whether there is more than one version to choose from.
func (c *Try) slides() bool { return c.ready() && len(c.Page.Try.Versions) > 1 }

func (c *Try) last() int { return max(0, len(c.Page.Try.Versions)-1) }

// position is where the slider stands: the oldest version is at 0.
func (c *Try) position() int {
	t := &c.Page.Try
	i := slices.IndexFunc(t.Versions, func(v api.Version) bool { return v.Version == t.Model.Version })
	return c.last() - max(i, 0)
}

// AskVersion chooses the version at a position of the slider, and reports whether that is
// another.
func (p *Page) AskVersion(position int) bool {
	i := len(p.Try.Versions) - 1 - position
	if i < 0 || i >= len(p.Try.Versions) || p.Try.Versions[i].Version == p.Try.Model.Version {
		return false
	}
	p.Try.Asked = p.Try.Versions[i].Version
	return true
}

// newer reports whether there is a newer version than the newest that was loaded.
func (c *Try) newer() bool {
	t := &c.Page.Try
	return c.ready() && c.Page.Task.Run == t.Model.Run && c.Page.Task.Version > t.Model.Version
}

func (c *Try) newerWords() string { return c.Page.say("try.newer", c.Page.Task.Version) }

// canCompare reports whether there is a model of the tab's own data alone.
func (c *Try) canCompare() bool {
	return c.ready() && !c.Page.Try.Beside && c.Page.schema() != nil && c.Page.Local.Alone != nil
}

// modelWords heads the answers of the model, where another answers beside it.
func (c *Try) modelWords() string {
	if c.Page.Try.Beside {
		return c.Page.say("try.together")
	}
	return c.Page.say("try.answer")
}

// comma is the sign of numbers that could have either.
func (p *Page) comma() string {
	if p.say("number.decimal") == "," {
		return "comma"
	}
	return "point"
}

// OnConfusion takes in what a version takes for what on the tab's own hold-out
// (tab.Confusion).
func (p *Page) OnConfusion(o map[string]any) {
	var c tab.Confusion
	fields.Fill(&c, o)
	if c.Examples > 0 && len(c.Matrix) == len(c.Classes) {
		p.Confusion = c
	}
}

// confusion is what the newest evaluated version takes for what, on the tab's own hold-out
// if it has one; nil if it is not known.
func (p *Page) confusion() (classes []string, matrix [][]int) {
	if p.Confusion.Examples > 0 {
		return p.Confusion.Classes, p.Confusion.Matrix
	}
	e := p.Task.Evaluation
	if e == nil || len(e.Confusion) == 0 || len(e.Confusion) != len(e.Classes) {
		return nil, nil
	}
	for i, row := range e.Confusion {
		classes = append(classes, e.Classes[i].Name)
		counts := make([]int, len(row))
		for k, n := range row {
			counts[k] = int(n)
		}
		matrix = append(matrix, counts)
	}
	return classes, matrix
}

// mistakeTitle says in which examples the mistakes are.
func (c *Try) mistakeTitle() string {
	if n := c.Page.Confusion.Examples; n > 0 {
		return c.Page.say("try.mistakes.own", n)
	}
	return c.Page.say("try.mistakes")
}

// mistake is a class that is taken for another.
type mistake struct {
	of, as int
	n, all int     // examples that are mistaken, and of the class
	share  float64 // n of all
}

// shownMistakes is how many mistakes are said.
const shownMistakes = 3

// mistakes returns the most frequent mistakes in a confusion matrix, by share.
func mistakes(matrix [][]int) []mistake {
	var all []mistake
	for of, row := range matrix {
		var sum int
		for _, n := range row {
			sum += n
		}
		for as, n := range row {
			if as != of && n > 0 {
				all = append(all, mistake{of, as, n, sum, float64(n) / float64(sum)})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b mistake) int {
		switch {
		case a.share > b.share:
			return -1
		case a.share < b.share:
			return 1
		}
		return 0
	})
	return all[:min(len(all), shownMistakes)]
}

// mistakeWords says the mistakes, one a line.
func (c *Try) mistakeWords() []string {
	p := c.Page
	var all []string
	classes, matrix := p.confusion()
	for _, m := range mistakes(matrix) {
		all = append(all, p.say("try.mistaken", classes[m.of], classes[m.as], p.of(m)))
	}
	return all
}

// fewExamples is below how many a share is said as it was counted: 3 of 9 say little of 100.
const fewExamples = 50

// of writes a mistake's share as a number of 100, or of 1,000 if it is less than one of
// 100.
func (p *Page) of(m mistake) string {
	n, all := int(100*m.share+.5), 100
	switch {
	case m.all < fewExamples:
		n, all = m.n, m.all
	case m.share < .01:
		n, all = int(1000*m.share+.5), 1000
	}
	return p.say("try.of", max(n, 1), all)
}
