package lab

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"time"
)

// The figure of a lane: what the model sees at the left, and the clients at the right.
const (
	laneHeight          = 200.
	laneMiddle          = 206. // where the left half ends
	hubX, hubY          = 324., 84.
	clientsY            = 178.
	clientsX, clientsTo = 224., 426.
	leavesY             = 136. // of the Radon tree
	lit                 = 300 * time.Millisecond
	raceSide            = 29  // places along the sides of the map
	raceDots            = 120 // examples that are drawn
	raceGlyphs          = 20  // digits that are drawn, in 4 rows
	glyphRows           = 4
)

// classMarks are the signs of examples by class.
var classMarks = []string{"zero", "second", "third"}

// regionCache is the places that a version gives to each class, as they were drawn last.
type regionCache struct {
	version int
	text    string
}

// draw implements page.
func (p *racePage) draw(s *State, v *View) {
	now := p.now()
	for i := range p.lanes {
		p.drawLane(i, now, v)
	}
	p.drawLosses(now, v)
	if p.problem.data == digits {
		v.Off = append(v.Off, SaveTask)
	}
	v.tell("race", p.verdict(now, v))
}

// bounds are what figures of a source show.
func (w *world) bounds() (low, high Point) {
	if w.data == moons {
		return Point{-1.7, -1.4}, Point{2.7, 1.9}
	}
	low, high = Point{math.Inf(1), math.Inf(1)}, Point{math.Inf(-1), math.Inf(-1)}
	x := w.points(w.train.Len())
	for _, at := range x {
		low, high = Point{min(low.X, at.X), min(low.Y, at.Y)}, Point{max(high.X, at.X), max(high.Y, at.Y)}
	}
	dx, dy := (high.X-low.X)/20, (high.Y-low.Y)/20
	return Point{low.X - dx, low.Y - dy}, Point{high.X + dx, high.Y + dy}
}

// points returns where the first n examples are.
func (w *world) points(n int) []Point {
	index := all(n)
	x, y := make([]float32, n*w.train.Features()), make([]float32, n)
	w.train.Fill(x, y, index)
	at := make([]Point, n)
	for i := range at {
		at[i] = Point{float64(x[2*i]), float64(x[2*i+1])}
	}
	return at
}

func (p *racePage) drawLane(i int, now time.Duration, v *View) {
	r := &p.lanes[i]
	d := plot{name: laneNames[i], Frame: Frame{Width: figureWidth, Height: laneHeight, Left: 6, Top: 6, Right: laneMiddle - 8, Bottom: laneHeight - 6, High: Point{1, 1}}}
	if r.scheme == 0 || p.world == nil {
		d.show(v, "")
		return
	}
	if p.world.data != digits {
		d.Low, d.High = p.world.bounds()
	}
	version, n := 0, 0
	if r.lane != nil {
		if n = r.at(now); n > 0 {
			version = int(r.versions[n-1].Round)
		}
	}
	if r.region.text == "" || r.region.version != version {
		r.region = regionCache{version, p.seen(r, n, &d)}
	}
	if p.drawn == "" {
		p.drawn = p.examples(d.Frame)
	}
	d.add(r.region.text)
	d.text("name", laneMiddle+10, 22, strconv.Itoa(i+1)+". "+sayContest(v.l, float64(r.scheme)))
	d.text("start", laneMiddle+10, 42, p.facts(r, n, v))
	if r.lane != nil {
		p.drawClients(&d, r, n, now)
	}
	d.show(v, p.drawn)
}

// facts says how far a lane is.
func (p *racePage) facts(r *raceLane, n int, v *View) string {
	switch {
	case r.refused:
		return v.say("lab.race.refused")
	case n == 0:
		return v.say("lab.race.begins")
	}
	x := &r.versions[n-1]
	if r.diverged(n) {
		return v.say("lab.race.diverged", x.Round)
	}
	if r.kind == "central" {
		return v.say("lab.race.facts.central", x.Round, v.l.Share(x.Test.Accuracy))
	}
	return v.say("lab.race.facts", x.Round, v.l.Share(x.Test.Accuracy), v.l.Size(x.bytes))
}

// examples draws what is trained on: points, or digits that are tested.
func (p *racePage) examples(f Frame) string {
	d := plot{name: "examples", Frame: f}
	w := p.world
	if w.data == digits {
		var ink pictures
		x := w.tested()
		const size = glyphSide * glyphSide
		for i := range raceGlyphs {
			at, side := glyphPlace(f, i)
			ink.add(x[i*size:][:size], glyphSide, at.X, at.Y, side)
		}
		d.pictures(&ink)
		return d.b.String()
	}
	by := make([][]Point, w.train.Classes())
	for i, at := range w.points(min(raceDots, w.train.Len())) {
		by[w.train.Y[i]] = append(by[w.train.Y[i]], at)
	}
	for class, points := range by {
		d.marks(classMarks[class], points, 2.6)
	}
	return d.b.String()
}

