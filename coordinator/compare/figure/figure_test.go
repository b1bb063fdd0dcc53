package figure

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"gonum.org/v1/plot/vg"
)

// text is a text of an SVG.
type text struct {
	content                  string
	x, y, size, length, turn float64
	anchor                   string
}

// drawing is what the tests read from an SVG.
type drawing struct {
	w, h                 float64
	role, title          string
	texts                []text
	fills, strokes, arcs int
	paths                []string
}

// contents returns the contents of the texts.
func (d drawing) contents() []string {
	var out []string
	for _, t := range d.texts {
		out = append(out, t.content)
	}
	return out
}

func (d drawing) has(content string) bool { return slices.Contains(d.contents(), content) }

var turned = regexp.MustCompile(`^rotate\((\S+) `)

// svg draws the figure and reads it as XML.
func svg(t *testing.T, f *Figure) drawing {
	t.Helper()
	var b bytes.Buffer
	if err := f.SVG(&b); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "NaN") || strings.Contains(b.String(), "Inf") {
		t.Error("SVG has a length that is not finite")
	}
	return read(t, b.Bytes())
}

func read(t *testing.T, b []byte) drawing {
	t.Helper()
	var d drawing
	dec := xml.NewDecoder(bytes.NewReader(b))
	var open []string
	for {
		tok, err := dec.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("SVG is not XML: %v", err)
		}
		switch e := tok.(type) {
		case xml.StartElement:
			open = append(open, e.Name.Local)
			attr := make(map[string]string)
			for _, a := range e.Attr {
				attr[a.Name.Local] = a.Value
			}
			num := func(s string) float64 {
				if s == "" {
					return 0
				}
				v, err := strconv.ParseFloat(s, 64)
				if err != nil {
					t.Errorf("%s: %v", e.Name.Local, err)
				}
				return v
			}
			switch e.Name.Local {
			case "svg":
				d.role = attr["role"]
				if _, err := fmt.Sscanf(attr["viewBox"], "0 0 %g %g", &d.w, &d.h); err != nil {
					t.Errorf("viewBox: %v", err)
				}
			case "path":
				d.paths = append(d.paths, attr["d"])
				d.arcs += strings.Count(attr["d"], "A") / 2
				if attr["fill"] == "none" {
					d.strokes++
				} else {
					d.fills++
				}
			case "text":
				x := text{x: num(attr["x"]), y: num(attr["y"]), size: num(attr["font-size"]), length: num(attr["textLength"]), anchor: attr["text-anchor"]}
				if m := turned.FindStringSubmatch(attr["transform"]); m != nil {
					x.turn = num(m[1])
				}
				d.texts = append(d.texts, x)
			}
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			switch {
			case len(open) > 0 && open[len(open)-1] == "title":
				d.title += string(e)
			case len(open) > 0 && open[len(open)-1] == "text":
				d.texts[len(d.texts)-1].content += string(e)
			}
		}
	}
	return d
}

// box returns the corners of a text, generously.
func (x text) box() (x0, y0, x1, y1 float64) {
	start := 0.0
	switch x.anchor {
	case "middle":
		start = -x.length / 2
	case "end":
		start = -x.length
	}
	sin, cos := math.Sincos(x.turn * math.Pi / 180)
	x0, y0, x1, y1 = math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)
	for _, u := range []float64{start, start + x.length} {
		for _, v := range []float64{-0.73 * x.size, 0.21 * x.size} {
			px, py := x.x+u*cos-v*sin, x.y+u*sin+v*cos
			x0, y0, x1, y1 = min(x0, px), min(y0, py), max(x1, px), max(y1, py)
		}
	}
	return
}

