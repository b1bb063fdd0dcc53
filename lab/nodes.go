package lab

import (
	"math"
	"slices"

	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/learn/kernel"
	"fedtab/learn/rng"
	"fedtab/run"
	"fedtab/simulation"
	"fedtab/words"
)

// nodesPage shows distributed mini-batch with 1 to 1,000 nodes: a run, the loss of all numbers
// of nodes with every compensation, and the noise of the gradient.
type nodesPage struct {
	nodesSetup
	chosen nodesKey
	runs   [len(nodesScales)][]*nodesRun // by compensation and number of nodes; one node has no compensation
	world  *world                        // of the newest run
	noise  noise
}

// nodesSetup is what all runs of a page have in common.
type nodesSetup struct {
	network bool
	batch   int // of a node
	rate    float64
	warm    bool
	fixed   bool // runs have the same number of steps, or else of examples
	seed    uint64
}

// nodesKey tells the runs of a page apart.
type nodesKey struct{ scale, count int } // of nodesScales and nodeCounts, by number

// nodesRun is a run, and how far it has come.
type nodesRun struct {
	nodes, steps int
	lane         *lane     // nil: it has not begun, or is done
	losses       []Point   // by steps, on the test set
	accuracy     float64   // of the newest loss
	start, end   []float32 // parameters; end is nil before it is done
	diverged     bool
}

// noise is how much the gradients of batches differ from that of all examples.
type noise struct {
	params [2][]float32 // at which they are: before and after the training of one node
	full   [2][]float32 // mean gradients of all examples
	levels [2][]Point   // by examples of a batch, as many as are computed
	sum    float64      // of the batches of the next level
	drawn  int
}

// nodesScales are the compensations, by the number that an address has.
var nodesScales = [...]string{"none", "sqrt", "linear"}

// nodesLooks are the classes of their curves and signs, and the keys of what they are.
var nodesLooks = [len(nodesScales)]struct{ curve, sign, name string }{
	{"curve one", "first", "lab.nodes.curve.none"}, {"curve two dashed", "second", "lab.nodes.curve.sqrt"}, {"curve true", "true", "lab.nodes.curve.linear"},
}

var nodeCounts = []float64{1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 300, 500, 1000}

const (
	nodesSamples = 15_000 // two thirds are trained on: a batch of 10 for each of 1,000 nodes
	nodesBatches = 3000   // of all nodes together, where runs have the same number of examples
	nodesSteps   = 30     // where they have the same number of steps
	nodesShown   = 50     // versions of a run that are evaluated
	nodesEvents  = 16     // in a slice
	nodesWarm    = 5      // a warm-up is this part of the steps
	noiseBatches = 20     // that a level is the mean of, at least
	noiseDrawn   = 400    // examples of these batches, at least
	asGood       = 1.1    // a loss is about as good as another up to so many times it

	lowestLoss, highestLoss   = .03, 1.
	lowestNoise, highestNoise = 1e-4, 1e5
)

