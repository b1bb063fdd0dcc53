package run

import (
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/protocol"
	"fedtab/strategy"
)

// Three participants are standardised as one would be that has all their rows, and what
// they tell of a version is what one would find that has all their holdouts.
func TestOwnData(t *testing.T) {
	s := homes()
	v := newVillage(t, s, func(c *Config, _ *strategy.Config) { c.Stop.Rounds = 5 })
	var owns []*data.Own
	for i, n := range []int{100, 250, 300} {
		owns = append(owns, homesOf(t, s, n, uint64(i+1)))
		if v.down.version != 0 || v.Constants() != nil {
			t.Fatalf("with %d participants there are constants or versions", i)
		}
		v.add(t, owns[i])
		v.pump(t)
	}
	want, got := pooledConstants(owns...), v.Constants()
	if got == nil {
		t.Fatal("no constants with three participants")
	}
	for k := range want.Mean {
		if !near(got.Mean[k], want.Mean[k], 1e-9) || !near(got.Deviation[k], want.Deviation[k], 1e-6) {
			t.Errorf("number %d: mean %v, deviation %v, want %v and %v", k, got.Mean[k], got.Deviation[k], want.Mean[k], want.Deviation[k])
		}
	}
	if len(v.journal.constants) != 1 || !reflect.DeepEqual(v.journal.constants[0], *got) {
		t.Errorf("written down: %v, want %v once", v.journal.constants, *got)
	}
	if v.finished == "" || v.down.version != 5 {
		t.Fatalf("the run is at version %d, finished %q, want 5 rounds", v.down.version, v.finished)
	}
	last := v.journal.evaluations[len(v.journal.evaluations)-1]
	if last.Version != 5 || last.Participants != 3 {
		t.Fatalf("evaluated version %d by %d participants, want 5 by 3", last.Version, last.Participants)
	}
	var pooled learn.Metrics
	for _, o := range owns {
		test, err := o.Test(*got)
		if err != nil {
			t.Fatal(err)
		}
		m, err := learn.Evaluate(v.cfg.Model, v.down.params, test, 1)
		if err != nil {
			t.Fatal(err)
		}
		pooled.Add(m)
	}
	if !slices.Equal(last.Confusion, pooled.Confusion) || !near(last.Loss, pooled.Figures().Loss, 1e-9) || last.Accuracy != pooled.Figures().Accuracy {
		t.Errorf("evaluation %+v, want %+v", last, pooled.Figures())
	}
	if last.Accuracy < .9 {
		t.Errorf("accuracy %v after 5 rounds, want at least .9", last.Accuracy)
	}
	if last.Spread != nil {
		t.Error("a spread of three participants")
	}
}

// A participant that comes later, and one that comes back, use the constants; so does a
// run that is resumed.
func TestOwnDataLater(t *testing.T) {
	s := homes()
	v := newVillage(t, s, nil)
	v.enough = func() bool { return v.Constants() != nil }
	for i := range 3 {
		v.add(t, homesOf(t, s, 100, uint64(i)))
	}
	v.owners[0].mute = true
	v.pump(t)
	if v.Constants() != nil {
		t.Fatal("constants without an answer of the third")
	}
	v.owners[0].mute = false
	v.pump(t)
	constants := v.Constants()
	if constants == nil {
		t.Fatal("no constants")
	}
	late := v.add(t, homesOf(t, s, 50, 9))
	if m := last[*protocol.Constants](&late.fakePeer); m == nil || !slices.Equal(m.Mean, constants.Mean) || !slices.Equal(m.Deviation, constants.Deviation) {
		t.Errorf("a newcomer gets %v, want %v", m, *constants)
	}
	resumed := newVillage(t, s, func(c *Config, _ *strategy.Config) { c.Saved = &Saved{Participants: 10, Constants: constants} })
	o := resumed.add(t, homesOf(t, s, 50, 9))
	if m := last[*protocol.Constants](&o.fakePeer); m == nil || !slices.Equal(m.Deviation, constants.Deviation) {
		t.Errorf("after a restart a participant gets %v, want %v", m, *constants)
	}
}

