package lab

import (
	"math"
	"sync"

	"fedtab/lab/study"
	"fedtab/words"
)

// surfacePage shows walkers on a surface with four minima and their mean, and two networks
// and what lies between them.
type surfacePage struct {
	trails [][]Point // of the walkers, by step
	means  []Point   // by step
	networks
}

// surfaceSide bounds the surface that is shown, on both sides of 0.
const surfaceSide = 6.

// surfaceLevels are the values along whose lines the surface is drawn.
var surfaceLevels = []float64{2, 10, 30, 60, 100, 140, 181, 250, 350, 500, 800}

func surfaceSheet() *Sheet {
	corner := Point{surfaceSide, surfaceSide}
	return &Sheet{
		Name: "surface", Title: "lab.surface.title", Lead: "lab.surface.lead",
		Paragraphs: []string{"lab.surface.what", "lab.surface.why", "lab.surface.networks"},
		Formula:    "f(x, y) = (x² + y − 11)² + (x + y² − 7)²,   w(θ) = (1 − θ) w₁ + θ w₂",
		Where:      "lab.surface.where",
		Try:        []string{"lab.surface.try.play", "lab.surface.try.valley", "lab.surface.try.rate", "lab.surface.try.starts", "lab.surface.try.epochs"},
		Sources: []Source{
			{"McMahan, Moore, Ramage, Hampson, Agüera y Arcas: Communication-Efficient Learning of Deep Networks from Decentralized Data. AISTATS 2017", "https://arxiv.org/abs/1602.05629"},
			{"Himmelblau: Applied Nonlinear Programming. McGraw-Hill, 1972", ""},
		},
		settings: append([]Setting{
			{Name: "rate", Label: "lab.surface.rate", Values: []float64{.001, .002, .005, .01, .012, .015, .02, .03}, Default: study.WalkRate},
			{Name: "step", Label: "lab.surface.step", Kind: Step, Values: upTo(study.WalkSteps), Default: 0},
			{Name: "speed", Label: "lab.speed", Kind: Speed, Values: []float64{2, 10, 30, 60}, Default: 10, Say: saySpeed},
		}, networkSettings()...),
		groups: []Group{{
			Name: "w", Label: "lab.surface.walker", Low: Point{-surfaceSide, -surfaceSide}, High: corner,
			Begin: func(*State) (all []Point) {
				for _, w := range study.Walkers() {
					all = append(all, Point{w[0], w[1]})
				}
				return all
			},
		}},
		Parts: []Part{
			{
				Name: "walk", Title: "lab.surface.walkers", Settings: []string{"step", "rate", "speed"}, Played: true,
				Figures:  []Figure{{"surface", "lab.surface.label"}, {"values", "lab.surface.values.label"}},
				Readings: []Reading{{"walk", "", ""}, {"walk-mean", "lab.surface.mean", "mean"}, {"walk-worst", "lab.surface.worst", "walker"}},
				Buttons:  []Button{{Reset, "lab.reset"}},
			},
			networkPart(),
		},
		begin: func() page { return &surfacePage{} },
	}
}

// surfaceLines draws the surface, as SVG.
var surfaceLines = sync.OnceValue(func() string {
	d := plot{name: "surface", Frame: surfaceFrame()}
	g := newField(d.Low, d.High, 97, height)
	for _, level := range surfaceLevels {
		for _, line := range lines(g.contour(level)) {
			d.line("contour", line)
		}
	}
	return d.b.String()
})

// height is the surface's at a place.
func height(at Point) float64 {
	f, _, _ := study.Himmelblau(at.X, at.Y)
	return f
}

// surfaceFrame is the part of the surface that is shown.
func surfaceFrame() Frame {
	return square(Point{-surfaceSide, -surfaceSide}, Point{surfaceSide, surfaceSide})
}

// follow implements page.
func (p *surfacePage) follow(s *State) {
	p.walk(s.Points("w"), s.Value("rate"))
	p.networks.follow(s)
}

