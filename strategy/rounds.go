package strategy

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"fedtab/combine"
)

// rounds is the state machine of every scheme that works in rounds: a cohort is
// written down, gets its orders, answers or does not, and what came is combined
// into the next version. A policy says the rest.
type rounds struct {
	policy
	cfg   Config
	setup Setup

	state   roundState
	paused  bool // no attempt is opened
	cohort  Cohort
	version uint64   // newest committed
	order   OrderID  // newest given
	phase   int      // number of the open phase, from 0
	answers []answer // to its orders
	present int      // clients when the attempt was opened
	fewest  int      // answers without which there is nothing to combine
	backoff backoff
	clip    clip
	bound   bound    // of a secure run
	private *private // the policy of a run that is differentially private; nil: it is not
	effects []Effect
}

// newRounds returns the machine of a policy.
func newRounds(c Config, s Setup, p policy) *rounds {
	vectors := 1
	if c.Correction == "scaffold" {
		vectors = 2
	}
	return &rounds{cfg: c, setup: s, policy: p, fewest: 1, cohort: NewCohort(s.Live), clip: newClip(c, s, vectors), bound: newBound(s, p)}
}

// Owed implements Quarantine.
func (r *rounds) Owed(id ClientID) int { return r.cohort.Owed(id) }

// policy is what round-based schemes differ in.
type policy interface {
	// choose returns the cohort of the next attempt, ascending, which the first
	// phase asks. With an empty one the round waits until a client joins.
	choose(r *rounds) []ClientID
	// work returns what a member of the cohort is asked for.
	work(r *rounds, id ClientID) Work
	// weigh returns by how much the vectors of an answer are multiplied, and
	// what they count.
	weigh(r *rounds, e Offered) (scale, weight float64)
	// keeps says whether the vectors are needed one by one.
	keeps() bool
	// unit is what the norms of an answer are measured in, so that those of different
	// phases and weights compare.
	unit(r *rounds, e Offered) float64
	// direction is the scale by which an answer alone is a step from the base.
	direction(r *rounds, e Offered) float64
	// enough says whether the answers suffice, when no more are to come.
	enough(r *rounds) bool
	// plan returns the arithmetic of the commit. rate multiplies the mean.
	plan(r *rounds, rate float64) combine.Plan
	// next is asked when the open phase has its answers. It returns the phase
	// after it, or false when the round is to be committed.
	next(r *rounds) (phase, bool)
	// resume returns the number of the phase to go on with after a restart, when
	// the phase of the given number and state was open.
	resume(r *rounds, number int, state []byte) int
	// after is asked before every attempt that follows a version, and ends
	// the run if there is nothing left to do.
	after(r *rounds)
}

// answer is a contribution that was accepted in the open attempt.
type answer struct {
	client  ClientID
	clients []ClientID // of a sum, the first of which is client
	weight  float64
	steps   uint64
	handle  Handle
	added   bool // no longer kept one by one
	took    time.Duration
}

type roundState uint8

const (
	idle       roundState = iota // too few clients, or waiting to retry
	opening                      // the cohort is being written down
	collecting                   // orders are out
	unmasking                    // sums of masked answers are awaited
	committing
	over
)

// The timers of a round-based strategy.
const (
	timerDeadline Timer = 1
	timerRetry    Timer = 2
)

// Why a round that is open is given up at the organiser's wish.
const (
	pausedReason  = "the run is paused by its organiser"
	rewoundReason = "the model goes back to an earlier version"
)

