package lab

import (
	"fmt"
	"math"
	"slices"

	"fedtab/compress"
	"fedtab/lab/study"
	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/learn/rng"
	"fedtab/protocol"
	"fedtab/words"
)

// packingPage shows a client's updates, and what packing leaves of them: one update, and the
// sum of all with and without error feedback.
type packingPage struct {
	seed    uint64
	model   learn.Model
	fit     *learn.Fit
	set     *data.Set
	params  []float32   // after the updates
	updates [][]float32 // by round; as many as are computed
	failed  bool        // training has diverged

	codec compress.Codec
	bits  float64
	round int

	shown *packed    // the update of the round; nil: it is not computed yet
	rates [2][]Point // the update at packingRates, as many as are computed: bits, NMSE
	sent  [2]sums    // without feedback, and with it

	key     packingKey // of what was drawn last
	drawing *View
}

// packingKey is what the first part is drawn from.
type packingKey struct {
	shown  *packed
	rates  [2]int
	failed bool
	l      *words.Language
}

// packed is an update and what is unpacked from its block.
type packed struct {
	codec         compress.Codec
	bits          float64 // of the block, for each parameter
	nmse          float64
	levels        []level // the values that are unpacked, ascending
	before, after []int   // parameters of each bar
}

// level is a value that is unpacked, in root mean squares of the update.
type level struct {
	value float64
	count int
}

// sums compares the sum of a client's updates with that of what was unpacked of them.
type sums struct {
	encoder compress.Encoder
	all     []float64
	missing []float64
	left    []float64 // NMSE of the sum, by round
}

// packingCodecs are the choices, by the number that an address has.
var packingCodecs = []protocol.Codec{protocol.CodecFloat32, protocol.CodecFloat16, protocol.CodecDeadzone, protocol.CodecDither}

// rated are the codecs that take any rate.
var rated = [2]protocol.Codec{protocol.CodecDeadzone, protocol.CodecDither}

var packingRates = []float64{.1, .2, .3, .5, .7, .9, 1.2, 1.5, 2, 3, 4, 6, 8}

const (
	packingRounds = 40
	packingWidth  = 64 // neurons of both hidden layers: 4,482 parameters, beside which a header is small
	barsBeside    = 45 // bars on each side of that around 0
	barWidth      = .2 // in root mean squares of the update
	maxLevels     = 80 // that are drawn one by one
	lowestNMSE    = 1e-8
	highestNMSE   = 30
	clearly       = 1.1 // an error differs from another if it is so many times as large
)

