package lab

import (
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"fedtab/combine"
	"fedtab/learn/rng"
	"fedtab/words"
)

// settle has a machine compute all that it can.
func settle(m *Machine) *Machine {
	for m.Work() {
	}
	return m
}

// Every text of a page is there, in both languages.
func TestTexts(t *testing.T) {
	for _, s := range Sheets() {
		keys := append([]string{s.Title, s.Lead, s.Where}, s.Paragraphs...)
		keys = append(keys, s.Try...)
		for _, of := range s.settings {
			keys = append(keys, of.Label)
		}
		for _, g := range s.groups {
			keys = append(keys, g.Label)
		}
		for _, part := range s.Parts {
			keys = append(keys, part.Title)
			for _, f := range part.Figures {
				keys = append(keys, f.Label)
			}
			for _, r := range part.Readings {
				keys = append(keys, r.Term)
			}
			for _, b := range part.Buttons {
				keys = append(keys, b.Label)
			}
		}
		for _, l := range words.Languages() {
			for _, key := range keys {
				if key != "" && l.Say(key) == key {
					t.Errorf("%s, %s: no text %s", s.Name, l.Code, key)
				}
			}
		}
	}
}

// A page's parts name settings that there are, each in one part, and its default is allowed.
func TestSheets(t *testing.T) {
	for _, s := range Sheets() {
		var named []string
		for _, part := range s.Parts {
			named = append(named, part.Settings...)
			if part.Played && (s.Setting("step") == nil || s.Setting("speed") == nil) {
				t.Errorf("%s: %s is played without a step and a speed", s.Name, part.Name)
			}
		}
		var all []string
		for _, of := range s.settings {
			all = append(all, of.Name)
			if !of.allows(of.Default) {
				t.Errorf("%s: %s is %v at first, which is not allowed", s.Name, of.Name, of.Default)
			}
			if !slices.IsSorted(of.Values) {
				t.Errorf("%s: values of %s are %v, want them ascending", s.Name, of.Name, of.Values)
			}
		}
		slices.Sort(named)
		slices.Sort(all)
		if !slices.Equal(named, all) {
			t.Errorf("%s: the parts have the settings %q, want %q", s.Name, named, all)
		}
		if Find(s.Name) == nil || Find("none") != nil {
			t.Errorf("%s is not found", s.Name)
		}
		m := s.Open("")
		v := m.Draw(nil)
		for _, part := range s.Parts {
			for _, f := range part.Figures {
				if !slices.ContainsFunc(v.Figures, func(d Drawing) bool { return d.Name == f.Name && strings.HasPrefix(d.Front, "<") }) {
					t.Errorf("%s: figure %s is not drawn at first", s.Name, f.Name)
				}
			}
			for _, r := range part.Readings {
				if n := len(slices.DeleteFunc(slices.Clone(v.Texts), func(x Text) bool { return x.Name != r.Name })); n != 1 {
					t.Errorf("%s: reading %s is told %d times, want once", s.Name, r.Name, n)
				}
			}
		}
	}
}

// play does something that a person can do.
func play(r *rand.Rand, s *Sheet, m *Machine) {
	switch r.IntN(6) {
	case 0:
		m.Press([]string{NewSeed, Reset, "none"}[r.IntN(3)])
	case 1:
		m.Step(1 + r.IntN(20))
	case 2:
		if len(s.groups) > 0 {
			g := s.groups[r.IntN(len(s.groups))]
			m.Move(g.Name, r.IntN(5), 30*r.Float64()-10, 30*r.Float64()-10)
			m.Nudge(g.Name, r.IntN(5), r.NormFloat64(), r.NormFloat64())
		}
	default:
		of := s.settings[r.IntN(len(s.settings))]
		if of.Kind == Seed || of.Kind == Choice || of.Kind == Speed {
			m.Set(of.Name, []string{"1", "2", "20", "-1", "x", ""}[r.IntN(6)])
		} else {
			m.Set(of.Name, []string{"0", "1", "4", "400", "NaN"}[r.IntN(5)])
		}
	}
}

