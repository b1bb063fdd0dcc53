// Package simulate runs a task without a network, in virtual time (package simulation), and
// writes down what came out.
package simulate

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"time"

	"fedtab/client"
	"fedtab/coordinator/dataset"
	"fedtab/coordinator/live"
	"fedtab/coordinator/task"
	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/learn/rng"
	"fedtab/privacy/secagg"
	"fedtab/privacy/secagg/native"
	"fedtab/protocol"
	"fedtab/run"
	"fedtab/simulation"
	"fedtab/simulation/adversary"
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

// Timing is the real time of a round. It is not part of the result.
type Timing struct {
	Seconds float64 // real time
	Samples int64   // examples trained on
	Redone  bool    // it was taken from a checkpoint; the other fields are those of the first time
}

// recorder makes the result of a simulation.
type recorder struct {
	task    *task.Task
	sim     *simulation.Simulation
	options *Options
	result  *Result
	ledger  *ledger

	labels   []uint8 // of the training set; nil: it has none
	classes  int
	shards   [][]int32     // of the clients
	backdoor run.Evaluator // on triggered test examples; nil: not measured
	last     time.Time     // when the last round was told
}

// Run simulates t over d until the run is over or ctx ends. Where it ends otherwise, there
// is the result of what is done beside the error, with the error as its reason.
func Run(ctx context.Context, t *task.Task, d *dataset.Dataset, o Options) (*Result, error) {
	model, err := d.Model(t)
	if err != nil {
		return nil, err
	}
	r := &recorder{task: t, options: &o, last: time.Now(), result: &Result{
		Task: t.Name, Strategy: t.Strategy.Kind, Seed: t.Seed, Clients: len(d.Shards), Parameters: model.Layout().Size, Settings: t.Settings(),
	}}
	r.ledger = newLedger(r.result.Clients, r.result.Parameters, o.Ledger)
	if o.Model != "" {
		r.result.Settings["--from"] = o.Model
	}
	c, err := configure(t, d, model)
	if err != nil {
		return nil, err
	}
	r.selects(d, c.Run.Stop)
	if d.Train != nil && c.Drift == nil {
		r.labels, r.classes, r.shards = d.Train.Y, d.Train.Classes(), d.Shards
	}
	c.Run.Saved = o.From
	c.Workers = cmp.Or(o.Workers, runtime.GOMAXPROCS(0))
	c.OnUpdate, c.OnCheck = r.update, r.check
	if o.Checkpoint != nil {
		c.Memory = o.Checkpoint
	}
	checker := live.NewChecker(model.Layout().Size, t.Strategy.Vectors(), t.StartSeed(), nil)
	checker.Know(c.Codecs)
	if c.Run.Judge != nil {
		vault := live.NewVault(os.TempDir(), protocol.MaxBodies)
		defer vault.Close()
		checker.KeepIn(vault)
	}
	c.Checker = bodiless{checker}
	if r.sim, err = simulation.New(*c); err != nil {
		return nil, err
	}
	defer r.sim.Close()
	if d.Own == nil {
		if triggered := t.Adversaries.Triggered(d.Test); triggered != nil {
			r.backdoor = r.sim.Recorded(dataset.EvaluatorOf(model, triggered))
		}
	}
	return r.run(ctx)
}

// selects says what the versions of the run are chosen by.
func (r *recorder) selects(d *dataset.Dataset, stop run.Stop) {
	switch {
	case d.Validation != nil:
		r.result.SelectedOn = "validation"
	case stop.Goals != nil:
		r.result.SelectedOn = "test"
	}
}

// run simulates until the run is over or ctx ends.
func (r *recorder) run(ctx context.Context) (*Result, error) {
	for more := true; more; {
		if err := ctx.Err(); err != nil {
			r.sim.Keep()
			return r.broken(fmt.Errorf("simulate: interrupted after round %d: %w", r.sim.Run().State().Version, err))
		}
		var err error
		switch more, err = r.sim.Next(); {
		case errors.Is(err, simulation.ErrStuck):
			return r.broken(err)
		case err != nil:
			return nil, err
		}
	}
	if err := r.finish(); err != nil {
		return nil, err
	}
	r.result.Complete = true
	return r.result, nil
}

// bodiless is a live.Checker without bodies.
type bodiless struct{ *live.Checker }

// Check implements simulation.Checker.
func (b bodiless) Check(participant uint32, c *protocol.Contribution) *run.Offer {
	return b.Checker.Check(participant, c, nil)
}

// primitives returns the cryptography of client i. Its secrets follow from the seed, so that a
// simulation can be repeated.
func primitives(seed uint64, i int) secagg.Primitives {
	var key [32]byte
	for j := range 4 {
		binary.LittleEndian.PutUint64(key[8*j:], rng.Derive(seed, "secrets", uint64(i), uint64(j)))
	}
	return native.Primitives{Source: rand.NewChaCha8(key)}
}