// A participant that tells what cannot be is refused, and is not in the constants; one that
// tells nothing is not waited for without end; two are not enough.
func TestLyingSurvey(t *testing.T) {
	s := homes()
	v := newVillage(t, s, nil)
	v.enough = func() bool { return v.Constants() != nil }
	for i := range 4 {
		v.add(t, homesOf(t, s, 100, uint64(i)))
	}
	liar, silent := v.owners[0], v.owners[1]
	liar.lie = func(c *protocol.Contribution) {
		if c.Vectors[0].Name == protocol.TotalsPayload {
			b := c.Vectors[0].Block
			for i := len(b) - 8; i < len(b); i++ {
				b[i] = 0xff // not a number
			}
		}
	}
	silent.mute = true
	v.pump(t)
	if got := last[*protocol.Ack](&liar.fakePeer); got == nil || got.Reason != protocol.ReasonOutOfBounds || !strings.Contains(got.Detail, "rooms is NaN") {
		t.Errorf("the liar is answered %+v, want out of bounds", got)
	}
	v.env.advance(enquiryTime)
	if v.Constants() != nil {
		t.Error("constants of two participants")
	}
	v.add(t, homesOf(t, s, 100, 7))
	v.env.advance(surveyPause)
	v.pump(t)
	v.env.advance(enquiryTime)
	v.pump(t)
	v.env.advance(enquiryTime) // of the squares
	v.pump(t)
	want := pooledConstants(v.owners[2].client.Own(), v.owners[3].client.Own(), v.owners[4].client.Own())
	if got := v.Constants(); got == nil || !near(got.Mean[1], want.Mean[1], 1e-9) || !near(got.Deviation[0], want.Deviation[0], 1e-6) {
		t.Errorf("constants %v, want %v of the three that are honest", got, want)
	}
	for _, e := range v.journal.entries {
		if strings.Contains(e.Detail, "NaN") || strings.Contains(e.Detail, "sum") {
			t.Errorf("the event log says what one participant told: %q", e.Detail)
		}
	}
}

// A participant that answers in another shape has answered: it is not waited for. The event log does not
// say how many examples it has.
func TestMisshapenTotals(t *testing.T) {
	s := homes()
	v := newVillage(t, s, nil)
	v.enough = func() bool { return v.Constants() != nil }
	for i := range 4 {
		v.add(t, homesOf(t, s, 100, uint64(i)))
	}
	v.owners[0].lie = func(c *protocol.Contribution) { c.Vectors[0].Name = "rows" }
	v.pump(t)
	want := pooledConstants(v.owners[1].client.Own(), v.owners[2].client.Own(), v.owners[3].client.Own())
	if got := v.Constants(); got == nil || !near(got.Mean[1], want.Mean[1], 1e-9) {
		t.Errorf("constants %v before the deadline, want %v of the three others", got, want)
	}
	if !slices.ContainsFunc(v.journal.entries, func(e LogEntry) bool { return e.Detail == "totals wrong shape" }) {
		t.Error("the event log does not say that an answer was rejected")
	}
	for _, e := range v.journal.entries {
		if strings.Contains(e.Detail, "weight") {
			t.Errorf("the event log says %q of an answer to an enquiry", e.Detail)
		}
	}
}

// A goal that hangs on one participant does not end the run, and what cannot be is no
// evaluation.
func TestLyingEvaluation(t *testing.T) {
	s := homes()
	goal := Goal{Metric: Loss, Class: -1, Reach: .15}
	v := newVillage(t, s, func(c *Config, _ *strategy.Config) {
		c.Stop = Stop{Rounds: 3, Goals: []Goal{goal}}
	})
	for i := range 3 {
		v.add(t, homesOf(t, s, 100+300*(2-i)/2, uint64(i)))
	}
	// The first tells a hundred times the examples, all of them right, without a loss.
	v.owners[0].lie = func(c *protocol.Contribution) {
		if c.Vectors[0].Name == protocol.EvaluationPayload {
			m := learn.Metrics{Sums: learn.Sums{Examples: 1000, Correct: 1000}, Confusion: []int64{500, 0, 0, 500}}
			c.Vectors[0].Block, c.Weight = m.Append(nil), 1000
		}
	}
	v.pump(t)
	if v.finished != "3 rounds done" {
		t.Errorf("the run ended with %q, want its three rounds", v.finished)
	}
	e := v.journal.evaluations[0]
	if !goal.Reached(e.Figures) {
		t.Errorf("loss %v with the liar, want one that the goal is reached by", e.Loss)
	}
	others := v.owners[1].client.Own().Len()/5 + v.owners[2].client.Own().Len()/5
	if median := 50; e.Examples > others+4*median {
		t.Errorf("%d examples count, want at most four times the median of the liar's", e.Examples)
	}
	if got := (Evaluation{Participants: 3, Figures: learn.Figures{Loss: 0}}); got.reaches(0, goal) {
		t.Error("a goal counts as reached of which it is not known whether it hangs on one participant")
	}
}

