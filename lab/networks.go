package lab

import (
	"math"

	"fedtab/lab/study"
	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/learn/rng"
	"fedtab/words"
)

// networks are two networks that were trained on halves of the examples, from one start and
// from two, and the losses of what lies between them.
type networks struct {
	seed   uint64
	epochs int

	values []float32 // examples, [spiralExamples, 2]
	labels []uint8
	set    *data.Set
	model  learn.Model
	starts [2]pair // from one start, and from two
	grid   []float32

	key     mixKey // of what was drawn last
	drawing *View
}

// mixKey is what the part is drawn from.
type mixKey struct {
	seed   uint64
	epochs int
	share  float64
	starts int
	done   int
	l      *words.Language
}

// pair is two networks.
type pair struct {
	nets    [2][]float32
	losses  []float64 // by share; as many as are computed
	trained bool
}

const (
	spiralExamples = 400
	spiralNoise    = .03
	spiralSide     = 2.4
	mapSide        = 49 // places along the sides of the map
	maxLoss        = 1.5
	hill           = 1.5 // a mean is on a hill from so many times the worse loss on
)

// shares are those of the second network.
var shares = func() (all []float64) {
	for i := -4; i <= 24; i++ {
		all = append(all, float64(i)*5/100)
	}
	return all
}()

func networkSettings() []Setting {
	return []Setting{
		{Name: "theta", Label: "lab.mix.theta", Values: shares, Default: .5},
		{Name: "starts", Label: "lab.mix.starts", Kind: Choice, Values: []float64{1, 2}, Default: 2, Say: func(l *words.Language, v float64) string {
			if v == 1 {
				return l.Say("lab.mix.one")
			}
			return l.Say("lab.mix.two")
		}},
		{Name: "epochs", Label: "lab.mix.epochs", Kind: Choice, Values: []float64{1, 5, 20, 40, 100}, Default: 40},
		{Name: "seed", Label: "lab.seed", Kind: Seed, Default: 1},
	}
}

func networkPart() Part {
	return Part{
		Name: "mix", Title: "lab.mix.title", Settings: []string{"theta", "starts", "epochs", "seed"},
		Figures:  []Figure{{"map", "lab.mix.map.label"}, {"losses", "lab.mix.losses.label"}},
		Readings: []Reading{{"mix", "", ""}, {"mix-first", "lab.mix.first", "first"}, {"mix-here", "lab.mix.here", "mean"}, {"mix-second", "lab.mix.second", "second"}},
		Buttons:  []Button{{NewSeed, "lab.seed.new"}},
	}
}

// follow takes in that the state has changed.
func (n *networks) follow(s *State) {
	if seed, epochs := s.seed("seed"), s.Int("epochs"); seed != n.seed || epochs != n.epochs {
		n.seed, n.epochs = seed, epochs
		n.starts = [2]pair{}
		n.values, n.labels = study.Spirals(seed, spiralExamples, spiralNoise)
	}
}

// work trains a pair, or evaluates what lies between two networks.
func (n *networks) work() bool {
	for i := range n.starts {
		p := &n.starts[i]
		switch {
		case !p.trained:
			n.train(i)
			return true
		case len(p.losses) < len(shares):
			p.losses = append(p.losses, n.loss(p.mix(shares[len(p.losses)])))
			return true
		}
	}
	return false
}

// train trains a pair, from one start or from two.
func (n *networks) train(i int) {
	var err error
	if n.set, err = data.NewLabelled([]int{2}, n.values, n.labels, 2); err != nil {
		panic("lab: " + err.Error()) // they are made here
	}
	if n.model, err = learn.New(learn.MLP([]int{2}, []int{16, 16}, 2)); err != nil {
		panic("lab: " + err.Error())
	}
	var own [2]data.Examples
	for k := range own {
		index := make([]int32, spiralExamples/2)
		for j := range index {
			index[j] = int32(k*len(index) + j)
		}
		own[k] = data.NewSubset(n.set, index)
	}
	start := rng.Derive(n.seed, "start")
	starts := [2]uint64{start, start}
	if i == 1 {
		starts[1] = rng.Derive(n.seed, "other start")
	}
	n.starts[i].trained = true
	n.starts[i].nets, err = study.TrainPair(n.model, starts, own, learn.FitConfig{Epochs: n.epochs, Batch: 10, LR: .1, Seed: n.seed})
	if err != nil {
		n.starts[i].nets = [2][]float32{} // training has diverged
	}
}

// mix returns the network of a share of the second one; nil, if there is none.
func (p *pair) mix(share float64) []float32 {
	if p.nets[1] == nil {
		return nil
	}
	mixed := make([]float32, len(p.nets[0]))
	study.Mix(mixed, p.nets, share)
	return mixed
}

// loss returns the loss on all examples of a network.
func (n *networks) loss(params []float32) float64 {
	if params == nil {
		return math.NaN()
	}
	metrics, err := learn.Evaluate(n.model, params, n.set, 1)
	if err != nil {
		panic("lab: " + err.Error()) // the sizes are the model's
	}
	return metrics.Figures().Loss
}

