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
	words := "Balanced accuracy " + figure(e.BalancedAccuracy).percent() + ", mean F1 " + figure(e.F1).percent() + ", on " + plural(e.Examples, "test example") + "."
	if n := len(e.Classes); n > shownClasses {
		words += " The first " + count(shownClasses) + " of " + count(n) + " classes:"
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
		return "none"
	}
	return e.Classes[of].Name + " (" + count(int(most)) + ")"
}

// ErrorWords says how much a regression explains, beside its root mean squared error.
func (t *Task) ErrorWords() string {
	e := t.Evaluation
	if e == nil || e.R2 == nil {
		return t.EvaluatedWords()
	}
	return percent(*e.R2, 1) + " of the variance explained, " + t.EvaluatedWords()
}

// Numbers reports whether numbers are predicted, not classes.
func (t *Task) Numbers() bool { return t.Name != "" && t.Data.Classes == 0 }