func nodesSheet() *Sheet {
	return &Sheet{
		Name: "nodes", Title: "lab.nodes.title", Lead: "lab.nodes.lead",
		Paragraphs: []string{"lab.nodes.what", "lab.nodes.why", "lab.nodes.compensate", "lab.nodes.honest"},
		Formula:    "gₜ = 1 / (m B) · Σᵢ Σₓ ∇ℓ(wₜ; x),   wₜ₊₁ = wₜ − η s(m) gₜ,   s(m) ∈ {1, √m, m},\nE ‖gₜ − ∇L(wₜ)‖² ≈ σ² / (m B)",
		Where:      "lab.nodes.where",
		Try:        []string{"lab.nodes.try.more", "lab.nodes.try.linear", "lab.nodes.try.root", "lab.nodes.try.warm", "lab.nodes.try.steps", "lab.nodes.try.convex"},
		Sources: []Source{
			{"Dekel, Gilad-Bachrach, Shamir, Xiao: Optimal Distributed Online Prediction Using Mini-Batches. JMLR 13, 2012", "https://arxiv.org/abs/1012.1367"},
			{"Krizhevsky: One Weird Trick for Parallelizing Convolutional Neural Networks. 2014", "https://arxiv.org/abs/1404.5997"},
			{"Goyal, Dollár, Girshick, Noordhuis, Wesolowski, Kyrola, Tulloch, Jia, He: Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour. 2017", "https://arxiv.org/abs/1706.02677"},
			{"Keskar, Mudigere, Nocedal, Smelyanskiy, Tang: On Large-Batch Training for Deep Learning: Generalization Gap and Sharp Minima. ICLR 2017", "https://arxiv.org/abs/1609.04836"},
			{"Hoffer, Hubara, Soudry: Train Longer, Generalize Better: Closing the Generalization Gap in Large Batch Training of Neural Networks. NIPS 2017", "https://arxiv.org/abs/1705.08741"},
			{"McCandlish, Kaplan, Amodei, OpenAI Dota Team: An Empirical Model of Large-Batch Training. 2018", "https://arxiv.org/abs/1812.06162"},
			{"Kamp, Adilova, Sicking, Hüger, Schlicht, Wirtz, Wrobel: Efficient Decentralized Deep Learning by Dynamic Model Averaging (Proposition 3). ECML PKDD 2018", "https://arxiv.org/abs/1807.03210"},
			{"Kamp: Parallel, Distributed, and Federated Learning. 2020", ""},
		},
		settings: []Setting{
			{Name: "m", Label: "lab.nodes.m", Values: nodeCounts, Default: 30, Say: sayCount},
			{Name: "rate", Label: "lab.nodes.rate", Values: []float64{.01, .02, .05, .1, .2, .5, 1}, Default: .1},
			{Name: "scale", Label: "lab.nodes.scale", Kind: Choice, Values: []float64{0, 1, 2}, Default: 0, Say: named("lab.nodes.scale.none", "lab.nodes.scale.sqrt", "lab.nodes.scale.linear")},
			{Name: "warmup", Label: "lab.nodes.warmup", Kind: Choice, Values: []float64{0, 1}, Default: 0, Say: named("lab.nodes.warmup.no", "lab.nodes.warmup.yes")},
			{Name: "batch", Label: "lab.nodes.batch", Kind: Choice, Values: []float64{1, 2, 5, 10}, Default: 10},
			{Name: "same", Label: "lab.nodes.same", Kind: Choice, Values: []float64{0, 1}, Default: 0, Say: named("lab.nodes.same.examples", "lab.nodes.same.steps")},
			{Name: "model", Label: "lab.nodes.model", Kind: Choice, Values: []float64{0, 1}, Default: 0, Say: named("lab.nodes.model.network", "lab.nodes.model.linear")},
			{Name: "seed", Label: "lab.seed", Kind: Seed, Default: 1},
		},
		Parts: []Part{
			{
				Name: "nodes", Title: "lab.nodes.run", Settings: []string{"m", "rate", "scale", "warmup", "batch", "same", "model", "seed"},
				Figures: []Figure{{"course", "lab.nodes.course.label"}, {"counts", "lab.nodes.counts.label"}},
				Readings: []Reading{
					{"nodes", "", ""}, {"nodes-batch", "lab.nodes.effective.batch", ""}, {"nodes-rate", "lab.nodes.effective.rate", ""}, {"nodes-steps", "lab.nodes.steps", ""},
					{"nodes-loss", "lab.nodes.loss", ""}, {"nodes-accuracy", "lab.nodes.accuracy", ""},
					{"breaks-none", "lab.nodes.breaks.none", nodesLooks[0].sign}, {"breaks-sqrt", "lab.nodes.breaks.sqrt", nodesLooks[1].sign}, {"breaks-linear", "lab.nodes.breaks.linear", nodesLooks[2].sign},
				},
				Buttons: []Button{{NewSeed, "lab.seed.new"}, {Reset, "lab.reset"}},
			},
			{
				Name: "noise", Title: "lab.nodes.noise", Figures: []Figure{{"noise", "lab.nodes.noise.label"}},
				Readings: []Reading{{"noise", "", ""}, {"noise-before", "lab.nodes.noise.before", "first"}, {"noise-after", "lab.nodes.noise.after", "second"}},
			},
		},
		begin: func() page { return &nodesPage{} },
	}
}

