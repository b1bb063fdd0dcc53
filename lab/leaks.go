package lab

import (
	"math"

	"fedtab/compress"
	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/learn/kernel"
	"fedtab/learn/rng"
	"fedtab/privacy/account"
	"fedtab/privacy/attack"
	"fedtab/words"
)

// leaksPage shows the pictures that a client has trained with, and what can be read of them
// from its update, or from a sum with others; and how that depends on how many they are, on
// packing, clipping and noise.
type leaksPage struct {
	seed    uint64
	units   int // of the first layer; 0: that is the outputs
	epochs  int
	codec   compress.Codec
	bits    float64
	size    int // of leakSizes, by number
	sum     int // updates in what the coordinator sees
	release attack.Release

	run     uint64 // seed of the run
	model   learn.Model
	start   []float32
	clients [][leakClients]*leakClient // by size; nil: it has not begun
	failed  bool                       // training has diverged

	shown *leak      // of the first client of the size
	sizes []tally    // by size, with the codec and the rate; the last may be unfinished
	rates [2][]tally // at packingRates, of the codecs that are rated

	key     leaksKey // of what was drawn last
	drawing *View
}

// leaksKey is what the pictures are drawn from.
type leaksKey struct {
	shown   *leak
	picture int
	failed  bool
	l       *words.Language
}

// leakClient is a client that trains the model with its pictures.
type leakClient struct {
	x      []float32 // [n, glyphSide, glyphSide]
	alone  []int     // by picture: units that only this one activates before training
	fit    *learn.Fit
	params []float32
	update []float32 // nil: it is being trained
}

// leak is what can be read from an update.
type leak struct {
	*attack.Inversion // nil: an update is not there yet
	client            *leakClient
	bits              float64 // of the update as packed, for each parameter
	norm              float64 // of the update before it is clipped
}

// tally is the sums of some clients' measures.
type tally struct {
	clients           int
	like, known, bits float64
}

// leakSizes are how many pictures a client has.
var leakSizes = []float64{1, 2, 4, 8, 16, 32, 64}

// leakSums are how many updates are in what the coordinator sees.
var leakSums = []float64{1, 2, leakClients}

// clipNorms are what updates are clipped to; the largest is longer than all of them.
var clipNorms = []float64{.01, .03, .1, .3, 1, 3, 10}

// leakNoises are the noise multipliers.
var leakNoises = []float64{0, .001, .003, .01, .03, .1, .3, 1}

const (
	leakClients = 5 // that measures are means of
	leakRate    = .1
	leakSlice   = 1e7 // floating-point operations of training in a slice
	leakUnits   = 64  // whose pictures are drawn
	leakDelta   = 1e-5
	exactPSNR   = 60 // from which on a picture counts as exact
)

