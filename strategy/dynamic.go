package strategy

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"time"

	"fedtab/combine"
)

// DynamicSettings are the settings that dynamic averaging alone has.
type DynamicSettings struct {
	Delta     float64 `yaml:"delta,omitempty"`      // squared distance that is a violation
	Augment   float64 `yaml:"augment,omitempty"`    // clients added to a balancing set at a time, in multiples of it
	FullShare float64 `yaml:"full_share,omitempty"` // share of the clients from which on all are synchronised
}

func dynamicScheme() Scheme {
	return Scheme{
		Name: "dynamic", Title: "Dynamic averaging",
		Single: func(Config) string { return "the models of single clients that have strayed" },
		Keeps:  true,
		Help:   "only clients that have strayed too far communicate",
		Models: "1 up, 1 down, when it pays",
		Choose: "long training, data that may change",
		Settings: []Setting{
			{Key: "delta", Type: Number, Min: 0, Max: math.Inf(1), Note: " (.inf: never communicate)", Help: "Delta, squared distance from the reference that is a violation"},
			batchesSetting().with(func(s *Setting) { s.Required, s.Help = true, "b, mini-batches between two checks" }),
			batchSetting(), rateSetting(),
			{Key: "augment", Type: Number, Min: 0, Above: true, Max: 1000, Note: ", in multiples of the balancing set", Default: 2., Help: "clients added to a balancing set at a time, in multiples of it"},
			{Key: "full_share", Type: Number, Min: 0, Above: true, Max: 1, Default: .5, Help: "share of the clients from which on all are synchronised"},
			atLeastTwoClients(),
			deadlineSetting().with(func(s *Setting) { s.Help = "of fetched models" }),
			serverRateSetting(), guardSetting(),
			// Its guarantees are on models as they are.
			clipSetting().with(func(s *Setting) { s.Choices = []string{"none", "adaptive"} }),
			maxWeightSetting(),
		},
		Own: DynamicSettings{},
		CheckSetup: func(_ Config, s Setup) error {
			if s.Clients == 1 {
				return fmt.Errorf("dynamic needs at least 2 clients, and there is 1; the nearest that works is central")
			}
			return nil
		},
		// A client whose model is replaced feeds back what its last contribution lacked;
		// one that goes on with its own model has it still. The condition is checked on
		// what travels, and holds for it.
		Packing: func(Config) Packing {
			return Packing{Lossy: true, Biased: true, Feedback: true, Default: true, Grid: true, Local: true, Bits: 2, FeedbackUpTo: FeedbackUpTo}
		},
		Steps: func(Config) int { return 0 },
		Words: func(c Config) []string {
			return []string{
				"sends when the squared distance exceeds " + figure(own[DynamicSettings](c).Delta),
				"checked every " + plural(c.Batches, "mini-batch"),
			}
		},
		New: func(c Config, s Setup) Strategy {
			if c.Clip == "" {
				c.Clip = "none"
			}
			return &Dynamic{cfg: c, settings: own[DynamicSettings](c), setup: s, clip: newClip(c, s, 1)}
		},
	}
}

// Dynamic is dynamic averaging (Kamp et al. 2014, 2018): clients communicate
// only when their models have moved far enough from a reference.
//
//	init: every f_i = r = f_0; v = 0
//	client, every b mini-batches:  if ||f_i - r||^2 > Delta: send f_i - r (a violation), wait
//	coordinator: B = violators; v += |B|;  if v >= m: B = all clients, v = 0
//	  while B != all and ||mean_B - r||^2 > Delta:  add clients to B, fetch their models
//	  send mean_B to B only;   if B == all: r <- mean_B for all
//
// Means are weighted by examples. The reference r is the newest version: only a
// full synchronisation commits one. The mean of a balancing set is transient.
//
// Every client has a Monitor order, which one contribution answers: its
// violation, or a fetched model. A client that gets a balanced model gets a new
// order with it. Order numbers and the violation counter are durable before they
// have any effect on clients: a resolution opens the round once more.
//
// Where clients check in lock-step, as in simulations, after each resolution
//
//	(1/m) sum ||f_i - f_mean||^2 <= (1/m) sum ||f_i - r||^2 <= Delta
//
// and balancing leaves the global mean where it was.
type Dynamic struct {
	cfg      Config
	settings DynamicSettings
	setup    Setup

	phase   dynamicPhase
	paused  bool // no round is opened
	version uint64
	order   OrderID     // newest that is or will be given
	v       int         // violations since there were last as many as clients
	clients []monitored // present, ascending by client

	full    bool // B is to be all clients
	mean    MeanID
	changed bool   // the balancing set is another than the mean was asked for
	drawn   uint64 // augmentations so far in this round
	backoff backoff
	clip    clip
	sent    []synchronised // in the version that is being made
	effects []Effect
}

