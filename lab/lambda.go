package lab

import (
	"math"
	"slices"

	"fedtab/lab/study"
	"fedtab/words"
)

// lambdaPage shows a regression with more and with less penalty.
type lambdaPage struct {
	points []Point
	lambda float64 // that the person has chosen
	fits   []*fitted
	shown  *fitted // what is drawn while the newest is not there

	running *study.Regression
	of      *fitted // what running is for
}

// fitted is a regression of the points with a lambda.
type fitted struct {
	lambda   float64
	points   []Point
	curve    []float32 // on the grid; nil: not computed yet
	onPoints float64   // mean absolute error
	fromTrue float64   // that from the curve without noise
}

// lambdas are about half a power of ten apart.
var lambdas = []float64{1e-6, 3e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, .1, .3, 1, 3, 10, 30, 100}

const (
	curveGrid  = 200 // places at which curves are drawn and compared
	fitSlice   = 800 // steps of a slice of work
	lowestY    = -2.
	highestY   = 5.
	errorAxis  = 5. // upper end
	errorFloor = .001
)

func lambdaSheet() *Sheet {
	return &Sheet{
		Name: "lambda", Title: "lab.lambda.title", Lead: "lab.lambda.lead",
		Paragraphs: []string{"lab.lambda.what", "lab.lambda.why"},
		Formula:    "min  λ/2 ‖w‖² + 1/n Σ max(0, |yᵢ − f(xᵢ)| − 0.02),   f(x) = w·φ(x) + b",
		Where:      "lab.lambda.where",
		Try:        []string{"lab.lambda.try.small", "lab.lambda.try.large", "lab.lambda.try.drag", "lab.lambda.try.noise", "lab.lambda.try.more"},
		Sources: []Source{
			{"Rahimi, Recht: Random Features for Large-Scale Kernel Machines. NIPS 2007", "https://papers.nips.cc/paper/3182-random-features-for-large-scale-kernel-machines"},
			{"Drucker, Burges, Kaufman, Smola, Vapnik: Support Vector Regression Machines. NIPS 1996", "https://papers.nips.cc/paper/1238-support-vector-regression-machines"},
		},
		settings: []Setting{
			{Name: "lambda", Label: "lab.lambda.lambda", Values: lambdas, Default: 1e-4, Say: powers},
			{Name: "points", Label: "lab.lambda.points", Kind: Choice, Values: []float64{10, 20, 40}, Default: 20},
			{Name: "noise", Label: "lab.lambda.noise", Kind: Choice, Values: []float64{0, .1, .3, .6}, Default: .1},
			{Name: "seed", Label: "lab.seed", Kind: Seed, Default: 1},
		},
		groups: []Group{{
			Name: "p", Label: "lab.lambda.point", From: []string{"points", "noise", "seed"}, Low: Point{0, lowestY}, High: Point{study.Width, highestY},
			Begin: func(s *State) (all []Point) {
				xs, ys := study.Points(s.seed("seed"), s.Int("points"), s.Value("noise"))
				for i, x := range xs {
					all = append(all, Point{float64(x), float64(ys[i])})
				}
				return all
			},
		}},
		Parts: []Part{{
			Name: "fit", Title: "lab.lambda.fit", Settings: []string{"lambda", "points", "noise", "seed"},
			Figures:  []Figure{{"fit", "lab.lambda.fit.label"}, {"errors", "lab.lambda.errors.label"}},
			Readings: []Reading{{"fits", "", ""}, {"fit-train", "lab.lambda.train", "train"}, {"fit-true", "lab.lambda.true", "true"}, {"fit-best", "lab.lambda.best", "best"}},
			Buttons:  []Button{{NewSeed, "lab.lambda.new"}, {Reset, "lab.reset"}},
		}},
		begin: func() page { return &lambdaPage{} },
	}
}

// follow implements page.
func (p *lambdaPage) follow(s *State) {
	p.lambda = s.Value("lambda")
	points := s.Points("p")
	if !slices.Equal(points, p.points) {
		p.points = append([]Point(nil), points...)
		p.fits = nil
		for _, lambda := range lambdas {
			p.fits = append(p.fits, &fitted{lambda: lambda, points: p.points})
		}
		if p.of != nil && p.of.lambda != p.lambda {
			p.running = nil
		}
	}
	if f := p.current(); f.curve != nil {
		p.shown = f
	}
}

// current returns the regression that the person wants to see.
func (p *lambdaPage) current() *fitted {
	for _, f := range p.fits {
		if f.lambda == p.lambda {
			return f
		}
	}
	return nil
}

// next returns the regression to be computed next: that which is wanted, then those beside it.
// nil: there is none.
func (p *lambdaPage) next() (nearest *fitted) {
	distance := func(f *fitted) float64 { return math.Abs(math.Log(f.lambda / p.lambda)) }
	for _, f := range p.fits {
		if f.curve == nil && (nearest == nil || distance(f) < distance(nearest)) {
			nearest = f
		}
	}
	return nearest
}

