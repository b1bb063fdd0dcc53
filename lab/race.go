package lab

import (
	"math"
	"time"

	"fedtab/words"
)

// racePage lets schemes work on the same problem side by side, in the time of their clients.
type racePage struct {
	problem problem
	world   *world
	drawn   string // its examples; empty: not drawn yet
	lanes   [raceLanes]raceLane
	target  time.Duration
}

// raceLane is a place for a scheme.
type raceLane struct {
	laneKey
	*lane        // nil: it is not at work yet
	refused bool // the scheme is not possible for the problem
	region  regionCache
}

// laneKey is what a lane follows from.
type laneKey struct {
	problem
	scheme  int
	rate    float64
	combine string
}

const (
	raceLanes = 5
	raceTick  = 10 * time.Millisecond // of the clients' time: a step
	raceSteps = 1000
	raceSlice = 24 // events, before messages are looked at
)

// contest is a scheme that can race.
type contest struct {
	kind     string
	label    string
	settings []setting
	defences []string // its settings against liars, which are off here
	combines bool     // it can have another combiner than the mean, which needs no defences but the guard
}

// defences are the settings against liars that most schemes have.
var defences = []string{"guard", "clip", "max_weight"}

// off are the values with which these settings do nothing.
var off = map[string]any{"guard": math.Inf(1), "clip": "none", "max_weight": math.Inf(1)}

// contests are the schemes, by the number that an address has; 0 stands for none, and the
// last one for those that ask for a linear model of few parameters.
var contests = []contest{
	{label: "lab.race.none"},
	{"minibatch", "lab.race.minibatch", []setting{{"fraction", 1.}, {"batch", raceBatch}}, defences, false},
	{"fedavg", "lab.race.fedavg", []setting{{"fraction", .6}, {"epochs", 5}, {"batch", raceBatch}}, defences, true},
	{"periodic", "lab.race.periodic", []setting{{"batches", 8}, {"batch", raceBatch}}, defences, true},
	{"dynamic", "lab.race.dynamic", []setting{{"batches", 8}, {"delta", .1}, {"batch", raceBatch}}, defences, false},
	{"fedbuff", "lab.race.fedbuff", []setting{{"epochs", 5}, {"buffer", raceBuffer}, {"batch", raceBatch}}, defences[:2], false},
	{"daisy", "lab.race.daisy", []setting{{"batches", 8}, {"average_every", 5}, {"batch", raceBatch}}, defences, false},
	{"oneshot", "lab.race.oneshot", []setting{{"epochs", 40}, {"batch", raceBatch}}, nil, false},
	{"central", "lab.race.central", []setting{{"epochs", 1}, {"batch", raceBatch}}, nil, false},
	{"radon", "lab.race.radon", []setting{{"epochs", 40}, {"models", 2}, {"batch", raceBatch}}, nil, false},
}

// laneNames are the lanes' settings and figures.
var (
	laneNames  = [raceLanes]string{"lane1", "lane2", "lane3", "lane4", "lane5"}
	laneLabels = [raceLanes]string{"lab.race.lane1", "lab.race.lane2", "lab.race.lane3", "lab.race.lane4", "lab.race.lane5"}
)

const (
	raceBatch  = 10
	raceBuffer = 5
)

// combiners are the ways to combine, by the number that an address has.
var combiners = []string{"mean", "median", "geometric-median"}

