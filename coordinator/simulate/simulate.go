// Package simulate runs a task without a network, in virtual time: the strategy, run
// and client of production, with thousands of clients in one process.
//
// Events are delivered in the order of (time, client, sequence). Only training takes
// real time. It runs on all cores, ahead of the virtual time at which it ends, and
// the order of the cores' work does not change results: one seed gives the same
// result, byte for byte, at any GOMAXPROCS.
package simulate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"fedtab/client"
	"fedtab/coordinator/adversary"
	"fedtab/coordinator/dataset"
	"fedtab/coordinator/live"
	"fedtab/coordinator/task"
	"fedtab/coordinator/virtual"
	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/protocol"
	"fedtab/run"
)

// Options configure a simulation beyond its task file.
type Options struct {
	OnRound func(Round, Timing) // called for every committed round
	OnCheck func(Check)         // called for every Check of a lock-step simulation that is not taken from a checkpoint
	From    *run.Saved          // a version 1 to begin with, nil: the model that follows from the seed
	Model   string              // where that is from, for the settings of the result
	Workers int                 // goroutines that train; 0: one for each core. Results do not depend on it
	Ledger  io.Writer           // receives the Account of every client in every round, one line of JSON each; nil: not written

	// Checkpoint keeps the state of the simulation, so that it can go on after an
	// interruption; one that has been opened is gone on with. nil: nothing is kept.
	Checkpoint *Checkpoint
}

// resumeGrace is how long the run waits for a participant that has lost its
// connection, as in the server.
const resumeGrace = 5 * time.Second

// maxIdle is the max virtual time without a new version, in a run without a time
// limit; the run is stuck then.
const maxIdle = 30 * 24 * time.Hour

// Timing is the real time of a round. It is not part of the result.
type Timing struct {
	Seconds float64 // real time
	Samples int64   // examples trained on
	Redone  bool    // it was taken from a checkpoint; the other fields are those of the first time
}

// ErrStuck is wrapped by the error of a run that makes no progress.
var ErrStuck = errors.New("simulate: the run makes no progress")

// simulation is the Env of a Run in virtual time.
type simulation struct {
	clock virtual.Clock
	run   *run.Run
	pool  *pool

	checkpoint *Checkpoint // nil: none
	figures    uint64      // of the coordinator, that the checkpoint keeps

	samples int64         // trained since the last round
	commit  time.Duration // when the newest version was made

	participants []*participant
	holding      []*participant // with answers in held
	result       *Result
	ledger       *ledger
	evaluate     run.Evaluator
	validate     run.Evaluator // nil: there is no validation set
	labels       []uint8       // of the training set; nil: it has none
	classes      int
	shards       [][]int32     // of the clients
	backdoor     run.Evaluator // on triggered test examples; nil: not measured
	lock         lockstep
	declined     declined
	sliceSteps   int // mini-batches of a slice
	stopSteps    int
	checkEvery   int // slices between two Checks
	onCheck      func(Check)
	driftAfter   int // mini-batches of every client before the concept drift; 0: none
	drifted      bool
}

