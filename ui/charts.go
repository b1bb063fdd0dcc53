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