// A page that is opened at its own address is what it was.
func TestAddressIsTheState(t *testing.T) {
	for _, s := range Sheets() {
		r := rng.Stream(1, s.Name)
		m := s.Open("")
		for range 200 {
			play(r, s, m)
			again := s.Open(m.Query())
			if again.broken || again.Query() != m.Query() {
				t.Fatalf("%s: %q becomes %q (broken: %v)", s.Name, m.Query(), again.Query(), again.broken)
			}
			if !reflect.DeepEqual(again.state.values, m.state.values) || !reflect.DeepEqual(again.state.moved, m.state.moved) {
				t.Fatalf("%s: %q: the state is %v, want %v", s.Name, m.Query(), again.state, m.state)
			}
		}
		got, want := settle(s.Open(m.Query())).Draw(nil), settle(m).Draw(nil)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %q shows something else", s.Name, m.Query())
		}
	}
}

// What is not possible is what it is at first, and the page says so.
func TestBrokenAddress(t *testing.T) {
	for _, c := range []struct {
		page, query, want string
		broken            bool
	}{
		{"radon", "", "poison=1&height=2&bad=3&seed=1&step=0&speed=1", false},
		{"radon", "poison=100&utm_source=mail&height=1", "poison=100&height=1&bad=3&seed=1&step=0&speed=1", false},
		{"radon", "poison=4", "poison=1&height=2&bad=3&seed=1&step=0&speed=1", true},
		{"radon", "height=3&bad=20&step=3", "poison=1&height=3&bad=20&seed=1&step=3&speed=1", false},
		{"radon", "height=1&bad=5", "poison=1&height=1&bad=3&seed=1&step=0&speed=1", true},
		{"radon", "height=1&step=2", "poison=1&height=1&bad=3&seed=1&step=0&speed=1", true},
		{"radon", "seed=0", "poison=1&height=2&bad=3&seed=1&step=0&speed=1", true},
		{"radon", "seed=1.5", "poison=1&height=2&bad=3&seed=1&step=0&speed=1", true},
		{"radon", "seed=NaN", "poison=1&height=2&bad=3&seed=1&step=0&speed=1", true},
		{"radon", "seed=7&seed=8", "poison=1&height=2&bad=3&seed=7&step=0&speed=1", false},
		{"radon", "from=1,2", "poison=1&height=2&bad=3&seed=1&step=0&speed=1&from=1,2", false},
		{"radon", "from=1%2c2", "poison=1&height=2&bad=3&seed=1&step=0&speed=1&from=1,2", false},
		{"radon", "from=1,11", "poison=1&height=2&bad=3&seed=1&step=0&speed=1", true},
		{"radon", "from=1,2_3,4", "poison=1&height=2&bad=3&seed=1&step=0&speed=1", true},
		{"radon", "from=1", "poison=1&height=2&bad=3&seed=1&step=0&speed=1", true},
		{"radon", "p=1,2_3,4_5,6_7,NaN", "poison=1&height=2&bad=3&seed=1&step=0&speed=1", true},
		{"lambda", "lambda=0.01", "lambda=0.01&points=20&noise=0.1&seed=1", false},
		{"lambda", "lambda=1e-06", "lambda=1e-06&points=20&noise=0.1&seed=1", false},
		{"packing", "bits=0.3&codec=3&step=40", "bits=0.3&codec=3&round=5&seed=1&step=40&speed=5", false},
		{"packing", "bits=0.25&codec=4&round=0", "bits=0.9&codec=2&round=5&seed=1&step=0&speed=5", true},
		{"leaks", "n=8&picture=8&units=0", "n=8&bits=0.9&picture=8&units=0&epochs=1&codec=0&sees=1&clip=10&noise=0&seed=1", false},
		{"leaks", "n=8&picture=9&units=10", "n=8&bits=0.9&picture=1&units=64&epochs=1&codec=0&sees=1&clip=10&noise=0&seed=1", true},
		{"nodes", "m=1000&scale=2&same=1", "m=1000&rate=0.1&scale=2&warmup=0&batch=10&same=1&model=0&seed=1", false},
		{"nodes", "m=1001&batch=3&warmup=1", "m=30&rate=0.1&scale=0&warmup=1&batch=10&same=0&model=0&seed=1", true},
		{"lambda", "lambda=0.02&points=40", "lambda=0.0001&points=40&noise=0.1&seed=1", true},
	} {
		m := Find(c.page).Open(c.query)
		if got := m.Query(); got != c.want || m.Draw(nil).Broken != c.broken {
			t.Errorf("%s?%s: got %q, broken %v, want %q, %v", c.page, c.query, got, m.broken, c.want, c.broken)
		}
	}
	m := Find("radon").Open("poison=4")
	m.Set("bad", "1")
	if m.Draw(nil).Broken {
		t.Error("the page still says that its address was not possible after a change")
	}
}

