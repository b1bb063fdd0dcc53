package organiser

import (
	"fmt"
	"slices"
	"strings"

	"fedtab/api/v1"
)

// Compare is the page that lays runs over each other.
type Compare struct {
	Of     string // the runs, as in the route
	Curves []v1.History
	Asked  int // that are still awaited
	X, Y   string
	Gone   []string // runs that are not there
}

// axes are what runs can be compared over, and quantities what of them.
var (
	axes = []struct{ key, name string }{{"round", "round"}, {"examples", "examples seen"}, {"seconds", "seconds"}, {"bytes", "bytes"}}

	quantities = []struct{ key, name string }{
		{"accuracy", "accuracy on the test set"}, {"test_loss", "loss on the test set"}, {"train_loss", "loss in training"}, {"rmse", "RMSE on the test set"}, {"participants", "participants"},
	}
)

// OnCompared takes in the history of a run.
func (b *Board) OnCompared(of, run string, c v1.History, err error) {
	p := &b.Compare
	if p.Of != of {
		return // others are shown meanwhile
	}
	p.Asked--
	if gone(err) {
		p.Gone = append(p.Gone, run)
		b.List.pick(run, false)
		return
	}
	if b.OnError(err) {
		return
	}
	p.Curves = append(p.Curves, c)
	order := strings.Split(of, ",")
	slices.SortFunc(p.Curves, func(x, y v1.History) int { return slices.Index(order, x.Run) - slices.Index(order, y.Run) })
}

// plot returns the comparison.
func (p *Compare) plot(b *Board) *Plot {
	plot := &Plot{X: nameOf(axes, p.X), Y: nameOf(quantities, p.Y)}
	plot.Title = upper(plot.Y) + " over " + plot.X
	zero, one := 0., 1.
	switch p.Y {
	case "accuracy":
		plot.Top, plot.Write = &one, func(v float64) string { return b.Lang.Percent(v, 1) }
	default:
		plot.Floor = &zero
	}
	for i := range p.Curves {
		c := &p.Curves[i]
		x := map[string][]float64{"round": numbers(c.Round), "examples": c.Examples, "seconds": c.At, "bytes": numbers(c.Bytes)}[p.X]
		y := map[string][]*float64{"accuracy": c.TestAccuracy, "test_loss": c.TestLoss, "train_loss": c.TrainLoss, "rmse": c.TestRMSE, "participants": column(c.Participants)}[p.Y]
		n := min(len(x), len(y))
		plot.Curves = append(plot.Curves, Curve{c.Run, x[:n], y[:n]})
	}
	return plot
}

func nameOf(of []struct{ key, name string }, key string) string {
	for _, o := range of {
		if o.key == key {
			return o.name
		}
	}
	return of[0].name
}

func upper(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// Compared is the page that lays runs over each other.
type Compared struct {
	Board *Board
}

func (c *Compared) p() *Compare { return &c.Board.Compare }

func (c *Compared) svg() string {
	width := min(max(c.Board.Width-80, 300), 1040)
	return c.p().plot(c.Board).SVG(width, max(width/2, 260), false)
}

// words says what is missing.
func (c *Compared) words() string {
	p := c.p()
	switch {
	case p.Asked > 0:
		return "Loading…"
	case len(p.Gone) > 0:
		return fmt.Sprintf("Not there, perhaps deleted: %s.", strings.Join(p.Gone, ", "))
	case len(p.Curves) > 0 && !p.plot(c.Board).known():
		return "These runs have no such figure yet."
	}
	return ""
}

// legend is a run of the comparison, with its last figure.
type legend struct {
	Run, Class, Last, At string
}

func (c *Compared) legends() []legend {
	var all []legend
	p := c.p().plot(c.Board)
	for i, curve := range p.Curves {
		l := legend{curve.Name, key(i), dash, dash}
		for k, y := range curve.Y {
			if y != nil {
				l.Last, l.At = p.write(*y), compact(curve.X[k])
			}
		}
		all = append(all, l)
	}
	return all
}

func (c *Compared) drawn() bool { return c.p().plot(c.Board).known() }

// file is the name of a saved comparison, without its extension.
func (p *Compare) file() string { return "compare-" + p.Y + "-over-" + p.X }
