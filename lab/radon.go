package lab

import (
	"math"
	"math/rand/v2"
	"slices"
	"strconv"

	"fedtab/combine"
	"fedtab/learn/rng"
	"fedtab/words"
)

// radonPage shows Radon points: of four points, and of the levels of a tree.
type radonPage struct {
	four  four
	nodes []node // of the tree, a level after those below it
	bad   int
	mean  Point
	mid   Point // coordinate-wise median
	top   Point
	heart Point // mean of the honest points
}

// four is four points, one of which may be far out, and what is made of them.
type four struct {
	points            []Point // where they count, and not where they are drawn
	alpha             []float64
	radon, mean, mid  Point
	plus, minus       []int // the sides of the partition
	plusHull, minHull []Point
}

// node is a point of the tree.
type node struct {
	Point
	level int
	bad   bool
	of    []int // the nodes below; nil: a leaf
}

const (
	radonSide = 10. // of the square in which everything is
	maxHeight = 3
	maxBad    = 20
	spread    = .9  // standard deviation of the honest points
	huddle    = .25 // and of the poisoned ones, around where they are moved
)

// honestCentre is the mean of what honest points are drawn from.
var honestCentre = Point{3.4, 5.6}

func radonSheet() *Sheet {
	square := Point{radonSide, radonSide}
	return &Sheet{
		Name: "radon", Title: "lab.radon.title", Lead: "lab.radon.lead",
		Paragraphs: []string{"lab.radon.what", "lab.radon.why", "lab.radon.tree"},
		Formula:    "r = Σ⁺ αᵢ xᵢ / Σ⁺ αᵢ,   Σ αᵢ = 0,   Σ αᵢ xᵢ = 0",
		Where:      "lab.radon.where",
		Try:        []string{"lab.radon.try.drag", "lab.radon.try.poison", "lab.radon.try.tree", "lab.radon.try.many"},
		Sources: []Source{
			{"Kamp, Boley, Missura, Gärtner: Effective Parallelisation for Machine Learning. NIPS 2017", "https://arxiv.org/abs/1810.03530"},
			{"Radon: Mengen konvexer Körper, die einen gemeinsamen Punkt enthalten. Mathematische Annalen 83, 1921", "https://doi.org/10.1007/BF01464231"},
		},
		settings: []Setting{
			{Name: "poison", Label: "lab.radon.poison", Values: []float64{1, 1.5, 2, 3, 5, 10, 30, 100}, Default: 1, Say: sayTimes},
			{Name: "height", Label: "lab.radon.height", Kind: Choice, Values: []float64{1, 2, 3}, Default: 2, Say: sayHeight},
			{Name: "bad", Label: "lab.radon.bad", Values: upTo(maxBad), Default: 3, Most: func(s *State) float64 {
				return min(maxBad, float64(combine.Need(2, s.Int("height"))))
			}},
			{Name: "seed", Label: "lab.seed", Kind: Seed, Default: 1},
			{Name: "step", Label: "lab.radon.level", Kind: Step, Values: upTo(maxHeight), Default: 0, Most: func(s *State) float64 { return s.Value("height") }},
			{Name: "speed", Label: "lab.speed", Kind: Speed, Values: []float64{.5, 1, 2}, Default: 1, Say: saySpeed},
		},
		groups: []Group{
			{Name: "p", Label: "lab.radon.point", High: square, Begin: func(*State) []Point { return []Point{{2.2, 3}, {7.2, 2.4}, {5.6, 8}, {4.6, 4.6}} }},
			{Name: "from", Label: "lab.radon.from", High: square, Begin: func(*State) []Point { return []Point{{8.6, 1.6}} }},
		},
		Parts: []Part{
			{
				Name: "four", Title: "lab.radon.four", Settings: []string{"poison"}, Figures: []Figure{{"four", "lab.radon.four.label"}},
				Readings: []Reading{{"sides", "", ""}, {"four-radon", "lab.radon.radon", "radon"}, {"four-mean", "lab.radon.mean", "mean"}, {"four-median", "lab.radon.median", "median"}},
				Buttons:  []Button{{Reset, "lab.reset"}},
			},
			{
				Name: "tree", Title: "lab.radon.trees", Settings: []string{"step", "height", "bad", "seed", "speed"}, Figures: []Figure{{"tree", "lab.radon.tree.label"}}, Played: true,
				Readings: []Reading{{"level", "", ""}, {"tree-radon", "lab.radon.radon.far", "radon"}, {"tree-mean", "lab.radon.mean.far", "mean"}, {"tree-median", "lab.radon.median.far", "median"}, {"bound", "", ""}},
				Buttons:  []Button{{NewSeed, "lab.seed.new"}},
			},
		},
		begin: func() page { return &radonPage{} },
	}
}

func sayTimes(l *words.Language, v float64) string { return l.Say("lab.times", v) }
func saySpeed(l *words.Language, v float64) string { return l.Say("lab.speed.value", v) }
func sayHeight(l *words.Language, v float64) string {
	return l.Say("lab.radon.height.value", int(v), combine.Need(2, int(v)))
}

