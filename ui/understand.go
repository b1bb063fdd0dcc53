package ui

import (
	"strings"

	"fedtab/api"
)

// Understand is the first step: what is learned, what leaves the device, what it costs.
type Understand struct {
	Page *Page
}

// question is what a person may ask before joining, and the answer.
type question struct{ term, words, look string }

// folds reports whether the answers can be put away: from when the tab takes part.
func (c *Understand) folds() bool {
	return c.Page.Taking() || c.Page.Over() && c.Page.Local.Contributions > 0
}

// folded reports whether they are, which is so unless they are asked for.
func (c *Understand) folded() bool { return c.folds() && !c.Page.Open["understand"] }

func (c *Understand) expanded() string {
	if c.folded() {
		return "false"
	}
	return "true"
}

func (c *Understand) foldWords() string {
	if c.folded() {
		return c.Page.say("understand.show")
	}
	return c.Page.say("understand.hide")
}

func (c *Understand) questions() []question {
	p := c.Page
	all := []question{
		{p.say("understand.learned"), p.learnedWords(), ""},
		{p.say("understand.from"), p.fromWords(), ""},
		{p.say("understand.stays"), p.staysWords(), "stays"},
		{p.say("understand.leaves"), p.leavesWords(), "leaves"},
		{p.say("understand.seen"), p.seenWords(), ""},
		{p.say("understand.costs"), p.costWords(), ""},
		{p.say("understand.inferred"), p.inferredWords(), ""},
	}
	if p.Task.Claim != nil {
		all = append(all, question{p.say("understand.hidden"), p.hiddenWords(), ""})
	}
	return append(all, question{p.say("understand.who"), p.whoWords(), ""})
}

// learnedWords says what the model will be able to do.
func (p *Page) learnedWords() string {
	t := &p.Task
	switch names := t.Data.ClassNames; {
	case len(names) > api.MaxShown:
		return p.say("learned.many", strings.Join(names[:3], ", "), len(names))
	case len(names) > 0:
		return p.say("learned.classes", p.Lang.Or(names))
	case t.Numbers():
		if s := p.schema(); s != nil && s.Table != nil {
			return p.say("learned.column", s.Table.Label.Name)
		}
		if t.Evaluation != nil && t.Evaluation.Target != "" {
			return p.say("learned.column", t.Evaluation.Target)
		}
		return p.say("learned.number")
	}
	return dash
}

// fromWords says what the model learns from.
func (p *Page) fromWords() string {
	d := &p.Task.Data
	switch {
	case d.Summary == "":
		return dash
	case d.Own == nil:
		return p.say("from.public", p.phrase(d.Summary))
	}
	return p.say("from.own")
}

// staysWords says what never leaves the device.
func (p *Page) staysWords() string {
	if p.Task.Data.Own != nil {
		return p.say("stays.own")
	}
	return p.say("stays.public")
}

// leavesWords says what leaves the device.
func (p *Page) leavesWords() string {
	words := p.say("leaves.changes", p.Task.Model.Parameters, p.size(p.Task.Cost.BytesUp))
	if p.Secure() {
		words = sentences(words, p.say("leaves.masked"))
	}
	if s := p.schema(); s != nil && s.Table != nil && !p.Secure() {
		words = sentences(words, p.say("leaves.totals"))
	}
	return words
}

// costWords says what taking part costs: bytes, time and battery.
func (p *Page) costWords() string {
	cost := &p.Task.Cost
	var parts []string
	if cost.DataBytes > 0 {
		parts = append(parts, p.say("costs.data", p.size(cost.DataBytes)))
	}
	parts = append(parts, p.say("costs.round", p.size(cost.BytesUp), p.size(cost.BytesDown)))
	if s := p.Task.SecondsLeft; s != nil && !p.Over() {
		parts = append(parts, p.say("costs.time", p.about(*s)))
	}
	parts = append(parts, p.say("costs.power"))
	if p.Metered {
		parts = append(parts, p.say("costs.metered"))
	}
	return sentences(parts...)
}

// inferredWords says honestly what others could find out.
func (p *Page) inferredWords() string {
	switch {
	case p.Task.Data.Own != nil && p.Secure():
		return sentences(p.say("inferred.sum"), p.say("inferred.address"))
	case p.Task.Data.Own != nil:
		return sentences(p.say("inferred.own"), p.say("inferred.address"))
	}
	return sentences(p.say("inferred.public"), p.say("inferred.address"))
}

// hiddenWords says how well the noise hides whether one takes part, and what that rests on.
func (p *Page) hiddenWords() string {
	v := p.Task.Claim
	noise, rests := "hidden.noise", "hidden.rests"
	if v.Distributed {
		noise, rests = "hidden.shares", "hidden.honest"
	}
	words := []string{p.say(noise)}
	if v.Distributed {
		words = append(words, p.say("hidden.least", p.short(&v.Noise), p.Task.Privacy.Min))
	}
	switch {
	case v.Epsilon == nil:
		words = append(words, p.say("hidden.unbounded"))
	case v.Releases > 0:
		words = append(words, p.say("hidden.account", p.short(v.Epsilon), p.Lang.Amount(1/v.Delta), v.Releases))
	}
	if t := v.Together; t != nil && t.Epsilon != nil {
		words = append(words, p.say("hidden.together", t.Runs, p.short(t.Epsilon), p.Lang.Amount(1/t.Delta)))
	} else if t != nil {
		words = append(words, p.say("hidden.unknown", t.Runs))
	}
	if v.Together != nil && v.Together.Adjacency == api.Mixed {
		words = append(words, p.say("hidden.mixed"))
	}
	words = append(words, p.say("hidden.scale"))
	if v.Budget > 0 {
		words = append(words, p.say("hidden.budget", p.short(&v.Budget)))
	}
	words = append(words, p.say(rests))
	if v.Colluding > 0 {
		words = append(words, p.say("hidden.colluding", v.Colluding))
	}
	switch {
	case v.Participations > 0 && v.Persons:
		words = append(words, p.say("hidden.tree", v.Participations))
	case v.Participations > 0:
		words = append(words, p.say("hidden.numbers", v.Participations))
	}
	if v.Rate < 1 {
		words = append(words, p.say("hidden.sampling", p.percent(&v.Rate), v.Population))
	}
	return sentences(words...)
}

// whoWords says who runs the coordinator.
func (p *Page) whoWords() string {
	if p.Organiser == "" {
		return p.say("who.unknown")
	}
	return p.say("who", p.Organiser)
}

// size writes a number of bytes as an estimate, with two digits.
func (p *Page) size(bytes int64) string {
	unit := int64(1)
	for bytes/unit >= 100 {
		unit *= 10
	}
	number, in, _ := strings.Cut(p.Lang.Size((bytes+unit/2)/unit*unit), " ")
	if strings.ContainsAny(number, ".,") {
		number = strings.TrimRight(strings.TrimRight(number, "0"), ".,")
	}
	return number + " " + in
}