// work implements page.
func (p *surfacePage) work() bool { return p.networks.work() }

// walk computes where the walkers are after each step. One that leaves for good stays where
// it was seen last.
func (p *surfacePage) walk(from []Point, rate float64) {
	p.trails, p.means = make([][]Point, len(from)), nil
	at := make([]Point, len(from))
	copy(at, from)
	for range study.WalkSteps + 1 {
		for i, q := range at {
			p.trails[i] = append(p.trails[i], q)
			if next := study.Descend([2]float64{q.X, q.Y}, rate); math.Abs(next[0])+math.Abs(next[1]) < farthest {
				at[i] = Point{next[0], next[1]}
			}
		}
		p.means = append(p.means, meanOf(trailEnds(p.trails)))
	}
}

// A walker that still takes steps longer than restStep after so many has not come to rest.
const (
	restAfter = 60
	restStep  = .1
)

// farthest is how far a walker may go before it counts as lost.
const farthest = 1e3

func trailEnds(trails [][]Point) (ends []Point) {
	for _, t := range trails {
		ends = append(ends, t[len(t)-1])
	}
	return ends
}

// draw implements page.
func (p *surfacePage) draw(s *State, v *View) {
	step := s.Int("step")
	d := plot{name: "surface", Frame: surfaceFrame()}
	for _, trail := range p.trails {
		d.line("trail", trail[:step+1])
	}
	d.line("trail mean", p.means[:step+1])
	if step > 0 {
		for _, trail := range p.trails {
			d.mark("walker", trail[step], 6)
		}
	}
	d.mark("mean", p.means[step], 8)
	d.handles(v, &s.groups[0], s.Points("w"), func(int) string {
		if step > 0 {
			return "origin"
		}
		return "walker"
	})
	d.show(v, surfaceLines())

	c := plot{name: "values", Frame: chart(Point{0, -1}, Point{study.WalkSteps, 3.2})}
	c.LogY = true
	c.axes(v, v.say("lab.surface.step.axis"), v.say("lab.surface.value.axis"), []float64{0, 50, 100, 150, 200}, []float64{.1, 1, 10, 100, 1000})
	curve := func(trail []Point) (line []Point) {
		for i, q := range trail[:step+1] {
			line = append(line, Point{float64(i), max(height(q), .1)})
		}
		return line
	}
	for _, trail := range p.trails {
		c.line("curve walker", curve(trail))
	}
	c.line("curve mean", curve(p.means))
	c.legend((c.Top+c.Bottom)/2, [2]string{"curve mean", v.say("lab.surface.curve.mean")}, [2]string{"curve walker", v.say("lab.surface.curve.walker")})
	c.mark("mean", Point{float64(step), max(height(p.means[step]), .1)}, 6)
	c.show(v, "")

	var worst float64
	restless := 0
	for _, trail := range p.trails {
		worst = max(worst, height(trail[step]))
		if step >= restAfter {
			if was, is := trail[step-1], trail[step]; !d.has(is) || math.Hypot(is.X-was.X, is.Y-was.Y) > restStep {
				restless++
			}
		}
	}
	mean := height(p.means[step])
	text := v.say("lab.surface.begin")
	switch {
	case restless > 0:
		text = v.say("lab.surface.restless", restless)
	case step > 0 && mean > worst:
		text = v.say("lab.surface.above")
	case step > 0:
		text = v.say("lab.surface.below")
	}
	v.tell("walk", text)
	v.tell("walk-mean", v.value(mean))
	v.tell("walk-worst", v.value(worst))
	p.networks.draw(s, v)
}

// value writes a value that may be large.
func (v *View) value(x float64) string {
	if math.IsInf(x, 0) || math.IsNaN(x) {
		return words.Dash
	}
	if math.Abs(x) >= 100 {
		return v.l.Amount(math.Round(x))
	}
	return v.number(x)
}