// synchronised is a model in the version that is being made.
type synchronised struct {
	client ClientID
	handle Handle
}

// monitored is a client and how it takes part.
type monitored struct {
	client  ClientID
	order   OrderID // that it has
	handle  Handle  // of its model, while it is in the balancing set
	weight  float64
	awaited bool    // fetched, and the answer has not come
	idle    bool    // has declined its order, or not answered a fetch yet, and is not asked for a while
	next    OrderID // that it will get when the resolution is durable
	fresh   bool    // its next order starts from the reference
}

type dynamicPhase uint8

const (
	dynamicIdle       dynamicPhase = iota
	dynamicOpening                 // a round is being written down
	dynamicMonitoring              // all clients train
	dynamicGathering               // a client has violated; others may have at the same moment
	dynamicFetching                // answers are awaited
	dynamicChecking                // the mean of the balancing set is being computed
	dynamicSettling                // a resolution is being written down
	dynamicCommitting
)

const (
	timerGather Timer = 1 // ends the gathering of violations
	timerFetch  Timer = 2 // ends the waiting for fetched models
	timerAgain  Timer = 3 // after a rollback, or when a client has declined
)

// gatherFor is how long further violations are awaited after the first: those of
// one lock-step check come together, up to their latency.
const gatherFor = 50 * time.Millisecond

// idleFor is how long a client that has declined its order gets no other.
const idleFor = 10 * time.Second

// joinsAhead is more than the orders that are given to joining clients between two
// openings of a round: after a restart their numbers are not given again.
const joinsAhead = 1 << 20

// dynamicFormat is the first byte of a snapshot; formats before it are read too.
const dynamicFormat = 4

// Restore implements Strategy.
func (s *Dynamic) Restore(snapshot []byte) error {
	d := stateReader{b: snapshot}
	format := d.byte()
	if format < 1 || format > dynamicFormat {
		return fmt.Errorf("strategy: dynamic snapshot of %d bytes is not of a format this build knows", len(snapshot))
	}
	version, order, v := d.uint(), d.uint(), d.uint()
	var b backoff
	if format >= 2 {
		b.readHalvings(&d)
	}
	if format >= 3 {
		b.readStreak(&d)
	}
	if format >= 4 {
		s.clip.read(&d)
	}
	if err := d.end(); err != nil {
		return fmt.Errorf("strategy: dynamic snapshot is %w", err)
	}
	s.version, s.order, s.v, s.backoff = version, OrderID(order), int(v), b
	return nil
}

func (s *Dynamic) snapshot(version uint64) []byte {
	b := []byte{dynamicFormat}
	b = binary.AppendUvarint(b, version)
	b = binary.AppendUvarint(b, uint64(s.order))
	return s.clip.afterCommit().append(s.counters(b, s.backoff.afterCommit()))
}

// counters are what is durable with every opening of a round too.
func (s *Dynamic) counters(to []byte, b backoff) []byte {
	to = binary.AppendUvarint(to, uint64(s.v))
	return b.appendStreak(b.appendHalvings(to))
}

