package ui

import (
	"cmp"

	"fedtab/api"
)

// Home is the cards of the tasks. Like Screen and Absent it is drawn by the coordinator
// alone, and is no part of the program: it has nothing that a person changes. host.js
// fetches it again.
type Home struct {
	Page *Page
}

func (c *Home) href(t api.Card) string { return c.Page.Root + "t/" + t.Name }

func (c *Home) words(t api.Card) string { return c.Page.heading(t.Name, t.Title, t.Translations) }

func (c *Home) description(t api.Card) string {
	return cmp.Or(t.Translations[c.Page.code()].Description, t.Description)
}

// open and over are the tasks that go on, and those that are finished.
func (c *Home) open() []api.Card { return c.tasks(false) }
func (c *Home) over() []api.Card { return c.tasks(true) }

func (c *Home) tasks(over bool) []api.Card {
	var some []api.Card
	for _, t := range c.Page.Tasks {
		if (t.Phase == api.Finished) == over {
			some = append(some, t)
		}
	}
	return some
}

// none says why there is no card.
func (c *Home) none() string {
	if len(c.Page.Tasks) > 0 {
		return c.Page.say("home.none.open")
	}
	return c.Page.say("home.none")
}

// chips are what a card shows of data that is no picture.
func (c *Home) chips(t api.Card) []string {
	if len(t.Data.Columns) > 0 {
		return t.Data.Columns
	}
	return t.Data.ClassNames
}

// points say what a task asks of a person, and how it protects data.
func (c *Home) points(t api.Card) []string {
	p := c.Page
	var points []string
	if t.Join == api.Invited {
		points = append(points, p.say("card.invite"))
	}
	switch {
	case !t.Data.Own:
		return append(points, p.say("card.bring.nothing"), p.say("card.public"))
	case len(t.Data.Columns) > 0:
		points = append(points, p.say("card.bring.table"))
	default:
		points = append(points, p.say("card.bring.pictures"))
	}
	return append(points, p.say("card.own"))
}

func (c *Home) people(t api.Card) string {
	if t.Participants > 0 {
		return "people"
	}
	return ""
}

func (c *Home) peopleWords(t api.Card) string {
	if t.Participants > 0 {
		return c.Page.say("people", t.Participants)
	}
	return c.Page.say("people.none")
}

// result says how good the model is; nothing before it was evaluated.
func (c *Home) result(t api.Card) string {
	return c.Page.resultWords(t.TestAccuracy, t.TestRMSE)
}

// done says how far the training is.
func (c *Home) done(t api.Card) string {
	switch {
	case t.Phase == api.Paused:
		return c.Page.say("hold")
	case t.Version == 0:
		return c.Page.say("card.begins")
	case t.Stop.Rounds > 0:
		return c.Page.say("card.rounds.of", t.Version, t.Stop.Rounds)
	}
	return c.Page.say("card.rounds", t.Version)
}

// resultWords says how good a model is on its test examples.
func (p *Page) resultWords(accuracy, rmse *float64) string {
	switch {
	case accuracy != nil:
		return p.say("result.right", p.Lang.Percent(*accuracy, 0))
	case rmse != nil:
		return p.say("result.error", p.Lang.Amount(*rmse))
	}
	return ""
}

// share writes a share for the progress bar.
func share(x *float64) string {
	if x == nil {
		return "0"
	}
	return exact(*x)
}