// follow implements page.
func (p *radonPage) follow(s *State) {
	p.four = fourOf(s.Points("p"), s.Value("poison"))
	p.grow(s)
}

// work implements page.
func (p *radonPage) work() bool { return false }

// fourOf returns what there is to see of four points, the last of which is moved away from
// the middle of the figure by a factor.
func fourOf(drawn []Point, times float64) four {
	f := four{points: slices.Clone(drawn), alpha: make([]float64, len(drawn))}
	last := &f.points[len(f.points)-1]
	const middle = radonSide / 2
	*last = Point{middle + times*(last.X-middle), middle + times*(last.Y-middle)}
	rows := make([][]float64, len(f.points))
	for i, q := range f.points {
		rows[i] = []float64{q.X, q.Y}
	}
	at := make([]float64, 2)
	if err := combine.RadonSides(at, f.alpha, rows); err != nil {
		panic("lab: " + err.Error()) // points are finite, and there are d + 2
	}
	f.radon = Point{at[0], at[1]}
	f.mean, f.mid = meanOf(f.points), medianOf(f.points)
	for i, a := range f.alpha {
		if math.Abs(a) < tiny {
			continue // is on the edge between the others
		}
		if a > 0 {
			f.plus, f.plusHull = append(f.plus, i), append(f.plusHull, f.points[i])
		} else {
			f.minus, f.minHull = append(f.minus, i), append(f.minHull, f.points[i])
		}
	}
	if slices.Contains(f.minus, 0) { // the first point's side first
		f.plus, f.minus, f.plusHull, f.minHull = f.minus, f.plus, f.minHull, f.plusHull
	}
	return f
}

// tiny is what rounding leaves of a coefficient.
const tiny = 1e-9

func meanOf(points []Point) (m Point) {
	for _, q := range points {
		m.X, m.Y = m.X+q.X/float64(len(points)), m.Y+q.Y/float64(len(points))
	}
	return m
}

// vectors returns points as the vectors that package combine takes.
func vectors(points []Point) [][]float32 {
	all := make([][]float32, len(points))
	for i, q := range points {
		all[i] = []float32{float32(q.X), float32(q.Y)}
	}
	return all
}

func medianOf(points []Point) Point {
	var at [2]float32
	if err := combine.Median(at[:], vectors(points)); err != nil {
		panic("lab: " + err.Error()) // there are points
	}
	return Point{float64(at[0]), float64(at[1])}
}

// leaves returns the points of the tree: honest ones first, then the poisoned ones.
func leaves(s *State) (points []Point, honest int) {
	n := combine.Need(2, s.Int("height"))
	honest = n - s.Int("bad")
	r := rand.New(rng.New(rng.Derive(s.seed("seed"), "radon points")))
	from := s.Points("from")[0]
	for i := range n {
		dx, dy := r.NormFloat64(), r.NormFloat64()
		centre, by := honestCentre, spread
		if i >= honest {
			centre, by = from, huddle
		}
		points = append(points, Point{centre.X + by*dx, centre.Y + by*dy})
	}
	return points, honest
}

// grow makes the tree.
func (p *radonPage) grow(s *State) {
	points, honest := leaves(s)
	p.bad = len(points) - honest
	p.mean, p.mid, p.heart = meanOf(points), medianOf(points), Point{}
	if honest > 0 {
		p.heart = meanOf(points[:honest])
	}
	given := vectors(points)
	p.nodes = nil
	free := make([][]int, s.Int("height")+1) // nodes of a level that nothing is made of yet
	var top [2]float32
	err := combine.RadonLevels(top[:], given, s.Int("height"), s.seed("seed"), func(level int, at []float64) {
		n := node{Point: Point{at[0], at[1]}, level: level}
		if level == 0 {
			n.bad = slices.ContainsFunc(given[honest:], func(v []float32) bool { return float64(v[0]) == at[0] && float64(v[1]) == at[1] })
		} else {
			n.of, free[level-1] = free[level-1], nil
		}
		free[level] = append(free[level], len(p.nodes))
		p.nodes = append(p.nodes, n)
	})
	if err != nil {
		panic("lab: " + err.Error()) // points are finite, and there are enough
	}
	p.top = Point{float64(top[0]), float64(top[1])}
}

// draw implements page.
func (p *radonPage) draw(s *State, v *View) {
	p.drawFour(s, v)
	p.drawTree(s, v)
}

