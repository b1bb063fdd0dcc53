package organiser

import (
	"encoding/xml"
	"io"
	"math"
	"strings"
	"testing"
)

func values(ys ...float64) []*float64 {
	out := make([]*float64, len(ys))
	for i := range ys {
		if !math.IsNaN(ys[i]) {
			out[i] = &ys[i]
		}
	}
	return out
}

// elements returns the elements of a drawing, which must be XML: a saved one is a file of its
// own.
func elements(t *testing.T, svg string) (all []xml.StartElement, text string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		token, err := d.Token()
		if err == io.EOF {
			return all, text
		}
		if err != nil {
			t.Fatalf("%v in %s", err, svg)
		}
		switch token := token.(type) {
		case xml.StartElement:
			all = append(all, token.Copy())
		case xml.CharData:
			text += string(token) + "\n"
		}
	}
}

func attribute(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

func curves(t *testing.T, p *Plot, saved bool) (paths []string) {
	all, _ := elements(t, p.SVG(400, 200, saved))
	for _, e := range all {
		if strings.HasPrefix(attribute(e, "class"), "curve") {
			paths = append(paths, attribute(e, "d"))
		}
	}
	return paths
}

// A curve goes from corner to corner of the plotting area, over points that are not known.
func TestCurve(t *testing.T) {
	p := &Plot{Title: "Loss", X: "round", Curves: []Curve{{"a", []float64{0, 5, 10}, values(0, math.NaN(), 4)}}}
	want := "M58.0 160.0L388.0 10.0"
	if got := curves(t, p, false); len(got) != 1 || got[0] != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// What is outside of the scale is drawn at its edge, and what is no number not at all.
func TestCurveOutside(t *testing.T) {
	zero, one := 0., 1.
	p := &Plot{X: "round", Floor: &zero, Top: &one, Curves: []Curve{{"a", []float64{0, 1, 2, 3}, values(-5, .5, 7, math.Inf(1))}}}
	want := "M58.0 160.0L223.0 85.0L388.0 10.0"
	if got := curves(t, p, false); len(got) != 1 || got[0] != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// One point can be seen, and a curve without any draws nothing.
func TestCurveOfOne(t *testing.T) {
	p := &Plot{X: "round", Curves: []Curve{{"a", []float64{3}, values(2)}, {"b", []float64{3}, values(math.NaN())}}}
	got := curves(t, p, false)
	if len(got) != 2 || !strings.HasSuffix(got[0], "h.1") || got[1] != "" {
		t.Errorf("%q, want a point and nothing", got)
	}
	if (&Plot{Curves: p.Curves[1:]}).known() {
		t.Error("a curve without points counts as known")
	}
}

// A saved drawing names its curves, whatever is in the names.
func TestSaved(t *testing.T) {
	name := `<a href="x">&'"` + "\u00e9"
	p := &Plot{Title: "A & B", X: "round", Y: "loss", Curves: []Curve{{name, []float64{1, 2}, values(1, 2)}}}
	for _, saved := range []bool{false, true} {
		all, text := elements(t, p.SVG(400, 200, saved))
		if got := strings.Contains(text, name) && strings.Contains(text, "A & B"); got != saved {
			t.Errorf("saved %v: the text is %q", saved, text)
		}
		for _, e := range all {
			if e.Name.Local == "a" {
				t.Errorf("saved %v: a name became an element", saved)
			}
		}
	}
	if got, want := p.CSV(), "run,round,loss\n\"<a href=\"\"x\"\">&'\"\"\u00e9\",1,1\n\"<a href=\"\"x\"\">&'\"\"\u00e9\",2,2\n"; got != want {
		t.Errorf("CSV is %q, want %q", got, want)
	}
	if got := field("=1+1"); got != "'=1+1" {
		t.Errorf("a formula is written as %q", got)
	}
}

// An axis has the range in it, about n ticks at round numbers, in order.
func TestNice(t *testing.T) {
	for _, c := range []struct{ low, high float64 }{{0, 1}, {.5, .97}, {0, 12_000}, {1e-9, 3e-9}, {-3, 7}, {5, 5}, {0, 0}, {-2, -2}, {1e12, 3e12}} {
		for _, n := range []int{4, 6} {
			for _, rounded := range []bool{false, true} {
				s := nice(c.low, c.high, n, rounded)
				if s.low > c.low+1e-12 || s.high < c.high || !(s.low < s.high) || len(s.ticks) < 2 || len(s.ticks) > n+3 {
					t.Errorf("%v to %v in %d: %+v", c.low, c.high, n, s)
				}
				for i, v := range s.ticks {
					slack := (s.high - s.low) * 1e-6
					if v < s.low-slack || v > s.high+slack || i > 0 && v <= s.ticks[i-1] {
						t.Errorf("%v to %v in %d: ticks %v", c.low, c.high, n, s.ticks)
					}
				}
			}
		}
	}
}

func TestCompact(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 950: "950", 1000: "1k", 12_500: "12.5k", 2_000_000: "2M", .25: "0.25", -3000: "-3k"} {
		if got := compact(v); got != want {
			t.Errorf("%v is written %q, want %q", v, got, want)
		}
	}
}