// Run simulates t over d until the run is over or ctx ends. Where it ends otherwise, there
// is the result of what is done beside the error, with the error as its reason.
func Run(ctx context.Context, t *task.Task, d *dataset.Dataset, o Options) (*Result, error) {
	model, err := d.Model(t)
	if err != nil {
		return nil, err
	}
	clients := len(d.Shards)
	s, err := d.Strategy(t, model, false, t.SamplingSeed())
	if err != nil {
		return nil, err
	}
	res := &Result{Task: t.Name, Strategy: t.Strategy.Kind, Seed: t.Seed, Clients: clients, Parameters: model.Layout().Size, Settings: t.Settings()}
	if o.Model != "" {
		res.Settings["--from"] = o.Model
	}
	sim := &simulation{
		pool: newPool(model, t.Strategy.Vectors(), t.StartSeed(), cmp.Or(o.Workers, runtime.GOMAXPROCS(0))), result: res, ledger: newLedger(clients, res.Parameters, o.Ledger), evaluate: d.Evaluator(model), validate: d.Validator(model),
		sliceSteps: max(t.Strategy.Batches, 1), stopSteps: t.Stop.Steps, checkEvery: t.EvaluateEvery(), onCheck: o.OnCheck,
		driftAfter: t.Data.Drift,
	}
	defer sim.pool.close()
	if d.Train != nil && t.Data.Drift == 0 {
		sim.labels, sim.classes, sim.shards = d.Train.Y, d.Train.Classes(), d.Shards
	}
	sim.checkpoint, sim.pool.records = o.Checkpoint, o.Checkpoint != nil
	judge := d.Judge(t, model)
	stop := t.RunStop(d.ClassNames())
	switch {
	case d.Validation != nil:
		res.SelectedOn = "validation"
	case stop.Goals != nil:
		res.SelectedOn = "test"
	}
	train := data.Examples(d.Train) // of data that is not own
	if t.Data.Drift > 0 {
		to := permutation(t.DataSeed(), d.Train.Classes())
		train = &drifting{d.Train, to, &sim.drifted}
		drifted := func(of data.Examples) run.Evaluator {
			return dataset.EvaluatorOf(model, &drifting{of, to, &sim.drifted})
		}
		sim.evaluate = drifted(d.Test)
		if d.Validation != nil {
			sim.validate = drifted(d.Validation)
		}
		if judge != nil {
			judge = drifted(d.Sample(t))
		}
	}
	sim.evaluate, sim.validate, judge = sim.recorded(sim.evaluate), sim.recorded(sim.validate), sim.recorded(judge)
	if judge != nil {
		vault := live.NewVault(os.TempDir(), protocol.MaxBodies)
		defer vault.Close()
		sim.pool.checker.KeepIn(vault)
	}
	if d.Own == nil {
		if triggered := t.Adversaries.Triggered(d.Test); triggered != nil {
			sim.backdoor = sim.recorded(dataset.EvaluatorOf(model, triggered))
		}
	}
	var shards run.Shards
	var own *run.Own
	if d.Own == nil {
		shards = run.Shards{Source: "/data/" + t.Name, Sizes: d.Sizes()}
	} else {
		own = &run.Own{Fewest: t.Data.Examples.Participants, Schema: d.Own, Holdouts: t.Holdouts(), Known: func(c data.Constants) {
			if err := d.SetConstants(c); err != nil {
				panic(err) // the run made them of the same schema
			}
		}}
		if t.Strategy.Scheme().Central {
			own.Fewest = 1
		}
	}
	var packing run.Packing // of one learner with all data nothing travels
	if !t.Strategy.Scheme().Central {
		packing = t.Compress.Run(res.Parameters)
	}
	sim.declined.reset()
	lastReal := time.Now()
	sim.run, err = run.New(run.Config{
		ID: "simulation", Title: t.Title.String(), Seed: t.StartSeed(), OrderSeed: t.SamplingSeed(), Model: model, Strategy: s,
		Sums: t.Strategy.Sums(), MaxScale: t.Strategy.MaxScale, Packing: packing, Uncounted: t.Strategy.Scheme().Central, Optimiser: t.Optimiser.Learn(),
		Stop:      stop,
		EvalEvery: t.EvaluateEvery(), Evaluate: sim.evaluate, Validate: sim.validate, Judge: judge, Drifts: t.Data.Drift > 0, MaxWeight: t.Strategy.MaxWeight,
		Shards: shards, Own: own, ResumeGrace: resumeGrace, RestartGrace: resumeGrace, Saved: o.From,
		Notify: func(u run.Update) {
			if u.Round == nil {
				return
			}
			fresh := res.record(*u.Round)
			if u.Round.Test != nil {
				res.Rounds[len(res.Rounds)-1].BackdoorSuccess = sim.success()
			}
			if fresh {
				sim.verify()
				sim.tidy()
				sim.declined.reset()
			}
			sim.ledger.close(u.Round.Round, u.Clients)
			sim.commit = sim.clock.Now()
			if n := t.Strategy.Steps(); n > 0 {
				sim.conceptDrift(int(u.Round.Round) * n)
			}
			if u.Round.Test != nil || fresh && t.EvaluateEvery() > 1 {
				now := time.Now()
				timing, redone := memo(sim, func() Timing { return Timing{Seconds: now.Sub(lastReal).Seconds(), Samples: sim.samples} })
				timing.Redone = redone
				if lastReal, sim.samples = now, 0; o.OnRound != nil {
					o.OnRound(res.Rounds[len(res.Rounds)-1], timing)
				}
			}
		},
	}, sim)
	if err != nil {
		return nil, err
	}
	sim.run.Start()
	group := adversary.NewGroup(t.Adversaries, clients, t.Seed)
	group.Know(t.Compress.Extra())
	sim.pool.checker.Know(t.Compress.Extra())
	models, packers := &sharedModels{own: client.OwnModels()}, &client.Packers{Codecs: t.Compress.Extra()}
	for i := range clients {
		c := client.New(client.Config{Name: "simulated", Task: t.Name, Models: models, Packers: packers})
		m := group.Member(i)
		if d.Own == nil {
			c.SetExamples(m.Examples(data.NewSubset(train, d.Shards[i]), d.Train.Shape, d.Train.White()))
		} else if err := c.SetOwn(d.Parts[i]); err != nil {
			return nil, err
		}
		p := &participant{sim: sim, index: uint32(i + 1), client: c, member: m, device: newDevice(t.Seed, i+1, &t.Devices)}
		p.kept = sim.checkpoint.calls(p.index)
		sim.participants = append(sim.participants, p)
		sim.clock.At(0, uint32(i+1), func() { p.attend(t.SamplingSeed(), &t.Devices) })
	}
	for sim.run.State().Finished == "" {
		if err := sim.checkpointError(); err != nil {
			return nil, err
		}
		if sim.checkpoint.due() {
			sim.keep()
		}
		if err := ctx.Err(); err != nil {
			sim.keep()
			return sim.broken(fmt.Errorf("simulate: interrupted after round %d: %w", sim.run.State().Version, err))
		}
		if err := sim.declined.err(sim.run.State().Version + 1); err != nil && t.Stop.Time == 0 {
			return sim.broken(err)
		}
		if len(sim.lock.ready) > 0 && sim.quiet() {
			sim.release()
			sim.commit = sim.clock.Now() // a slice is progress too
			continue
		}
		if !sim.clock.Next() || t.Stop.Time == 0 && sim.clock.Now()-sim.commit > maxIdle {
			return sim.broken(fmt.Errorf("%w (at virtual time %v, phase %v)", ErrStuck, sim.clock.Now(), sim.run.State().Phase))
		}
	}
	if err := sim.finish(); err != nil {
		return nil, err
	}
	res.Complete = true
	return res, nil
}