// Step implements Strategy.
func (s *Dynamic) Step(e Event) []Effect {
	s.effects = s.effects[:0]
	switch e := e.(type) {
	case Joined:
		s.joined(e.Client)
	case Left:
		s.left(e.Client)
	case Declined:
		s.declined(e)
	case Offered:
		s.offered(e)
	case Averaged:
		if s.phase == dynamicChecking && e.Mean == s.mean {
			s.checked(e.Norm2)
		}
	case Fired:
		switch {
		case e.Timer == timerGather && s.phase == dynamicGathering:
			s.resolve()
		case e.Timer == timerFetch && s.phase == dynamicFetching:
			for i := range s.clients {
				if m := &s.clients[i]; m.awaited {
					m.awaited, m.idle = false, true // it is not asked again
				}
			}
			s.resolve()
		case e.Timer == timerAgain && s.phase == dynamicIdle:
			s.open()
		case e.Timer == timerAgain && s.phase == dynamicMonitoring:
			s.retry()
		}
	case Opened:
		if e.Round == s.version+1 {
			switch s.phase {
			case dynamicOpening:
				s.phase = dynamicMonitoring
				for i := range s.clients {
					s.send(&s.clients[i], 0)
				}
			case dynamicSettling:
				s.settled()
			}
		}
	case Committed:
		if s.phase == dynamicCommitting && e.Round == s.version+1 {
			s.version = e.Round
			s.backoff.committed()
			s.clip.committed()
			s.open()
		}
	case RolledBack:
		if s.phase == dynamicCommitting && e.Round == s.version+1 {
			s.backoff.rolledBack()
			s.again()
		}
	case Blamed:
		if s.phase == dynamicCommitting && e.Round == s.version+1 {
			s.blamed(e.Handles)
		}
	case Rewind:
		s.rewind(e.Plan)
	case Paused:
		s.suspend()
	case Resumed:
		if s.paused = false; s.phase == dynamicIdle {
			s.open()
		}
	case Reopened:
		// Clients hold models of their own, which the coordinator never had:
		// they go on with them under new orders.
		d := stateReader{b: e.Open.State}
		v, b := d.uint(), s.backoff
		if len(d.b) > 0 { // absent from rounds of older builds, like the streak
			b.readHalvings(&d)
		}
		if len(d.b) > 0 {
			b.readStreak(&d)
		}
		if d.end() == nil {
			s.v, s.backoff = int(v), b
		}
		s.order = e.Open.Order + joinsAhead
		s.phase = dynamicIdle
	}
	return s.effects
}

func (s *Dynamic) do(e Effect) { s.effects = append(s.effects, e) }

func (s *Dynamic) find(id ClientID) (int, bool) {
	return slices.BinarySearchFunc(s.clients, id, func(m monitored, id ClientID) int {
		return int(int64(m.client) - int64(id))
	})
}

func (s *Dynamic) joined(id ClientID) {
	i, known := s.find(id)
	if !known {
		s.clients = slices.Insert(s.clients, i, monitored{client: id})
	}
	m := &s.clients[i]
	switch {
	case s.phase == dynamicIdle:
		s.open()
	case s.phase == dynamicOpening || s.phase == dynamicCommitting:
		// It gets its order with the others.
	case s.phase == dynamicSettling && m.order == 0:
		// A newcomer gets its order when this is done.
	case m.handle == 0:
		s.send(m, 0) // again, if it has lost its socket
		if m.awaited {
			s.do(Fetch{m.client, m.order}) // which was lost with it
		}
	}
}

// open opens a round: all clients monitor from the newest version.
func (s *Dynamic) open() {
	if s.paused || len(s.clients) < s.cfg.MinClients {
		s.phase = dynamicIdle
		return
	}
	s.order++
	s.drawn, s.full = 0, false
	for i := range s.clients {
		m := &s.clients[i]
		*m = monitored{client: m.client, order: s.order, fresh: m.fresh}
	}
	s.phase = dynamicOpening
	s.write()
}

func (s *Dynamic) write() {
	cohort := make([]ClientID, len(s.clients))
	for i, m := range s.clients {
		cohort[i] = m.client
	}
	s.do(Open{
		Round: s.version + 1, Order: s.order, Base: s.version, Cohort: cohort,
		Deadline: MaxDeadline, State: s.counters(nil, s.backoff),
	})
}

func (s *Dynamic) send(m *monitored, start MeanID) {
	m.idle = false
	if m.order == 0 {
		// A client that comes back may have answered the others' number. This one
		// need not be durable: after a crash it is given again, on the same base.
		s.order++
		m.order = s.order
	}
	s.do(Order{
		Client: m.client, Order: m.order, Round: s.version + 1, Base: s.version, Start: start, Fresh: m.fresh,
		Work: Work{Kind: Monitor, Steps: s.cfg.Batches, Stream: true, Batch: s.cfg.Batch, LR: s.rate(), Delta: s.settings.Delta},
	})
	m.fresh = false
}

