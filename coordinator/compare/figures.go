package compare

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"fedtab/coordinator/compare/figure"
)

// Named is a figure with the name of its files.
type Named struct {
	Name string
	figure.Figure
}

// draw makes a part's figures of its rows.
func (p *Part) draw(rows []*Row) (all []Named) {
	for i := range p.Figures {
		d := &p.Figures[i]
		f := figure.Figure{
			Kind: figure.Kind(d.Kind), Title: d.Title, X: or(d.XLabel, d.X), Y: or(d.YLabel, d.Y), Z: titled(d.Z), LogX: d.LogX, LogY: d.LogY,
		}
		xScale, yScale := 1., scaleOf(d.Y)
		if d.Kind == "line" {
			var x, y string
			x, xScale = axisOf(d.X)
			y, yScale = axisOf(d.Y)
			f.X, f.Y = or(d.XLabel, x), or(d.YLabel, y)
		}
		f.XMax, f.YMin, f.YMax = scaled(d.XMax, xScale), scaled(d.YMin, yScale), scaled(d.YMax, yScale)
		for k, name := range d.References.Keys {
			f.References = append(f.References, figure.Reference{Name: name, Y: d.References.Values[k] * yScale})
		}
		var shown []*Row
		for _, r := range rows {
			if len(d.Variants) == 0 || slices.Contains(d.Variants, r.Variant) {
				shown = append(shown, r)
			}
		}
		switch d.Kind {
		case "line":
			for _, r := range shown {
				f.Series = append(f.Series, figure.Series{Name: p.legend(r), Points: curve(r, columns[d.X], columns[d.Y], xScale, yScale)})
			}
		case "bars":
			p.bars(&f, d, shown)
		case "scatter":
			p.scatter(&f, d, shown)
		case "heat":
			f.Heat = p.heat(d, shown)
		}
		all = append(all, Named{d.Name, f})
	}
	return all
}