func leaksSheet() *Sheet {
	pictures := upTo(int(leakSizes[len(leakSizes)-1]))[1:]
	return &Sheet{
		Name: "leaks", Title: "lab.leaks.title", Lead: "lab.leaks.lead",
		Paragraphs: []string{"lab.leaks.what", "lab.leaks.why", "lab.leaks.modes", "lab.leaks.protect"},
		Formula:    "∂L/∂Wᵢ = δᵢ x,   ∂L/∂bᵢ = δᵢ,   x = ΔWᵢ / Δbᵢ;   ΔWᵢ / Δbᵢ = Σₖ δᵢₖ xₖ / Σₖ δᵢₖ",
		Where:      "lab.leaks.where",
		Try:        []string{"lab.leaks.try.more", "lab.leaks.try.units", "lab.leaks.try.epochs", "lab.leaks.try.bits", "lab.leaks.try.linear", "lab.leaks.try.sum", "lab.leaks.try.noise"},
		Sources: []Source{
			{"Phong, Aono, Hayashi, Wang, Moriai: Privacy-Preserving Deep Learning: Revisited and Enhanced. ATIS 2017", ""},
			{"Geiping, Bauermeister, Dröge, Moeller: Inverting Gradients – How Easy Is It to Break Privacy in Federated Learning? NeurIPS 2020", "https://arxiv.org/abs/2003.14053"},
			{"Fowl, Geiping, Czaja, Goldblum, Goldstein: Robbing the Fed: Directly Obtaining Private Data in Federated Learning with Modified Models. ICLR 2022", "https://arxiv.org/abs/2110.13057"},
			{"Boenisch, Dziedzic, Schuster, Shamsabadi, Shumailov, Papernot: When the Curious Abandon Honesty: Federated Learning Is Not Private. EuroS&P 2023", "https://arxiv.org/abs/2112.02918"},
		},
		settings: []Setting{
			{Name: "n", Label: "lab.leaks.n", Values: leakSizes, Default: 1},
			{Name: "bits", Label: "lab.packing.bits", Values: packingRates, Default: .9},
			{Name: "picture", Label: "lab.leaks.picture", Values: pictures, Default: 1, Most: func(s *State) float64 { return s.Value("n") }},
			{Name: "units", Label: "lab.leaks.units", Kind: Choice, Values: []float64{0, 16, 64, 256}, Default: 64, Say: func(l *words.Language, v float64) string {
				if v == 0 {
					return l.Say("lab.leaks.linear")
				}
				return l.Exact(v)
			}},
			{Name: "epochs", Label: "lab.mix.epochs", Kind: Choice, Values: []float64{1, 5, 20, 100}, Default: 1},
			{Name: "codec", Label: "lab.packing.codec", Kind: Choice, Values: []float64{0, 1, 2, 3}, Default: 0, Say: sayCodec},
			{Name: "sees", Label: "lab.leaks.sees", Kind: Choice, Values: leakSums, Default: 1, Say: func(l *words.Language, v float64) string {
				return l.Say("lab.leaks.seen", int(v))
			}},
			{Name: "clip", Label: "lab.leaks.clip", Values: clipNorms, Default: clipNorms[len(clipNorms)-1]},
			{Name: "noise", Label: "lab.leaks.noise", Values: leakNoises, Default: 0},
			{Name: "seed", Label: "lab.seed", Kind: Seed, Default: 1},
		},
		Parts: []Part{
			{
				Name: "leak", Title: "lab.leaks.update", Settings: []string{"n", "picture", "bits", "clip", "noise", "sees", "codec", "units", "epochs", "seed"},
				Figures: []Figure{{"pictures", "lab.leaks.pictures.label"}, {"units", "lab.leaks.units.label"}},
				Readings: []Reading{
					{"leak", "", ""}, {"leak-known", "lab.leaks.known", "known"}, {"leak-like", "lab.leaks.like", "chosen"},
					{"leak-psnr", "lab.leaks.psnr", "chosen"}, {"leak-alone", "lab.leaks.alone", ""}, {"leak-bits", "lab.packing.really", ""},
					{"leak-norm", "lab.leaks.norm", ""}, {"leak-epsilon", "lab.leaks.epsilon", ""},
				},
				Buttons: []Button{{NewSeed, "lab.seed.new"}, {Reset, "lab.reset"}},
			},
			{
				Name: "leaked", Title: "lab.leaks.measured",
				Figures:  []Figure{{"sizes", "lab.leaks.sizes.label"}, {"rates", "lab.leaks.rates.label"}},
				Readings: []Reading{{"leaked", "", ""}, {"leaked-like", "lab.leaks.mean.like", "first"}, {"leaked-known", "lab.leaks.mean.known", "second"}},
			},
		},
		begin: func() page { return &leaksPage{} },
	}
}

// follow implements page.
func (p *leaksPage) follow(s *State) {
	seed, units, epochs := s.seed("seed"), s.Int("units"), s.Int("epochs")
	if p.model == nil || seed != p.seed || units != p.units || epochs != p.epochs {
		p.begin(seed, units, epochs)
	}
	codec, bits, size := codecOf(packingCodecs[s.Int("codec")]), s.Value("bits"), sizeOf(s.Value("n"))
	sum, release := s.Int("sees"), attack.Release{Clip: s.Value("clip"), Noise: s.Value("noise")}
	other := sum != p.sum || release != p.release
	if other || codec.ID != p.codec.ID || bits != p.bits {
		p.sizes, p.shown = nil, nil
	}
	if other || size != p.size {
		p.rates, p.shown = [2][]tally{}, nil
	}
	p.codec, p.bits, p.size, p.sum, p.release = codec, bits, size, sum, release
	p.show()
}

