package organiser

import (
	"fmt"
	"html"
	"math"
	"strconv"
	"strings"
)

// Plot is a chart: curves over a common axis.
type Plot struct {
	Title  string // for who cannot see it; a saved file shows it
	X, Y   string // names of the axes
	Curves []Curve
	Write  func(float64) string // writes a value of Y
	Floor  *float64             // the scale of Y begins here; nil: at the smallest value
	Top    *float64             // and ends here; nil: at the largest
}

// Curve is a line of a Plot. Y has a value for each X, or nil.
type Curve struct {
	Name string
	X    []float64
	Y    []*float64
}

// palette has the colours of curves on white ground, with a contrast of at least 3 to 1. The
// style sheet has those for dark ground.
var palette = [...]string{"#3557c9", "#a24a12", "#17733f", "#8b3fa8", "#0b7285", "#b3261e", "#5c6200", "#7a3b5d"}

// known reports whether there is anything to draw.
func (p *Plot) known() bool {
	for _, c := range p.Curves {
		for _, y := range c.Y {
			if y != nil {
				return true
			}
		}
	}
	return false
}

// Margins of a chart, around its plotting area.
const (
	left, right, top, bottom = 58, 12, 10, 40
)

// SVG draws the chart. One that is saved has its title and a legend in it, and colours of
// its own.
func (p *Plot) SVG(width, height int, saved bool) string {
	var b strings.Builder
	head, foot := top, bottom
	if saved {
		head, foot = top+24, bottom+20*len(p.Curves)
		height += head - top + foot - bottom
	}
	xs, ys := p.scales()
	w, h := float64(width-left-right), float64(height-head-foot)
	px := func(x float64) float64 { return left + w*(x-xs.low)/(xs.high-xs.low) }
	py := func(y float64) float64 { return float64(head) + h*(1-(y-ys.low)/(ys.high-ys.low)) }
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%[1]d" height="%[2]d" role="img" aria-label="%[3]s" class="plot" font-family="system-ui, sans-serif" font-size="11" fill="#56607a" data-low="%g" data-high="%g" data-left="%g" data-right="%g" data-top="%d" data-bottom="%g">`,
		width, height, html.EscapeString(p.words()), ys.low, ys.high, xs.low, xs.high, head, float64(head)+h)
	if saved {
		fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="#ffffff"></rect><text x="%d" y="20" font-size="14" fill="#182033">%s</text>`, left, html.EscapeString(p.Title))
	}
	for _, v := range ys.ticks {
		fmt.Fprintf(&b, `<path class="grid" d="M%d %.1fH%.1f" stroke="#e1e6f0"></path><text x="%d" y="%.1f" text-anchor="end">%s</text>`, left, py(v), left+w, left-6, py(v)+4, html.EscapeString(p.write(v)))
	}
	for _, v := range xs.ticks {
		fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" text-anchor="middle">%s</text>`, px(v), float64(head)+h+16, html.EscapeString(compact(v)))
	}
	fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" text-anchor="middle">%s</text>`, left+w/2, float64(head)+h+32, html.EscapeString(p.X))
	for i, c := range p.Curves {
		var d []byte
		pen := byte('M')
		for k, y := range c.Y {
			if y == nil || math.IsNaN(*y) || math.IsInf(*y, 0) {
				continue
			}
			d = strconv.AppendFloat(append(d, pen), px(c.X[k]), 'f', 1, 64)
			d = strconv.AppendFloat(append(d, ' '), py(min(max(*y, ys.low), ys.high)), 'f', 1, 64)
			pen = 'L'
		}
		path := string(d)
		if path != "" && strings.Count(path, "L") == 0 {
			path += "h.1" // a line without length is not drawn
		}
		color := palette[i%len(palette)]
		fmt.Fprintf(&b, `<path class="curve c%d" data-name="%s" d="%s" fill="none" stroke="%s" stroke-width="2" stroke-linejoin="round" stroke-linecap="round"></path>`, i%len(palette), html.EscapeString(c.Name), path, color)
		if saved {
			y := float64(head) + h + float64(bottom) + 20*float64(i) + 10
			fmt.Fprintf(&b, `<path d="M%d %.1fh24" stroke="%s" stroke-width="3"></path><text x="%d" y="%.1f" fill="#182033">%s</text>`, left, y-4, color, left+32, y, html.EscapeString(c.Name))
		}
	}
	b.WriteString("</svg>")
	return b.String()
}