// Every sample draws; its texts lie on the page and, where they are level, not on each
// other.
func TestDraws(t *testing.T) {
	for name, f := range samples() {
		t.Run(name, func(t *testing.T) {
			d := svg(t, f)
			if d.role != "img" || d.title == "" {
				t.Errorf("role %q, title %q; want img and a title", d.role, d.title)
			}
			if d.fills+d.strokes < 10 {
				t.Errorf("%d shapes, want at least 10", d.fills+d.strokes)
			}
			for i, x := range d.texts {
				x0, y0, x1, y1 := x.box()
				if x0 < 1 || y0 < 1 || x1 > d.w-1 || y1 > d.h-1 {
					t.Errorf("text %q leaves the page: %.1f %.1f %.1f %.1f", x.content, x0, y0, x1, y1)
				}
				if x.size < 6 {
					t.Errorf("text %q has size %v, want >= 6", x.content, x.size)
				}
				for _, o := range d.texts[:i] {
					u0, v0, u1, v1 := o.box()
					level := math.Mod(x.turn, 90) == 0 && math.Mod(o.turn, 90) == 0
					if level && x0 < u1 && u0 < x1 && y0 < v1-0.5 && v0 < y1-0.5 && x.content != o.content && f.Kind != Bars {
						t.Errorf("texts %q and %q overlap", x.content, o.content)
					}
				}
			}

			var b bytes.Buffer
			if err := f.PNG(&b); err != nil {
				t.Fatal(err)
			}
			img, err := png.Decode(&b)
			if err != nil {
				t.Fatal(err)
			}
			size := img.Bounds().Size()
			if wide, high := int(math.Round(d.w*dpi/72)), int(math.Round(d.h*dpi/72)); size.X != 945 || size.X != wide || size.Y != high {
				t.Errorf("PNG of %v, want 945 x %d as the SVG", size, high)
			}
			if size.Y < 350 || size.Y > 1100 {
				t.Errorf("PNG of %v, want a height from 350 to 1100", size)
			}
			if n := inked(img); n < 1000 {
				t.Errorf("%d pixels are not white, want at least 1000", n)
			}
			// The edge is white and opaque: nothing is cut off, and pages may be dark.
			for x := range size.X {
				for _, y := range []int{0, size.Y - 1} {
					if r, g, b, a := img.At(x, y).RGBA(); r+g+b+a != 4*0xFFFF {
						t.Fatalf("pixel %d, %d is not white", x, y)
					}
				}
			}
			for y := range size.Y {
				for _, x := range []int{0, size.X - 1} {
					if r, g, b, a := img.At(x, y).RGBA(); r+g+b+a != 4*0xFFFF {
						t.Fatalf("pixel %d, %d is not white", x, y)
					}
				}
			}
		})
	}
}

// inked returns the number of pixels that are not white.
func inked(img image.Image) int {
	n := 0
	for y := range img.Bounds().Dy() {
		for x := range img.Bounds().Dx() {
			if color.GrayModel.Convert(img.At(x, y)).(color.Gray).Y < 250 {
				n++
			}
		}
	}
	return n
}