// work implements page. A regression that was wanted is finished although a point has been
// moved meanwhile: while a person drags one, a curve follows, a moment late.
func (p *lambdaPage) work() bool {
	if p.running == nil {
		if p.of = p.next(); p.of == nil {
			return false
		}
		xs, ys := p.of.axes()
		var err error
		if p.running, err = study.NewRegression(xs, ys, p.of.lambda, 1); err != nil {
			panic("lab: " + err.Error()) // points are finite
		}
	}
	done, err := p.running.Run(fitSlice)
	if err != nil {
		panic("lab: " + err.Error()) // rates follow from lambda so that nothing diverges
	}
	if done {
		p.finish()
	}
	return true
}

// finish takes in a regression that is done.
func (p *lambdaPage) finish() {
	f := p.of
	xs, truth := study.Grid(curveGrid)
	f.curve = p.running.At(xs)
	f.fromTrue = study.MeanError(f.curve, truth)
	px, py := f.axes()
	f.onPoints = study.MeanError(p.running.At(px), py)
	if f.lambda == p.lambda {
		p.shown = f
	}
	p.running = nil
}

// axes returns the coordinates of the points.
func (f *fitted) axes() (xs, ys []float32) {
	for _, q := range f.points {
		xs, ys = append(xs, float32(q.X)), append(ys, float32(q.Y))
	}
	return xs, ys
}

// best returns the regression with the smallest error from the true curve; nil while some are
// not computed.
func (p *lambdaPage) best() (best *fitted) {
	for _, f := range p.fits {
		if f.curve == nil {
			return nil
		}
		if best == nil || f.fromTrue < best.fromTrue {
			best = f
		}
	}
	return best
}

// draw implements page.
func (p *lambdaPage) draw(s *State, v *View) {
	xs, truth := study.Grid(curveGrid)
	d := plot{name: "fit", Frame: chart(Point{0, lowestY}, Point{study.Width, highestY})}
	d.axes(v, "x", "y", []float64{0, 2, 4, 6, 8, 10}, []float64{-2, 0, 2, 4})
	d.line("curve true", curveOf(xs, truth))
	if p.shown != nil {
		d.line("curve fit", curveOf(xs, p.shown.curve))
	}
	d.legend(d.Top+10, [2]string{"curve true", v.say("lab.lambda.truth")}, [2]string{"curve fit", v.say("lab.lambda.learned")})
	d.handles(v, &s.groups[0], s.Points("p"), func(int) string { return "example" })
	d.show(v, "")

	c := plot{name: "errors", Frame: chart(Point{-6, -3}, Point{2, .7})}
	c.LogX, c.LogY = true, true
	c.axes(v, "λ", v.say("lab.lambda.error.axis"), []float64{1e-6, 1e-4, .01, 1, 100}, []float64{.001, .01, .1, 1})
	var train, truthful []Point
	for _, f := range p.fits {
		if f.curve != nil {
			train = append(train, Point{f.lambda, max(f.onPoints, errorFloor)})
			truthful = append(truthful, Point{f.lambda, min(max(f.fromTrue, errorFloor), errorAxis)})
		}
	}
	best := p.best()
	if best != nil {
		x, _ := c.at(Point{best.lambda, 1})
		c.add(`<path class="best" d="M`, units(x), " ", units(c.Top), "V", units(c.Bottom), `"></path>`)
	}
	c.line("curve train", train)
	c.line("curve true", truthful)
	c.legend(c.Bottom-34, [2]string{"curve true", v.say("lab.lambda.from.true")}, [2]string{"curve train", v.say("lab.lambda.on.points")})
	if f := p.current(); f.curve != nil {
		c.mark("train", Point{f.lambda, max(f.onPoints, errorFloor)}, 6)
		c.mark("true", Point{f.lambda, min(max(f.fromTrue, errorFloor), errorAxis)}, 6)
	}
	c.show(v, "")

	f := p.current()
	v.tell("fit-train", errorOf(v, f, f.onPoints))
	v.tell("fit-true", errorOf(v, f, f.fromTrue))
	text, at := v.say("lab.lambda.computing"), words.Dash
	if best != nil {
		at = powers(v.l, best.lambda)
		switch {
		case f.lambda < best.lambda:
			text = v.say("lab.lambda.over")
		case f.lambda > best.lambda:
			text = v.say("lab.lambda.under")
		default:
			text = v.say("lab.lambda.right")
		}
	}
	v.tell("fits", text)
	v.tell("fit-best", at)
}

// errorOf writes an error of a regression, if that is computed.
func errorOf(v *View, f *fitted, x float64) string {
	if f.curve == nil {
		return words.Dash
	}
	return v.l.Three(x)
}

func curveOf(xs, ys []float32) []Point {
	all := make([]Point, len(xs))
	for i, x := range xs {
		all[i] = Point{float64(x), float64(ys[i])}
	}
	return all
}
