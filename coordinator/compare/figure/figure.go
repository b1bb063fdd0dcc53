// Package figure draws the figures of experiments: curves with confidence bands, bars
// with error bars, clouds of points and heat maps, as SVG and PNG.
//
// The figures are for pages such as a README on GitHub. Their background is white, so
// that they can be read in dark mode too. Series differ by colour (the palette of Okabe
// and Ito, which colour-blind people can tell apart) and by dashes, markers or hatching,
// so that they can be told apart in grey print. The legend lies below the plot, never on
// the data; a plot has the same height whatever stands below it, and the page grows.
//
// The same figure gives the same bytes, and figures may be drawn at the same time. Other
// processors may round differently. SVG has text as text, in Liberation Sans, a font of
// the same widths, or any sans-serif font squeezed to them. PNG is drawn by
// gonum.org/v1/plot; letters that Liberation Sans lacks, such as Chinese, are boxes there.
package figure

import (
	"errors"
	"fmt"
	"io"
	"math"
)

// Kind is a kind of figure.
type Kind string

const (
	Line    Kind = "line"    // curves, broken where a value is missing
	Bars    Kind = "bars"    // groups of bars
	Scatter Kind = "scatter" // clouds of points
	Heat    Kind = "heat"    // a table of values, coloured
)

// Figure is a figure: its kind, its texts and its data. NaN and infinite values are left
// out, as are those a log axis cannot show (<= 0). Values beyond 1e100 count as infinite.
type Figure struct {
	Kind       Kind
	Title      string // wrapped; also the title of the SVG for screen readers
	X, Y       string // what the axes show
	Z          string // what the colours of a heat map show
	LogX, LogY bool   // of Line and Scatter; LogY of Bars too
	Series     []Series
	Loose      []int       // of Line: indices of series whose points have no curve through them
	Names      []string    // of Bars: the groups, from left to right
	Heat       *Grid       // of Heat
	References []Reference // not of Heat

	// Limits of the axes; nil is what the data needs. What lies outside is cut off. Heat
	// has none, Bars has none along x.
	XMin, XMax, YMin, YMax *float64
}

// Series is one curve, one cloud, or one bar in each group.
type Series struct {
	Name   string // in the legend; empty: not there
	Points []Point
}

// Point is one value. It has an error bar, or in Line a band, where Low < High and both
// are finite. Point i of a series of Bars belongs to group i; its X has no meaning.
type Point struct{ X, Y, Low, High float64 }

// Grid holds the values of a heat map, Z[row][column]. The first row is at the top. NaN
// is no value.
type Grid struct {
	X, Y []string // the names of columns and rows
	Z    [][]float64
}

// Reference is a horizontal line at a value that others report.
type Reference struct {
	Name string
	Y    float64
}

// maxValue is the max absolute value that is drawn; ranges of such values are finite.
const maxValue = 1e100

// finite reports whether v can be drawn on a linear axis.
func finite(v float64) bool { return math.Abs(v) <= maxValue }

// shows reports whether an axis can show v.
func shows(v float64, log bool) bool { return finite(v) && (!log || v >= 1/maxValue) }

// band reports whether the point has a band or an error bar.
func (p Point) band() bool { return p.Low < p.High && finite(p.Low) && finite(p.High) }

// Validate reports every problem of the figure's form, each with the figure's title. A
// figure without data is no problem of its form: SVG and PNG report it.
func (f *Figure) Validate() error {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("figure %q: "+format, append([]any{f.Title}, args...)...))
	}
	switch f.Kind {
	case Line, Bars, Scatter:
		limits := func(name string, from, to *float64, log bool) {
			for _, v := range []*float64{from, to} {
				if v == nil {
					continue
				}
				if log && *v <= 0 {
					bad("limit of %s: %v, want > 0 on a log axis", name, *v)
				} else if !shows(*v, log) {
					bad("limit of %s: %v, want a finite number", name, *v)
				}
			}
			if from != nil && to != nil && !(*from < *to) {
				bad("limits of %s: %v to %v, want min < max", name, *from, *to)
			}
		}
		if f.Kind != Bars {
			limits("x", f.XMin, f.XMax, f.LogX)
		}
		limits("y", f.YMin, f.YMax, f.LogY)
	case Heat:
		if f.Heat == nil {
			bad("no grid, want one for a heat map")
			break
		}
		if len(f.Heat.Z) != len(f.Heat.Y) {
			bad("%d rows of values, want %d as rows have names", len(f.Heat.Z), len(f.Heat.Y))
		}
		for i, row := range f.Heat.Z {
			if len(row) != len(f.Heat.X) {
				bad("row %d has %d values, want %d as columns have names", i, len(row), len(f.Heat.X))
			}
		}
	default:
		bad("kind: %q, want %s, %s, %s or %s", f.Kind, Line, Bars, Scatter, Heat)
	}
	if f.Kind == Bars {
		for _, s := range f.Series {
			if len(s.Points) > len(f.Names) {
				bad("series %q has %d points, want at most %d as groups have names", s.Name, len(s.Points), len(f.Names))
			}
		}
	}
	return errors.Join(errs...)
}

// SVG writes the figure as SVG.
func (f *Figure) SVG(w io.Writer) error {
	p, err := f.page()
	if err != nil {
		return err
	}
	s := newSVG(p.w, p.h, p.name())
	p.draw(s)
	if err := s.writeTo(w); err != nil {
		return fmt.Errorf("figure %q: writing SVG: %w", f.Title, err)
	}
	return nil
}

// PNG writes the figure as PNG, 945 pixels wide: 16 cm at 150 dpi.
func (f *Figure) PNG(w io.Writer) error {
	p, err := f.page()
	if err != nil {
		return err
	}
	s := newPNG(p.w, p.h)
	p.draw(s)
	if err := s.writeTo(w); err != nil {
		return fmt.Errorf("figure %q: writing PNG: %w", f.Title, err)
	}
	return nil
}
