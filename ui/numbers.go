package ui

import (
	"strconv"

	"fedtab/fields"
	"fedtab/tab"
)

// While a tab trains, a few numbers change ten times a second and nothing else
// does. Vugu would send the whole page each time, which costs the main thread
// 5 ms and the browser a new layout; so these are written into their elements
// directly, and Vugu draws only when something else changes. What it draws then
// is the same.

// number is the text of an element, or one of its attributes, that changes often.
type number struct {
	id        string
	attribute string // empty for the text
	value     string
}

// numbers returns those of the page as they are now, always in the same order.
func (p *Page) numbers() []number {
	l, panel, own := &p.Local, Train{p}, Own{p}
	done, steps := strconv.Itoa(panel.done()), panel.timeline()
	all := []number{
		{"state", "", p.State()},
		{stepID(0), "", steps[0].words},
		{stepID(1), "", steps[1].words},
		{stepID(2), "", steps[2].words},
		{stepID(3), "", steps[3].words},
		{"time-left", "", panel.timeWords()},
		{"progress", "value", done},
		{"progress", "data-value", done},
		{"rate", "", p.Lang.PerSecond(l.Rate)},
		{"rate", "data-value", exact(l.Rate)},
		{"train-loss", "", p.loss(l.Loss)},
		{"train-loss", "data-value", raw(l.Loss)},
		{"moved-sum", "", (&Moved{p}).sumWords()},
		{"moved-sum", "data-value", exact(p.Moved.left())},
		{"bytes-up", "", p.Lang.Size(l.BytesUp)},
		{"bytes-up", "data-value", exact(l.BytesUp)},
		{"bytes-down", "", p.Lang.Size(l.BytesDown)},
		{"bytes-down", "data-value", exact(l.BytesDown)},
	}
	if p.schema() != nil {
		all = append(all, number{"own-state", "", own.state()}, number{"own-progress", "value", exact(own.done())}, number{"own-progress", "max", exact(own.total())})
	}
	return all
}

// same reports whether two reports of the worker differ only in what numbers covers.
func same(a, b tab.Report) bool {
	for _, r := range []*tab.Report{&a, &b} {
		r.Done, r.Loss, r.Accuracy, r.Rate, r.BytesUp, r.BytesDown, r.RetrySeconds = 0, nil, nil, 0, 0, 0, 0
		r.Due, r.Transfer, r.Moved = nil, nil, nil
	}
	return fields.Same(a, b)
}
