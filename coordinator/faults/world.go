package faults

import (
	"fmt"
	"math/rand/v2"
	"time"

	"fedtab/client"
	"fedtab/compress"
	"fedtab/coordinator/virtual"
	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/protocol"
	"fedtab/run"
	"fedtab/strategy"
)

// world is everything around the lives of one coordinator.
type world struct {
	clock   virtual.Clock
	random  *rand.Rand
	seed    uint64
	chances Chances
	calmAt  time.Duration // when the storm is over

	calmRound time.Duration // how long a round may take then

	model     learn.Model
	packers   client.Packers // memory that all participants pack in
	decoders  map[protocol.Codec]compress.Decoder
	rounds    int // that the run is to make
	stop      run.Stop
	evalEvery int
	shards    run.Shards
	sets      []*data.Set // what the shards hold
	scheme    Scheme

	journal      *journal
	life         *life // the coordinator, nil while it is down
	lives        int
	skew         time.Duration // of the coordinator's wall clock
	participants []*participant

	initial     []float32 // version 0
	initialHash [32]byte

	// What invariants.go remembers of the whole schedule.
	numbers map[uint32]*participant  // who was given which number
	orders  map[key]protocol.Order   // as they were given last
	counted map[key]bool             // contributions that are in a durable version
	backoff backoff                  // of the rate, as the strategy has it durable
	cohorts map[uint64]run.OpenRound // durable attempts by order number
	among   map[strategy.OrderID]int // by order: participants when it was opened

	result    Result
	recent    [40]entry // ring of the newest events
	events    int
	trace     func(time.Duration, string, ...any)
	violation *Violation
}

// key names an order to a participant, and its answer: order numbers are unique
// for each participant.
type key struct {
	participant uint32
	order       uint64
}

// entry is an event of the trace, formatted only if somebody wants to read it.
type entry struct {
	when   time.Duration
	format string
	args   []any
}

// settling is how long after the storm its last effects may be felt: training
// that takes minutes, the deadline of a round that was opened meanwhile, the
// pause before the next attempt.
const settling = 10 * time.Minute

// How long a round may take when nothing goes wrong; in dynamic averaging, until
// models that have converged are far enough from the last version; and when one
// of many never answers: then rounds end by their deadline, and attempts whose
// cohort cannot do without it are abandoned.
const (
	calmRound = 15 * time.Second
	slowRound = 4 * time.Minute
	muteRound = 15 * time.Minute
)

func newWorld(cfg Config) *world {
	r := stream(cfg.Seed, "faults")
	kind := findKind(cfg.Kind)
	clients := max(kind.least, 1+int(r.Uint64N(uint64(kind.most))))
	if cfg.Clients > 0 {
		clients = cfg.Clients
	}
	scheme := kind.draw(stream(cfg.Seed, "scheme"), clients)
	drawPacking(stream(cfg.Seed, "packing"), &scheme)
	model, err := learn.New(learn.MLP([]int{scheme.Inputs}, nil, 2))
	if err != nil {
		panic(err) // about the smallest model there is
	}
	scheme.Setup.Parameters = model.Layout().Size
	w := &world{
		random: r, seed: cfg.Seed, trace: cfg.Trace, scheme: scheme, model: model, evalEvery: 1 + int(r.Uint64N(3)),
		initial: make([]float32, model.Layout().Size),
		numbers: map[uint32]*participant{}, orders: map[key]protocol.Order{}, counted: map[key]bool{},
		cohorts: map[uint64]run.OpenRound{}, among: map[strategy.OrderID]int{}, decoders: map[protocol.Codec]compress.Decoder{},
	}
	model.Init(w.initial, cfg.Seed)
	w.initialHash = learn.Hash(w.initial)
	w.rounds = 2 + int(r.Uint64N(39))
	if cfg.Rounds > 0 {
		w.rounds = cfg.Rounds
	}
	if scheme.Rounds > 0 {
		w.rounds = min(w.rounds, scheme.Rounds)
	}
	if scheme.Once {
		w.rounds = 1
	}
	w.chances = drawChances(r)
	if cfg.Chances != nil {
		w.chances = *cfg.Chances
	}
	w.calmAt = time.Duration(w.rounds) * w.between(10*time.Second, 40*time.Second)
	w.stop.Rounds = w.rounds
	switch r.Uint64N(10) {
	case 0:
		w.stop.Time = w.between(time.Minute, 5*time.Minute)
	case 1:
		w.stop.Accuracy = .99
	}
	if scheme.Once && w.chance(.5) {
		w.stop.Rounds = 0 // it knows by itself
	}
	w.drawShards()
	w.journal = newJournal(w)
	for i := range clients {
		w.participants = append(w.participants, newParticipant(w, i))
	}
	w.calmRound = calmRound
	if scheme.Shape == monitored {
		w.calmRound = slowRound
	}
	if clients > scheme.Calm && cfg.Chances == nil && !scheme.All && r.Uint64N(8) == 0 {
		w.participants[scheme.Calm].mute, w.calmRound = true, muteRound
	}
	return w
}