// configure returns the simulation of a task.
func configure(t *task.Task, d *dataset.Dataset, model learn.Model) (*simulation.Config, error) {
	s, err := d.Strategy(t, model, false, t.SamplingSeed())
	if err != nil {
		return nil, err
	}
	c := &simulation.Config{
		Task: t.Name, Strategy: t.Strategy, Clients: len(d.Shards), Seed: t.Seed,
		Devices: t.Devices, Adversaries: t.Adversaries, Codecs: t.Compress.Extra(), Steps: t.Stop.Steps,
	}
	evaluate, validate, judge := d.Evaluator(model), d.Validator(model), d.Judge(t, model)
	train := data.Examples(d.Train) // of data that is not own
	if t.Data.Drift > 0 {
		c.Drift = simulation.NewDrift(t.Data.Drift, d.Train.Classes(), t.DataSeed())
		drifted := func(of data.Examples) run.Evaluator { return dataset.EvaluatorOf(model, c.Drift.Of(of)) }
		train, evaluate = c.Drift.Of(d.Train), drifted(d.Test)
		if validate != nil {
			validate = drifted(d.Validation)
		}
		if judge != nil {
			judge = drifted(d.Sample(t))
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
		packing = t.Compress.Run(model.Layout().Size)
	}
	c.Run = run.Config{
		Title: t.Title.String(), Seed: t.StartSeed(), OrderSeed: t.SamplingSeed(), Model: model, Strategy: s,
		Sums: t.Strategy.Sums(), MaxScale: t.MaxScale, Packing: packing, Uncounted: t.Strategy.Scheme().Central, Optimiser: t.Optimiser.Learn(),
		Stop:      t.RunStop(d.ClassNames()),
		EvalEvery: t.EvaluateEvery(), Evaluate: evaluate, Validate: validate, Judge: judge, Drifts: c.Drift != nil, MaxWeight: t.Strategy.MaxWeight,
		Shards: shards, Own: own, Differential: t.Differential(model.Layout().Size, simulation.Noise(t.SamplingSeed())),
	}
	simulated := t.Privacy
	simulated.Members = "" // clients of a simulation are known
	if c.Run.Secure, err = simulated.Run(native.Primitives{}, 1); err != nil {
		return nil, err
	}
	if t.Privacy.Secure() {
		c.Primitives = func(i int) secagg.Primitives { return primitives(t.Seed, i) }
	}
	c.Equip = func(i int, to *client.Client, m *adversary.Member) error {
		if d.Own != nil {
			return to.SetOwn(d.Parts[i])
		}
		to.SetExamples(m.Examples(data.NewSubset(train, d.Shards[i]), d.Train.Shape, d.Train.White()))
		return nil
	}
	return c, nil
}

// update records a committed round, or its evaluation.
func (r *recorder) update(u run.Update, fresh bool) {
	r.result.record(*u.Round, fresh)
	if u.Round.Test != nil {
		r.result.Rounds[len(r.result.Rounds)-1].BackdoorSuccess = r.success()
	}
	r.ledger.close(u.Round.Round, u.Clients)
	awaited := r.task.EvaluateEvery() == 1 && r.task.Evaluate.On != task.OnNone // the figures, for the same line
	if u.Round.Test == nil && (!fresh || awaited) {
		return
	}
	now := time.Now()
	timing, redone := simulation.Recall(r.sim, func() Timing {
		return Timing{Seconds: now.Sub(r.last).Seconds(), Samples: r.sim.TakeSamples()}
	})
	timing.Redone = redone
	if r.last = now; r.options.OnRound != nil {
		r.options.OnRound(r.result.Rounds[len(r.result.Rounds)-1], timing)
	}
}

// check records a Check.
func (r *recorder) check(x simulation.Check, redone bool) {
	c := checkOf(x, r.result.Parameters)
	r.result.Checks = append(r.result.Checks, c)
	if r.options.OnCheck != nil && !redone {
		r.options.OnCheck(c)
	}
}

// finish completes the result.
func (r *recorder) finish() error {
	state := r.sim.Run().State()
	version, hash, params := r.sim.Run().Model()
	r.ledger.close(version+1, r.sim.Run().ClientTraffic()) // the period after the last commit
	if err := r.ledger.err; err != nil {
		return fmt.Errorf("simulate: ledger: %w", err)
	}
	r.result.finish(state, version, hash)
	r.result.Final.BackdoorSuccess = r.success()
	r.result.Accounts = r.ledger.accounts()
	if e := state.Evaluated; e != nil && r.labels != nil {
		r.result.Shares = sharesOf(e.Confusion, r.classes, r.labels, r.shards)
	}
	r.result.Model = params
	return nil
}

// broken returns the result of what is done, with the reason why that is not all.
func (r *recorder) broken(reason error) (*Result, error) {
	if err := r.finish(); err != nil {
		return nil, errors.Join(reason, err)
	}
	r.result.Final.Reason = reason.Error()
	return r.result, reason
}

// success returns the share of triggered test examples that the newest version gives
// the backdoor's target; nil if that is not measured.
func (r *recorder) success() *float64 {
	if r.backdoor == nil {
		return nil
	}
	_, _, params := r.sim.Run().Model()
	share := r.backdoor(params).Figures().Accuracy
	return run.Finite(&share)
}