// sizeOf returns the number of a size.
func sizeOf(n float64) int { return int(math.Log2(n)) }

// begin begins with a model that no client has trained yet.
func (p *leaksPage) begin(seed uint64, units, epochs int) {
	*p = leaksPage{seed: seed, run: rng.Derive(seed, "run"), units: units, epochs: epochs, clients: make([][leakClients]*leakClient, len(leakSizes))}
	var hidden []int
	if units > 0 {
		hidden = []int{units}
	}
	var err error
	if p.model, err = learn.New(learn.MLP([]int{glyphSide, glyphSide}, hidden, glyphClasses)); err != nil {
		panic("lab: " + err.Error())
	}
	p.start = make([]float32, p.model.Layout().Size)
	p.model.Init(p.start, p.run)
}

// client returns a client with some pictures. One with more has those of one with fewer, too.
func (p *leaksPage) client(size, number int) *leakClient {
	at := &p.clients[size][number]
	if *at != nil {
		return *at
	}
	n := int(leakSizes[size])
	x, y := glyphs(n, rng.Stream(p.seed, "glyphs", uint64(number)))
	c := &leakClient{x: x, fit: learn.NewFit(p.model), params: append([]float32(nil), p.start...)}
	*at = c
	set, err := data.NewLabelled([]int{glyphSide, glyphSide}, x, y, glyphClasses)
	if err == nil {
		err = c.fit.Start(c.params, set, learn.FitConfig{Epochs: p.epochs, LR: leakRate, Seed: p.seed})
	}
	if err != nil {
		panic("lab: " + err.Error()) // they are made here
	}
	if p.units > 0 {
		c.alone = p.alone(x, n)
	}
	return c
}

// alone counts, for each of n pictures, the units of the first layer that it alone activates.
func (p *leaksPage) alone(x []float32, n int) []int {
	layout := p.model.Layout()
	y := make([]float32, n*p.units)
	kernel.Forward(y, x, layout.Tensors[0].Of(p.start), layout.Tensors[1].Of(p.start), n, len(x)/n, p.units, true)
	alone := make([]int, n)
	for i := range p.units {
		only, active := 0, 0
		for k := range n {
			if y[k*p.units+i] > 0 {
				only = k
				active++
			}
		}
		if active == 1 {
			alone[only]++
		}
	}
	return alone
}

// work implements page. What is seen first is computed first: the update whose pictures are
// shown, then how it depends on how many they are, and on the rate.
func (p *leaksPage) work() bool {
	switch {
	case p.failed:
		return false
	case p.shown.Inversion == nil:
		p.trained(p.size, 0)
		p.show()
	case !full(p.sizes, len(leakSizes)):
		p.sizes = p.measure(p.sizes, unfinished(p.sizes), p.codec, p.bits)
	case !full(p.rates[0], len(packingRates)):
		p.rate(0)
	case !full(p.rates[1], len(packingRates)):
		p.rate(1)
	default:
		return false
	}
	return true
}

// rate measures the next client at the next rate.
func (p *leaksPage) rate(codec int) {
	all := p.rates[codec]
	p.rates[codec] = p.measure(all, p.size, codecOf(rated[codec]), packingRates[unfinished(all)])
}

// unfinished returns the number of the first tally that has not all clients.
func unfinished(all []tally) int {
	if last := len(all) - 1; last >= 0 && all[last].clients < leakClients {
		return last
	}
	return len(all)
}

// full reports whether so many tallies have all clients.
func full(all []tally, n int) bool { return unfinished(all) == n }

// measure adds the next client of a size to the tally that is unfinished, or trains it.
func (p *leaksPage) measure(all []tally, size int, codec compress.Codec, bits float64) []tally {
	i := unfinished(all)
	if i == len(all) {
		all = append(all, tally{})
	}
	t := &all[i]
	if !p.trained(size, t.clients) {
		return all
	}
	got := p.read(size, t.clients, codec, bits)
	n := float64(len(got.Like))
	for k, like := range got.Like {
		t.like += like / n
		if got.Known[k] {
			t.known += 1 / n
		}
	}
	t.bits += got.bits
	t.clients++
	return all
}

