package ui

import (
	"math"
	"slices"

	"fedtab/tab"
)

// Charts holds the places of the charts. What is in them is drawn by uPlot
// and left alone by Vugu, which touches no children where it has none.
type Charts struct {
	Page *Page
}

func accuracyOf(p Point) *float64 { return p.Accuracy }
func lossOf(p Point) *float64     { return p.Loss }
func errorOf(p Point) *float64    { return p.RMSE }

func (c *Charts) hasAccuracy() bool { return c.has(accuracyOf) }
func (c *Charts) hasLoss() bool     { return c.has(lossOf) }

func (c *Charts) has(value func(Point) *float64) bool {
	return slices.ContainsFunc(c.Page.Curve, func(p Point) bool { return value(p) != nil })
}

// blank returns the class of a chart's place: one without points is not shown.
func blank(has bool) string {
	if has {
		return "chart"
	}
	return "chart blank"
}

func (c *Charts) accuracyWords() string {
	return c.words(c.Page.say("chart.accuracy"), accuracyOf, c.Page.percent)
}

func (c *Charts) errorWords() string {
	return c.words(c.Page.say("chart.error"), errorOf, c.Page.amount)
}

func (c *Charts) lossWords() string {
	return c.words(c.Page.say("chart.loss"), lossOf, c.Page.loss)
}

func (c *Charts) bytesWords() string {
	x, y := c.Page.traffic()
	return c.ends(c.Page.say("charts.bytes"), x, y, func(bytes *float64) string { return c.Page.Lang.Size(int64(*bytes)) })
}

// words describes a chart for screen readers, by its two ends.
func (c *Charts) words(what string, value func(Point) *float64, write func(*float64) string) string {
	x, y := c.Page.Series(value)
	return c.ends(what, x, y, write)
}

func (c *Charts) ends(what string, x, y []float64, write func(*float64) string) string {
	if len(x) == 0 {
		return c.Page.say("chart.empty", what)
	}
	first, last := 0, len(x)-1
	return c.Page.say("chart.ends", what, write(&y[first]), int(x[first]), write(&y[last]), int(x[last]))
}

// any reports whether there is something to draw.
func (c *Charts) any() bool { return c.tested() || c.hasOwn() || c.moved() }

// moved reports whether a round is known, and with it what it moved.
func (c *Charts) moved() bool { return len(c.Page.Rounds) > 0 }

// tested reports whether there is a version that was evaluated.
func (c *Charts) tested() bool { return len(c.Page.Curve) > 0 }

func (c *Charts) hasOwn() bool { return len(c.Page.own) > 0 }

// ownKind returns the chart whose scale that of the own hold-out has.
func (c *Charts) ownKind() string {
	if c.Page.Task.Numbers() {
		return "chart-error"
	}
	return "chart-accuracy"
}

// ownSentence says what the newest answer and version do on the tab's own hold-out.
func (c *Charts) ownSentence() string {
	own := c.Page.own
	if len(own) == 0 {
		return ""
	}
	newest := own[len(own)-1]
	for i := range own {
		if h := own[i]; h.before == h.before && h.after == h.after {
			newest = h // both are known
		}
	}
	return c.Page.say("charts.own.plain", newest.round, c.ownFigure(newest.before), c.ownFigure(newest.after))
}

func (c *Charts) ownFigure(v float64) string {
	if v != v {
		return dash
	}
	return (&Own{c.Page}).gain(&v)
}

// last returns the newest round that has a figure.
func (c *Charts) last(value func(Point) *float64) (round int, figure float64, ok bool) {
	x, y := c.Page.Series(value)
	if len(x) == 0 {
		return 0, 0, false
	}
	return int(x[len(x)-1]), y[len(y)-1], true
}

// accuracySentence says in plain words how good the newest version is.
func (c *Charts) accuracySentence() string {
	round, v, ok := c.last(accuracyOf)
	if !ok {
		return ""
	}
	return c.Page.say("charts.accuracy.plain", round, int(100*v+1e-9)) // cut off, as percentages are
}

func (c *Charts) errorSentence() string {
	round, v, ok := c.last(errorOf)
	if !ok {
		return ""
	}
	return c.Page.say("charts.error.plain", round, c.Page.Lang.Amount(v))
}

// lossSentence says what loss means, and whether it still falls.
func (c *Charts) lossSentence() string {
	_, y := c.Page.Series(lossOf)
	switch n := len(y); {
	case n < 2:
		return c.Page.say("charts.loss.plain")
	case y[n-1] < y[0]:
		return c.Page.say("charts.loss.falls", c.Page.Lang.Loss(y[0]), c.Page.Lang.Loss(y[n-1]))
	}
	return c.Page.say("charts.loss.stays")
}

// savedWords says what packing saves.
func (c *Charts) savedWords() string {
	t := &c.Page.Task
	n := len(c.Page.Rounds)
	if t.RawRatio == nil || *t.RawRatio <= 1 || n == 0 {
		return ""
	}
	r := c.Page.Rounds[n-1]
	return c.Page.say("charts.saved", c.Page.Lang.Size(r.BytesUp+r.BytesDown), c.Page.Lang.Three(*t.RawRatio))
}

// traffic returns the newest rounds and the bytes that each moved between all devices and
// the coordinator.
func (p *Page) traffic() (x, y []float64) {
	for i := range p.Rounds {
		x = append(x, float64(p.Rounds[i].Round))
		y = append(y, float64(p.Rounds[i].BytesUp+p.Rounds[i].BytesDown))
	}
	return x, y
}

// holdout is what models do on the tab's own hold-out in a round: NaN while it is not
// known.
type holdout struct {
	round         int
	before, after float64
}

// maxHoldouts bounds the rounds that are kept: with more, every second is dropped.
const maxHoldouts = 1000

// onHoldout takes in what a worker has found.
func (p *Page) onHoldout(r *tab.Report) {
	if r.Before != nil {
		if h := p.holdout(r.BeforeRound); h.before != *r.Before {
			h.before = *r.Before
			p.drawing++
		}
	}
	if r.After != nil {
		if h := p.holdout(r.AfterVersion); h.after != *r.After {
			h.after = *r.After
			p.drawing++
		}
	}
}

// holdout returns the place of a round, among the newest.
func (p *Page) holdout(round int) *holdout {
	at := len(p.own)
	for at > 0 && p.own[at-1].round > round {
		at--
	}
	if at > 0 && p.own[at-1].round == round {
		return &p.own[at-1]
	}
	if len(p.own) == maxHoldouts {
		for i := range maxHoldouts / 2 {
			p.own[i] = p.own[2*i+1]
		}
		p.own = p.own[:maxHoldouts/2]
		return p.holdout(round)
	}
	p.own = append(p.own, holdout{})
	copy(p.own[at+1:], p.own[at:])
	p.own[at] = holdout{round, math.NaN(), math.NaN()}
	return &p.own[at]
}