// tested returns the digits that are drawn.
func (w *world) tested() []float32 {
	x, y := make([]float32, raceGlyphs*w.test.Features()), make([]float32, raceGlyphs)
	w.test.Fill(x, y, all(raceGlyphs))
	return x
}

// glyphPlace returns where a digit is, and how large it is.
func glyphPlace(f Frame, i int) (at Point, side float64) {
	const columns = raceGlyphs / glyphRows
	width, height := (f.Right-f.Left)/columns, (f.Bottom-f.Top)/glyphRows
	side = min(width, height) - 13
	return Point{f.Left + width*float64(i%columns) + 1, f.Top + height*float64(i/columns) + 4}, side
}

// params returns the parameters of a lane after n versions.
func (p *racePage) params(r *raceLane, n int) []float32 {
	if n > 0 {
		return r.versions[n-1].params
	}
	start := make([]float32, p.world.model.Layout().Size)
	p.world.model.Init(start, p.world.seed)
	return start
}

// seen draws what a model makes of the examples: the places that it gives to each class, or
// the digits that it reads.
func (p *racePage) seen(r *raceLane, n int, of *plot) string {
	d, f := plot{name: of.name, Frame: of.Frame}, of.Frame
	params, w := p.params(r, n), p.world
	if w.data == digits {
		for i, class := range w.classify(params, w.tested(), raceGlyphs) {
			at, side := glyphPlace(f, i)
			mark := "read"
			if class != int(w.test.Y[i]) {
				mark = "misread"
			}
			d.text(mark, at.X+side+5, at.Y+side, strconv.Itoa(class))
		}
		return d.b.String()
	}
	low, high := f.Low, f.High
	var places []float32
	newField(low, high, raceSide, func(at Point) float64 {
		places = append(places, float32(at.X), float32(at.Y))
		return 0
	})
	scores := w.scores(params, places, raceSide*raceSide)
	classes := w.train.Classes()
	for class := range classes {
		if classes == 2 && class == 0 {
			continue // what is not the other's
		}
		i := 0
		g := newField(low, high, raceSide, func(Point) float64 {
			own, other := scores[i*classes+class], math.Inf(-1)
			for k := range classes {
				if k != class {
					other = max(other, scores[i*classes+k])
				}
			}
			i++
			return own - other
		})
		d.territory("region "+classMarks[class], g)
	}
	return d.b.String()
}

// scores returns by how much a model is for each class, [n, classes].
func (w *world) scores(params, x []float32, n int) []float64 {
	worker := w.model.NewWorker(n)
	worker.Evaluate(params, x, make([]float32, n))
	outputs, classes := worker.Outputs(), w.train.Classes()
	scores := make([]float64, n*classes)
	for i := range n {
		if len(outputs) == n { // one output: of the second class
			scores[i*classes+1] = float64(outputs[i])
			continue
		}
		for k := range classes {
			scores[i*classes+k] = float64(outputs[i*classes+k])
		}
	}
	return scores
}

// classify returns the class that a model gives to each of n examples.
func (w *world) classify(params, x []float32, n int) []int {
	scores, classes := w.scores(params, x, n), w.train.Classes()
	found := make([]int, n)
	for i := range found {
		of := scores[i*classes:][:classes]
		found[i] = slices.Index(of, slices.Max(of))
	}
	return found
}

// scene is what a lane's clients do at a time.
type scene struct {
	training  []bool          // by client
	strayed   []time.Duration // by client: when it sent its model because it had strayed; below 0: never
	flying    []wire
	collected int // models that have come since the newest version
}

// scene follows the messages up to a time.
func (l *lane) scene(n int, now time.Duration) scene {
	s := scene{training: make([]bool, len(l.fetched)), strayed: make([]time.Duration, len(l.fetched))}
	for i := range s.strayed {
		s.strayed[i] = -time.Hour
	}
	var since time.Duration = -1
	if n > 0 {
		since = l.versions[n-1].at
	}
	for _, x := range l.wires {
		if x.sent > now {
			break
		}
		if x.here > now {
			s.flying = append(s.flying, x)
		}
		switch {
		case x.what == order && x.here <= now:
			s.training[x.client] = true
		case x.what.up() && l.kind != "dynamic":
			s.training[x.client] = false
		}
		if x.what == violation {
			s.strayed[x.client] = x.sent
		}
		if x.what.up() && x.here > since && x.here <= now {
			s.collected += x.models
		}
	}
	return s
}