// drawShards makes a public data set, in every other schedule; in the others
// participants bring their own examples.
func (w *world) drawShards() {
	if w.random.Uint64N(2) == 0 {
		return
	}
	w.shards = run.Shards{Source: "/data/faults", Divide: w.random.Uint64N(3) > 0}
	for range 1 + w.random.Uint64N(10) {
		set := w.examples(max(w.scheme.Examples, 1) + int(w.random.Uint64N(4)))
		w.sets = append(w.sets, set)
		w.shards.Sizes = append(w.shards.Sizes, set.Len())
	}
}

// examples makes n examples.
func (w *world) examples(n int) *data.Set {
	features := w.model.Spec().Features()
	images := data.Array{Dims: []int{n, features}, Data: make([]uint8, features*n)}
	labels := data.Array{Dims: []int{n}, Data: make([]uint8, n)}
	for i := range images.Data {
		images.Data[i] = uint8(w.random.Uint64N(256))
	}
	for i := range labels.Data {
		labels.Data[i] = uint8(i % 2)
	}
	set, err := data.NewSet(images, labels, 2)
	if err != nil {
		panic(err)
	}
	return set
}

// chance says yes with probability p.
func (w *world) chance(p float64) bool { return w.random.Float64() < p }

// fault says yes with probability p while the storm lasts.
func (w *world) fault(p float64) bool { return p > 0 && w.clock.Now() < w.calmAt && w.chance(p) }

// between draws a duration.
func (w *world) between(least, most time.Duration) time.Duration {
	return least + time.Duration(w.random.Float64()*float64(most-least))
}

// soon has f called for an actor (0 is the coordinator) within a time.
func (w *world) soon(actor uint32, most time.Duration, f func()) {
	w.clock.At(w.clock.Now()+w.between(0, most), actor, f)
}

// note keeps an event for the trace.
func (w *world) note(format string, args ...any) {
	w.recent[w.events%len(w.recent)] = entry{w.clock.Now(), format, args}
	w.events++
	if w.trace != nil {
		w.trace(w.clock.Now(), format, args...)
	}
}

// violated ends the schedule.
func (w *world) violated(invariant, format string, args ...any) {
	if w.violation != nil {
		return
	}
	v := &Violation{Invariant: invariant, Detail: fmt.Sprintf(format, args...), Seed: w.seed, When: w.clock.Now()}
	for i := max(0, w.events-len(w.recent)); i < w.events; i++ {
		e := w.recent[i%len(w.recent)]
		v.Trace = append(v.Trace, fmt.Sprintf("%12v  ", e.when.Round(time.Millisecond))+fmt.Sprintf(e.format, e.args...))
	}
	w.violation = v
	if w.trace != nil {
		w.trace(w.clock.Now(), "VIOLATION %v", v)
	}
}

func (w *world) start() {
	w.survive(w.boot)
	for _, p := range w.participants {
		late := 20 * time.Second
		if !p.calm && w.chance(.2) {
			late = w.calmAt
		}
		w.soon(p.actor(), late, p.connect)
	}
	w.clock.At(w.calmAt, 0, func() {
		w.note("the storm is over")
		if !w.ended() {
			w.result.Calmed++
		}
		for _, p := range w.participants {
			w.soon(p.actor(), time.Second, p.recover)
		}
	})
}

// ended says whether the run is over, durably.
func (w *world) ended() bool { return w.journal.finished != "" }
