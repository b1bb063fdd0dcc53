package strategy

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"fedtab/combine"
)

// FedBuffSettings are the settings that FedBuff alone has.
type FedBuffSettings struct {
	Buffer    int     `yaml:"buffer,omitempty"`    // K, answers that make a version
	Staleness float64 `yaml:"staleness,omitempty"` // a in 1/(1+s)^a
}

func fedbuffScheme() Scheme {
	return Scheme{
		Name: "fedbuff", Title: "Buffered asynchronous averaging",
		Single: func(Config) string { return "which answer is how late" },
		Help:   "every K answers make a version",
		Models: "1 up, 1 down, per answer",
		Choose: "some are much slower than others",
		Settings: slices.Concat([]Setting{
			fractionSetting().with(func(s *Setting) { s.Zero, s.Help = "all", "C, share of the clients at work at a time" }),
			{Key: "buffer", Type: Whole, Min: 1, Max: 10_000, Unit: "answers", Default: 10, Help: "K, answers that make a version"},
			{Key: "staleness", Type: Number, Min: 0, Above: true, Max: 10, Default: .5, Help: "a: an answer that is s versions late counts (1+s)^-a"},
		}, training(), []Setting{
			splitSetting(), minClientsSetting(1),
			deadlineSetting().with(func(s *Setting) {
				s.Help = "of an order: after one or two of them it no longer counts as at work; its answer still counts"
			}),
		}, serverStep(), []Setting{guardSetting(), clipSetting(), proxSetting()}),
		Check: splitProblems,
		Own:   FedBuffSettings{},
		Packing: func(Config) Packing {
			return Packing{Lossy: true, Biased: true, Feedback: true, Default: true, Grid: true, FeedbackUpTo: FeedbackUpTo}
		},
		MaxScale: func(Config, float64) float64 { return 1 }, // an answer counts at most once, whatever its weight
		Words: func(c Config) []string {
			return append([]string{"a version from every " + plural(own[FedBuffSettings](c).Buffer, "answer")}, trainingWords(c)...)
		},
		New: func(c Config, s Setup) Strategy {
			return &FedBuff{cfg: c, settings: own[FedBuffSettings](c), setup: s, cohort: NewCohort(s.Live), clip: newClip(c, s, 1)}
		},
	}
}

// FedBuff is buffered asynchronous aggregation (Nguyen et al. 2022): clients
// train all the time, each from the version that was the newest when it began,
// and every K answers make a version, from whichever clients they come:
//
//	w <- w + eta_s * 1/K * sum_{k < K} (1 + s_k)^-a delta_k
//
// s_k is how many versions have passed since client k got its model, its
// staleness, and a = 1/2. No version waits for a straggler: after one or two
// deadlines its order no longer counts as at work, and another client gets one; its
// answer still counts.
//
// A version is a round without a cohort. An order names its own base;
// its answer is for whatever round is open when it comes, which the
// acknowledgement tells, so that clients keep it until that round is closed. A
// crash loses the buffer, and the clients offer again what was in it: the
// orders that are out are written down with every version.
//
// Answers that come during a commit are all in the next version, which may
// therefore be the mean of more than K.
type FedBuff struct {
	cfg      Config
	settings FedBuffSettings
	setup    Setup

	version uint64
	order   OrderID
	cohort  Cohort     // who may be asked, and who is in quarantine
	clients []buffered // present, ascending by client
	absent  []buffered // orders that were out before a restart, of clients that are not back

	paused     bool // no round is opened
	opening    bool // a round is being written down
	opened     bool // the round that is under way is durable
	reopened   bool // and was so before a restart: more of its orders are out than the snapshot has
	committing bool
	taken      []keptAnswer // in the buffer
	waiting    []keptAnswer // came while a version was being committed
	drawn      uint64
	timing     bool // the timer of the orders that are out is running
	backoff    backoff
	clip       clip
	effects    []Effect
}

// buffered is a client and the order that it works on.
type buffered struct {
	client ClientID
	order  OrderID // 0: none
	base   uint64
	due    bool // the order is to be sent (again) once the round is open

	overdue      bool // it was out when the timer ran out
	unresponsive bool // and still when the timer ran out again: it is not counted as at work
}

// keptAnswer is an answer that is in the buffer, or waits to be.
type keptAnswer struct {
	client ClientID
	handle Handle
	base   uint64
	norms  []float64
}

// bufferFormat is the first byte of a snapshot; formats before it are read too.
const bufferFormat = 3

// keepAbsent is for how many versions an order from before a restart may still
// be answered.
const keepAbsent = 10