// The figures of a class are shown where three participants have it, the spread where
// there are ten.
func TestFiguresOfFew(t *testing.T) {
	s := homes()
	v := newVillage(t, s, func(c *Config, _ *strategy.Config) { c.Stop.Rounds = 1 })
	for i := range 10 {
		only := []float64{0}
		if i < 2 {
			only = nil
		}
		v.add(t, homesOf(t, s, 100, uint64(i), only...))
	}
	v.env.advance(0)
	v.pump(t)
	if n := len(v.journal.evaluations); n != 1 {
		t.Fatalf("%d evaluations, want 1 of the only version", n)
	}
	e := v.journal.evaluations[0]
	if !math.IsNaN(e.Classes[1].Recall) || e.Classes[1].Examples != 0 || e.Confusion[2] != 0 || e.Confusion[3] != 0 {
		t.Errorf("figures of a class of two participants: %+v of %v", e.Classes[1], e.Confusion)
	}
	if !math.IsNaN(e.Classes[0].Recall) || e.Confusion[0] != 0 {
		t.Errorf("the figures of the only other class give those of a class of two participants: %+v of %v", e.Classes[0], e.Confusion)
	}
	if p := e.Spread; p == nil || !(p.Min <= p.Lower && p.Lower <= p.Median && p.Median <= p.Upper && p.Upper <= p.Max) || p.Max > 1 {
		t.Errorf("spread %+v", e.Spread)
	}
}

// Participants that tell nothing of version after version do not keep the run from its end,
// and are heard again once they do.
func TestSilentEvaluators(t *testing.T) {
	for _, recover := range []bool{false, true} {
		s := homes()
		v := newVillage(t, s, func(c *Config, _ *strategy.Config) { c.Stop.Rounds = 8 })
		for i := range 3 {
			v.add(t, homesOf(t, s, 100, uint64(i))).drops = true
		}
		for range 20 { // each version has the time of an enquiry
			before := v.down.version
			v.enough = func() bool { return v.down.version > before }
			v.pump(t)
			heard := recover && v.down.version >= 5
			for _, o := range v.owners {
				o.drops = !heard
			}
			if !heard {
				v.env.advance(enquiryTime)
			}
		}
		if v.finished == "" {
			t.Errorf("recover %v: the run does not end: version %d, evaluating %v", recover, v.down.version, v.evaluating)
		}
		if got := len(v.journal.evaluations) > 0; got != recover {
			t.Errorf("recover %v: %d evaluations", recover, len(v.journal.evaluations))
		}
	}
}

// Clients at work on an earlier version are asked with their next order, and lose no work.
func TestHoldoutsOfBusyClients(t *testing.T) {
	s := homes()
	v := newVillage(t, s, func(c *Config, sc *strategy.Config) {
		sc.Kind, sc.Own, sc.Fraction = "fedbuff", strategy.FedBuffSettings{Buffer: 3, Staleness: 0.5}, 0
		c.Stop.Time = time.Hour
	})
	for i := range 4 {
		v.add(t, homesOf(t, s, 100, uint64(i)))
	}
	for range 50 {
		for _, o := range v.owners {
			v.turn(t, o)
		}
	}
	if len(v.journal.evaluations) == 0 {
		t.Error("no version was evaluated")
	}
	for _, o := range v.owners {
		if p := o.client.Progress(); p.LastError != "" || p.Accepted == 0 {
			t.Errorf("participant %d: %d contributions accepted, error %q", o.number, p.Accepted, p.LastError)
		}
	}
	if slices.Contains(v.journal.kinds, "declined") {
		t.Error("a participant has lost its work")
	}
}

