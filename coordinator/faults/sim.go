package faults

import (
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"fedtab/client"
	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/learn/rng"
	"fedtab/protocol"
	"fedtab/run"
	"fedtab/simulation"
	"fedtab/strategy"
)

// sim is one schedule: everything around the processes of one coordinator.
type sim struct {
	scheme
	clock     simulation.Clock
	random    *rand.Rand
	breaks    *rand.Rand // when the organiser pauses the run: a schedule without a pause does not depend on it
	seed      uint64
	rates     Rates
	faultsEnd time.Duration
	mutant    mutant

	model     learn.Model
	packers   client.Packers // of all clients
	rounds    int            // that the run makes
	maxRound  time.Duration  // of each, without faults
	stopAt    run.Stop
	evalEvery int
	shards    run.Shards
	sets      []*data.Set // contents of the shards

	disk      *disk
	process   *process // of the coordinator, nil while it is down
	processes int
	skew      time.Duration // of the coordinator's wall clock
	peers     []*peer

	initial     []float32 // version 0
	initialHash [32]byte

	// What invariants need of earlier processes.
	numbers map[uint32]*peer         // by participant number
	orders  map[key]protocol.Order   // newest message of each
	counted map[key]bool             // contributions that are in a durable version
	cohorts map[uint64]run.OpenRound // durable attempts, by order number
	present map[strategy.OrderID]int // clients present when an attempt was opened
	backoff backoff                  // as of the newest durable write
	secure  *securing                // nil: contributions come one by one
	private *private                 // nil: versions have no noise

	result    Result
	newest    []entry // events, at most maxTrace
	trace     func(time.Duration, string, ...any)
	violation *Violation
}

// key names an order and its answer: order numbers are unique per participant.
type key struct {
	participant uint32
	order       uint64
}

// entry is an event of the trace, formatted only when it is printed.
type entry struct {
	when   time.Duration
	format string
	args   []any
}

const maxTrace = 40

// settling bounds how long faults have an effect after they end: training that
// takes minutes, the deadline of an open round, the pause before the next attempt.
const settling = 10 * time.Minute

func newSim(cfg Config) *sim {
	r := rng.Stream(cfg.Seed, "faults")
	s := &sim{
		random: r, breaks: rng.Stream(cfg.Seed, "breaks"), seed: cfg.Seed, trace: cfg.Trace, mutant: cfg.mutant, evalEvery: 1 + r.IntN(3), maxRound: 15 * time.Second, rates: drawRates(r),
		result: Result{}, numbers: map[uint32]*peer{}, orders: map[key]protocol.Order{}, counted: map[key]bool{},
		cohorts: map[uint64]run.OpenRound{}, present: map[strategy.OrderID]int{},
	}
	clients := drawClients(r, cfg.Kind)
	s.scheme = drawScheme(rng.Stream(cfg.Seed, "scheme"), cfg.Kind, clients)
	spec := learn.MLP([]int{s.inputs}, nil, 2)
	if s.binary {
		spec.Loss, spec.Layers[0].Units = learn.Logistic, 1
	}
	model, err := learn.New(spec)
	if err != nil {
		panic(err)
	}
	s.model, s.initial = model, make([]float32, model.Layout().Size)
	s.setup.Parameters, s.setup.Seed = len(s.initial), s.seed
	model.Init(s.initial, cfg.Seed)
	s.initialHash = learn.Hash(s.initial)
	s.rounds = min(2+r.IntN(39), s.maxRounds)
	if cfg.Rounds > 0 {
		s.rounds = min(cfg.Rounds, s.maxRounds)
	}
	s.faultsEnd = time.Duration(s.rounds) * s.between(10*time.Second, 40*time.Second)
	s.stopAt.Rounds = s.rounds
	if s.once && s.chance(.5) {
		s.stopAt.Rounds = 0 // it ends by itself
	}
	switch r.IntN(10) {
	case 0:
		s.stopAt.Time = s.between(time.Minute, 5*time.Minute)
	case 1:
		s.stopAt.Goals = []run.Goal{{Metric: run.Accuracy, Class: -1, Reach: .99}}
	}
	if maybe(r, 2) { // public data; otherwise clients have examples of their own
		s.shards = run.Shards{Source: "/data/faults", Divide: r.IntN(3) > 0}
		for range 1 + r.IntN(10) {
			set := s.makeExamples(s.examples + r.IntN(4))
			s.sets, s.shards.Sizes = append(s.sets, set), append(s.shards.Sizes, set.Len())
		}
	}
	if !maybe(s.breaks, 3) {
		s.rates.Pause = .004 * s.breaks.Float64()
	}
	if cfg.Rates != nil {
		s.rates = *cfg.Rates
	}
	if times, _ := s.limits(); times > 0 && s.stopAt.Time == 0 { // it waits for others when all have reached theirs
		s.stopAt.Time = s.between(time.Minute, 10*time.Minute)
	}
	s.secure, s.private = newSecuring(s), newPrivate(s)
	s.disk = &disk{sim: s, reserved: 1, evaluations: map[uint64]run.Evaluation{}}
	for i := range clients {
		p := &peer{sim: s, index: i, reliable: i < s.reliable, lacks: s.drawLacks(), otherInit: maybe(r, 8), lose: s.rates.Lose}
		if p.reliable {
			p.lose /= 10
		}
		p.apart = s.secured() && maybe(r, 2)
		p.reset(nil)
		s.peers = append(s.peers, p)
	}
	if s.secured() { // each phase has a deadline
		s.maxRound = time.Minute
	}
	if s.differential() {
		s.maxRound = max(s.maxRound, s.deadlined())
	}
	if s.shape == monitored { // models that have converged take longer to move far enough
		s.maxRound = 4 * time.Minute
	}
	if clients > s.reliable && cfg.Rates == nil && !s.all && maybe(r, 8) {
		p := s.peers[s.reliable]
		p.mute, p.silent, s.maxRound = true, true, 15*time.Minute // rounds end by their deadline
	}
	return s
}

