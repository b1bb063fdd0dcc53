package ui

import "fedtab/api"

// shownRounds is how many rounds the table shows. The renderer sends all of a
// page at every change, so a long table would cost at every change.
const shownRounds = 10

// History is a table of the newest rounds.
type History struct {
	Page *Page
}

// scoreTitle and score are the figure that a version is judged by.
func (c *History) scoreTitle() string {
	if c.Page.Task.Numbers() {
		return "error"
	}
	return "accuracy"
}

func (c *History) score(r api.Round) string {
	if c.Page.Task.Numbers() {
		return figure(r.TestRMSE).amount()
	}
	return figure(r.TestAccuracy).percent()
}