// Step implements Strategy.
func (r *rounds) Step(e Event) []Effect {
	r.effects = r.effects[:0]
	if r.state == over {
		if e, ok := e.(Offered); ok {
			r.do(Reject{e.Handle, Late})
		}
		return r.effects
	}
	switch e := e.(type) {
	case Joined:
		r.cohort.Join(e.Client, e.Address)
		if r.private != nil {
			r.private.joined(e)
		}
		switch r.state {
		case idle:
			if r.cohort.Attempt == 0 { // otherwise the retry timer opens it
				r.open()
			}
		case opening:
			r.cohort.Await(e.Client)
		case collecting:
			if r.cohort.Await(e.Client) {
				r.send(e.Client)
			}
		}
	case Left:
		r.cohort.Leave(e.Client)
		if r.private != nil {
			delete(r.private.persons, e.Client)
		}
		r.settle(false)
	case Declined:
		if e.Order == r.cohort.Order {
			r.cohort.Decline(e.Client)
			r.settle(false)
		}
	case Offered:
		r.offered(e)
	case Masked:
		r.masked(e)
	case Summed:
		r.summed(e)
	case Unmasked:
		r.unmasked(e)
	case Spoiled:
		r.cohort.spoiled(e.Client)
	case Fired:
		switch {
		case e.Timer == timerDeadline && r.state == collecting:
			r.settle(true)
		case e.Timer == timerRetry && r.state == idle:
			r.open()
		}
	case Opened:
		if r.state == opening && e.Round == r.cohort.Round {
			r.collect(r.deadline())
		}
	case Committed:
		if r.state == committing && e.Round == r.version+1 {
			r.version = e.Round
			r.backoff.committed()
			r.clip.committed()
			r.bound.committed()
			if r.private != nil {
				r.private.committed(e.Noised, e.Seed)
			}
			r.state = idle
			r.cohort.committed(r.cohort.Reported())
			r.cohort.End()
			r.cohort.Attempt = 0
			r.open()
		}
	case RolledBack:
		if r.state == committing && e.Round == r.version+1 {
			r.backoff.rolledBack()
			r.clip.discard()
			r.bound.discard()
			if r.private != nil && r.private.Tree != nil {
				r.finish(DiscardedReason) // another try would be a step that no tree has
				break
			}
			r.retry()
		}
	case Blamed:
		if r.state == committing && e.Round == r.version+1 {
			r.blamed(e.Handles)
		}
	case Judged:
		r.cohort.judged(e.Client, e.Good)
	case Rewind:
		r.rewind(e.Plan)
	case Paused:
		r.suspend()
	case Resumed:
		if r.paused = false; r.state == idle {
			r.open()
		}
	case Reopened:
		r.reopened(e)
	}
	return r.effects
}

func (r *rounds) do(e Effect) { r.effects = append(r.effects, e) }

func (r *rounds) reopened(e Reopened) {
	r.cohort.Attempt = 1
	r.order = e.Open.Order
	if was, err := decodeOpenState(e.Open.State); err == nil {
		r.backoff, r.present = was.backoff, was.present
		r.phase = r.resume(r, was.phase, was.state)
	}
	r.begin(e.Open.Round, phase{ask: e.Open.Cohort})
	if r.setup.Secure != nil { // its keys are gone: there is a sum already, or there will be none
		r.state = unmasking
		r.size()
		return
	}
	r.state = collecting
	r.size()
	r.do(SetTimer{timerDeadline, max(e.Remaining, 0)})
	for _, id := range e.Open.Cohort {
		r.do(Expect{Client: id, Order: r.order, Round: r.cohort.Round, Base: r.version, Work: r.work(r, id)})
	}
}

// finish ends the run.
func (r *rounds) finish(reason string) {
	r.state = over
	r.do(Finish{reason})
}

// sample is Cohort.Sample from the stream of this round and attempt.
func (r *rounds) sample(fraction float64, minCount int) []ClientID {
	return r.cohort.Sample(fraction, minCount, r.setup.stream("cohort", r.version+1, uint64(r.cohort.Attempt)))
}

// sampleKept returns as many of the clients present as the coordinator can hold
// models of.
func (r *rounds) sampleKept() []ClientID {
	share := float64(r.cfg.MaxKept) / float64(r.cohort.Present())
	return r.sample(share, 1)
}