// makeExamples makes n examples.
func (s *sim) makeExamples(n int) *data.Set {
	images := data.Array{Dims: []int{n, s.inputs}, Data: make([]uint8, n*s.inputs)}
	labels := data.Array{Dims: []int{n}, Data: make([]uint8, n)}
	for i := range images.Data {
		images.Data[i] = uint8(s.random.Uint32())
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

// maxWeight is how many examples an answer can rest on: those of a client, or the
// batch that is ordered.
func (s *sim) maxWeight() uint64 {
	if s.Kind == "minibatch" && s.Batch > 0 {
		return min(s.maxExamples(), uint64(s.Batch))
	}
	return s.maxExamples()
}

// maxExamples is how many examples a client can have.
func (s *sim) maxExamples() (n uint64) {
	defer func() { n = max(n, uint64(s.terms.Examples)) }()
	for _, size := range s.shards.Sizes {
		n += uint64(size)
	}
	if n == 0 {
		n = protocol.MaxWeight
	}
	return n
}

func (s *sim) chance(p float64) bool { return s.random.Float64() < p }

// fault is chance while there are faults.
func (s *sim) fault(p float64) bool { return p > 0 && s.clock.Now() < s.faultsEnd && s.chance(p) }

func (s *sim) between(from, to time.Duration) time.Duration {
	return from + time.Duration(s.random.Float64()*float64(to-from))
}

// soon has f called for an actor within a time. Actor 0 is the coordinator.
func (s *sim) soon(actor uint32, within time.Duration, f func()) {
	s.clock.At(s.clock.Now()+s.between(0, within), actor, f)
}

// note keeps an event for the trace.
func (s *sim) note(format string, args ...any) {
	if len(s.newest) == maxTrace {
		s.newest = s.newest[1:]
	}
	s.newest = append(s.newest, entry{s.clock.Now(), format, args})
	if s.trace != nil {
		s.trace(s.clock.Now(), format, args...)
	}
}

// violated ends the schedule.
func (s *sim) violated(invariant, format string, args ...any) {
	if s.violation != nil {
		return
	}
	s.violation = &Violation{Invariant: invariant, Detail: fmt.Sprintf(format, args...), Seed: s.seed, When: s.clock.Now()}
	for _, e := range s.newest {
		s.violation.Trace = append(s.violation.Trace, fmt.Sprintf("%12v  ", e.when.Round(time.Millisecond))+fmt.Sprintf(e.format, e.args...))
	}
}

// must is violated unless ok.
func (s *sim) must(ok bool, invariant, format string, args ...any) {
	if !ok {
		s.violated(invariant, format, args...)
	}
}

// survive does something that the coordinator may crash in. Any other panic is a
// violation.
func (s *sim) survive(f func()) {
	defer func() {
		switch e := recover().(type) {
		case nil:
		case crash:
			s.crashed()
		default:
			s.violated("nothing panics", "%v\n%s", e, debug.Stack())
		}
	}()
	f()
}

func (s *sim) start() {
	s.survive(s.boot)
	for _, p := range s.peers {
		within := 20 * time.Second
		if !p.reliable && s.chance(.2) {
			within = s.faultsEnd
		}
		s.soon(p.actor(), within, p.connect)
	}
	s.clock.At(s.faultsEnd, 0, func() {
		s.note("no more faults")
		if !s.ended() {
			s.result["outlasted"]++
		}
		for _, p := range s.peers {
			s.soon(p.actor(), time.Second, p.recover)
		}
	})
}

// ended says whether the run is over, durably.
func (s *sim) ended() bool { return s.disk.finished != "" }