// verdicts returns by how much a network prefers the second class, on the places of the map.
func (n *networks) verdicts(params []float32) *field {
	if n.grid == nil {
		newField(Point{-spiralSide, -spiralSide}, Point{spiralSide, spiralSide}, mapSide, func(p Point) float64 {
			n.grid = append(n.grid, float32(p.X), float32(p.Y))
			return 0
		})
	}
	worker := n.model.NewWorker(mapSide * mapSide)
	worker.Evaluate(params, n.grid, make([]float32, mapSide*mapSide))
	outputs, i := worker.Outputs(), 0
	return newField(Point{-spiralSide, -spiralSide}, Point{spiralSide, spiralSide}, mapSide, func(Point) float64 {
		i++
		return float64(outputs[2*i-1]) - float64(outputs[2*i-2])
	})
}

// draw writes what the part shows. It is drawn anew only where it has changed: the walkers
// beside it move many times a second.
func (n *networks) draw(s *State, v *View) {
	key := mixKey{n.seed, n.epochs, s.Value("theta"), s.Int("starts"), n.done(), v.l}
	if n.drawing == nil || key != n.key {
		n.key, n.drawing = key, &View{l: v.l}
		n.show(s, n.drawing)
	}
	v.Figures, v.Texts = append(v.Figures, n.drawing.Figures...), append(v.Texts, n.drawing.Texts...)
}

// done counts what work has done.
func (n *networks) done() (count int) {
	for _, p := range n.starts {
		count += len(p.losses)
		if p.trained {
			count++
		}
	}
	return count
}

func (n *networks) show(s *State, v *View) {
	share, starts := s.Value("theta"), s.Int("starts")
	p := &n.starts[starts-1]
	d := plot{name: "map", Frame: square(Point{-spiralSide, -spiralSide}, Point{spiralSide, spiralSide})}
	mixed := p.mix(share)
	if mixed != nil {
		d.territory("region", n.verdicts(mixed))
	}
	var examples [2][]Point // by class
	for i, label := range n.labels {
		examples[label] = append(examples[label], Point{float64(n.values[2*i]), float64(n.values[2*i+1])})
	}
	d.marks("zero", examples[0], 3)
	d.marks("second", examples[1], 3)
	d.show(v, "")

	c := plot{name: "losses", Frame: chart(Point{shares[0], 0}, Point{shares[len(shares)-1], maxLoss})}
	c.axes(v, v.say("lab.mix.theta.axis"), v.say("lab.mix.loss.axis"), []float64{0, .25, .5, .75, 1}, []float64{0, .5, 1, 1.5})
	for i, of := range n.starts {
		var line []Point
		for k, loss := range of.losses {
			line = append(line, Point{shares[k], min(loss, maxLoss)})
		}
		c.line([]string{"curve one", "curve two"}[i], line)
	}
	c.legend(c.Top+10, [2]string{"curve two", v.say("lab.mix.two")}, [2]string{"curve one", v.say("lab.mix.one")})
	loss := math.NaN()
	if mixed != nil {
		loss = n.loss(mixed)
		c.mark("mean", Point{share, min(loss, maxLoss)}, 7)
	}
	c.show(v, "")

	ends := [2]float64{n.loss(p.mix(0)), n.loss(p.mix(1))}
	text := v.say("lab.mix.training")
	switch worse := max(ends[0], ends[1]); {
	case len(p.losses) < len(shares):
	case math.IsNaN(worse):
		text = v.say("lab.mix.diverged")
	case n.loss(p.mix(.5)) > hill*worse:
		text = v.say("lab.mix.worse")
	default:
		text = v.say("lab.mix.good")
	}
	v.tell("mix", text)
	v.tell("mix-first", v.l.Loss(ends[0]))
	v.tell("mix-here", v.l.Loss(loss))
	v.tell("mix-second", v.l.Loss(ends[1]))
}

// territory draws where a field is positive, with its border.
func (p *plot) territory(class string, g *field) {
	p.add(`<path class="`, class, `" d="`, p.region(g), `"></path>`)
	for _, line := range lines(g.contour(0)) {
		p.line("border", line)
	}
}

// region returns the path of the cells in which a field is positive, row by row.
func (p *plot) region(g *field) string {
	var d []byte
	for k := range g.n - 1 {
		for i := 0; i < g.n-1; i++ {
			inside := func(i int) bool {
				return i < g.n-1 && g.values[k*g.n+i]+g.values[k*g.n+i+1]+g.values[(k+1)*g.n+i]+g.values[(k+1)*g.n+i+1] > 0
			}
			if !inside(i) {
				continue
			}
			from := g.place(i, k)
			for inside(i) {
				i++
			}
			to := g.place(i, k+1)
			d = append(d, p.path([]Point{from, {to.X, from.Y}, to, {from.X, to.Y}}, true)...)
		}
	}
	return string(d)
}
