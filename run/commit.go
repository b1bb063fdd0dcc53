package run

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"fedtab/combine"
	"fedtab/learn"
	"fedtab/protocol"
	"fedtab/strategy"
)

// commit is the pipeline of a version from the sums to the clients:
//
//	combine   the strategy's plan computes it from the sums and the kept vectors
//	check     every parameter is finite
//	quantise  round it for the downlink; the remainder stays a server vector
//	guard     bound its loss on a sample of examples by that of the base
//	account bound what the versions tell of a participant, in a run that claims it
//	hash
//	store     make it durable, with the strategy's snapshot and the round's figures
//	publish   send it to clients and observers, and evaluate it
//
// The steps before store run off the owner's goroutine; the first that fails rolls
// the round back, unless the guard can say whose contributions are to blame.
type commit struct {
	strategy.Commit
	attempt   *attempt
	vectors   combine.Vectors
	state     map[string][]float32 // server vectors of the base
	published []float32            // the base as clients have it
	kept      []*kept              // the contributions of Kept
	quantised quantised
	blamed    []strategy.Handle // contributions that the guard wants taken out
	charged   *Spent            // of the run's privacy when its attempt was opened; nil: it had none, or the run makes no claim
	spent     *Spent            // likewise, this version included
	hash      [32]byte
}

// commitSteps are the steps that compute and check a version.
var commitSteps = [...]struct {
	name string
	do   func(*Run, *commit) error
}{
	{"combine", (*Run).combineVersion},
	{"check", (*Run).checkVersion},
	{"quantise", (*Run).quantiseVersion},
	{"guard", (*Run).guardVersion},
	{"account", (*Run).accountVersion},
	{"hash", (*Run).hashVersion},
}

// commitWhenAdded starts the commit once no addition is pending, and all that was added at edges
// has come.
func (r *Run) commitWhenAdded(a *attempt) {
	if a.commit == nil || a.adding > 0 || r.gather(a) {
		return
	}
	c := &commit{Commit: *a.commit, attempt: a, state: r.down.state, published: r.down.params}
	a.commit = nil
	c.vectors = combine.Vectors{Base: r.down.exact(), Next: make([]float32, r.n), Sums: a.sums, State: map[string][]float32{}}
	r.noise(c)
	for _, h := range c.Kept {
		k := r.kept[h]
		delete(r.kept, h)
		c.kept = append(c.kept, k)
		c.vectors.Kept = append(c.vectors.Kept, k.vectors)
		c.vectors.Payloads = append(c.vectors.Payloads, k.payloads)
		a.count(k.accepted)
	}
	var failed string
	var err error
	r.env.Compute(func() {
		for _, step := range commitSteps {
			if err = step.do(r, c); err != nil {
				failed = step.name
				return
			}
		}
	}, func() {
		switch {
		case r.finished != "":
			c.dropKept()
		case len(c.blamed) > 0:
			r.blame(c, err)
		case err != nil:
			r.rollBack(c, failed, err)
		default:
			r.storeVersion(c)
		}
	})
}

func (r *Run) combineVersion(c *commit) error {
	maps.Copy(c.vectors.State, c.state) // plans replace vectors; a rollback keeps the old ones
	return c.Plan.Combine(&c.vectors)
}

func (r *Run) checkVersion(c *commit) error {
	for i, x := range c.vectors.Next {
		if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
			return fmt.Errorf("parameter %d: %v, want a finite value", i, x)
		}
	}
	return nil
}

func (r *Run) quantiseVersion(c *commit) (err error) {
	_, given := c.Plan.(combine.Fixed)
	c.quantised, err = r.down.quantise(c.Round, &c.vectors, given)
	return err
}

func (r *Run) hashVersion(c *commit) error {
	c.hash = learn.Hash(c.vectors.Next)
	return nil
}