// behind returns the clients whose updates are in what is seen of one of them: it, and those
// that follow.
func (p *leaksPage) behind(size, number int) (all []*leakClient) {
	for i := range p.sum {
		all = append(all, p.client(size, (number+i)%leakClients))
	}
	return all
}

// trained reports whether all clients have their updates that what is seen of one is made of;
// if not, it trains the next one.
func (p *leaksPage) trained(size, number int) bool {
	for _, c := range p.behind(size, number) {
		if c.update == nil {
			p.train(c)
			return false
		}
	}
	return true
}

// train trains a client for a slice. When it is done it has an update.
func (p *leaksPage) train(c *leakClient) {
	n := len(c.x) / (glyphSide * glyphSide)
	done, err := c.fit.Run(max(1, leakSlice/(n*p.model.Cost().Training)))
	switch {
	case err != nil:
		p.failed = true
	case done:
		c.update = c.params
		kernel.Axpy(c.update, -1, p.start)
		c.fit, c.params = nil, nil
	}
}

// show reads what is seen of the first client of the size, if it is there.
func (p *leaksPage) show() {
	if p.shown != nil && p.shown.Inversion != nil {
		return
	}
	for _, c := range p.behind(p.size, 0) {
		if c.update == nil {
			p.shown = &leak{client: p.client(p.size, 0)}
			return
		}
	}
	p.shown = p.read(p.size, 0, p.codec, p.bits)
}

// read clips, noises and packs the updates that are seen with that of a client, as they travel,
// and reads the client's pictures from the sum of what is unpacked. Each has its share of the
// noise.
func (p *leaksPage) read(size, number int, codec compress.Codec, bits float64) *leak {
	layout := p.model.Layout()
	seen, got, sent := make([]float32, layout.Size), make([]float32, layout.Size), make([]float32, layout.Size)
	share := attack.Release{Clip: p.release.Clip, Noise: p.release.Noise / math.Sqrt(float64(p.sum))}
	var own int // bytes of the client
	for i, c := range p.behind(size, number) {
		who := (number + i) % leakClients
		share.Sum(sent, [][]float32{c.update}, rng.Stream(p.seed, "noise", uint64(size), uint64(who)))
		o := compress.Options{Bits: bits, Seed: compress.DitherSeed(p.run, uint32(who+1), 1, 0)}
		bytes := transfer(got, sent, codec.NewEncoder(compress.TensorsOf(layout)), codec, o)
		if i == 0 {
			own = bytes
		}
		kernel.Axpy(seen, 1, got)
	}
	c := p.client(size, number)
	return &leak{attack.Invert(seen, layout, c.x), c, float64(8*own) / float64(len(got)), math.Sqrt(kernel.SquaredNorm(c.update))}
}

// picture returns a picture of a client.
func (c *leakClient) picture(k int) []float32 {
	const size = glyphSide * glyphSide
	return c.x[k*size:][:size]
}

// psnr compares a picture with that of the unit that is most like it.
func (l *leak) psnr(k int) float64 {
	if l.Best[k] < 0 {
		return math.Inf(-1)
	}
	return attack.PSNR(l.Shows[l.Best[k]], l.client.picture(k))
}

// draw implements page. The pictures are drawn anew only where they have changed: the curves
// grow many times a second.
func (p *leaksPage) draw(s *State, v *View) {
	chosen := s.Int("picture") - 1
	key := leaksKey{p.shown, chosen, p.failed, v.l}
	if p.drawing == nil || key != p.key {
		p.key, p.drawing = key, &View{l: v.l}
		p.drawPictures(p.drawing, chosen)
		p.drawUnits(p.drawing, chosen)
		p.tellLeak(p.drawing, chosen)
	}
	v.Figures, v.Texts = append(v.Figures, p.drawing.Figures...), append(v.Texts, p.drawing.Texts...)
	p.drawSizes(v)
	p.drawRates(v)
	p.tellLeaked(v)
}

// The album of a figure: it leaves room for a line of text above.
const (
	albumHeight = 330.
	albumTop    = 30.
	albumEdge   = 8.
	pictureEdge = 2. // around a picture
)