// open begins the next attempt at the next round, if enough clients are
// present.
func (r *rounds) open() {
	if r.version > 0 || r.private != nil {
		// Asked here, and not when the version is committed: a restart may have
		// come between the last version and the end.
		if r.after(r); r.state == over {
			return
		}
	}
	if r.paused || r.cohort.Present() < r.cfg.MinClients {
		r.cohort.Attempt = 0 // the next to join opens it
		return
	}
	if len(r.cohort.able()) < r.fewest {
		r.cohort.release()
	}
	r.cohort.attempt++
	r.cohort.Attempt++
	if r.cohort.askable() < r.cfg.MinClients {
		r.cohort.forgive() // too few are left without those that have not answered
	}
	chosen := r.secured(r.choose(r))
	if len(chosen) == 0 && (r.private == nil || r.private.exhausted(r)) {
		r.cohort.Attempt = 0
		return
	}
	r.phase = 0
	p := phase{ask: r.cohort.withTrials(chosen)}
	if r.private != nil {
		p.state = r.private.append(nil, false)
	}
	r.write(p)
}

// write makes a phase durable, with a new order number.
func (r *rounds) write(p phase) {
	r.order++
	r.begin(r.version+1, p)
	for _, id := range p.ask {
		if !r.cohort.isPresent(id) {
			r.cohort.Release(id) // has left after the phase before this one
		}
	}
	r.state = opening
	r.present = r.cohort.Present()
	r.do(Open{Round: r.version + 1, Order: r.order, Base: r.version, Cohort: p.ask, Deadline: r.deadline(), State: r.openState(p.state), Releases: r.releases()})
}

// openState encodes what is durable with the open phase, which has a state of its own.
func (r *rounds) openState(ofPhase []byte) []byte {
	state := openState{backoff: r.backoff, present: r.present, phase: r.phase, state: ofPhase}
	return state.encode()
}

// deadline is for how long the answers of the open phase are awaited.
func (r *rounds) deadline() time.Duration {
	if r.private != nil { // whether one is in time must not hang on how long others take
		return r.cfg.Deadline
	}
	return r.cohort.deadline(r.cfg.Deadline)
}

func (r *rounds) begin(round uint64, p phase) {
	r.cohort.Begin(round, r.order, p.ask, r.need(p))
	r.answers = r.answers[:0]
}

// collect sends the orders of the cohort that has been written down.
func (r *rounds) collect(deadline time.Duration) {
	r.state = collecting
	r.size()
	r.do(SetTimer{timerDeadline, deadline})
	for _, m := range r.cohort.members {
		if (m.state == working || m.state == trial) && r.cohort.isPresent(m.client) {
			r.send(m.client)
		}
	}
	r.settle(false)
}

// size announces the Adds of a policy that adds answers as they come: at most one
// of each member. Others announce theirs where they add.
func (r *rounds) size() {
	if !r.keeps() && r.private == nil { // noise is rounded to a grid that does not depend on who answers
		r.do(Size{max(r.cohort.asked(), 1)})
	}
}

func (r *rounds) send(id ClientID) {
	o := Order{Client: id, Order: r.order, Round: r.cohort.Round, Base: r.version, Work: r.work(r, id)}
	o.Work.Bound = r.bound.value
	if s, ok := r.policy.(interface{ start(ClientID) MeanID }); ok {
		o.Start = s.start(id)
	}
	r.do(o)
}

func (r *rounds) offered(e Offered) {
	reason, onTrial := Late, false
	if r.state == collecting {
		reason, onTrial = r.cohort.Report(e.Client, e.Order)
	} else if e.Order > r.order {
		reason = Unordered
	}
	r.cohort.answered(e.Client, e.Took)
	switch {
	case reason != 0:
		r.do(Reject{e.Handle, reason})
		return
	case onTrial:
		r.do(Judge{Handle: e.Handle, Client: e.Client, Scale: r.direction(r, e), Guard: r.cfg.Guard})
		return
	}
	r.answers = append(r.answers, answer{client: e.Client, weight: e.Weight, steps: e.Steps, handle: e.Handle, took: e.Took})
	heavy := e.Heavy
	if r.cfg.Correction == "scaffold" {
		heavy = 1 // its means are not weighted
	}
	clipped := r.clip.factor(e.Norms, r.unit(r, e), heavy)
	if r.keeps() {
		r.do(Keep{e.Handle, clipped})
	} else {
		scale, weight := r.weigh(r, e)
		r.do(Add{Handle: e.Handle, Scale: scale * clipped, Weight: weight})
	}
	r.settle(false)
	if r.state == collecting {
		r.hasten(e.Took)
	}
}