// ordersAhead is more than the orders that are given for one version: after a
// restart their numbers may be given again, but not on another base.
const ordersAhead = 1 << 20

// Owed implements Quarantine.
func (s *FedBuff) Owed(id ClientID) int { return s.cohort.Owed(id) }

// Restore implements Strategy.
func (s *FedBuff) Restore(snapshot []byte) error {
	d := stateReader{b: snapshot}
	f := d.byte()
	if f < 1 || f > bufferFormat {
		return fmt.Errorf("strategy: fedbuff snapshot of %d bytes is not of a format this build knows", len(snapshot))
	}
	version, order := d.uint(), d.uint()
	var b backoff
	b.readHalvings(&d)
	if f >= 2 {
		b.readStreak(&d)
	}
	n := d.uint()
	if n > uint64(len(d.b)) {
		d.broken = true
		n = 0
	}
	var out []buffered
	for range n {
		out = append(out, buffered{client: ClientID(d.uint()), order: OrderID(d.uint()), base: d.uint()})
	}
	if f >= 3 {
		s.clip.read(&d)
		s.cohort.read(&d)
	}
	if err := d.end(); err != nil {
		return fmt.Errorf("strategy: fedbuff snapshot is %w", err)
	}
	s.version, s.order, s.backoff, s.absent = version, OrderID(order), b, out
	return nil
}

func (s *FedBuff) snapshot(version uint64) []byte {
	b := []byte{bufferFormat}
	b = binary.AppendUvarint(b, version)
	b = binary.AppendUvarint(b, uint64(s.order))
	after := s.backoff.afterCommit()
	b = after.appendStreak(after.appendHalvings(b))
	out := slices.Concat(s.absent, s.clients)
	out = slices.DeleteFunc(out, func(c buffered) bool { return c.order == 0 })
	b = binary.AppendUvarint(b, uint64(len(out)))
	for _, c := range out {
		b = binary.AppendUvarint(b, uint64(c.client))
		b = binary.AppendUvarint(b, uint64(c.order))
		b = binary.AppendUvarint(b, c.base)
	}
	return s.cohort.append(s.clip.afterCommit().append(b))
}

// Step implements Strategy.
func (s *FedBuff) Step(e Event) []Effect {
	s.effects = s.effects[:0]
	switch e := e.(type) {
	case Joined:
		s.cohort.Join(e.Client, e.Address)
		s.joined(e.Client)
	case Left:
		s.cohort.Leave(e.Client)
		if i, ok := s.find(e.Client); ok {
			s.clients = slices.Delete(s.clients, i, i+1)
		}
		s.give()
	case Declined:
		if i, ok := s.find(e.Client); ok && s.clients[i].order == e.Order {
			s.clients[i].order = 0
			s.cohort.missed(e.Client)
			s.pause()
		}
	case Fired:
		switch e.Timer {
		case timerDeadline:
			s.age()
			s.give()
		case timerRetry:
			s.give()
		}
	case Offered:
		s.offered(e)
	case Opened:
		if e.Round == s.version+1 && !s.opened {
			s.opening, s.opened = false, true
			for i := range s.clients {
				if c := &s.clients[i]; c.due && c.order != 0 {
					s.send(*c)
				}
				s.clients[i].due = false
			}
			s.commit()
			s.give()
		}
	case Committed:
		if s.committing && e.Round == s.version+1 {
			s.version = e.Round
			s.backoff.committed()
			s.clip.committed()
			s.cohort.attempt++
			s.cohort.committed(nil)
			s.absent = slices.DeleteFunc(s.absent, func(c buffered) bool { return c.base+keepAbsent < s.version })
			s.next()
		}
	case RolledBack:
		if s.committing && e.Round == s.version+1 {
			s.backoff.rolledBack()
			s.clip.discard()
			s.next()
		}
	case Blamed:
		if s.committing && e.Round == s.version+1 {
			s.blamed(e.Handles)
		}
	case Judged:
		s.cohort.judged(e.Client, e.Good)
		s.give()
	case Rewind:
		s.rewind(e.Plan)
	case Paused:
		s.suspend()
	case Resumed:
		if s.paused = false; !s.committing && len(s.clients) >= s.cfg.MinClients {
			s.open()
		}
	case Reopened:
		s.order = max(s.order, e.Open.Order)
		if d := (stateReader{b: e.Open.State}); len(d.b) > 0 { // absent from a round of an older build
			s.backoff.readHalvings(&d)
			s.backoff.readStreak(&d)
		}
		s.opened, s.reopened = true, true
	}
	return s.effects
}

func (s *FedBuff) do(e Effect) { s.effects = append(s.effects, e) }