// albumPlot begins a figure with n cells of pictures.
func albumPlot(name, text string, n, across int) (*plot, album) {
	d := &plot{name: name, Frame: square(Point{0, 0}, Point{1, albumHeight / figureWidth})}
	d.text("name", albumEdge, albumTop-9, text)
	return d, newAlbum(n, across, albumEdge, albumTop, figureWidth-albumEdge, albumHeight-albumEdge, 8)
}

// drawPictures draws the client's pictures, and beside each what was read of it.
func (p *leaksPage) drawPictures(v *View, chosen int) {
	n := len(p.shown.client.x) / (glyphSide * glyphSide)
	d, a := albumPlot("pictures", v.say("lab.leaks.pair"), n, 2)
	var ink pictures
	var cells, known []Point
	size := a.size - 2*pictureEdge
	for k := range n {
		from, to := a.at(k, 0).plus(pictureEdge), a.at(k, 1).plus(pictureEdge)
		cells = append(cells, from, to)
		ink.add(p.shown.client.picture(k), glyphSide, from.X, from.Y, size)
		if l := p.shown.Inversion; l != nil && l.Best[k] >= 0 {
			ink.add(l.Shows[l.Best[k]], glyphSide, to.X, to.Y, size)
			if l.Known[k] {
				known = append(known, to)
			}
		}
	}
	d.frames("grid", cells, size)
	d.pictures(&ink)
	d.frames("known", known, size)
	d.frames("chosen", []Point{a.at(chosen, 0)}, a.size)
	d.show(v, "")
}

// drawUnits draws what each unit of the first layer shows.
func (p *leaksPage) drawUnits(v *View, chosen int) {
	units := p.units
	if units == 0 {
		units = glyphClasses
	}
	text := v.say("lab.leaks.all")
	if units > leakUnits {
		text, units = v.say("lab.leaks.some", leakUnits), leakUnits
	}
	d, a := albumPlot("units", text, units, 1)
	var ink pictures
	var cells, known, best []Point
	size := a.size - 2*pictureEdge
	for i := range units {
		at := a.at(i, 0).plus(pictureEdge)
		cells = append(cells, at)
		l := p.shown.Inversion
		if l == nil || l.Shows[i] == nil {
			continue
		}
		ink.add(l.Shows[i], glyphSide, at.X, at.Y, size)
		if l.Closest[i] >= attack.Alike {
			known = append(known, at)
		}
		if l.Best[chosen] == i {
			best = append(best, a.at(i, 0))
		}
	}
	d.frames("grid", cells, size)
	d.pictures(&ink)
	d.frames("known", known, size)
	d.frames("chosen", best, a.size)
	d.show(v, "")
}

// tellLeak says what was read.
func (p *leaksPage) tellLeak(v *View, chosen int) {
	l := p.shown
	v.tell("leak-epsilon", v.epsilon(p.release.Noise))
	if l.Inversion == nil {
		v.tell("leak", p.untold(v))
		for _, name := range []string{"leak-known", "leak-like", "leak-psnr", "leak-alone", "leak-bits", "leak-norm"} {
			v.tell(name, words.Dash)
		}
		return
	}
	n, known, exact := len(l.Known), 0, 0
	for k, is := range l.Known {
		if is {
			known++
		}
		if l.psnr(k) >= exactPSNR {
			exact++
		}
	}
	text := v.say("lab.leaks.few", known, n)
	switch {
	case exact == n:
		text = v.say("lab.leaks.exact", n)
	case known == n:
		text = v.say("lab.leaks.every", n)
	case known == 0:
		text = v.say("lab.leaks.none", n)
	}
	v.tell("leak", text)
	v.tell("leak-known", v.say("lab.leaks.of", known, n))
	v.tell("leak-like", v.number(l.Like[chosen]))
	v.tell("leak-psnr", v.decibels(l.psnr(chosen)))
	alone := words.Dash
	if l.client.alone != nil {
		alone = v.say("lab.leaks.of", l.client.alone[chosen], p.units)
	}
	v.tell("leak-alone", alone)
	v.tell("leak-bits", v.number(l.bits))
	v.tell("leak-norm", v.l.Three(l.norm))
}