// finish completes the result.
func (s *simulation) finish() error {
	version, hash, params := s.run.Model()
	s.ledger.close(version+1, s.run.ClientTraffic()) // the period after the last commit
	if err := s.ledger.err; err != nil {
		return fmt.Errorf("simulate: ledger: %w", err)
	}
	s.result.finish(s.run.State(), version, hash)
	s.result.Final.BackdoorSuccess = s.success()
	s.result.Accounts = s.ledger.accounts()
	if e := s.run.State().Evaluated; e != nil && s.labels != nil {
		s.result.Shares = sharesOf(e.Confusion, s.classes, s.labels, s.shards)
	}
	s.result.Model = params
	return nil
}

// broken returns the result of what is done, with the reason why that is not all.
func (s *simulation) broken(reason error) (*Result, error) {
	if err := s.finish(); err != nil {
		return nil, errors.Join(reason, err)
	}
	s.result.Final.Reason = reason.Error()
	return s.result, reason
}

// success returns the share of triggered test examples that the newest version gives
// the backdoor's target; nil if that is not measured.
func (s *simulation) success() *float64 {
	if s.backdoor == nil {
		return nil
	}
	_, _, params := s.run.Model()
	share := s.backdoor(params).Figures().Accuracy
	return run.Finite(&share)
}