func (s *FedBuff) find(id ClientID) (int, bool) {
	return slices.BinarySearchFunc(s.clients, id, func(m buffered, id ClientID) int {
		return int(int64(m.client) - int64(id))
	})
}

func (s *FedBuff) joined(id ClientID) {
	i, known := s.find(id)
	if !known {
		c := buffered{client: id}
		if j := slices.IndexFunc(s.absent, func(b buffered) bool { return b.client == id }); j >= 0 {
			c = s.absent[j] // it may have finished this order
			s.absent = slices.Delete(s.absent, j, j+1)
		}
		s.clients = slices.Insert(s.clients, i, c)
	}
	if c := &s.clients[i]; c.order != 0 {
		c.due, c.overdue, c.unresponsive = !s.opened, false, false
		if s.opened {
			s.send(*c)
		}
	}
	if !s.opened && !s.opening && !s.committing && len(s.clients) >= s.cfg.MinClients {
		s.open()
	}
	s.give()
}

// open makes it durable that the next version has begun. In a pause it gives up what has
// come while the last one was being made.
func (s *FedBuff) open() {
	if s.opened = false; s.paused {
		if len(s.taken) > 0 {
			s.giveUp(pausedReason)
		}
		return
	}
	s.opening = true
	cohort := make([]ClientID, len(s.clients))
	for i, c := range s.clients {
		cohort[i] = c.client
	}
	s.order++ // so that no number is given again after a crash, unless on the same base
	s.do(Open{Round: s.version + 1, Order: s.order, Base: s.version, Cohort: cohort, Deadline: MaxDeadline, State: s.backoff.appendStreak(s.backoff.appendHalvings(nil))})
}

// next begins a version with the answers that came during the commit.
func (s *FedBuff) next() {
	s.committing = false
	s.taken = s.taken[:0]
	waiting := s.waiting
	s.waiting = nil
	for _, a := range waiting {
		s.take(a)
	}
	s.open()
}

// give hands orders to clients that have none, up to the concurrency, in a
// random order so that over time every client has a turn. During a commit it
// does nothing: those orders are given on the new version.
func (s *FedBuff) give() {
	if !s.opened || s.committing || len(s.clients) < s.cfg.MinClients {
		return
	}
	maxBusy := max(int(math.Floor(s.cfg.Fraction*float64(len(s.clients))+1e-9)), s.setup.MinCohort, 1)
	if s.cfg.Fraction == 0 {
		maxBusy = len(s.clients)
	}
	s.drawn++
	stream := s.setup.stream("buffer", s.version, s.drawn)
	var idle, trials []int
	var able []ClientID
	busy := 0
	for i, c := range s.clients {
		switch {
		case c.order == 0 && s.cohort.quarantined[c.client] > 0:
			trials = append(trials, i)
		case c.order == 0:
			able = append(able, c.client)
		case !c.unresponsive && s.cohort.quarantined[c.client] == 0:
			busy++
		}
	}
	if s.setup.Live {
		able = s.cohort.worthy(able, func(n int) int { return int(stream.Uint64N(uint64(n))) })
		if len(able) == 0 && busy == 0 {
			s.cohort.forgive() // nobody else is left
			s.cohort.release()
		}
	}
	for _, id := range able {
		i, _ := s.find(id)
		idle = append(idle, i)
	}
	for _, i := range trials {
		if id := s.clients[i].client; s.cohort.free(id) || s.cohort.due(id) {
			s.order++
			s.clients[i] = buffered{client: id, order: s.order, base: s.version}
			s.send(s.clients[i])
		}
	}
	n := min(maxBusy-busy, len(idle))
	if n <= 0 {
		return
	}
	for k := range n {
		j := k + int(stream.Uint64N(uint64(len(idle)-k)))
		idle[k], idle[j] = idle[j], idle[k]
		c := &s.clients[idle[k]]
		s.order++
		*c = buffered{client: c.client, order: s.order, base: s.version}
		s.send(*c)
	}
}

// age marks the orders that have been out for a whole deadline as overdue, and
// the clients of overdue ones as unresponsive.
func (s *FedBuff) age() {
	s.timing = false
	for i := range s.clients {
		if c := &s.clients[i]; c.order != 0 && !c.unresponsive {
			if c.unresponsive, c.overdue = c.overdue, true; c.unresponsive {
				s.cohort.missed(c.client)
			}
			s.time()
		}
	}
}

// time starts the timer of the orders that are out.
func (s *FedBuff) time() {
	if !s.timing {
		s.timing = true
		s.do(SetTimer{timerDeadline, s.cfg.Deadline})
	}
}