// scaled returns a limit in the unit of its axis.
func scaled(limit *float64, scale float64) *float64 {
	if limit == nil {
		return nil
	}
	x := *limit * scale
	return &x
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// curve returns the mean over the seeds of a figure, with the band between the least and the
// most, over the mean of another. It ends where the first seed has ended.
func curve(r *Row, x, y func(*point) float64, xScale, yScale float64) (points []figure.Point) {
	whole := slices.DeleteFunc(slices.Clone(r.measured), func(m *measured) bool { return m == nil })
	n := -1
	for _, m := range whole {
		if n < 0 || len(m.points) < n {
			n = len(m.points)
		}
	}
	for i := range max(n, 0) {
		var xs, ys []float64
		for _, m := range whole {
			xs, ys = append(xs, x(&m.points[i])), append(ys, y(&m.points[i]))
		}
		sx, sy := spreadOf(xs), spreadOf(ys)
		if sx.Seeds == len(xs) && sy.Seeds == len(ys) { // rounds that were not evaluated are passed over
			points = append(points, figure.Point{X: sx.Mean * xScale, Y: sy.Mean * yScale, Low: sy.Least * yScale, High: sy.Most * yScale})
		}
	}
	return points
}

// bars makes a group of each value of a path, with a bar for each variant, or one group of
// all variants.
func (p *Part) bars(f *figure.Figure, d *Drawing, rows []*Row) {
	at := slices.Index(p.told(), d.X)
	for _, r := range rows {
		group := "" // a single one
		series := r.variant()
		if at >= 0 {
			group = r.Grid[at]
			if rest := slices.Delete(slices.Clone(r.Grid), at, at+1); len(rest) > 0 {
				series += " " + strings.Join(rest, ", ")
			}
		} else {
			group, series = p.legend(r), ""
		}
		g := slices.Index(f.Names, group)
		if g < 0 {
			g = len(f.Names)
			f.Names = append(f.Names, group)
		}
		k := slices.IndexFunc(f.Series, func(s figure.Series) bool { return s.Name == series })
		if k < 0 {
			k = len(f.Series)
			f.Series = append(f.Series, figure.Series{Name: series})
		}
		s := r.Spread(d.Y)
		for len(f.Series[k].Points) <= g {
			f.Series[k].Points = append(f.Series[k].Points, figure.Point{Y: unknown64})
		}
		scale := scaleOf(d.Y)
		f.Series[k].Points[g] = figure.Point{Y: s.Mean * scale, Low: s.Least * scale, High: s.Most * scale}
	}
	f.Y = or(d.YLabel, titled(d.Y))
	for i := range f.Series {
		for len(f.Series[i].Points) < len(f.Names) {
			f.Series[i].Points = append(f.Series[i].Points, figure.Point{Y: unknown64})
		}
	}
	if at < 0 {
		f.X = d.XLabel
	}
}

// scaleOf returns by what a measure is multiplied in figures: shares are percentages.
func scaleOf(name string) float64 {
	switch measures[name].unit {
	case percent:
		return 100
	case size:
		return 1e-6
	}
	return 1
}

// titled returns the words for a measure on an axis.
func titled(name string) string {
	m, ok := measures[name]
	switch {
	case !ok:
		return name
	case m.unit == percent:
		return m.words + ", %"
	case m.unit == size:
		return m.words + ", MB"
	}
	return m.words
}

// scatter makes a point of each row, or a curve of each variant where x is a path of the
// grid whose values are numbers.
func (p *Part) scatter(f *figure.Figure, d *Drawing, rows []*Row) {
	at := slices.Index(p.told(), d.X)
	scale := scaleOf(d.Y)
	for _, r := range rows {
		s := r.Spread(d.Y)
		q := figure.Point{Y: s.Mean * scale, Low: s.Least * scale, High: s.Most * scale}
		name := p.legend(r)
		if at >= 0 {
			x, err := strconv.ParseFloat(r.Grid[at], 64)
			if err != nil {
				x = unknown64
			}
			q.X = x
			rest := slices.Delete(slices.Clone(r.Grid), at, at+1)
			name = strings.TrimSpace(r.variant() + " " + strings.Join(rest, ", "))
		} else {
			q.X = r.Spread(d.X).Mean * scaleOf(d.X)
		}
		k := slices.IndexFunc(f.Series, func(s figure.Series) bool { return s.Name == name })
		if k < 0 {
			k = len(f.Series)
			f.Series = append(f.Series, figure.Series{Name: name})
		}
		f.Series[k].Points = append(f.Series[k].Points, q)
	}
	if at >= 0 {
		f.Kind = figure.Line // along the values of the grid
	} else {
		f.X = or(d.XLabel, titled(d.X))
	}
	f.Y = or(d.YLabel, titled(d.Y))
}

// heat makes a table over two paths of the grid, or one and the variants.
func (p *Part) heat(d *Drawing, rows []*Row) *figure.Grid {
	g := &figure.Grid{}
	along := func(axis string) func(*Row) string {
		if axis == byVariant {
			return (*Row).variant
		}
		i := slices.Index(p.told(), axis)
		if i < 0 {
			return nil
		}
		return func(r *Row) string { return r.Grid[i] }
	}
	x, y := along(d.X), along(d.Y)
	if x == nil || y == nil {
		return g
	}
	place := func(names *[]string, name string) int {
		i := slices.Index(*names, name)
		if i < 0 {
			i = len(*names)
			*names = append(*names, name)
		}
		return i
	}
	for _, r := range rows {
		place(&g.X, x(r))
		place(&g.Y, y(r))
	}
	for range g.Y {
		line := make([]float64, len(g.X))
		for i := range line {
			line[i] = math.NaN()
		}
		g.Z = append(g.Z, line)
	}
	for _, r := range rows {
		g.Z[place(&g.Y, y(r))][place(&g.X, x(r))] = r.Spread(d.Z).Mean * scaleOf(d.Z)
	}
	return g
}