func packingSheet() *Sheet {
	rounds := upTo(packingRounds)
	return &Sheet{
		Name: "packing", Title: "lab.packing.title", Lead: "lab.packing.lead",
		Paragraphs: []string{"lab.packing.what", "lab.packing.why", "lab.packing.feedback"},
		Formula:    "bits = 8 · bytes / n,   NMSE = ‖u − û‖² / ‖u‖²,   ûₜ = Q(uₜ + eₜ₋₁),   eₜ = uₜ + eₜ₋₁ − ûₜ",
		Where:      "lab.packing.where",
		Try:        []string{"lab.packing.try.rate", "lab.packing.try.few", "lab.packing.try.play", "lab.packing.try.dither", "lab.packing.try.late"},
		Sources: []Source{
			{"Sullivan: Efficient Scalar Quantization of Exponential and Laplacian Random Variables. IEEE Transactions on Information Theory 42, 1996", ""},
			{"Schuchman: Dither Signals and Their Effect on Quantization Noise. IEEE Transactions on Communication Technology 12, 1964", ""},
			{"Seide, Fu, Droppo, Li, Yu: 1-Bit Stochastic Gradient Descent and its Application to Data-Parallel Distributed Training of Speech DNNs. Interspeech 2014", ""},
			{"Karimireddy, Rebjock, Stich, Jaggi: Error Feedback Fixes SignSGD and other Gradient Compression Schemes. ICML 2019", "https://arxiv.org/abs/1901.09847"},
		},
		settings: []Setting{
			{Name: "bits", Label: "lab.packing.bits", Values: packingRates, Default: .9},
			{Name: "codec", Label: "lab.packing.codec", Kind: Choice, Values: []float64{0, 1, 2, 3}, Default: 2, Say: sayCodec},
			{Name: "round", Label: "lab.packing.round", Values: rounds[1:], Default: 5},
			{Name: "seed", Label: "lab.seed", Kind: Seed, Default: 1},
			{Name: "step", Label: "lab.packing.sent", Kind: Step, Values: rounds, Default: 0},
			{Name: "speed", Label: "lab.speed", Kind: Speed, Values: []float64{2, 5, 10, 30}, Default: 5, Say: saySpeed},
		},
		Parts: []Part{
			{
				Name: "pack", Title: "lab.packing.update", Settings: []string{"bits", "codec", "round", "seed"},
				Figures:  []Figure{{"histogram", "lab.packing.histogram.label"}, {"rates", "lab.packing.rates.label"}},
				Readings: []Reading{{"pack", "", ""}, {"pack-bits", "lab.packing.really", "packed"}, {"pack-nmse", "lab.packing.nmse", "packed"}, {"pack-values", "lab.packing.values", ""}, {"pack-saved", "lab.packing.saved", ""}},
				Buttons:  []Button{{NewSeed, "lab.seed.new"}, {Reset, "lab.reset"}},
			},
			{
				Name: "feedback", Title: "lab.packing.rounds", Settings: []string{"step", "speed"}, Played: true,
				Figures:  []Figure{{"left", "lab.packing.left.label"}},
				Readings: []Reading{{"feedback", "", ""}, {"left-without", "lab.packing.without", "first"}, {"left-with", "lab.packing.with", "second"}},
			},
		},
		begin: func() page { return &packingPage{} },
	}
}

func sayCodec(_ *words.Language, v float64) string { return packingCodecs[int(v)].String() }

// follow implements page.
func (p *packingPage) follow(s *State) {
	seed, bits, round := s.seed("seed"), s.Value("bits"), s.Int("round")
	codec := codecOf(packingCodecs[s.Int("codec")])
	if seed != p.seed {
		p.start(seed)
	} else if codec.ID == p.codec.ID && bits == p.bits && round == p.round {
		return
	}
	if codec.ID != p.codec.ID || bits != p.bits {
		p.sent = [2]sums{}
	}
	if round != p.round {
		p.rates = [2][]Point{}
	}
	p.codec, p.bits, p.round = codec, bits, round
	p.show()
}

// codecOf returns a codec that this build has.
func codecOf(id protocol.Codec) compress.Codec {
	c, err := compress.Lookup(id)
	if err != nil {
		panic("lab: " + err.Error())
	}
	return c
}

// start begins a client that trains a network of its own.
func (p *packingPage) start(seed uint64) {
	*p = packingPage{seed: seed}
	values, labels := study.Spirals(seed, spiralExamples, spiralNoise)
	var err error
	if p.set, err = data.NewLabelled([]int{2}, values, labels, 2); err != nil {
		panic("lab: " + err.Error()) // they are made here
	}
	if p.model, err = learn.New(learn.MLP([]int{2}, []int{packingWidth, packingWidth}, 2)); err != nil {
		panic("lab: " + err.Error())
	}
	p.fit = learn.NewFit(p.model)
	p.params = make([]float32, p.model.Layout().Size)
	p.model.Init(p.params, rng.Derive(seed, "start"))
}

// work implements page. What is seen first is computed first: the update of the round, then
// how it depends on the rate.
func (p *packingPage) work() bool {
	switch {
	case p.failed:
		return false
	case len(p.updates) < p.round:
		p.train()
		p.show()
	case p.rate():
	case len(p.updates) < packingRounds:
		p.train()
	case len(p.sent[0].left) < packingRounds:
		p.send()
	default:
		return false
	}
	return true
}