// A lower tree has fewer points: what others set is lowered with it.
func TestSettingsBoundEachOther(t *testing.T) {
	m := Find("radon").Open("height=2&bad=10&step=2")
	m.Set("height", "1")
	if got, want := m.Query(), "poison=1&height=1&bad=4&seed=1&step=1&speed=1"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, f := range m.Draw(nil).Fields {
		if f.Name == "bad" && f.Most != "4" || f.Name == "step" && f.Most != "1" {
			t.Errorf("%s goes up to %s, want what a tree of height 1 has", f.Name, f.Most)
		}
	}
}

// Points that were moved stay where they are, until what they follow from changes.
func TestMovedPointsStay(t *testing.T) {
	m := Find("lambda").Open("")
	m.Move("p", 3, 5, 1)
	m.Set("lambda", "0")
	if got := m.state.Points("p")[3]; got != (Point{5, 1}) {
		t.Errorf("the point is at %v, want where it was moved", got)
	}
	m.Press(NewSeed)
	if got := m.state.Points("p")[3]; got == (Point{5, 1}) {
		t.Error("other points have one that was moved")
	}
	m.Move("p", 3, 99, -99)
	if got := m.state.Points("p")[3]; got != (Point{10, lowestY}) {
		t.Errorf("a point was moved to %v, want the bounds", got)
	}
}

func TestSteps(t *testing.T) {
	m := Find("radon").Open("height=3&step=1")
	if more := m.Step(1); !more || m.state.Int("step") != 2 {
		t.Errorf("step %d, more %v, want 2 of 3", m.state.Int("step"), more)
	}
	if more := m.Step(5); more || m.state.Int("step") != 3 {
		t.Errorf("step %d, more %v, want the last, 3", m.state.Int("step"), more)
	}
	m.Rewind()
	if m.state.Int("step") != 0 || m.Speed() != 1 {
		t.Errorf("step %d, speed %v, want 0 and 1", m.state.Int("step"), m.Speed())
	}
	if Find("lambda").Open("").Step(1) {
		t.Error("a page without steps has more of them")
	}
}

// within reports whether a point is in the hull of others, up to rounding.
func within(p Point, of []Point) bool {
	corners := hull(of)
	const slack = 1e-6
	switch len(corners) {
	case 0:
		return false
	case 1, 2:
		a, b := corners[0], corners[len(corners)-1]
		length := math.Hypot(b.X-a.X, b.Y-a.Y)
		return math.Abs(math.Hypot(p.X-a.X, p.Y-a.Y)+math.Hypot(p.X-b.X, p.Y-b.Y)-length) <= slack*(1+length)
	}
	for i, a := range corners {
		b := corners[(i+1)%len(corners)]
		if turn(a, b, p) < -slack*math.Hypot(b.X-a.X, b.Y-a.Y) {
			return false
		}
	}
	return true
}

// The Radon point that is drawn is in the hulls of both sides, wherever the points are.
func TestRadonPointIsInBothHulls(t *testing.T) {
	r := rng.Stream(2, "four points")
	for range 2000 {
		var points []Point
		for range 4 {
			points = append(points, Point{float64(r.IntN(1001)) / 100, float64(r.IntN(1001)) / 100})
		}
		if r.IntN(3) == 0 { // on a line, or at one place
			points[2] = Point{(points[0].X + points[1].X) / 2, (points[0].Y + points[1].Y) / 2}
			points[3] = points[r.IntN(3)]
		}
		f := fourOf(points, []float64{1, 2, 100}[r.IntN(3)])
		for _, side := range [][]Point{f.plusHull, f.minHull} {
			if len(side) > 0 && !within(f.radon, side) {
				t.Fatalf("points %v: the Radon point %v is outside %v", f.points, f.radon, side)
			}
		}
		if len(f.plus) > 0 && f.words(&View{}) == "" {
			t.Fatalf("points %v: no words for the sides %v and %v", f.points, f.plus, f.minus)
		}
	}
}