func sayCount(l *words.Language, v float64) string { return l.Count(int(v)) }

// follow implements page.
func (p *nodesPage) follow(s *State) {
	setup := nodesSetup{
		network: s.Int("model") == 0, batch: s.Int("batch"), rate: s.Value("rate"),
		warm: s.Int("warmup") == 1, fixed: s.Int("same") == 1, seed: s.seed("seed"),
	}
	was := p.nodesSetup
	was.warm = setup.warm
	if p.runs[0] == nil || setup != was {
		*p = nodesPage{}
		p.runs[0] = make([]*nodesRun, len(nodeCounts))
	}
	if p.runs[1] == nil || setup != p.nodesSetup { // a warm-up changes nothing without compensation
		for i := range p.runs[1:] {
			p.runs[1+i] = make([]*nodesRun, len(nodeCounts))
		}
	}
	p.nodesSetup = setup
	p.chosen = nodesKey{s.Int("scale"), slices.Index(nodeCounts, s.Value("m"))}
	if p.chosen.count == 0 {
		p.chosen.scale = 0
	}
}

// run returns a run of the page. It may not have begun.
func (p *nodesPage) run(k nodesKey) *nodesRun {
	if k.count == 0 {
		k.scale = 0
	}
	at := &p.runs[k.scale][k.count]
	if *at == nil {
		*at = &nodesRun{nodes: int(nodeCounts[k.count]), steps: p.stepsOf(nodeCounts[k.count])}
	}
	return *at
}

// stepsOf returns how many steps so many nodes make.
func (k nodesSetup) stepsOf(nodes float64) int {
	if k.fixed {
		return nodesSteps
	}
	return nodesBatches / int(nodes)
}

// way returns the scheme's settings. What protects a run from liars is off: it would hold up
// one that diverges, too.
func (k nodesSetup) way(scale, steps int) way {
	o := way{kind: "minibatch", settings: []setting{
		{"fraction", 1.}, {"batch", k.batch}, {"lr", k.rate}, {"lr_scale", nodesScales[scale]}, {"clip", "none"}, {"guard", math.Inf(1)},
	}}
	if k.warm && scale > 0 {
		o.settings = append(o.settings, setting{"warmup", (steps + nodesWarm - 1) / nodesWarm})
	}
	return o
}

// work implements page. What is seen first is computed first: the run, those that it is
// compared with, and the noise; then all others, from few nodes to many.
func (p *nodesPage) work() bool {
	first := []nodesKey{p.chosen, {0, 0}}
	for scale := range nodesScales {
		first = append(first, nodesKey{scale, p.chosen.count})
	}
	if p.advance(first) || p.measure() {
		return true
	}
	var others []nodesKey
	for count := range nodeCounts {
		for scale := range nodesScales {
			others = append(others, nodesKey{scale, count})
		}
	}
	return p.advance(others)
}

// advance computes a slice of the first run that is not done, and reports whether there is one.
func (p *nodesPage) advance(keys []nodesKey) bool {
	for _, k := range keys {
		r := p.run(k)
		if r.end != nil {
			continue
		}
		if r.lane == nil {
			r.begin(p.open(r.nodes), p.way(k.scale, r.steps))
		}
		r.advance()
		return true
	}
	return false
}

// open returns the world of a number of nodes. All have the same examples.
func (p *nodesPage) open(nodes int) *world {
	of := problem{data: moons, network: p.network, samples: nodesSamples, clients: nodes, seed: p.seed}
	if p.world == nil || p.world.problem != of {
		p.world = of.open()
	}
	return p.world
}

// begin begins a run. It is a lane without a memory of versions and messages: there are many.
func (r *nodesRun) begin(w *world, o way) {
	o.watch = func(c *simulation.Config) {
		c.Run.Stop = run.Stop{Rounds: r.steps}
		c.Run.EvalEvery = max(1, r.steps/nodesShown)
		c.OnUpdate = func(u run.Update, _ bool) { r.update(u.Round) }
	}
	sim, err := w.simulate(o)
	must(err)
	r.lane = &lane{way: o, sim: sim}
	r.start = r.params()
	before := w.evaluate(r.start).Figures()
	r.update(&run.RoundRecord{Test: &before})
}