// train makes the next update: the difference that an epoch makes.
func (p *packingPage) train() {
	update := slices.Clone(p.params)
	cfg := learn.FitConfig{Epochs: 1, Batch: 10, LR: .1, Seed: rng.Derive(p.seed, fmt.Sprint("round ", len(p.updates)))}
	err := p.fit.Start(p.params, p.set, cfg)
	if err == nil {
		_, err = p.fit.Run(math.MaxInt32)
	}
	if err != nil {
		p.failed = true
		return
	}
	for i, w := range p.params {
		update[i] = w - update[i]
	}
	p.updates = append(p.updates, update)
}

// rate packs the update of the round at the next rate, and reports whether there was one.
func (p *packingPage) rate() bool {
	for i, id := range rated {
		if k := len(p.rates[i]); k < len(packingRates) {
			got := p.pack(codecOf(id), packingRates[k])
			p.rates[i] = append(p.rates[i], Point{got.bits, got.nmse})
			return true
		}
	}
	return false
}

// show packs the update of the round as the person wants it, if it is there.
func (p *packingPage) show() {
	p.shown = nil
	if p.round <= len(p.updates) {
		p.shown = p.pack(p.codec, p.bits)
	}
}

// options are those that the update of a round is packed with.
func (p *packingPage) options(bits float64, round int) compress.Options {
	return compress.Options{Bits: bits, Seed: compress.DitherSeed(p.seed, 0, uint64(round), 0)}
}

// transfer packs an update and unpacks it, and returns the size of the block in bytes.
func transfer(dst, update []float32, encoder compress.Encoder, codec compress.Codec, o compress.Options) int {
	block, err := encoder.Append(nil, update, o)
	if err == nil {
		err = compress.DecodeWith(codec.NewDecoder(), dst, block, o)
	}
	if err != nil {
		panic("lab: " + err.Error()) // updates are finite and small
	}
	return len(block)
}

// pack packs the update of the round, and measures what is unpacked.
func (p *packingPage) pack(codec compress.Codec, bits float64) *packed {
	update := p.updates[p.round-1]
	got := make([]float32, len(update))
	size := transfer(got, update, codec.NewEncoder(compress.TensorsOf(p.model.Layout())), codec, p.options(bits, p.round))
	k := &packed{codec: codec, bits: float64(8*size) / float64(len(update))}
	var square, lost float64
	for i, x := range update {
		square += float64(x) * float64(x)
		d := float64(x) - float64(got[i])
		lost += d * d
	}
	k.nmse = lost / square
	unit := math.Sqrt(square / float64(len(update)))
	k.before, k.after = histogram(update, unit), histogram(got, unit)
	slices.Sort(got)
	for i, x := range got {
		if i == 0 || x != got[i-1] {
			k.levels = append(k.levels, level{value: float64(x) / unit})
		}
		k.levels[len(k.levels)-1].count++
	}
	return k
}

// histogram counts values by bar. The outermost bars have what is further out, too.
func histogram(values []float32, unit float64) []int {
	counts := make([]int, 2*barsBeside+1)
	for _, x := range values {
		at := math.Round(float64(x) / unit / barWidth)
		counts[barsBeside+int(max(-barsBeside, min(at, barsBeside)))]++
	}
	return counts
}

// send packs the next update for the sums, without feedback and with it.
func (p *packingPage) send() {
	round := len(p.sent[0].left)
	update := p.updates[round]
	got := make([]float32, len(update))
	for i := range p.sent {
		s := &p.sent[i]
		if s.encoder == nil {
			s.encoder = p.codec.NewEncoder(compress.TensorsOf(p.model.Layout()))
			if i == 1 {
				s.encoder = compress.NewFeedback(s.encoder, p.codec.NewDecoder())
			}
			s.all, s.missing = make([]float64, len(update)), make([]float64, len(update))
		}
		transfer(got, update, s.encoder, p.codec, p.options(p.bits, round+1))
		s.add(update, got)
	}
}

// add takes in an update and what was unpacked of it.
func (s *sums) add(update, got []float32) {
	var square, lost float64
	for i, x := range update {
		s.all[i] += float64(x)
		s.missing[i] += float64(x) - float64(got[i])
		square += s.all[i] * s.all[i]
		lost += s.missing[i] * s.missing[i]
	}
	s.left = append(s.left, lost/square)
}