// Whatever sockets, participants and coordinators do, the constants are made once, of
// enough participants, and the run comes to its end with evaluations of enough.
func TestOwnDataFaults(t *testing.T) {
	schemes := []string{"fedavg", "fedbuff", "dynamic", "scaffold", "minibatch"}
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 7))
		s := homes()
		edit := func(c *Config, sc *strategy.Config) {
			c.Stop.Rounds = 6
			switch sc.Kind = schemes[seed%5]; sc.Kind {
			case "scaffold":
				sc.Kind, sc.Correction, c.Sums = "fedavg", "scaffold", 2
			case "minibatch":
				sc.Epochs = 0
			case "fedbuff":
				sc.Own = strategy.FedBuffSettings{Buffer: 2, Staleness: .5}
			case "dynamic":
				sc.Own, sc.Batches, sc.Fraction, sc.Epochs = strategy.DynamicSettings{Delta: 1e-3}, 2, 0, 0
			}
		}
		v := newVillage(t, s, edit)
		for i := range 5 {
			v.add(t, homesOf(t, s, 60+i*20, seed*10+uint64(i)))
		}
		quiet := 400 // turns with faults
		for turn := 0; v.finished == "" && turn < 4000; turn++ {
			if turn < quiet {
				o := v.owners[r.IntN(len(v.owners))]
				switch r.IntN(40) {
				case 0: // the socket is lost, and the client comes back
					v.Leave(o.number, &o.fakePeer, Lost)
					v.rejoin(t, o)
				case 1:
					v.deliver(t, o, o.client.SetTab([]protocol.TabState{protocol.TabPaused, protocol.TabFrozen, protocol.TabVisible}[r.IntN(3)]))
				case 2:
					o.mute = !o.mute
				case 3: // the coordinator is restarted
					saved := v.journal.saved()
					was := v
					next := newVillage(t, s, func(c *Config, sc *strategy.Config) { edit(c, sc); c.Saved = saved })
					next.journal.constants, next.journal.commits, next.journal.evaluations = was.journal.constants, was.journal.commits, was.journal.evaluations
					next.journal.opens = append(next.journal.opens, was.journal.opens...)
					next.journal.limits = was.journal.limits
					next.env.now = was.env.now
					next.owners, v = was.owners, next
					for _, o := range v.owners {
						v.rejoin(t, o)
					}
				case 4:
					v.env.advance(time.Duration(r.IntN(40)) * time.Second)
				}
			} else if turn == quiet {
				for _, o := range v.owners {
					o.mute = false
					v.deliver(t, o, o.client.SetTab(protocol.TabVisible))
				}
			} else {
				v.env.advance(time.Second)
			}
			for _, o := range v.owners {
				if !o.mute && v.finished == "" {
					v.turn(t, o)
				}
			}
		}
		if v.finished == "" {
			t.Fatalf("seed %d, %s: no end: version %d, constants %v, enquiry %+v", seed, schemes[seed%5], v.down.version, v.Constants(), v.enquiry)
		}
		if n := len(v.journal.constants); n != 1 {
			t.Errorf("seed %d: constants are made %d times", seed, n)
		}
		for _, e := range v.journal.evaluations {
			if e.Participants < 3 || e.Examples == 0 || e.Version == 0 {
				t.Errorf("seed %d: an evaluation of %d participants", seed, e.Participants)
			}
		}
		if len(v.journal.evaluations) == 0 {
			t.Errorf("seed %d, %s: no version was evaluated", seed, schemes[seed%5])
		}
	}
}

// A class of fewer than three participants is hidden, with the next rarest if it is the
// only one, and reaches no goal.
func TestRareClasses(t *testing.T) {
	all := make([]told, 5)
	for i := range all {
		// Class 0 of all, class 1 of four, class 2 of two, class 3 of nobody.
		confusion := []int64{8, 1, 1, 0, 0, 6, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0}
		if i > 3 {
			confusion[5] = 0
		}
		if i > 1 {
			confusion[10] = 0
		}
		m := learn.Metrics{Confusion: confusion}
		for k, n := range confusion {
			m.Examples += int(n)
			if k%5 == 0 {
				m.Correct += int(n)
			}
		}
		all[i] = told{uint32(i + 1), m}
	}
	goals := []Goal{
		{Metric: Recall, Class: 0, Reach: .5}, {Metric: Recall, Class: 2, Reach: .5}, {Metric: Precision, Class: 2, Reach: .1},
	}
	var e Evaluation
	e.combine(all, data.Constants{}, goals, 3)
	if !slices.Equal(e.reached, []bool{true, false, false}) {
		t.Errorf("reached %v, want only that of the class of all", e.reached)
	}
	for c, hidden := range []bool{false, true, true, true} {
		if f := e.Classes[c]; math.IsNaN(f.Recall) != hidden || (f.Examples == 0) != hidden || hidden && slices.Max(e.Confusion[4*c:][:4]) > 0 {
			t.Errorf("class %d: %+v, hidden %v, want %v", c, f, !hidden, hidden)
		}
	}
	if e.Examples != 50+24+6 || math.IsNaN(e.Accuracy) {
		t.Errorf("%d examples, accuracy %v, want all of them", e.Examples, e.Accuracy)
	}
}