// clientAt returns where a client is drawn.
func clientAt(i, n int) Point {
	return Point{clientsX + (clientsTo-clientsX)*(float64(i)+.5)/float64(n), clientsY}
}

// drawClients draws the coordinator, the clients and what travels between them.
func (p *racePage) drawClients(d *plot, r *raceLane, n int, now time.Duration) {
	clients := p.world.clients
	if r.kind == "central" {
		clients = 1
	}
	s := r.scene(n, now)
	d.add(`<path class="link" d="`)
	for i := range clients {
		at := clientAt(i, clients)
		d.add("M", units(hubX), " ", units(hubY), "L", units(at.X), " ", units(at.Y))
	}
	d.add(`"></path>`)
	switch r.kind {
	case "radon":
		p.drawTree(d, r, n, s.collected)
	case "fedbuff":
		d.slots(raceBuffer, min(s.collected, raceBuffer))
	default:
		d.disc("hub", Point{hubX, hubY}, 9)
	}
	size := min(6.5, 80/float64(clients))
	for i := range clients {
		at := clientAt(i, clients)
		if now-s.strayed[i] < lit {
			d.disc("strayed", at, size+4)
		}
		class := "client"
		switch {
		case now > 0 && r.begun() && r.sim.Lies(i):
			class = "bad"
		case now > 0 && r.begun() && r.sim.Slow(i):
			class = "slow"
		}
		if s.training[i] {
			class += " busy"
		}
		d.sign(class, at, size)
	}
	for _, x := range s.flying {
		share := float64(now-x.sent) / float64(x.here-x.sent)
		if x.what.up() {
			share = 1 - share
		}
		to := clientAt(x.client, clients)
		at := Point{hubX + share*(to.X-hubX), hubY + share*(to.Y-hubY)}
		d.disc(cargoMarks[x.what], at, cargoSizes[x.what])
	}
}

// How messages are drawn.
var (
	cargoMarks = [...]string{"order", "order", "down", "up", "stray"}
	cargoSizes = [...]float64{2, 2, 3.5, 3.5, 4.5}
)

// begun reports whether a lane's clients are there.
func (l *lane) begun() bool { return len(l.wires) > 0 }

// slots draws a buffer and how full it is.
func (p *plot) slots(n, full int) {
	const side = 13.
	left := hubX - side*float64(n)/2
	for i := range n {
		class := "slot"
		if i < full {
			class = "slot full"
		}
		p.add(`<path class="`, class, `" d="M`, units(left+side*float64(i)), " ", units(hubY-side/2), "h", units(side-2), "v", units(side-2), "h", units(2-side), `Z"></path>`)
	}
}

// drawTree draws the tree of a Radon machine, and how many of its base models have come.
func (p *racePage) drawTree(d *plot, r *raceLane, n, collected int) {
	size := p.world.model.Layout().Size
	leaves, height := size+2, 1
	for leaves*(size+2) <= p.world.clients*2 {
		leaves, height = leaves*(size+2), height+1
	}
	if n > 0 {
		collected = leaves
	}
	below := leaves
	for level := 0; level <= height; level, below = level+1, below/(size+2) {
		at := func(i, of, level int) Point {
			return Point{clientsX + (clientsTo-clientsX)*(float64(i)+.5)/float64(of), leavesY + (hubY-leavesY)*float64(level)/float64(height)}
		}
		for i := range below {
			here := at(i, below, level)
			if level < height {
				up := at(i/(size+2), below/(size+2), level+1)
				d.add(`<path class="branch" d="M`, units(here.X), " ", units(here.Y), "L", units(up.X), " ", units(up.Y), `"></path>`)
			}
			class := "slot"
			switch {
			case level == 0 && i < collected, level > 0 && n > 0:
				class = "slot full"
			}
			d.disc(class, here, min(5, 60/float64(below)))
		}
	}
}

// disc draws a disc at a place of the drawing.
func (p *plot) disc(class string, at Point, r float64) {
	p.add(`<circle class="`, class, `" cx="`, units(at.X), `" cy="`, units(at.Y), `" r="`, units(r), `"></circle>`)
}

// sign draws a sign at a place of the drawing, by the first word of its class.
func (p *plot) sign(class string, at Point, r float64) {
	kind := class
	if i := slices.Index([]byte(class), ' '); i > 0 {
		kind = class[:i]
	}
	p.add(`<path class="node `, class, `" d="`, sign(kind, at.X, at.Y, r), `"></path>`)
}