// params returns the newest parameters.
func (r *nodesRun) params() []float32 {
	_, _, params := r.lane.sim.Run().Model()
	return slices.Clone(params)
}

// update takes in a version, if it is evaluated.
func (r *nodesRun) update(v *run.RoundRecord) {
	if v.Test == nil {
		return
	}
	loss := v.Test.Loss
	if math.IsNaN(loss) {
		loss = math.Inf(1)
	}
	r.losses, r.accuracy = append(r.losses, Point{float64(v.Round), loss}), v.Test.Accuracy
}

// advance computes a slice of a run.
func (r *nodesRun) advance() {
	if r.lane.until(math.MaxInt64, nodesEvents) {
		return
	}
	state := r.lane.sim.Run().State()
	r.diverged = r.lane.stuck || state.Ledger.RolledBack > 0 || !(r.loss() <= r.losses[0].Y)
	r.end = r.params()
	r.lane.sim.Close()
	r.lane = nil
}

// loss returns the newest loss.
func (r *nodesRun) loss() float64 { return r.losses[len(r.losses)-1].Y }

// measure draws a batch, and compares its gradient with that of all examples. It reports
// whether there was one to draw. One node must be done.
func (p *nodesPage) measure() bool {
	n, one := &p.noise, p.runs[0][0]
	n.params = [2][]float32{one.start, one.end}
	i := 0
	if len(n.levels[0]) == len(nodeCounts) {
		i = 1
	}
	k := len(n.levels[i])
	if k == len(nodeCounts) || i == 1 && one.diverged {
		return false
	}
	w := p.world
	if n.full[i] == nil {
		n.full[i] = meanGradient(w, n.params[i], all(w.train.Len()))
		return true
	}
	size := p.batch * int(nodeCounts[k])
	r := rng.Stream(p.seed, "noise", uint64(k), uint64(n.drawn))
	index := all(w.train.Len())
	for at := range size {
		other := at + r.IntN(len(index)-at)
		index[at], index[other] = index[other], index[at]
	}
	g := meanGradient(w, n.params[i], index[:size])
	kernel.Axpy(g, -1, n.full[i])
	n.sum += kernel.SquaredNorm(g) / kernel.SquaredNorm(n.full[i])
	if n.drawn++; n.drawn >= noiseBatches && n.drawn*size >= noiseDrawn {
		n.levels[i] = append(n.levels[i], Point{float64(size), n.sum / float64(n.drawn)})
		n.sum, n.drawn = 0, 0
	}
	return true
}

// meanGradient returns the mean gradient of examples.
func meanGradient(w *world, params []float32, index []int32) []float32 {
	g := make([]float32, len(params))
	_, err := learn.Gradient(w.model, g, params, data.NewSubset(w.train, index))
	must(err)
	for i := range g {
		g[i] /= float32(len(index))
	}
	return g
}

// enough returns how many examples a batch needs so that the noise is no larger than the
// gradient (the simple noise scale of McCandlish et al.); NaN: that is not known yet. Batches
// that are a large part of all examples count less: they differ less than they would from all
// examples that there could be.
func (n *noise) enough(i int) float64 {
	if len(n.levels[i]) < len(nodeCounts) {
		return math.NaN()
	}
	const counted = 8 // up to 50 nodes: at most a twentieth of the examples
	sum := 0.
	for _, at := range n.levels[i][:counted] {
		sum += at.X * at.Y
	}
	return sum / counted
}

// draw implements page.
func (p *nodesPage) draw(_ *State, v *View) {
	p.drawCourse(v)
	p.drawCounts(v)
	p.drawNoise(v)
	p.tellRun(v)
	for scale, name := range nodesScales {
		v.tell("breaks-"+name, p.breaks(v, scale))
	}
	p.tellNoise(v)
}

// lossTicks are values of the axes of losses.
var lossTicks = []float64{.05, .1, .2, .5, 1}

// lossChart begins a chart of losses.
func lossChart(name string, low, high float64) *plot {
	c := &plot{name: name, Frame: chart(Point{low, math.Log10(lowestLoss)}, Point{high, math.Log10(highestLoss)})}
	c.LogY = true
	return c
}

