package ui

import "fedtab/api"

// Screen is a page for a projector, in a room full of phones.
type Screen struct {
	Page *Page
}

func (c *Screen) title() string {
	if c.Page.Selected != "" {
		return c.Page.TaskTitle()
	}
	return c.Page.say("home.title")
}

// lead says what to do.
func (c *Screen) lead() string {
	if c.Page.Over() {
		return c.Page.say("screen.over")
	}
	return c.Page.say("screen.lead")
}

// participants returns how many take part: in the shown task, or in all.
func (c *Screen) participants() int {
	if c.Page.Selected != "" {
		return c.Page.Task.Participants
	}
	n := 0
	for _, t := range c.Page.Tasks {
		n += t.Participants
	}
	return n
}

func (c *Screen) people() string {
	n := c.participants()
	switch {
	case n > 0:
		return c.Page.say("people", n)
	case c.Page.Over():
		return ""
	}
	return c.Page.say("people.none")
}

// maxDots is how many participants are drawn, the rest is only counted.
const maxDots = 120

func (c *Screen) dots() []struct{} { return make([]struct{}, min(c.participants(), maxDots)) }

func (c *Screen) result() string {
	t := &c.Page.Task
	if e := t.Evaluation; e != nil && e.RMSE != nil {
		return c.Page.resultWords(nil, e.RMSE)
	}
	return c.Page.resultWords(t.TestAccuracy, nil)
}

// state says how far the training is.
func (c *Screen) state() string {
	p := c.Page
	switch {
	case p.Selected == "" || p.Over():
		return ""
	case p.OnHold():
		return p.holdWords()
	case p.Task.Phase == api.Waiting:
		return sentence(p.waitingFor())
	case p.Task.Version == 0:
		return p.say("card.begins")
	case p.Task.Stop.Rounds > 0:
		return sentences(p.say("card.rounds.of", p.Task.Version, p.Task.Stop.Rounds)+".", sentence(p.left(p.Task.SecondsLeft)))
	}
	return p.say("card.rounds", p.Task.Version)
}