// tidy frees versions that clients do not need any more, so that memory does not grow
// with the number of clients that have ever taken part.
func (s *simulation) tidy() {
	oldest := s.run.Oldest()
	for _, p := range s.participants {
		if !p.busy && p.modelFree < s.clock.Now() { // and no version difference is on its way to it
			p.client.Release(oldest)
		}
	}
}

// Now implements run.Env.
func (s *simulation) Now() time.Time { return virtual.Epoch.Add(s.clock.Now()) }

// AfterFunc implements run.Env.
func (s *simulation) AfterFunc(d time.Duration, f func()) (stop func()) {
	return s.clock.AfterFunc(d, f)
}

// Compute implements run.Env: the coordinator takes no virtual time.
func (s *simulation) Compute(work func(), then func()) { work(); then() }

// Store implements run.Env.
func (s *simulation) Store(work func() error, then func(error)) { then(work()) }

// participant is one simulated client and its connection.
type participant struct {
	sim     *simulation
	index   uint32 // from 1; the number is the run's
	client  *client.Client
	member  *adversary.Member
	device  device
	number  uint32
	session int  // number of times it has left
	away    bool // between leave and join

	downFree  time.Duration // when the downlink has delivered all messages
	upFree    time.Duration
	modelFree time.Duration // when the newest model arrives

	busy  bool               // at work on an order
	until time.Duration      // when the work ends, unless the client leaves
	left  time.Duration      // remaining work when the client left
	job   *job               // the work, until it is collected; nothing else uses client meanwhile
	out   []protocol.Message // its answers
	inbox []protocol.Message // messages that arrived during the work

	refusal []protocol.Message // of a Monitor order by an adversary, in place of its next slice

	held []*protocol.Contribution // of an adversary that waits for the honest answers

	calls uint64 // of client, that are over and that a checkpoint keeps
	kept  uint64 // of these, with which the vectors in the checkpoint agree
}

// transfer returns when a message of size bytes, sent now, arrives over a link that is
// free at *free, and updates *free.
func (p *participant) transfer(free *time.Duration, size int64) time.Duration {
	*free = max(p.sim.clock.Now(), *free) + p.device.transfer(size)
	return *free + p.device.latency
}

// Send implements run.Peer.
func (p *participant) Send(m protocol.Message) {
	if o, ok := m.(*protocol.Order); ok {
		p.member.Ordered(o)
	}
	if !p.member.Lies() {
		p.sim.declined.sent(p.number, m)
	}
	when := p.transfer(&p.downFree, protocol.WireSize(m, false))
	if _, ok := m.(*protocol.Model); ok {
		p.modelFree = when
	}
	p.present(when, p.number, func() { p.receive(m) })
}

// SendShared implements run.Peer.
func (p *participant) SendShared(m *run.Shared) { p.Send(m.Message) }

// Close implements run.Peer.
func (p *participant) Close(protocol.CloseCode, string) {}

// Fault implements run.Peer.
func (p *participant) Fault() {}

// Address implements run.Peer.
func (p *participant) Address() string { return "" }