// storeVersion makes a version durable and then publishes it.
func (r *Run) storeVersion(c *commit) {
	a := c.attempt
	rec := Commit{
		Round: c.Round, Base: c.Base, Hash: c.hash, Params: c.vectors.Next, State: c.vectors.State, Snapshot: c.Snapshot, Seeds: c.Seeds,
		Weight: a.weight, Ledger: r.accounts.all, Committed: r.env.Now(), Rate: c.Rate,
		Participants: make([]uint32, len(c.Clients)), Contributions: a.contributions,
	}
	rec.Traffic, rec.Clients = r.accounts.close()
	for i, id := range c.Clients {
		rec.Participants[i] = uint32(id)
	}
	rec.TrainLoss = math.NaN()
	if !(r.private() && len(c.Clients) < fewestShown) {
		rec.Norms = summary(a.norms)
		if a.examples > 0 {
			rec.TrainLoss = a.lossSum / float64(a.examples)
		}
	}
	if r.open != nil {
		rec.Times = a.last.times(r.open.Opened, rec.Committed)
	}
	c.withhold(&rec)
	r.opened(&rec, c.Commit.State, func() {
		r.saveRound("commit", func(j Journal) error { return j.Commit(r.cfg.ID, rec) }, func() {
			r.down.publish(&rec, c.quantised)
			c.dropKept()
			r.publish(&rec)
		})
	})
}

// opened calls then once the round of a commit is open in the journal. On the way back
// to an earlier version it may not be: nobody need be there, and what was open is given
// up. The row takes the place of an attempt's, so that it has what that was charged.
func (r *Run) opened(c *Commit, state []byte, then func()) {
	if r.open != nil {
		then()
		return
	}
	open := OpenRound{Round: c.Round, Order: r.newestOrder, Base: c.Base, Opened: c.Committed, Deadline: c.Committed, State: state, Spent: c.Spent}
	r.saveRound("open round", func(j Journal) error { return j.OpenRound(r.cfg.ID, open) }, then)
}

// dropKept forgets the kept contributions of a version that is made, or rolled back.
func (c *commit) dropKept() {
	for _, k := range c.kept {
		k.drop()
	}
}

// rollBack discards a version that has failed a step; the run continues from its
// base.
func (r *Run) rollBack(c *commit, step string, why error) {
	c.dropKept()
	r.log.Warn("round rolled back", "round", c.Round, "step", step, "reason", why)
	r.record("rolled back", 0, why.Error())
	r.accounts.all.RolledBack++
	r.givenUp(c.Round, why.Error(), strategy.Few{})
	if r.open != nil {
		r.release(strategy.OrderID(r.open.Order), why.Error())
	}
	r.releaseAdded(c.attempt, why.Error())
	r.closeRound()
	r.broadcastStatus()
	r.notify(nil)
	r.rewound(c.Round, fmt.Errorf("round rolled back: %w", why))
	r.step(strategy.RolledBack{Round: c.Round})
}

// publish announces a durable version to clients and observers.
func (r *Run) publish(c *Commit) {
	r.closed, r.abandoned = c.Round, nil
	rec := c.Record()
	if c.Spent != nil {
		r.spent = c.Spent
	}
	if r.open != nil {
		rec.Opened = r.open.Opened
	}
	r.rounds = append(r.rounds, rec)
	if n := len(c.Contributions); n > 0 {
		weights := make([]uint64, n)
		for i := range weights {
			weights[i] = c.Contributions[i].Weight
		}
		slices.Sort(weights)
		r.typical = float64(weights[n/2])
	}
	r.closeRound()
	switch w, seconds := r.rewind, c.Committed.Sub(rec.Opened).Seconds(); {
	case w != nil && w.version == c.Round:
		r.log.Info("gone back to an earlier version", "version", c.Round, "model_of", w.to)
	case c.Spent != nil:
		r.news("round committed", "round", c.Round, "epsilon", c.Spent.Epsilon, "rate", c.Rate, "seconds", seconds)
	default:
		r.news("round committed", "round", c.Round, "participants", len(c.Participants),
			"train_loss", c.TrainLoss, "rate", c.Rate, "seconds", seconds)
	}
	r.broadcastStatus()
	r.notify(&rec, c.Clients...)
	r.overtaken()
	r.evaluate()
	r.rewound(c.Round, nil)
	if !r.stopReached() && !r.roundsDone() {
		r.step(strategy.Committed{Round: c.Round, Noised: c.noised, Seed: c.seed})
	}
}

// closeRound ends the open round, committed or not.
func (r *Run) closeRound() {
	r.endSecure()
	r.open, r.awaited = nil, nil
	r.interruptAbsent()
	clear(r.absent)
	r.phase = protocol.PhaseWaiting
	for _, m := range r.means {
		m.waiting = nil // orders of this round
	}
	r.settleFaults()
	r.nextAttempt()
}