// rate is the clients' learning rate. Rollbacks lower this one: the server takes
// no step of its own.
func (s *Dynamic) rate() float64 { return s.cfg.LR * s.backoff.factor() }

func (s *Dynamic) left(id ClientID) {
	i, ok := s.find(id)
	if !ok {
		return
	}
	if h := s.clients[i].handle; h != 0 {
		s.do(Drop{h})
		s.changed = true
	}
	s.clients = slices.Delete(s.clients, i, i+1)
	s.resolve()
}

// declined stops waiting for a client: it has no model to give, and trains none for
// a while.
func (s *Dynamic) declined(e Declined) {
	if i, ok := s.find(e.Client); ok && s.clients[i].order == e.Order && s.clients[i].handle == 0 {
		m := &s.clients[i]
		m.idle, m.fresh, m.awaited = true, true, false
		if s.phase == dynamicMonitoring {
			s.monitor()
		} else {
			s.resolve()
		}
	}
}

// monitor lets all clients train; one that has declined gets another order later.
func (s *Dynamic) monitor() {
	s.phase = dynamicMonitoring
	if slices.ContainsFunc(s.clients, monitored.pausing) {
		s.do(SetTimer{timerAgain, idleFor})
	}
}

// pausing says whether the client has declined its order; one that is late with its
// model has not.
func (m monitored) pausing() bool { return m.idle && m.fresh }

// retry gives clients that have declined their order another one: without training
// there would be no violation, and the round would never end.
func (s *Dynamic) retry() {
	for i := range s.clients {
		if m := &s.clients[i]; m.pausing() {
			m.order = 0
			s.send(m, 0)
		}
	}
}

func (s *Dynamic) offered(e Offered) {
	i, ok := s.find(e.Client)
	switch {
	case !ok || e.Order > s.clients[i].order:
		s.do(Reject{e.Handle, Unordered})
		return
	case s.phase == dynamicCommitting || s.phase == dynamicIdle || s.phase == dynamicOpening || e.Order < s.clients[i].order:
		s.do(Reject{e.Handle, Late})
		return
	case s.clients[i].handle != 0:
		s.do(Reject{e.Handle, Duplicate})
		return
	}
	m := &s.clients[i]
	s.do(Keep{e.Handle, s.clip.factor(e.Norms, 1, e.Heavy)})
	m.handle, m.weight, s.changed = e.Handle, e.Weight, true
	if !m.awaited && !m.idle { // one that is idle answers a fetch, late
		s.v++
	}
	m.awaited, m.idle = false, false
	switch s.phase {
	case dynamicMonitoring:
		s.phase = dynamicGathering
		s.do(SetTimer{timerGather, gatherFor})
	case dynamicFetching:
		s.resolve()
	}
	// While a mean is computed or a resolution is written down it waits.
}

// rewind commits the model of an earlier version; every client trains on from it.
func (s *Dynamic) rewind(plan combine.Plan) {
	if s.phase == dynamicCommitting || s.phase == dynamicChecking || s.phase == dynamicSettling {
		return // the run asks again
	}
	s.release()
	for i := range s.clients {
		s.clients[i].fresh = true
	}
	s.do(Abandon{Round: s.version + 1, Order: s.order, Reason: rewoundReason})
	s.phase = dynamicCommitting
	s.sent = s.sent[:0]
	s.do(Commit{Round: s.version + 1, Base: s.version, Plan: plan, Snapshot: s.snapshot(s.version + 1)})
}

// suspend gives up what is open. Clients keep their models, and go on with them under new
// orders.
func (s *Dynamic) suspend() {
	if s.paused = true; s.phase == dynamicCommitting {
		return // that version comes first
	}
	if s.phase == dynamicChecking || s.phase == dynamicSettling {
		s.do(Forget{s.mean})
	}
	s.release()
	if s.phase != dynamicIdle {
		s.do(Abandon{Round: s.version + 1, Reason: pausedReason})
	}
	s.phase = dynamicIdle
}

// release drops the models that are held, and stops waiting.
func (s *Dynamic) release() {
	for i := range s.clients {
		if m := &s.clients[i]; m.handle != 0 {
			s.do(Drop{m.handle})
			m.handle = 0
		}
	}
	for _, t := range []Timer{timerGather, timerFetch, timerAgain} {
		s.do(StopTimer{t})
	}
	s.clip.discard()
}