func raceSheet() *Sheet {
	part := Part{
		Name: "race", Title: "lab.race.part", Played: true, Settings: []string{"step", "speed"}, Readings: []Reading{{"race", "", ""}},
	}
	setup := Part{
		Name: "setup", Title: "lab.race.setup",
		Settings: append(laneNames[:], "data", "model", "clients", "skew", "slow", "liars", "combine", "rate", "seed"),
		Buttons:  []Button{{NewSeed, "lab.seed.new"}, {SaveTask, "lab.race.task"}, {SaveRecords, "lab.race.records"}},
	}
	settings := []Setting{
		{Name: "data", Label: "lab.race.data", Kind: Choice, Values: upTo(int(digits)), Default: float64(moons), Say: named("lab.race.moons", "lab.race.blobs", "lab.race.digits")},
		{Name: "model", Label: "lab.race.model", Kind: Choice, Values: upTo(1), Default: 1, Say: named("lab.race.linear", "lab.race.network")},
		{Name: "clients", Label: "lab.race.clients", Kind: Choice, Values: []float64{5, 10, 20, 40}, Default: 10},
		{Name: "skew", Label: "lab.race.skew", Kind: Choice, Values: []float64{0, .1, .5, 2}, Default: 0, Say: saySkew},
		{Name: "slow", Label: "lab.race.slow", Kind: Choice, Values: []float64{0, .1, .3, .5}, Default: 0, Say: sayShare},
		{Name: "liars", Label: "lab.race.liars", Kind: Choice, Values: []float64{0, 1, 2, 4, 9, 19}, Default: 0, Most: func(s *State) float64 { return math.Floor((s.Value("clients") - 1) / 2) }},
		{Name: "combine", Label: "lab.race.combine", Kind: Choice, Values: upTo(len(combiners) - 1), Default: 0, Say: named("lab.race.mean", "lab.race.median", "lab.race.geometric")},
		{Name: "rate", Label: "lab.race.rate", Kind: Choice, Values: []float64{.03, .1, .3, 1}, Default: .3},
	}
	for i, name := range laneNames {
		settings = append(settings, Setting{
			Name: name, Label: laneLabels[i], Kind: Choice, Values: upTo(len(contests) - 1), Default: float64(i + 1), Say: sayContest, Most: mostContest,
		})
		part.Figures = append(part.Figures, Figure{name, "lab.race.lane.label"})
	}
	part.Figures = append(part.Figures, Figure{"losses", "lab.race.losses.label"})
	settings = append(settings,
		Setting{Name: "seed", Label: "lab.seed", Kind: Seed, Default: 1},
		Setting{Name: "step", Label: "lab.race.time", Kind: Step, Values: upTo(raceSteps), Default: 0, Say: sayTime},
		Setting{Name: "speed", Label: "lab.speed", Kind: Speed, Values: []float64{2, 10, 50, 200, 400}, Default: 50, Say: sayPace},
	)
	return &Sheet{
		Name: "race", Title: "lab.race.title", Lead: "lab.race.lead",
		Paragraphs: []string{"lab.race.what", "lab.race.why", "lab.race.same"},
		Formula:    "w ← Σₖ nₖ wₖ / Σₖ nₖ",
		Where:      "lab.race.where",
		Try:        []string{"lab.race.try.bytes", "lab.race.try.slow", "lab.race.try.skew", "lab.race.try.radon", "lab.race.try.liars"},
		Sources: []Source{
			{"Kamp: Black-Box Parallelization for Machine Learning. Thesis, Bonn 2019", ""},
			{"McMahan, Moore, Ramage, Hampson, Agüera y Arcas: Communication-Efficient Learning of Deep Networks from Decentralized Data. AISTATS 2017", "https://arxiv.org/abs/1602.05629"},
			{"Kamp, Adilova, Sicking, Hüger, Schlicht, Wirtz, Wrobel: Efficient Decentralized Deep Learning by Dynamic Model Averaging. ECML PKDD 2018", "https://arxiv.org/abs/1807.03210"},
			{"Nguyen, Malik, Zhan, Yousefpour, Rabbat, Malek, Huba: Federated Learning with Buffered Asynchronous Aggregation. AISTATS 2022", "https://arxiv.org/abs/2106.06639"},
		},
		settings: settings,
		Parts:    []Part{part, setup},
		begin:    func() page { return &racePage{} },
	}
}

// named writes a value by the text of its number.
func named(keys ...string) func(*words.Language, float64) string {
	return func(l *words.Language, v float64) string { return l.Say(keys[int(v)]) }
}

func sayContest(l *words.Language, v float64) string { return l.Say(contests[int(v)].label) }

