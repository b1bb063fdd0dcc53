package ui

import "fedtab/api"

// shownClasses is how many classes the table shows.
const shownClasses = 20

// Classes is a table of how well each class is told from the others.
type Classes struct {
	Page *Page
}

func (c *Classes) evaluation() *api.Evaluation {
	if e := c.Page.Task.Evaluation; e != nil {
		return e
	}
	return &api.Evaluation{}
}

// shown returns the first classes.
func (c *Classes) shown() []api.Class {
	all := c.evaluation().Classes
	return all[:min(len(all), shownClasses)]
}

// words says what holds for all classes.
func (c *Classes) words() string {
	e := c.evaluation()
	words := c.Page.say("classes.all", c.Page.percent(e.BalancedAccuracy), c.Page.percent(e.F1), e.Examples)
	if n := len(e.Classes); n > shownClasses {
		words = sentences(words, c.Page.say("classes.first", shownClasses, n))
	}
	return words
}

// mistaken says what the examples of class i are most often taken for wrongly.
func (c *Classes) mistaken(i int) string {
	e := c.evaluation()
	if i >= len(e.Confusion) {
		return dash
	}
	most, of := int64(0), -1
	for p, n := range e.Confusion[i] {
		if p != i && n > most {
			most, of = n, p
		}
	}
	if of < 0 || of >= len(e.Classes) {
		return c.Page.say("classes.none")
	}
	return e.Classes[of].Name + " (" + c.Page.Lang.Count(int(most)) + ")"
}

// ErrorWords says how much a regression explains, beside its root mean squared error.
func (p *Page) ErrorWords() string {
	e := p.Task.Evaluation
	if e == nil || e.R2 == nil {
		return p.EvaluatedWords()
	}
	return p.say("evaluated.variance", p.Lang.Percent(*e.R2, 1), p.EvaluatedWords())
}

// Numbers reports whether numbers are predicted, not classes.
func (t *Task) Numbers() bool { return t.Name != "" && t.Data.Classes == 0 }
