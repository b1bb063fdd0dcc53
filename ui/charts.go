package ui

import "slices"

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

// words describes a chart for screen readers, by its two ends.
func (c *Charts) words(what string, value func(Point) *float64, write func(*float64) string) string {
	x, y := c.Page.Series(value)
	if len(x) == 0 {
		return c.Page.say("chart.empty", what)
	}
	first, last := 0, len(x)-1
	return c.Page.say("chart.ends", what, write(&y[first]), int(x[first]), write(&y[last]), int(x[last]))
}

// any reports whether there is a version that was evaluated.
func (c *Charts) any() bool { return len(c.Page.Curve) > 0 }

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