func (p *radonPage) drawFour(s *State, v *View) {
	f := &p.four
	d := plot{name: "four", Frame: square(Point{}, Point{radonSide, radonSide})}
	d.area("hull one", inOrder(f.plusHull))
	d.area("hull two", inOrder(f.minHull))
	group := &s.groups[0]
	poisoned := s.Value("poison") > 1
	last := len(f.points) - 1
	d.mark("mean", f.mean, 8)
	d.mark("median", f.mid, 8)
	d.mark("radon", f.radon, 12)
	if poisoned {
		d.mark("bad", f.points[last], 8)
	}
	d.handles(v, group, s.Points("p"), func(i int) string {
		switch {
		case i == last && poisoned:
			return "bad"
		case slices.Contains(f.plus, i):
			return "one"
		}
		return "two"
	})
	for i, q := range s.Points("p") {
		x, y := d.at(q)
		d.text("name", x+11, y-9, strconv.Itoa(i+1))
	}
	d.show(v, "")
	v.tell("sides", f.words(v))
	v.tell("four-radon", v.place(f.radon))
	v.tell("four-mean", v.place(f.mean))
	v.tell("four-median", v.place(f.mid))
}

// words say what the partition is.
func (f *four) words(v *View) string {
	names := func(side []int) string {
		var all []string
		for _, i := range side {
			all = append(all, strconv.Itoa(i+1))
		}
		return v.l.And(all)
	}
	one, other := f.plus, f.minus
	if len(one) < len(other) {
		one, other = other, one
	}
	switch {
	case len(one)+len(other) == 0:
		return v.say("lab.radon.same")
	case len(one) == 3:
		return v.say("lab.radon.inside", names(other), names(one))
	case len(one) == 2 && len(other) == 2:
		return v.say("lab.radon.cross", names(one), names(other))
	case len(one) == 2:
		return v.say("lab.radon.between", names(other), names(one))
	}
	return v.say("lab.radon.equal", names(append(slices.Clone(one), other...)))
}

func (p *radonPage) drawTree(s *State, v *View) {
	d := plot{name: "tree", Frame: square(Point{}, Point{radonSide, radonSide})}
	level, height := s.Int("step"), s.Int("height")
	var honest []Point
	for _, n := range p.nodes {
		if n.level == 0 && !n.bad {
			honest = append(honest, n.Point)
		}
	}
	d.area("hull honest", hull(honest))
	for _, n := range p.nodes {
		if n.level == 0 || n.level > level {
			continue
		}
		class := "branch"
		if n.level < level {
			class = "branch old"
		}
		for _, k := range n.of {
			d.line(class, []Point{p.nodes[k].Point, n.Point})
		}
	}
	for _, n := range p.nodes {
		class := "leaf"
		switch {
		case n.level > level:
			continue
		case n.level > 0 && n.level == height:
			continue // is drawn above everything
		case n.level > 0:
			class = "knot"
		case n.bad:
			class = "bad"
		}
		d.mark(class, n.Point, 4.5+float64(n.level))
	}
	d.mark("mean", p.mean, 8)
	d.mark("median", p.mid, 8)
	if level == height {
		d.mark("radon", p.top, 10)
	}
	d.handles(v, &s.groups[1], s.Points("from"), func(int) string { return "from" })
	d.show(v, "")

	v.tell("level", v.say("lab.radon.at", level, combine.Need(2, height-level)))
	far := func(q Point) string {
		if p.bad == combine.Need(2, height) {
			return words.Dash
		}
		return v.number(math.Hypot(q.X-p.heart.X, q.Y-p.heart.Y))
	}
	if level == height {
		v.tell("tree-radon", far(p.top))
	} else {
		v.tell("tree-radon", words.Dash)
	}
	v.tell("tree-mean", far(p.mean))
	v.tell("tree-median", far(p.mid))
	if bound := 1 << height; p.bad < bound {
		v.tell("bound", v.say("lab.radon.safe", bound))
	} else {
		v.tell("bound", v.say("lab.radon.unsafe", bound))
	}
}

// inOrder returns points in order around their middle.
func inOrder(points []Point) []Point {
	m := meanOf(points)
	all := slices.Clone(points)
	slices.SortFunc(all, func(a, b Point) int {
		if math.Atan2(a.Y-m.Y, a.X-m.X) < math.Atan2(b.Y-m.Y, b.X-m.X) {
			return -1
		}
		return 1
	})
	return all
}

// hull returns the corners of the convex hull of points, in order around it (Andrew's
// monotone chain, 1979).
func hull(points []Point) []Point {
	if len(points) < 2 {
		return points
	}
	all := slices.Clone(points)
	slices.SortFunc(all, func(a, b Point) int {
		if a.X < b.X || a.X == b.X && a.Y < b.Y {
			return -1
		}
		return 1
	})
	half := func(all []Point) (corners []Point) {
		for _, q := range all {
			for n := len(corners); n > 1 && turn(corners[n-2], corners[n-1], q) <= 0; n = len(corners) {
				corners = corners[:n-1]
			}
			corners = append(corners, q)
		}
		return corners[:max(0, len(corners)-1)]
	}
	lower := half(all)
	slices.Reverse(all)
	return append(lower, half(all)...)
}

// turn is positive where the way from a by b to c turns left.
func turn(a, b, c Point) float64 { return (b.X-a.X)*(c.Y-a.Y) - (b.Y-a.Y)*(c.X-a.X) }