// course returns the losses of a run, by what its axis has: examples, or steps.
func (p *nodesPage) course(r *nodesRun) (line []Point) {
	unit := 1.
	if !p.fixed {
		unit = float64(p.batch * r.nodes)
	}
	for _, at := range r.losses {
		line = append(line, Point{unit * at.X, at.Y})
	}
	return line
}

// names says what the curves are.
func (p *nodesPage) names(v *View) (rows [][2]string) {
	for _, look := range nodesLooks {
		rows = append(rows, [2]string{look.curve, v.say(look.name)})
	}
	return rows
}

// drawCourse draws the losses of the chosen number of nodes during training, with every
// compensation, and those of one node.
func (p *nodesPage) drawCourse(v *View) {
	end, label := float64(p.batch*nodesBatches), "lab.nodes.examples.axis"
	if p.fixed {
		end, label = nodesSteps, "lab.nodes.steps.axis"
	}
	c := lossChart("course", 0, 1.05*end)
	c.axes(v, v.say(label), v.say("lab.nodes.loss.axis"), []float64{0, end / 3, 2 * end / 3, end}, lossTicks)
	c.line("curve faint", p.course(p.run(nodesKey{})))
	for scale := range nodesScales {
		if k := (nodesKey{scale, p.chosen.count}); k != p.chosen && k.count > 0 {
			c.line(nodesLooks[scale].curve+" thin", p.course(p.run(k)))
		}
	}
	look := nodesLooks[p.chosen.scale]
	if line := p.course(p.run(p.chosen)); len(line) > 0 {
		c.line(look.curve, line)
		c.mark(look.sign, line[len(line)-1], 7)
	}
	c.legendAt(c.Left+170, c.Bottom-48, p.names(v)...)
	c.legendAt(c.Right, c.Bottom-48, [2]string{"curve faint", v.say("lab.nodes.curve.one")})
	c.show(v, "")
}

// drawCounts draws the loss at the end for every number of nodes, with every compensation.
// Runs that have diverged are arrows at the upper edge, a row for each compensation.
func (p *nodesPage) drawCounts(v *View) {
	c := lossChart("counts", -.08, math.Log10(nodeCounts[len(nodeCounts)-1])+.08)
	c.LogX = true
	c.axes(v, v.say("lab.nodes.m.axis"), v.say("lab.nodes.loss.axis"), []float64{1, 10, 100, 1000}, lossTicks)
	chosen := p.run(p.chosen)
	c.line("contour", []Point{{float64(chosen.nodes), lowestLoss}, {float64(chosen.nodes), highestLoss}})
	for scale := range nodesScales {
		var line, marks []Point
		for count, nodes := range nodeCounts {
			r, at := p.run(nodesKey{scale, count}), Point{nodes, highestLoss * 2}
			if r.end == nil {
				continue
			}
			if r.diverged {
				x, _ := c.at(at)
				c.arrow(nodesLooks[scale].sign, x, c.Top+13+21*float64(len(nodesScales)-1-scale), -math.Pi/2)
			} else {
				at.Y = r.loss()
				marks = append(marks, at)
			}
			line = append(line, at)
		}
		c.line(nodesLooks[scale].curve, line)
		c.marks(nodesLooks[scale].sign, marks, 4)
	}
	if chosen.end != nil && !chosen.diverged {
		c.mark(nodesLooks[p.chosen.scale].sign, Point{float64(chosen.nodes), chosen.loss()}, 8)
	}
	c.legend(c.Bottom-48, p.names(v)...)
	c.show(v, "")
}