// The totals of all but one are what the others add up to.
func TestLeaveOneOut(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, classes := range []int{0, 3} {
		parts := make([]learn.Metrics, 6)
		var total learn.Metrics
		for i := range parts {
			m := learn.Metrics{Sums: learn.Sums{Loss: r.Float64()}}
			if classes == 0 {
				m.Examples = 1 + r.IntN(50)
				m.AbsoluteError, m.SquaredError, m.TargetMean, m.TargetSquares = r.Float64(), r.Float64(), r.NormFloat64(), r.Float64()
			} else {
				m.Confusion = make([]int64, 9)
				for k := range m.Confusion {
					m.Confusion[k] = r.Int64N(9)
					m.Examples += int(m.Confusion[k])
				}
			}
			parts[i] = m
			total.Add(m)
		}
		at := 0
		leaveOneOut(parts, total, func(got learn.Metrics) {
			var want learn.Metrics
			for i := range parts {
				if i != at {
					want.Add(parts[i])
				}
			}
			at++
			if got.Examples != want.Examples || !slices.Equal(got.Confusion, want.Confusion) || !near(got.Loss, want.Loss, 1e-12) ||
				!near(got.SquaredError, want.SquaredError, 1e-12) || !near(got.TargetSquares, want.TargetSquares, 1e-12) {
				t.Errorf("%d classes, without %d: %+v, want %+v", classes, at-1, got, want)
			}
		})
		if at != len(parts) {
			t.Errorf("%d parts are left out, want %d", at, len(parts))
		}
	}
}

// A participant whose socket is lost between the two steps of a survey, and one whose tab
// was frozen, are in it.
func TestSurveyInterrupted(t *testing.T) {
	for name, interrupt := range map[string]func(*testing.T, *village, *owner){
		"lost": func(t *testing.T, v *village, o *owner) {
			v.Leave(o.number, &o.fakePeer, Lost)
			v.rejoin(t, o)
		},
		"left": func(t *testing.T, v *village, o *owner) {
			v.Leave(o.number, &o.fakePeer, Left)
			v.rejoin(t, o)
		},
		"frozen": func(t *testing.T, v *village, o *owner) {
			v.deliver(t, o, o.client.SetTab(protocol.TabFrozen))
			v.deliver(t, o, o.client.SetTab(protocol.TabVisible))
		},
		"paused": func(t *testing.T, v *village, o *owner) {
			v.deliver(t, o, o.client.SetTab(protocol.TabPaused))
			v.deliver(t, o, o.client.SetTab(protocol.TabVisible))
		},
	} {
		for _, step := range []string{protocol.TotalsPayload, protocol.SquaresPayload} {
			s := homes()
			v := newVillage(t, s, nil)
			for i := range 3 {
				v.add(t, homesOf(t, s, 100, uint64(i)))
			}
			v.enough = func() bool { return v.enquiry.payload == protocol.SquaresPayload }
			if step == protocol.SquaresPayload {
				v.pump(t)
			}
			interrupt(t, v, v.owners[0])
			v.enough = func() bool { return v.Constants() != nil }
			v.pump(t)
			if v.Constants() == nil {
				t.Errorf("%s during %s: no constants, enquiry %+v", name, step, v.enquiry)
			}
			if o := v.owners[0]; o.faults > 0 {
				t.Errorf("%s during %s: %d faults of an honest participant", name, step, o.faults)
			}
		}
	}
}