func saySkew(l *words.Language, v float64) string {
	if v == 0 {
		return l.Say("lab.race.alike")
	}
	return l.Say("lab.race.alpha", v)
}

func sayShare(l *words.Language, v float64) string { return l.Share(v) }
func sayTime(l *words.Language, v float64) string {
	return l.Say("lab.race.seconds", l.Exact(v*raceTick.Seconds()))
}
func sayPace(l *words.Language, v float64) string {
	return l.Say("lab.race.pace", l.Exact(v*raceTick.Seconds()))
}

// mostContest leaves the Radon machine to linear models of few parameters.
func mostContest(s *State) float64 {
	if s.Value("model") == 1 || source(s.Value("data")) == digits || s.Value("clients") < 10 {
		return float64(len(contests) - 2)
	}
	return float64(len(contests) - 1)
}

// problemOf returns the problem of a state.
func problemOf(s *State) problem {
	return problem{
		data: source(s.Value("data")), network: s.Value("model") == 1, clients: s.Int("clients"), alpha: s.Value("skew"),
		slow: s.Value("slow"), liars: s.Int("liars"), seed: s.seed("seed"),
	}
}

// choice returns the scheme of a lane. What would protect it from liars is off: the page shows
// the schemes as the articles have them.
func (k *laneKey) choice() way {
	c := contests[k.scheme]
	w := way{kind: c.kind, settings: append([]setting{{"lr", k.rate}}, c.settings...)}
	present := c.defences
	if c.combines && k.combine != combiners[0] {
		w.settings = append(w.settings, setting{"combine", k.combine})
		present = []string{"guard"} // another combiner has no other
	}
	for _, s := range present {
		w.settings = append(w.settings, setting{s, off[s]})
	}
	return w
}

// follow implements page.
func (p *racePage) follow(s *State) {
	p.target = time.Duration(s.Int("step")) * raceTick
	if of := problemOf(s); p.problem != of {
		p.problem, p.world, p.drawn = of, nil, ""
		if of.data != digits { // which take long to draw
			p.world = of.open()
		}
	}
	for i := range p.lanes {
		key := laneKey{p.problem, s.Int(laneNames[i]), s.Value("rate"), combiners[s.Int("combine")]}
		if p.lanes[i].laneKey != key {
			p.lanes[i].stop()
			p.lanes[i] = raceLane{laneKey: key}
		}
	}
}

// stop ends a lane.
func (r *raceLane) stop() {
	if r.lane != nil {
		r.sim.Close()
	}
}

// work implements page: the lane that is furthest behind goes on.
func (p *racePage) work() bool {
	if p.world == nil {
		p.world = p.problem.open()
		return true
	}
	var behind *raceLane
	for i := range p.lanes {
		r := &p.lanes[i]
		if r.scheme == 0 || r.refused {
			continue
		}
		if r.lane == nil {
			l, err := p.world.start(r.choice())
			if r.refused = err != nil; !r.refused {
				r.lane = l
			}
			return true
		}
		if r.done() <= p.target && (behind == nil || r.done() < behind.done()) {
			behind = r
		}
	}
	if behind == nil {
		return false
	}
	behind.until(p.target, raceSlice)
	return true
}

// now returns the time that is shown: all lanes are computed up to it.
func (p *racePage) now() time.Duration {
	now := p.target
	for i := range p.lanes {
		if r := &p.lanes[i]; r.lane != nil {
			now = min(now, r.done())
		} else if r.scheme != 0 && !r.refused {
			now = 0
		}
	}
	return now
}

// save implements saver: what the first scheme of the page is made of, and what it has made.
func (p *racePage) save(action string) *File {
	for i := range p.lanes {
		r := &p.lanes[i]
		if r.lane == nil {
			continue
		}
		switch action {
		case SaveTask:
			if p.problem.data != digits {
				return &File{r.name() + ".yaml", p.world.task(r.lane.way, r.at(p.now()))}
			}
		case SaveRecords:
			return &File{r.name() + ".csv", r.records(p.now())}
		}
		return nil
	}
	return nil
}