// pause gives a client that has declined its order another one after a while.
func (s *FedBuff) pause() { s.do(SetTimer{timerRetry, retryPause(3)}) }

func (s *FedBuff) send(c buffered) {
	w := s.cfg.trainWork()
	w.Prox, w.Parts = s.cfg.Prox, s.cfg.parts()
	s.do(Order{Client: c.client, Order: c.order, Base: c.base, Work: w})
	s.time()
}

func (s *FedBuff) offered(e Offered) {
	i, ok := s.find(e.Client)
	switch {
	case !ok || e.Order > s.clients[i].order && s.clients[i].order != 0 || e.Order > s.order:
		s.do(Reject{e.Handle, Unordered})
		return
	case e.Order != s.clients[i].order:
		s.do(Reject{e.Handle, Late})
		return
	}
	c := &s.clients[i]
	a := keptAnswer{e.Client, e.Handle, c.base, e.Norms}
	c.order = 0
	s.cohort.answered(e.Client, e.Took)
	switch {
	case s.cohort.quarantined[e.Client] > 0:
		s.do(Judge{Handle: e.Handle, Client: e.Client, Scale: 1, Guard: s.cfg.Guard})
		return
	case s.committing:
		s.do(Keep{Handle: e.Handle})
		s.waiting = append(s.waiting, a)
		return
	}
	s.take(a)
	// The commit comes before the next orders: one given now would rest on a
	// version that is about to be replaced.
	s.commit()
	s.give()
}

// take puts an answer into the buffer.
func (s *FedBuff) take(a keptAnswer) {
	stale := float64(s.version - a.base)
	s.do(Add{Handle: a.handle, Scale: s.clip.factor(a.norms, 1, 1) * math.Pow(1+stale, -s.settings.Staleness), Weight: 1})
	s.taken = append(s.taken, a)
}

// senders returns the clients whose answers are in the buffer, ascending.
func (s *FedBuff) senders() []ClientID {
	ids := make([]ClientID, len(s.taken))
	for i, a := range s.taken {
		ids[i] = a.client
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// commit makes a version when the buffer is full.
func (s *FedBuff) commit() {
	if len(s.taken) < s.settings.Buffer || s.committing || !s.opened {
		return
	}
	s.committing = true
	if s.reopened {
		s.order += ordersAhead
		s.reopened = false
	}
	s.make()
}

// make commits what is in the buffer.
func (s *FedBuff) make() {
	rate := s.cfg.ServerLR * s.backoff.factor()
	r := rounds{cfg: s.cfg}
	s.do(Commit{
		Round: s.version + 1, Base: s.version, Plan: r.serverPlan(rate, 1), Snapshot: s.snapshot(s.version + 1),
		Clients: s.senders(), Rate: s.cfg.LR * rate, Guard: s.cfg.Guard,
	})
}

// blamed takes answers out of the version that is being made, puts their senders into
// quarantine, and commits the others.
func (s *FedBuff) blamed(handles []Handle) {
	s.backoff.blamed(len(handles), len(s.taken))
	s.taken = slices.DeleteFunc(s.taken, func(a keptAnswer) bool {
		blamed := slices.Contains(handles, a.handle)
		if blamed {
			s.cohort.quarantine(a.client)
		}
		return blamed
	})
	if len(s.taken) > 0 {
		s.make()
		return
	}
	s.do(Abandon{Round: s.version + 1, Reason: "every contribution made the model worse"})
	s.clip.discard()
	s.next()
}

// rewind commits the model of an earlier version in place of what is in the buffer.
func (s *FedBuff) rewind(plan combine.Plan) {
	if s.committing {
		return // the run asks again
	}
	s.giveUp(rewoundReason)
	s.committing = true
	s.do(Commit{Round: s.version + 1, Base: s.version, Plan: plan, Snapshot: s.snapshot(s.version + 1)})
}

// suspend withdraws every order, and gives up what is in the buffer, unless a version is
// being made of it.
func (s *FedBuff) suspend() {
	s.paused, s.absent = true, nil
	for i := range s.clients {
		s.clients[i] = buffered{client: s.clients[i].client}
	}
	s.do(StopTimer{timerDeadline})
	s.do(StopTimer{timerRetry})
	s.timing = false
	if !s.committing && (s.opening || s.opened) {
		s.giveUp(pausedReason)
	}
}

// giveUp abandons the version that is under way.
func (s *FedBuff) giveUp(reason string) {
	s.do(Abandon{Round: s.version + 1, Reason: reason})
	s.taken = s.taken[:0]
	s.clip.discard()
	s.opening, s.opened = false, false
}