// A tab that thaws when others have answered already is still counted, without a fault.
func TestThawedAnswer(t *testing.T) {
	s := homes()
	v := newVillage(t, s, nil)
	for i := range 4 {
		v.add(t, homesOf(t, s, 100, uint64(i)))
	}
	frozen, mute := v.owners[0], v.owners[1]
	mute.mute = true
	for _, m := range frozen.got {
		if out, err := frozen.client.Receive(m); err != nil || len(out) > 0 {
			t.Fatal(out, err)
		}
	}
	v.deliver(t, frozen, frozen.client.SetTab(protocol.TabFrozen))
	answer := frozen.client.Work(frozen.client.NewWorkspace(), 1)
	v.deliver(t, frozen, answer) // it was on its way
	if a := last[*protocol.Ack](&frozen.fakePeer); a == nil || a.Reason != protocol.ReasonAccepted || frozen.faults > 0 {
		t.Errorf("answered with %+v, %d faults, want accepted", a, frozen.faults)
	}
	v.deliver(t, frozen, answer)
	if a := last[*protocol.Ack](&frozen.fakePeer); a.Reason != protocol.ReasonDuplicate || len(v.survey.totals) != 1 {
		t.Errorf("its repetition is answered with %v, %d totals, want a duplicate", a.Reason, len(v.survey.totals))
	}
	for _, e := range v.journal.entries {
		if strings.Contains(e.Detail, "weight") {
			t.Errorf("the event log has the examples of a participant: %q", e.Detail)
		}
	}
}

// Enquiries of a restarted coordinator have numbers of their own, also where the one before
// made many at once.
func TestEnquiryNumbers(t *testing.T) {
	numbers := func(o *owner) (all []uint64) {
		for _, m := range o.got {
			if m, ok := m.(*protocol.Order); ok && m.Order >= protocol.EnquiryOrders {
				all = append(all, m.Order)
			}
		}
		return all
	}
	s := homes()
	v := newVillage(t, s, func(c *Config, _ *strategy.Config) { c.Stop.Rounds = 20 })
	for i := range 3 {
		v.add(t, homesOf(t, s, 100, uint64(i)))
	}
	v.pump(t)
	was := numbers(v.owners[0])
	saved := v.journal.saved()
	saved.Elapsed = 20 * time.Millisecond
	next := newVillage(t, s, func(c *Config, _ *strategy.Config) { c.Stop.Rounds, c.Saved = 40, saved })
	next.journal.commits = v.journal.commits
	next.env.now = v.env.now.Add(30 * time.Millisecond)
	for _, o := range v.owners {
		next.owners = append(next.owners, o)
		next.rejoin(t, o)
	}
	next.pump(t)
	now := numbers(v.owners[0])
	if len(was) < 20 || len(now) < 10 || slices.Max(was) >= slices.Min(now) {
		t.Errorf("enquiries %v after %v, want higher numbers", now, was)
	}
}

// The evaluation that a restart interrupted is made once participants are back, of the
// last version too.
func TestEvaluationAfterRestart(t *testing.T) {
	s := homes()
	v := newVillage(t, s, func(c *Config, _ *strategy.Config) { c.Stop.Rounds = 2 })
	for i := range 3 {
		v.add(t, homesOf(t, s, 100, uint64(i)))
	}
	v.enough = func() bool { return v.down.version == 2 }
	v.pump(t)
	saved := v.journal.saved()
	next := newVillage(t, s, func(c *Config, _ *strategy.Config) { c.Stop.Rounds, c.Saved = 2, saved })
	next.journal.commits, next.owners = v.journal.commits, v.owners
	for _, o := range next.owners {
		next.rejoin(t, o)
	}
	next.env.advance(next.cfg.RestartGrace)
	next.pump(t)
	if n := len(next.journal.evaluations); n != 1 || next.journal.evaluations[0].Version != 2 || next.finished != "2 rounds done" {
		t.Errorf("%d evaluations, finished %q, want one of version 2 before the end", n, next.finished)
	}
	nobody := newVillage(t, s, func(c *Config, _ *strategy.Config) { c.Stop.Rounds, c.Saved = 2, saved })
	nobody.env.advance(nobody.cfg.RestartGrace)
	if nobody.finished != "2 rounds done" {
		t.Errorf("a run whose participants stay away ends with %q", nobody.finished)
	}
}