// Fewer than 2^h liars never move the top of the tree out of the honest points' hull. With as
// many, some do: the page tells people to try it.
func TestLiars(t *testing.T) {
	r := rng.Stream(4, "liars")
	out := 0
	for seed := range uint64(400) {
		m := Find("radon").Open("")
		m.state.set("seed", float64(seed+1))
		h := 1 + r.IntN(maxHeight)
		m.state.set("height", float64(h))
		m.state.set("bad", float64(r.IntN(1<<h)))
		m.Move("from", 0, 10*r.Float64(), 10*r.Float64())
		points, honest := leaves(m.state)
		if p := m.page.(*radonPage); !within(p.top, points[:honest]) {
			t.Fatalf("%s: the Radon point %v is outside the honest points", m.Query(), p.top)
		}
		m = Find("radon").Open("bad=4")
		m.Set("seed", write(float64(seed+1)))
		points, honest = leaves(m.state)
		if !within(m.page.(*radonPage).top, points[:honest]) {
			out++
		}
	}
	t.Logf("4 liars of 16 have moved the point out with %d of 400 seeds", out)
	if out < 10 {
		t.Errorf("4 liars of 16 have moved the point out with %d of 400 seeds, want so many that a person finds one", out)
	}
}

// The tree's nodes are as many as it has, and its leaves know the liars.
func TestTree(t *testing.T) {
	m := Find("radon").Open("height=3&bad=9")
	p := m.page.(*radonPage)
	levels, bad := make([]int, 4), 0
	for _, n := range p.nodes {
		levels[n.level]++
		if n.bad {
			bad++
		}
		if n.level > 0 && len(n.of) != 4 {
			t.Errorf("a node of level %d is made of %v", n.level, n.of)
		}
	}
	if !slices.Equal(levels, []int{64, 16, 4, 1}) || bad != 9 {
		t.Errorf("levels %v, liars %d, want 64, 16, 4 and 1 nodes, 9 liars", levels, bad)
	}
	if top := p.nodes[len(p.nodes)-1].Point; math.Hypot(top.X-p.top.X, top.Y-p.top.Y) > 1e-6 || combine.Need(2, 3) != 64 {
		t.Errorf("the last node is at %v, want the top %v", top, p.top)
	}
}

// Figure 2: everybody goes down to 0, and the mean to 170.
func TestWalkers(t *testing.T) {
	p := Find("surface").Open("step=200").page.(*surfacePage)
	for i, trail := range p.trails {
		if got := height(trail[200]); got > 1e-9 {
			t.Errorf("walker %d ends at %g, want 0", i+1, got)
		}
	}
	if got := height(p.means[200]); math.Abs(got-170) > 1e-6 {
		t.Errorf("the mean ends at %g, want 170", got)
	}
	p = Find("surface").Open("rate=0.02&step=200").page.(*surfacePage)
	lost := 0
	for _, trail := range p.trails {
		if q := trail[200]; height(q) > 1 {
			lost++
		}
	}
	if lost == 0 {
		t.Error("no walker jumps out of its valley at rate 0.02, as the page says")
	}
}

// Figure 2 with networks: a hill between two starts, none from one.
func TestNetworks(t *testing.T) {
	hills := 0
	for _, seed := range []string{"1", "2", "3", "4", "5"} {
		p := settle(Find("surface").Open("seed=" + seed)).page.(*surfacePage)
		middle := slices.Index(shares, .5)
		for i, of := range p.starts {
			worse := max(of.losses[slices.Index(shares, 0)], of.losses[slices.Index(shares, 1)])
			if i == 0 && of.losses[middle] > hill*worse {
				t.Errorf("seed %s, one start: the loss in the middle is %g, want about %g", seed, of.losses[middle], worse)
			}
			if i == 1 && of.losses[middle] > 5*worse {
				hills++
			}
		}
	}
	if hills < 5 {
		t.Errorf("two starts have a hill between them in %d of 5 cases, want all", hills)
	}
}