func (p *Plot) write(v float64) string {
	if p.Write == nil {
		return compact(v)
	}
	return p.Write(v)
}

// words describes the chart by the ends of its curves.
func (p *Plot) words() string {
	words := p.Title
	for _, c := range p.Curves {
		first, last := -1, -1
		for k, y := range c.Y {
			if y != nil {
				if first < 0 {
					first = k
				}
				last = k
			}
		}
		if first >= 0 {
			words += fmt.Sprintf("; %s: %s at %s %s, %s at %s %s", c.Name, p.write(*c.Y[first]), p.X, compact(c.X[first]), p.write(*c.Y[last]), p.X, compact(c.X[last]))
		}
	}
	return words
}

// scale is an axis.
type scale struct {
	low, high float64
	ticks     []float64
}

// scales returns the axes.
func (p *Plot) scales() (x, y scale) {
	xl, xh, yl, yh := math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)
	for _, c := range p.Curves {
		for k, v := range c.Y {
			if v != nil && !math.IsNaN(*v) && !math.IsInf(*v, 0) {
				xl, xh = min(xl, c.X[k]), max(xh, c.X[k])
				yl, yh = min(yl, *v), max(yh, *v)
			}
		}
	}
	if xl > xh {
		xl, xh, yl, yh = 0, 1, 0, 1
	}
	if p.Floor != nil {
		yl = *p.Floor
	}
	if p.Top != nil {
		yh = *p.Top
		yl = min(yl, yh-math.Abs(yh)/10)
	}
	return nice(xl, xh, 6, false), nice(yl, yh, 4, true)
}

// nice returns an axis from low to high with about n ticks at round numbers. One that is
// rounded begins and ends at a tick.
func nice(low, high float64, n int, rounded bool) scale {
	if high <= low {
		high = low + max(math.Abs(low)/10, 1)
	}
	step := math.Pow(10, math.Floor(math.Log10((high-low)/float64(n))))
	for _, m := range []float64{1, 2, 5, 10} {
		if (high-low)/(m*step) <= float64(n) {
			step *= m
			break
		}
	}
	s := scale{low: low, high: high}
	first, last := math.Ceil(low/step-1e-9), math.Floor(high/step+1e-9)
	if rounded {
		first, last = math.Floor(low/step+1e-9), math.Ceil(high/step-1e-9)
		s.low, s.high = first*step, last*step
	}
	for i := first; i <= last; i++ {
		s.ticks = append(s.ticks, i*step)
	}
	return s
}

// compact writes a number for an axis: 12000 as 12k.
func compact(v float64) string {
	for _, u := range []struct {
		size float64
		name string
	}{{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if math.Abs(v) >= u.size {
			return strconv.FormatFloat(v/u.size, 'g', 4, 64) + u.name
		}
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

// CSV writes the curves as a table in the long form: one line for a point.
func (p *Plot) CSV() string {
	var b strings.Builder
	fmt.Fprintf(&b, "run,%s,%s\n", field(p.X), field(p.Y))
	for _, c := range p.Curves {
		for k, y := range c.Y {
			if y != nil {
				fmt.Fprintf(&b, "%s,%s,%s\n", field(c.Name), strconv.FormatFloat(c.X[k], 'g', -1, 64), strconv.FormatFloat(*y, 'g', -1, 64))
			}
		}
	}
	return b.String()
}

// field writes a field of CSV (RFC 4180). A program for tables would run one that begins
// like a formula.
func field(s string) string {
	if strings.ContainsAny(s, "\",\n\r") {
		return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
	}
	if s != "" && strings.ContainsRune("=+-@", rune(s[0])) {
		return "'" + s
	}
	return s
}