// The same figure gives the same bytes, also drawn at the same time.
func TestDeterministic(t *testing.T) {
	names := []string{"line-long", "bars", "scatter", "heat"}
	const times = 3
	out := make([][times][2]bytes.Buffer, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		for j := range times {
			wg.Go(func() {
				f := samples()[name]
				if err := errors.Join(f.SVG(&out[i][j][0]), f.PNG(&out[i][j][1])); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	for i, name := range names {
		for j := 1; j < times; j++ {
			for k, format := range []string{"SVG", "PNG"} {
				if !bytes.Equal(out[i][0][k].Bytes(), out[i][j][k].Bytes()) {
					t.Errorf("%s: %s differs between two runs", name, format)
				}
			}
		}
	}
}

func TestEmpty(t *testing.T) {
	nan := math.NaN()
	for name, tt := range map[string]struct {
		f    Figure
		want string
	}{
		"no series":         {Figure{Kind: Line}, "no series"},
		"no points":         {Figure{Kind: Scatter, Series: []Series{{Name: "a"}}}, "no series has a value that its axes can show"},
		"NaN":               {Figure{Kind: Line, Series: []Series{{"a", []Point{{1, nan, 0, 1}, {math.Inf(1), 1, 0, 0}}}}}, "no series has a value that its axes can show"},
		"zero on log":       {Figure{Kind: Line, LogY: true, Series: []Series{{"a", []Point{{X: 1}, {X: 2, Y: -1}}}}}, "no series has a value that its axes can show"},
		"outside":           {Figure{Kind: Line, XMin: ptr(5), Series: []Series{{"a", []Point{{X: 1, Y: 1}}}}}, "no value lies within the limits of the axes"},
		"bars":              {Figure{Kind: Bars, Names: []string{"a"}}, "no series"},
		"bars without bars": {Figure{Kind: Bars, Names: []string{"a"}, Series: []Series{{"a", []Point{{Y: nan}}}}}, "no series has a value that its axes can show"},
		"heat":              {Figure{Kind: Heat, Heat: &Grid{}}, "the grid has no value"},
		"heat of holes":     {Figure{Kind: Heat, Heat: &Grid{[]string{"a"}, []string{"b"}, [][]float64{{nan}}}}, "the grid has no value"},
	} {
		t.Run(name, func(t *testing.T) {
			tt.f.Title = "Accuracy"
			for _, draw := range []func(io.Writer) error{tt.f.SVG, tt.f.PNG} {
				var b bytes.Buffer
				err := draw(&b)
				if want := `figure "Accuracy": no data: ` + tt.want; !errors.Is(err, ErrEmpty) || err.Error() != want {
					t.Errorf("got %v, want %s", err, want)
				}
				if b.Len() > 0 {
					t.Errorf("%d bytes written beside the error", b.Len())
				}
			}
		})
	}
}

func TestValidate(t *testing.T) {
	one := []Series{{"a", []Point{{X: 1, Y: 1}}}}
	for name, tt := range map[string]struct {
		f    Figure
		want []string
	}{
		"kind":    {Figure{Title: "T", Kind: "pie"}, []string{`figure "T": kind: "pie", want line, bars, scatter or heat`}},
		"limits":  {Figure{Title: "T", Kind: Line, Series: one, XMin: ptr(2), XMax: ptr(1), YMax: ptr(math.NaN())}, []string{"limits of x: 2 to 1, want min < max", "limit of y: NaN, want a finite number"}},
		"log":     {Figure{Title: "T", Kind: Line, Series: one, LogX: true, XMin: ptr(0)}, []string{"limit of x: 0, want > 0 on a log axis"}},
		"bars":    {Figure{Title: "T", Kind: Bars, Series: one}, []string{`series "a" has 1 points, want at most 0 as groups have names`}},
		"no grid": {Figure{Title: "T", Kind: Heat}, []string{"no grid"}},
		"grid":    {Figure{Title: "T", Kind: Heat, Heat: &Grid{[]string{"a"}, []string{"b", "c"}, [][]float64{{1, 2}}}}, []string{"1 rows of values, want 2", "row 0 has 2 values, want 1"}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, err := range []error{tt.f.Validate(), tt.f.SVG(io.Discard), tt.f.PNG(io.Discard)} {
				for _, want := range tt.want {
					if err == nil || !strings.Contains(err.Error(), want) {
						t.Errorf("got %v, want %s", err, want)
					}
				}
			}
		})
	}
	for name, f := range samples() {
		if err := f.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A NaN breaks a curve and its band; a value alone between two of them is a marker.
func TestLineBreaks(t *testing.T) {
	whole := svg(t, &Figure{Kind: Line, Series: curves(1, 9)})
	f := &Figure{Kind: Line, Series: curves(1, 9)}
	f.Series[0].Points[3].Y = math.NaN()
	f.Series[0].Points[5].Y = math.Inf(-1)
	d := svg(t, f)
	if got, want := d.arcs, whole.arcs-2*2; got != want { // fill and edge of two points
		t.Errorf("%d markers, want %d", got, want)
	}
	if got, want := len(stretches(d)), 2; got != want {
		t.Errorf("%d stretches, want %d", got, want)
	}
	if got, want := len(stretches(whole)), 1; got != want {
		t.Errorf("whole: %d stretches, want %d", got, want)
	}
}

// stretches returns the paths of lines with three points or more that are not closed.
func stretches(d drawing) []string {
	var out []string
	for _, p := range d.paths {
		if strings.Count(p, "L") >= 2 && strings.Count(p, "M") == 1 && !strings.Contains(p, "Z") && !isFrame(p) {
			out = append(out, p)
		}
	}
	return out
}

// isFrame reports whether the path is the axes: down the left edge, then along the bottom.
func isFrame(p string) bool {
	var x, y [3]float64
	n, _ := fmt.Sscanf(strings.NewReplacer("M", "", "L", " ").Replace(p), "%g %g %g %g %g %g", &x[0], &y[0], &x[1], &y[1], &x[2], &y[2])
	return n == 6 && x[0] == x[1] && y[1] == y[2]
}

// A log axis leaves out what it cannot show, and labels it in decimals.
func TestLog(t *testing.T) {
	f := &Figure{Kind: Scatter, LogX: true, LogY: true, Series: []Series{{"a", []Point{
		{X: 0, Y: 1}, {X: 1, Y: 0}, {X: -1, Y: -1}, {X: 1, Y: 0.001, Low: -1, High: 0.01}, {X: 100000, Y: 10},
	}}}}
	d := svg(t, f)
	if got, want := d.arcs, 2*2+2; got != want { // fill and edge of two points, and of the legend's
		t.Errorf("%d circles, want %d", got, want)
	}
	for _, want := range []string{"0.001", "0.01", "0.1", "1", "10", "1,000", "100,000"} {
		if !d.has(want) {
			t.Errorf("no label %q in %q", want, d.contents())
		}
	}
}

func TestEscapes(t *testing.T) {
	bad := `<&> "]]>` + "'\x00\x1b\xff\uFFFE\n</svg>"
	const want = `<&> "]]>' ` + "\uFFFD\uFFFD </svg>"
	figures := []*Figure{
		{Kind: Line, Series: []Series{{bad, []Point{{X: 1, Y: 1}}}}, References: []Reference{{bad, 1}}},
		{Kind: Bars, Series: []Series{{bad, []Point{{X: 1, Y: 1}}}}, Names: []string{bad}},
		{Kind: Heat, Heat: &Grid{[]string{bad}, []string{bad}, [][]float64{{1}}}},
	}
	for _, f := range figures {
		t.Run(string(f.Kind), func(t *testing.T) {
			f.Title, f.X, f.Y, f.Z = bad, bad, bad, bad
			d := svg(t, f)
			if d.title != want {
				t.Errorf("title: got %q, want %q", d.title, want)
			}
			n := 0
			for _, c := range d.contents() {
				if c == want {
					n++
				}
			}
			want := 5 // title, axes, and series and reference, or series and group
			if f.Kind == Heat {
				want = 6 // title, axes, colours, row and column
			}
			if n != want {
				t.Errorf("%d texts, want %d: %q", n, want, d.contents())
			}
			if err := f.PNG(io.Discard); err != nil {
				t.Error(err)
			}
		})
	}
}

// The title of the SVG is whole, whatever fits on the page, and there is one without it.
func TestTitle(t *testing.T) {
	one := []Series{{"", []Point{{X: 1, Y: 1}}}}
	for _, tt := range []struct {
		f    Figure
		want string
	}{
		{Figure{Title: long}, long},
		{Figure{X: "Round", Y: "Loss"}, "Loss by Round"},
		{Figure{Y: "Loss"}, "Loss"},
		{Figure{}, "Figure"},
	} {
		tt.f.Kind, tt.f.Series = Line, one
		if got := svg(t, &tt.f).title; got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

// A value without an error bar has a label; a missing one has neither bar nor label.
func TestBars(t *testing.T) {
	f := samples()["bars-hole"]
	d := svg(t, f)
	n := 0
	for _, s := range f.Series {
		for _, pt := range s.Points {
			if label := format(pt.Y, 3); finite(pt.Y) {
				n++
				if !d.has(label) {
					t.Errorf("no label %s", label)
				}
			}
		}
	}
	if n != 11 || d.has("NaN") {
		t.Errorf("%d values, want 11 and no NaN", n)
	}
	// 12 series of 6 bars each have no room for values.
	for _, c := range svg(t, samples()["bars-many"]).contents() {
		if strings.HasPrefix(c, "0.") && len(c) > 3 {
			t.Errorf("value %s, want none", c)
		}
	}
}

func TestHeatHole(t *testing.T) {
	d := svg(t, samples()["heat"])
	cells := 0
	for _, c := range d.contents() {
		if strings.HasPrefix(c, "0.") && len(c) == 5 {
			cells++
		}
	}
	if want := 5*6 - 2; cells != want {
		t.Errorf("%d values, want %d", cells, want)
	}
}

// The values in a heat map contrast with every colour, by 4.5 as WCAG 2 wants.
func TestContrast(t *testing.T) {
	last := -1.0
	for i := range 1001 {
		c := shade(float64(i) / 1000)
		a, b := c.luminance(), over(c).luminance()
		if ratio := (max(a, b) + 0.05) / (min(a, b) + 0.05); ratio < 4.5 {
			t.Errorf("contrast at %d/1000 is %.2f, want >= 4.5", i, ratio)
		}
		if a < last-1e-3 {
			t.Errorf("luminance falls at %d/1000: %v after %v", i, a, last)
		}
		last = a
	}
}

// No two of 20 curves look the same without colours, and no two neighbours have the same
// colour, dashes, marker or hatching.
func TestSeriesDiffer(t *testing.T) {
	seen := make(map[string]int)
	for i := range 20 {
		look := fmt.Sprint(dash(i), i%len(shapes))
		if j, ok := seen[look]; ok {
			t.Errorf("curves %d and %d look the same: %s", j, i, look)
		}
		seen[look] = i
		if hue(i) == hue(i+1) || i%len(shapes) == (i+1)%len(shapes) || fmt.Sprint(dash(i)) == fmt.Sprint(dash(i+1)) {
			t.Errorf("series %d and %d look alike", i, i+1)
		}
		var a, b strokes
		hatch(&a, i, rect(0, 0, 20, 20))
		hatch(&b, i+1, rect(0, 0, 20, 20))
		if fmt.Sprint(a) == fmt.Sprint(b) {
			t.Errorf("bars %d and %d have the same hatching", i, i+1)
		}
	}
}

// strokes is a surface that records the paths of strokes.
type strokes []vg.Path

func (s *strokes) fill(vg.Path, rgb)            {}
func (s *strokes) stroke(p vg.Path, _ pen)      { *s = append(*s, p) }
func (s *strokes) text(string, style, vg.Point) {}

// Hatching stays on its bar.
func TestHatchInside(t *testing.T) {
	r := rect(13, 7.3, 29.1, 101)
	for i := range 10 {
		var s strokes
		hatch(&s, i, r)
		if n := len(s); (n > 0) != (i%5 > 0) {
			t.Errorf("series %d: %d strokes", i, n)
		}
		for _, p := range s {
			for _, c := range p {
				const slack = 1e-9
				if c.Pos.X < r.Min.X-slack || c.Pos.X > r.Max.X+slack || c.Pos.Y < r.Min.Y-slack || c.Pos.Y > r.Max.Y+slack {
					t.Errorf("series %d: %v lies outside of %v", i, c.Pos, r)
				}
			}
		}
	}
}

func TestFormat(t *testing.T) {
	for _, tt := range []struct {
		v        float64
		decimals int
		want     string
	}{
		{0, 0, "0"}, {0, 2, "0.00"}, {math.Copysign(0, -1), 1, "0.0"}, {-0.001, 2, "0.00"}, {1, 0, "1"}, {0.5, 2, "0.50"}, {-2.25, 2, "−2.25"},
		{1000, 0, "1,000"}, {-1234567.5, 1, "−1,234,567.5"}, {6e9, 0, "6,000,000,000"}, {1e12, 0, "10^12"}, {-2.5e-7, -1, "−2.5×10^−7"},
		{0.00001, -1, "0.00001"}, {1.0 / 3e9, 10, "3.333×10^−10"},
	} {
		if got := format(tt.v, tt.decimals); got != tt.want {
			t.Errorf("format(%v, %d): got %q, want %q", tt.v, tt.decimals, got, tt.want)
		}
	}
}

func TestTicks(t *testing.T) {
	for _, tt := range []struct {
		name     string
		a        axis
		n        int
		want     string
		from, to float64
	}{
		{"share", axis{min: 0, max: 1}, 5, "0.0 0.2 0.4 0.6 0.8 1.0", 0, 1},
		{"rounds", axis{min: 0, max: 3, whole: true}, 9, "0 1 2 3", 0, 3},
		{"negative", axis{min: -1, max: 1}, 4, "−1.0 −0.5 0.0 0.5 1.0", 0, 0},
		{"narrow", axis{min: 0.971, max: 0.974}, 3, "0.971 0.972 0.973 0.974", 0, 0},
		{"decades", axis{min: 0.01, max: 1000, log: true}, 9, "0.01 0.1 1 10 100 1,000", 0, 0},
		{"few decades", axis{min: 1, max: 100, log: true}, 3, "1 10 100", 0, 0},
		{"one decade", axis{min: 2, max: 9, log: true}, 4, "2 4 6 8", 0, 0},
		{"many decades", axis{min: 1e-12, max: 1, log: true}, 4, "10^−12 10^−8 0.0001 1", 0, 0},
	} {
		if got := strings.Join(labels(tt.a.ticksOf(tt.n)), " "); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

// Whatever the values are, a figure is drawn or an error says why not.
func FuzzDraws(f *testing.F) {
	for _, v := range [][4]float64{{0, 1, 2, 3}, {1e100, -1e100, 1e-100, 0}, {math.NaN(), math.Inf(1), 5e-324, 1}, {1, 1 + 1e-15, 1, 1}, {math.MaxFloat64, 1e99, -1e99, 1e15}} {
		f.Add(v[0], v[1], v[2], v[3], "name")
	}
	f.Fuzz(func(t *testing.T, a, b, c, d float64, name string) {
		pts := []Point{{a, b, c, d}, {b, c, d, a}, {c, d, a, b}, {d, a, b, c}}
		names := []string{name, "b", name + name, name}
		for i := range 32 {
			fig := &Figure{Kind: []Kind{Line, Scatter, Bars, Heat}[i%4], LogX: i&4 > 0, LogY: i&8 > 0, Title: name, X: name, Y: name, Z: name,
				Series: []Series{{name, pts}, {"b", pts[2:]}}, Names: names, References: []Reference{{name, c}},
				Heat: &Grid{names, names[:2], [][]float64{{a, b, c, d}, {d, c, b, a}}}}
			if i&16 > 0 {
				fig.XMin, fig.YMax = &a, &b
			}
			var out bytes.Buffer
			if err := fig.SVG(&out); err != nil {
				continue
			}
			d := read(t, out.Bytes())
			for _, p := range d.paths {
				if strings.ContainsAny(p, "NI") { // NaN and Inf
					t.Fatalf("%s: path %s, want finite lengths", fig.Kind, p)
				}
			}
			for _, x := range d.texts {
				if v := x.x + x.y + x.size + x.length; math.IsNaN(v) || math.IsInf(v, 0) {
					t.Fatalf("%s: text %+v, want finite lengths", fig.Kind, x)
				}
			}
		}
	})
}
