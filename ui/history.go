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
		return c.Page.say("history.testerror")
	}
	return c.Page.say("history.testaccuracy")
}

// participants is the number of contributions to a version, which noise hides.
func (c *History) participants(r api.Round) string {
	if r.Epsilon != nil {
		return dash
	}
	return c.Page.Lang.Count(r.Participants)
}

func (c *History) score(r api.Round) string {
	if c.Page.Task.Numbers() {
		return c.Page.amount(r.TestRMSE)
	}
	return c.Page.percent(r.TestAccuracy)
}