func (p *participant) receive(m protocol.Message) {
	if p.busy {
		p.inbox = append(p.inbox, m)
		return
	}
	if out, taken := p.member.Receive(m); taken {
		if o, ok := m.(*protocol.Order); ok && o.Kind == protocol.OrderMonitor && len(out) > 0 {
			p.refusal = out
			p.sim.await(p)
		} else {
			p.send(out)
		}
		return
	}
	out, err := p.take(m)
	if err != nil {
		panic(fmt.Sprintf("simulate: client %d: %v", p.number, err)) // a bug: both ends are this program's
	}
	p.send(out)
	switch {
	case !p.client.Ready():
	case p.client.Monitors():
		p.sim.await(p)
	default:
		p.begin()
	}
}

// begin starts the work on an order, or on a slice of a Monitor order.
func (p *participant) begin() {
	examples := p.client.OrderExamples()
	p.sim.samples += int64(examples)
	if p.away || p.busy {
		panic(fmt.Sprintf("simulate: client %d begins work while away: %v, busy: %v", p.number, p.away, p.busy))
	}
	took := p.device.training(examples)
	p.busy = true
	if p.redoes() {
		p.job = &job{redone: true}
	} else {
		p.job = p.sim.pool.submit(p.client, p.sim.clock.Now()+took)
	}
	p.work(took)
}

// work schedules the end of the work on an order after d.
func (p *participant) work(d time.Duration) {
	p.until = p.sim.clock.Now() + d
	p.present(p.until, p.number, p.trained)
}

// trained collects the work on an order. It sends nothing if a message that arrived
// meanwhile has closed the round: a tab would have stopped its work.
func (p *participant) trained() {
	if p.job != nil {
		p.out = p.collect()
	}
	out, inbox := p.out, p.inbox
	p.busy, p.job, p.out, p.inbox = false, nil, nil, nil
	kept := p.client.Kept()
	for _, m := range inbox {
		p.receive(m)
	}
	if kept != 0 && p.client.Kept() != kept {
		return
	}
	p.send(out)
	if p.client.Ready() && !p.busy && p.client.Monitors() {
		p.sim.await(p)
	}
}

// send delivers messages to the run. What an adversary's client has made is replaced,
// and held if the adversary waits for honest answers.
func (p *participant) send(out []protocol.Message) {
	for _, m := range out {
		if c, ok := m.(*protocol.Contribution); ok {
			if p.member.Waits(c) {
				p.hold(c)
				continue
			}
			m = p.member.Lie(c)
		}
		when := p.transfer(&p.upFree, protocol.WireSize(m, true))
		p.present(when, 0, func() { p.deliver(m) })
	}
}

func (p *participant) deliver(m protocol.Message) {
	p.member.Answered(m)
	p.sim.unhold()
	if c, ok := m.(*protocol.Contribution); ok {
		// The run clears the message's body; the client keeps its own.
		copied := *c
		copied.Vectors = append([]protocol.Vector(nil), c.Vectors...)
		p.sim.run.Offer(p.number, p, p.sim.pool.checker.Check(p.number, &copied, nil))
		return
	}
	if d, ok := m.(*protocol.Decline); ok && !p.member.Lies() {
		p.sim.declined.decline(p.number, d.Order, d.Reason, d.Detail)
	}
	if err := p.sim.run.Receive(p.number, p, m); err != nil {
		panic(fmt.Sprintf("simulate: client %d: %v", p.number, err))
	}
}

// sharedModels holds one copy of a version for all clients.
type sharedModels struct {
	own     client.Models
	initial []float32
	version uint64
	params  []float32
	control []float32
}

func (s *sharedModels) Initial(m learn.Model, seed uint64) []float32 {
	if s.initial == nil {
		s.initial = s.own.Initial(m, seed)
	}
	return s.initial
}

func (s *sharedModels) Unpack(m *protocol.Model, n int, held client.Held) (params, control []float32, err error) {
	if s.params == nil || s.version != m.Version {
		params, control, err := s.own.Unpack(m, n, held)
		if err != nil {
			return nil, nil, err
		}
		s.version, s.params, s.control = m.Version, params, control
	}
	return s.params, s.control, nil
}