// drawLosses draws the losses against the bytes.
func (p *racePage) drawLosses(now time.Duration, v *View) {
	top, low, high := .8, 3., 6.5
	switch p.problem.data {
	case blobs:
		top = 1.2
	case digits:
		top, low, high = 2.4, 4, 7.5
	}
	for i := range p.lanes {
		if r := &p.lanes[i]; r.lane != nil {
			if n := r.at(now); n > 0 && r.versions[n-1].bytes > 0 { // half decades, and room for a number behind a curve
				high = max(high, math.Ceil(2*math.Log10(float64(r.versions[n-1].bytes))+.1)/2)
			}
		}
	}
	c := plot{name: "losses", Frame: chart(Point{low, 0}, Point{high, top})}
	c.LogX = true
	var xs, ys []float64
	for x := math.Ceil(low); x <= high; x++ {
		xs = append(xs, math.Pow(10, x))
	}
	for k := range 5 {
		ys = append(ys, rounded(top*float64(k)/4, 2))
	}
	c.amounts(v, v.say("lab.race.bytes.axis"), v.say("lab.race.loss.axis"), xs, ys)
	var ends []end
	for i := range p.lanes {
		r := &p.lanes[i]
		if r.lane == nil {
			continue
		}
		class := "curve " + laneNames[i]
		n := r.at(now)
		var line []Point
		if r.kind == "central" && n > 0 { // nothing travels: its loss is a level
			loss := min(r.versions[n-1].Test.Loss, top)
			line = []Point{{math.Pow(10, low), loss}, {math.Pow(10, high), loss}}
			class += " level"
		} else {
			for _, x := range r.versions[:n] {
				line = append(line, Point{float64(x.bytes), clamp(x.Test.Loss, top)})
			}
		}
		if len(line) == 0 {
			continue
		}
		c.line(class, line)
		x, y := c.at(line[len(line)-1])
		c.disc("dot "+laneNames[i], Point{x, y}, 4)
		ends = append(ends, end{Point{min(x+8, c.Right-8), max(y, c.Top+8)}, i})
	}
	c.number(ends)
	c.show(v, "")
}

// end is where the curve of a lane ends, in the drawing.
type end struct {
	Point
	lane int
}

// number writes the numbers of lanes beside the ends of their curves. Numbers that would
// cover each other stand below one another.
func (p *plot) number(ends []end) {
	const apart = 15
	slices.SortFunc(ends, func(a, b end) int { return cmp.Compare(a.Y, b.Y) })
	for i, e := range ends {
		for _, above := range ends[:i] {
			if math.Abs(e.X-above.X) < apart && e.Y < above.Y+apart {
				if e.Y = above.Y + apart; e.Y > p.Bottom-4 {
					e.X, e.Y = e.X-apart, above.Y
				}
			}
		}
		ends[i] = e
		p.text("name", e.X, e.Y+4, strconv.Itoa(e.lane+1))
	}
}

// clamp returns a loss as it is drawn: one that is not a number is at the top.
func clamp(loss, top float64) float64 {
	if !(loss < top) {
		return top
	}
	return loss
}

// amounts draws the axes, with bytes along x.
func (p *plot) amounts(v *View, x, y string, xs, ys []float64) {
	p.axes(v, x, y, nil, ys)
	for _, value := range xs {
		at, _ := p.at(Point{value, 1})
		unit, name := 1e3, " kB"
		if value >= 1e6 {
			unit, name = 1e6, " MB"
		}
		p.text("tick", at, p.Bottom+18, v.l.Exact(value/unit)+name)
	}
}

// verdict says which scheme is ahead, at most twice in a second of the clients' time: a
// reader of the screen is told of every change.
func (p *racePage) verdict(now time.Duration, v *View) string {
	now = now.Truncate(500 * time.Millisecond)
	best, least, lost := -1, math.Inf(1), false
	for i := range p.lanes {
		if r := &p.lanes[i]; r.lane != nil {
			switch n := r.at(now); {
			case n == 0:
			case r.diverged(n):
				lost = true
			case r.versions[n-1].Test.Loss < least:
				best, least = i, r.versions[n-1].Test.Loss
			}
		}
	}
	if best < 0 && lost {
		return v.say("lab.race.lost", v.l.Exact(now.Seconds()))
	}
	if best < 0 && p.now() > 0 {
		return v.say("lab.race.early")
	}
	if best < 0 {
		return v.say("lab.race.ready")
	}
	r := &p.lanes[best]
	return v.say("lab.race.ahead", v.l.Exact(now.Seconds()), sayContest(v.l, float64(r.scheme)), v.l.Loss(least))
}