// epsilon writes what noise claims of one round: for all data of a participant replaced.
func (v *View) epsilon(noise float64) string {
	if noise == 0 {
		return v.say("lab.leaks.unbounded")
	}
	epsilon, err := account.GaussianEpsilon(2/noise, leakDelta)
	if err != nil {
		panic("lab: " + err.Error()) // it is one of leakNoises
	}
	return v.l.Three(epsilon)
}

// untold says why there is nothing to say.
func (p *leaksPage) untold(v *View) string {
	if p.failed {
		return v.say("lab.mix.diverged")
	}
	return v.say("lab.packing.training")
}

// decibels writes a level; the lowest is that of no picture at all.
func (v *View) decibels(x float64) string {
	if math.IsInf(x, -1) {
		return words.Dash
	}
	if math.IsInf(x, 1) {
		return "∞"
	}
	return v.say("lab.leaks.decibels", v.l.Exact(rounded(x, 1)))
}

// means returns the means of the tallies that have all clients.
func means(all []tally) (like, known, bits []float64) {
	for _, t := range all[:unfinished(all)] {
		like, known, bits = append(like, t.like/leakClients), append(known, t.known/leakClients), append(bits, t.bits/leakClients)
	}
	return like, known, bits
}

// points pairs numbers.
func points(xs, ys []float64) (line []Point) {
	for i, y := range ys {
		line = append(line, Point{xs[i], y})
	}
	return line
}

// drawSizes draws how what is read depends on how many pictures there are.
func (p *leaksPage) drawSizes(v *View) {
	c := plot{name: "sizes", Frame: chart(Point{-.05, 0}, Point{math.Log10(leakSizes[len(leakSizes)-1]) + .05, 1.05})}
	c.LogX = true
	c.axes(v, v.say("lab.leaks.n.axis"), "", leakSizes, []float64{0, .2, .4, .6, .8, 1})
	like, known, _ := means(p.sizes)
	c.line("curve one", points(leakSizes, like))
	c.line("curve two dashed", points(leakSizes, known))
	if n := leakSizes[p.size]; p.size < len(like) {
		c.mark("first", Point{n, like[p.size]}, 6)
		c.mark("second", Point{n, known[p.size]}, 6)
	}
	// Curves begin high at the left, and there is room below.
	c.legendAt(c.Left+150, c.Bottom-46, [2]string{"curve one", v.say("lab.leaks.curve.like")}, [2]string{"curve two dashed", v.say("lab.leaks.curve.known")})
	c.show(v, "")
}

// drawRates draws how what is read depends on the rate.
func (p *leaksPage) drawRates(v *View) {
	c := plot{name: "rates", Frame: chart(Point{-1, 0}, Point{1.6, 1.05})}
	c.LogX = true
	c.axes(v, v.say("lab.packing.bits.axis"), v.say("lab.leaks.curve.like"), []float64{.1, .3, 1, 3, 10, 30}, []float64{0, .2, .4, .6, .8, 1})
	for i, class := range []string{"curve one", "curve two dashed"} {
		like, _, bits := means(p.rates[i])
		c.line(class, points(bits, like))
	}
	c.legend(c.Bottom-30, [2]string{"curve one", rated[0].String()}, [2]string{"curve two dashed", rated[1].String()})
	if like, _, bits := means(p.sizes); p.size < len(like) {
		c.mark("first", Point{bits[p.size], like[p.size]}, 6)
	}
	c.show(v, "")
}

// tellLeaked says what was measured.
func (p *leaksPage) tellLeaked(v *View) {
	like, known, _ := means(p.sizes)
	text, last := p.untold(v), len(leakSizes)-1
	if len(like) > last {
		text = v.say("lab.leaks.trend", v.number(like[0]), v.number(like[last]), v.l.Count(int(leakSizes[last])))
	}
	v.tell("leaked", text)
	if p.size >= len(like) {
		v.tell("leaked-like", words.Dash)
		v.tell("leaked-known", words.Dash)
		return
	}
	v.tell("leaked-like", v.number(like[p.size]))
	v.tell("leaked-known", v.l.Percent(known[p.size], 0))
}