// drawNoise draws the noise of batches by their examples.
func (p *nodesPage) drawNoise(v *View) {
	batch := float64(p.batch)
	most := batch * nodeCounts[len(nodeCounts)-1]
	c := plot{name: "noise", Frame: chart(Point{math.Log10(batch) - .08, math.Log10(lowestNoise)}, Point{math.Log10(most) + .08, math.Log10(highestNoise)})}
	c.LogX, c.LogY = true, true
	c.axes(v, v.say("lab.nodes.noise.x"), v.say("lab.nodes.noise.y"), []float64{batch, 10 * batch, 100 * batch, most}, []float64{1e-4, .01, 1, 100})
	c.line("border", []Point{{batch / 2, 1}, {2 * most, 1}})
	for i, look := range nodesLooks[:2] {
		c.line(look.curve, p.noise.levels[i])
		if levels := p.noise.levels[i]; p.chosen.count < len(levels) {
			c.mark(look.sign, levels[p.chosen.count], 7)
		}
	}
	c.legend(c.Top+32, [2]string{nodesLooks[0].curve, v.say("lab.nodes.curve.before")}, [2]string{nodesLooks[1].curve, v.say("lab.nodes.curve.after")})
	c.show(v, "")
}

// tellRun says how the chosen run has done.
func (p *nodesPage) tellRun(v *View) {
	r := p.run(p.chosen)
	factor := [...]float64{1, math.Sqrt(float64(r.nodes)), float64(r.nodes)}[p.chosen.scale]
	v.tell("nodes", p.verdict(v, r))
	v.tell("nodes-batch", v.l.Count(p.batch*r.nodes))
	v.tell("nodes-rate", v.l.Amount(rounded(p.rate*factor, 4)))
	v.tell("nodes-steps", v.l.Count(r.steps))
	if r.end == nil {
		v.tell("nodes-loss", words.Dash)
		v.tell("nodes-accuracy", words.Dash)
		return
	}
	v.tell("nodes-loss", v.loss(r))
	v.tell("nodes-accuracy", v.l.Percent(r.accuracy, 1))
}

// loss writes the loss of a run.
func (v *View) loss(r *nodesRun) string {
	if math.IsInf(r.loss(), 1) {
		return "∞"
	}
	return v.l.Three(r.loss())
}

// verdict says in a sentence how a run has done.
func (p *nodesPage) verdict(v *View, r *nodesRun) string {
	one, plain := p.run(nodesKey{}), p.run(nodesKey{0, p.chosen.count})
	switch {
	case r.end == nil || one.end == nil || plain.end == nil:
		return v.say("lab.nodes.training", r.nodes)
	case r.diverged:
		return v.say("lab.nodes.diverged")
	case r == one:
		return v.say("lab.nodes.single")
	case r.loss() > plain.loss():
		return v.say("lab.nodes.harm", v.loss(plain))
	case p.fixed:
		return v.say("lab.nodes.in.steps", v.loss(one), v.loss(r), r.nodes)
	case r.loss() <= asGood*one.loss():
		return v.say("lab.nodes.as.good", r.nodes)
	}
	return v.say("lab.nodes.behind", v.loss(one), one.steps, r.steps)
}

// breaks says from how many nodes on a compensation diverges.
func (p *nodesPage) breaks(v *View, scale int) string {
	for count, nodes := range nodeCounts {
		r := p.run(nodesKey{scale, count})
		switch {
		case r.end == nil:
			return words.Dash
		case r.diverged:
			return v.say("lab.nodes.from", int(nodes))
		}
	}
	return v.say("lab.nodes.never")
}

// tellNoise says how much noise there is.
func (p *nodesPage) tellNoise(v *View) {
	before, after := p.noise.enough(0), p.noise.enough(1)
	text := v.say("lab.nodes.noise.computing")
	switch one := p.run(nodesKey{}); {
	case !math.IsNaN(after):
		text = v.say("lab.nodes.noise.enough", twoDigits(before), twoDigits(after))
	case one.diverged:
		text = v.say("lab.nodes.noise.diverged")
	}
	v.tell("noise", text)
	for i, name := range []string{"noise-before", "noise-after"} {
		level := words.Dash
		if levels := p.noise.levels[i]; p.chosen.count < len(levels) {
			level = ratio(v.l, levels[p.chosen.count].Y)
		}
		v.tell(name, level)
	}
}

// twoDigits rounds a number to a whole one with two digits that count, at least 1.
func twoDigits(x float64) int {
	unit := math.Pow(10, max(0, math.Floor(math.Log10(x))-1))
	return int(max(1, math.Round(x/unit)*unit))
}