// draw implements page. The first part is drawn anew only where it has changed: the second
// may be played.
func (p *packingPage) draw(s *State, v *View) {
	key := packingKey{p.shown, [2]int{len(p.rates[0]), len(p.rates[1])}, p.failed, v.l}
	if p.drawing == nil || key != p.key {
		p.key, p.drawing = key, &View{l: v.l}
		p.drawHistogram(p.drawing)
		p.drawRates(p.drawing)
		p.tellPacked(p.drawing)
	}
	v.Figures, v.Texts = append(v.Figures, p.drawing.Figures...), append(v.Texts, p.drawing.Texts...)
	p.drawLeft(s.Int("step"), v)
	p.tellLeft(s.Int("step"), v)
}

// drawHistogram draws the values of the update, and the levels that they become. Where there
// are too many levels to be seen, it draws how they are distributed.
func (p *packingPage) drawHistogram(v *View) {
	const side = (barsBeside + .6) * barWidth
	d := plot{name: "histogram", Frame: chart(Point{-side, -.25}, Point{side, 3.75})}
	d.LogY = true
	d.axes(v, v.say("lab.packing.value.axis"), v.say("lab.packing.count.axis"), []float64{-9, -6, -3, 0, 3, 6, 9}, []float64{1, 10, 100, 1000})
	if k := p.shown; k != nil {
		d.bars(k.before)
		if len(k.levels) <= maxLevels {
			d.stems(k.levels)
		} else {
			d.line("curve two", outline(k.after))
		}
	}
	d.legend(d.Top+10, [2]string{"bar", v.say("lab.packing.before")}, [2]string{"curve two", v.say("lab.packing.after")})
	d.show(v, "")
}

// bars draws a histogram.
func (p *plot) bars(counts []int) {
	floor := math.Pow(10, p.Low.Y)
	p.add(`<path class="bars" d="`)
	for i, n := range counts {
		if n > 0 {
			from, to := barEnds(i)
			p.add(p.path([]Point{{from, floor}, {from, float64(n)}, {to, float64(n)}, {to, floor}}, true))
		}
	}
	p.add(`"></path>`)
}

// barEnds returns between which values a bar is.
func barEnds(i int) (from, to float64) {
	middle := float64(i-barsBeside) * barWidth
	return middle - barWidth/2, middle + barWidth/2
}

// outline returns the upper edge of a histogram.
func outline(counts []int) (line []Point) {
	for i, n := range counts {
		from, to := barEnds(i)
		height := max(float64(n), .1) // below the frame
		line = append(line, Point{from, height}, Point{to, height})
	}
	return line
}

// stems draws levels as high as there are values that became them, those outside as arrows.
func (p *plot) stems(levels []level) {
	floor := math.Pow(10, p.Low.Y)
	var tops, outside []Point
	p.add(`<path class="stems" d="`)
	for _, l := range levels {
		top := Point{l.value, float64(l.count)}
		if !p.has(top) {
			outside = append(outside, top)
			continue
		}
		tops = append(tops, top)
		p.add(p.path([]Point{{l.value, floor}, top}, false))
	}
	p.add(`"></path>`)
	p.marks("level", tops, 3)
	for _, at := range outside {
		p.mark("level", at, 3)
	}
}

// drawRates draws the error of the update at every rate.
func (p *packingPage) drawRates(v *View) {
	c := plot{name: "rates", Frame: chart(Point{-1, math.Log10(lowestNMSE)}, Point{1.6, math.Log10(highestNMSE)})}
	c.LogX, c.LogY = true, true
	c.axes(v, v.say("lab.packing.bits.axis"), v.say("lab.packing.nmse.axis"), []float64{.1, .3, 1, 3, 10, 30}, []float64{1e-8, 1e-6, 1e-4, .01, 1})
	c.line("curve one", p.rates[0])
	c.line("curve two dashed", p.rates[1])
	c.legend(c.Top+10, [2]string{"curve one", rated[0].String()}, [2]string{"curve two dashed", rated[1].String()})
	if k := p.shown; k != nil {
		c.mark("packed", Point{k.bits, k.nmse}, 7)
	}
	c.show(v, "")
}