// hasten shortens the wait for the rest of the run's first cohorts, once there are
// answers enough to say how long one takes.
func (r *rounds) hasten(took time.Duration) {
	if !r.cohort.live || r.private != nil || r.cohort.pace > 0 || r.cohort.reported != r.cohort.need {
		return
	}
	if wait := 2 * r.cohort.patience(took); wait < r.cfg.Deadline-took {
		r.do(SetTimer{timerDeadline, wait})
	}
}

// settle ends the open phase if no answer is awaited, or time is up.
func (r *rounds) settle(timeUp bool) {
	if r.state != collecting {
		return
	}
	none, enough := r.cohort.Outcome()
	// A private round lasts until its deadline: whoever keeps it open or ends it early would decide
	// whether another's answer still counts.
	if !timeUp && (!none || r.private != nil) {
		return
	}
	r.do(StopTimer{timerDeadline})
	r.cohort.missing()
	if !enough && r.private == nil || r.setup.Secure == nil && !r.enough(r) {
		few := Few{Answers: r.cohort.reported, Asked: len(r.cohort.members), Needed: r.cohort.need, TimeUp: !none}
		r.abandon(fmt.Sprintf("%d of %d contributions, %d needed", few.Answers, few.Asked, few.Needed), few)
		return
	}
	// Results of single answers must not depend on the order of arrival.
	slices.SortFunc(r.answers, func(a, b answer) int { return cmp.Compare(a.client, b.client) })
	r.cohort.measure(r.answers)
	if p, ok := r.next(r); ok {
		r.phase++
		r.write(p)
		return
	}
	if r.setup.Secure != nil {
		r.unmask()
		return
	}
	r.commit()
}

func (r *rounds) commit() {
	r.state = committing
	rate := r.serverRate(r.contributors())
	c := Commit{
		Round: r.cohort.Round, Base: r.version, Plan: r.plan(r, rate), Snapshot: r.snapshot(r.cohort.Round), Seeds: r.seeds(true),
		Clients: r.cohort.Reported(), Rate: r.cfg.LR * rate, Guard: r.cfg.Guard,
	}
	if r.keeps() {
		c.Kept = r.handles()
	}
	if c.Releases = r.releases(); r.private != nil && r.private.Tree != nil {
		c.Releases++ // of a tree attempts are not charged, but its steps
	}
	r.do(c)
}

// blamed takes contributions out of the version that is being made, puts their senders
// into quarantine, and commits the others.
func (r *rounds) blamed(handles []Handle) {
	r.backoff.blamed(len(handles), len(r.answers))
	r.answers = slices.DeleteFunc(r.answers, func(a answer) bool {
		blamed := slices.Contains(handles, a.handle)
		if blamed && a.clients != nil { // a group of clients: which of them is not known
			for _, c := range a.clients {
				r.cohort.takeBack(c)
			}
		} else if blamed {
			r.cohort.takeBack(a.client)
			r.cohort.quarantine(a.client)
		}
		return blamed
	})
	if len(r.answers) == 0 || !r.enough(r) {
		r.abandon(fmt.Sprintf("the contributions of %d of %d clients made the model worse", len(handles), len(handles)+len(r.answers)), Few{})
		return
	}
	r.commit()
}