// Figure 1: the error on the points grows with lambda; that from the true curve is least in
// between; a large lambda is flat.
func TestLambda(t *testing.T) {
	seeds := []string{"1", "2", "3"}
	if testing.Short() {
		seeds = seeds[:1]
	}
	for _, seed := range seeds {
		p := settle(Find("lambda").Open("seed=" + seed)).page.(*lambdaPage)
		last := len(p.fits) - 1
		for i, f := range p.fits[1:] {
			if f.onPoints < p.fits[i].onPoints-.02 {
				t.Errorf("seed %s: the error on the points falls from %g to %g at lambda %g", seed, p.fits[i].onPoints, f.onPoints, f.lambda)
			}
		}
		if best := p.best(); best.lambda < 1e-4 || best.lambda > 1 {
			t.Errorf("seed %s: lambda %g is the best, want one in between", seed, best.lambda)
		}
		low, high := slices.Min(p.fits[last].curve), slices.Max(p.fits[last].curve)
		if high-low > .01 {
			t.Errorf("seed %s: with lambda 100 the curve is between %g and %g, want it flat", seed, low, high)
		}
	}
}

// Without noise a small lambda is the best; the more noise, the more it costs.
func TestLambdaAndNoise(t *testing.T) {
	if testing.Short() {
		t.Skip("trains three times as much as TestLambda")
	}
	last := 0.
	for _, noise := range []string{"0", "0.1", "0.6"} {
		p := settle(Find("lambda").Open("noise=" + noise)).page.(*lambdaPage)
		if best := p.best(); noise == "0" && best.lambda > 1e-3 {
			t.Errorf("without noise lambda %g is the best, want a small one", best.lambda)
		}
		if smallest := p.fits[0].fromTrue; smallest < last {
			t.Errorf("noise %s: the smallest lambda is %g from the true curve, want more than with less noise, %g", noise, smallest, last)
		} else {
			last = smallest
		}
	}
}

// A curve follows a point that is dragged, however fast the moves come.
func TestCurveFollows(t *testing.T) {
	m := Find("lambda").Open("lambda=1")
	p := m.page.(*lambdaPage)
	drawn := 0
	var last *fitted
	for i := range 200 {
		m.Move("p", 0, float64(i)/20, 4)
		m.Work()
		if p.shown != last {
			last = p.shown
			drawn++
		}
	}
	if drawn < 5 {
		t.Errorf("%d curves were drawn during 200 moves, want some", drawn)
	}
}

// Lines of equal value join: a circle is one line that ends where it begins.
func TestContour(t *testing.T) {
	g := newField(Point{-2, -2}, Point{2, 2}, 41, func(p Point) float64 { return math.Hypot(p.X, p.Y) })
	all := lines(g.contour(.97))
	if len(all) != 1 || all[0][0] != all[0][len(all[0])-1] {
		t.Fatalf("%d lines, want a closed one", len(all))
	}
	for _, p := range all[0] {
		if r := math.Hypot(p.X, p.Y); math.Abs(r-.97) > .01 {
			t.Errorf("%v is %g from the middle, want .97", p, r)
		}
	}
}

func FuzzOpen(f *testing.F) {
	for _, s := range Sheets() {
		f.Add(s.Name, s.Open("").Query())
	}
	f.Add("radon", "p=1,2_3,4_5,6_7,8&from=%31,2&&=&height=%zz")
	f.Add("lambda", "noise=0x1p-2&points=1e1&seed=+3&lambda=inf")
	f.Fuzz(func(t *testing.T, page, query string) {
		s := Find(page)
		if s == nil {
			return
		}
		m := s.Open(query)
		again := s.Open(m.Query())
		if again.broken || again.Query() != m.Query() {
			t.Errorf("%q becomes %q, then %q (broken: %v)", query, m.Query(), again.Query(), again.broken)
		}
		m.Draw(nil)
	})
}