// tellPacked says what packing has done to the update.
func (p *packingPage) tellPacked(v *View) {
	k := p.shown
	if k == nil {
		text := v.say("lab.packing.training")
		if p.failed {
			text = v.say("lab.mix.diverged")
		}
		v.tell("pack", text)
		for _, name := range []string{"pack-bits", "pack-nmse", "pack-values", "pack-saved"} {
			v.tell(name, words.Dash)
		}
		return
	}
	text := ""
	switch {
	case k.codec.Lossless:
		text = v.say("lab.packing.raw")
	case !k.codec.Rated:
		text = v.say("lab.packing.half")
	case len(k.levels) <= maxLevels:
		text = v.say("lab.packing.levels", len(k.levels))
	case k.codec.Unbiased:
		text = v.say("lab.packing.spread")
	default:
		text = v.say("lab.packing.many")
	}
	v.tell("pack", text)
	v.tell("pack-bits", v.number(k.bits))
	v.tell("pack-nmse", ratio(v.l, k.nmse))
	v.tell("pack-values", v.l.Count(len(k.levels)))
	v.tell("pack-saved", v.say("lab.times", v.l.Exact(rounded(32/k.bits, 1))))
}

// ratio writes a number that may be very small.
func ratio(l *words.Language, x float64) string {
	const smallest = 1e-9
	switch {
	case x >= .001:
		return l.Three(x)
	case x == 0:
		return l.Exact(0)
	case x < smallest:
		return "< " + powers(l, smallest)
	}
	scale := math.Pow10(-int(math.Floor(math.Log10(x))))
	return powers(l, rounded(x*scale, 1)/scale)
}

// drawLeft draws what is missing of the sum of all updates up to a round.
func (p *packingPage) drawLeft(step int, v *View) {
	c := plot{name: "left", Frame: chart(Point{0, math.Log10(lowestNMSE)}, Point{packingRounds, math.Log10(highestNMSE)})}
	c.LogY = true
	c.axes(v, v.say("lab.packing.round.axis"), v.say("lab.packing.left.axis"), []float64{0, 10, 20, 30, 40}, []float64{1e-8, 1e-6, 1e-4, .01, 1})
	classes := [2]string{"curve one", "curve two dashed"}
	for i, s := range p.sent {
		var line []Point
		for k, x := range s.left[:min(step, len(s.left))] {
			line = append(line, Point{float64(k + 1), max(x, lowestNMSE)})
		}
		c.line(classes[i], line)
		if len(line) > 0 && len(line) == step {
			c.mark([2]string{"first", "second"}[i], line[len(line)-1], 6)
		}
	}
	c.legend(c.Top+10, [2]string{classes[0], v.say("lab.packing.curve.without")}, [2]string{classes[1], v.say("lab.packing.curve.with")})
	c.show(v, "")
}

// tellLeft says what is missing of the sum after a round.
func (p *packingPage) tellLeft(step int, v *View) {
	without, with := p.sent[0].left, p.sent[1].left
	if step == 0 || step > len(with) {
		text := v.say("lab.packing.begin")
		switch {
		case p.failed:
			text = v.say("lab.mix.diverged")
		case step > 0:
			text = v.say("lab.packing.training")
		}
		v.tell("feedback", text)
		v.tell("left-without", words.Dash)
		v.tell("left-with", words.Dash)
		return
	}
	a, b := without[step-1], with[step-1]
	text := v.say("lab.packing.alike")
	switch {
	case p.codec.Lossless:
		text = v.say("lab.packing.lossless")
	case b > clearly*a:
		text = v.say("lab.packing.worse")
	case a > clearly*b:
		text = v.say("lab.packing.better", v.l.Three(a/b))
	}
	v.tell("feedback", text)
	v.tell("left-without", ratio(v.l, a))
	v.tell("left-with", ratio(v.l, b))
}