// rewind gives up what is open and commits the model of an earlier version.
func (r *rounds) rewind(plan combine.Plan) {
	if r.state == committing {
		return // the run asks again
	}
	r.giveUp(rewoundReason)
	r.state = committing
	c := Commit{Round: r.version + 1, Base: r.version, Plan: plan, Snapshot: r.describe(r.version+1, false), Seeds: r.seeds(false), Releases: r.releases()}
	if r.private != nil { // what the attempts were charged that are given up
		c.State = r.openState(r.private.append(nil, false))
	}
	r.do(c)
}

// suspend gives up what is open, unless a version is being made.
func (r *rounds) suspend() {
	if r.paused = true; r.state == committing {
		return
	}
	r.giveUp(pausedReason)
	r.cohort.End() // its members have missed nothing
	r.cohort.Attempt = 0
	r.state = idle
}

// giveUp abandons the attempt that is open, or the wait for the next one.
func (r *rounds) giveUp(reason string) {
	switch r.state {
	case opening, collecting, unmasking:
		r.do(StopTimer{timerDeadline})
		r.drop()
		r.do(Abandon{Round: r.cohort.Round, Order: r.order, Reason: reason})
	case idle:
		r.do(StopTimer{timerRetry})
	}
	r.answers = r.answers[:0]
	r.clip.discard()
	r.bound.discard()
}

// handles returns the handles of the answers that are still kept, in their
// order.
func (r *rounds) handles() []Handle {
	var hs []Handle
	for _, a := range r.answers {
		if !a.added {
			hs = append(hs, a.handle)
		}
	}
	return hs
}

func (r *rounds) abandon(reason string, few Few) {
	r.drop()
	r.clip.discard()
	r.bound.discard()
	r.do(Abandon{Round: r.cohort.Round, Order: r.order, Reason: reason, Few: few})
	r.retry()
}

// drop forgets the answers that are kept.
func (r *rounds) drop() {
	if r.keeps() {
		for _, h := range r.handles() {
			r.do(Drop{h})
		}
	}
}

func (r *rounds) retry() {
	r.cohort.End()
	r.state = idle
	r.do(SetTimer{timerRetry, retryPause(r.cohort.Attempt + 1)})
}

// serverRate is the rate by which the mean of m updates is applied: the
// configured one, scaled up for the number of nodes where that is asked for,
// and lowered after rollbacks.
//
// Averaging m models that each took one step of rate eta on their own mean loss
// equals one step of eta on the union, however many nodes there are; scaling by
// m makes it the step of eta m that the union would take on the summed losses
// (Kamp et al. 2018, Proposition 3).
func (r *rounds) serverRate(m int) float64 {
	scale := 1.0
	switch r.cfg.LRScale {
	case "sqrt":
		scale = math.Sqrt(float64(m))
	case "linear":
		scale = float64(m)
	}
	if w := r.cfg.Warmup; w > 0 && r.version < uint64(w) {
		scale = 1 + (scale-1)*float64(r.version)/float64(w)
	}
	return cmp.Or(r.cfg.ServerLR, 1) * scale * r.backoff.factor()
}

// serverPlan applies the mean of the first sum by the configured server
// optimiser; sign x mean is the direction in which to go.
func (r *rounds) serverPlan(rate, sign float64) combine.Plan {
	if r.cfg.Server == "" || r.cfg.Server == "sgd" {
		return combine.WeightedMean{ServerLR: sign * rate}
	}
	return combine.ServerStep{Sign: sign, Server: combine.Server{
		Kind: combine.Kind(r.cfg.Server), LR: rate, Beta1: r.cfg.ServerMomentum, Beta2: r.cfg.ServerBeta2, Tau: r.cfg.ServerTau,
	}}
}

// trainWork is the Work of plain local training.
func (c Config) trainWork() Work {
	return Work{Kind: Fit, Epochs: c.Epochs, Steps: c.Batches, Stream: c.Batches > 0, Batch: c.Batch, LR: c.LR}
}

// parts is the Parts of the Work of a scheme that may split local training.
func (c Config) parts() int {
	if c.Split <= 1 {
		return 0
	}
	return c.Split
}
