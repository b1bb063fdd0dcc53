package run

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"fedtab/combine"
	"fedtab/learn"
	"fedtab/protocol"
	"fedtab/strategy"
)

// held is a contribution that a test keeps for the guard.
type held struct {
	vectors [][]float32
	kept    *int
}

func (h *held) Unpack() ([][]float32, func(), error) { return h.vectors, func() {}, nil }
func (h *held) Drop()                                { *h.kept-- }

// judged is a run of n whose guard has the loss 10 + 10 |first parameter|. kept counts the
// contributions that are held for it.
func judged(t *testing.T, n int, edit func(*Config, *strategy.Config)) (f *fixture, numbers []uint32, peers []*fakePeer, offer func(i int, value float32) protocol.Reason, kept *int) {
	t.Helper()
	f = newFixture(t, func(c *Config, s *strategy.Config) {
		c.Judge = func(params []float32) learn.Metrics { return measured(10 + 10*math.Abs(float64(params[0]))) }
		s.Guard, s.MinClients = 2, n
		if edit != nil {
			edit(c, s)
		}
	})
	kept = new(int)
	for range n {
		number, peer := f.join(t)
		numbers, peers = append(numbers, number), append(peers, peer)
	}
	offer = func(i int, value float32) protocol.Reason {
		o := f.inspect(f.contribution(last[*protocol.Order](peers[i]), value, 10))
		*kept++
		o.Packed = &held{[][]float32{slices.Clone(o.Vectors[0])}, kept}
		f.Offer(numbers[i], peers[i], o)
		return last[*protocol.Ack](peers[i]).Reason
	}
	return f, numbers, peers, offer, kept
}

// A liar is found, taken out and told so; the version is exactly the mean of the others,
// at the whole rate. Its next answers are judged, and do not count, until three are good.
func TestGuardFindsTheLiar(t *testing.T) {
	for _, n := range []int{2, 3, 7, 12} {
		for _, combiner := range []string{"", "geometric-median"} {
			if n < 3 && combiner != "" {
				continue
			}
			f, numbers, peers, offer, kept := judged(t, n, func(_ *Config, s *strategy.Config) { s.Combine = combiner })
			liar := (n - 1) / 2 // not the last, so that its answers come before the round is over
			_, _, base := f.Model()
			for i := range n {
				value := float32(.125)
				if i == liar {
					value = 60
					if combiner != "" {
						value = -60 // which the combiner itself withstands: nobody is blamed
					}
				}
				offer(i, value)
			}
			version, _, params := f.Model()
			if owed := f.Present()[liar].Owed; (owed > 0) != (combiner == "") {
				t.Errorf("%d, %q: the liar owes %d good answers", n, combiner, owed)
			}
			if version != 1 || f.State().Ledger.RolledBack != 0 {
				t.Fatalf("%d, %q: version %d, %d rolled back", n, combiner, version, f.State().Ledger.RolledBack)
			}
			if combiner != "" {
				continue
			}
			if params[0] != base[0]+.125 {
				t.Errorf("%d: moved by %g, want exactly the others' .125", n, params[0]-base[0])
			}
			if ack := last[*protocol.Ack](peers[liar]); ack.Reason != protocol.ReasonAbandoned || ack.Detail == "" {
				t.Errorf("%d: the liar is told %+v", n, ack)
			}
			if c := f.journal.commits[0]; len(c.Participants) != n-1 || slices.Contains(c.Participants, numbers[liar]) || len(c.Contributions) != n-1 {
				t.Errorf("%d: recorded of %v", n, c.Participants)
			}
			if *kept != 0 {
				t.Errorf("%d: %d contributions are still held", n, *kept)
			}
			for round := range 4 { // three that are judged, and one that counts
				_, _, before := f.Model()
				for i := range n {
					value := float32(0)
					if i == liar {
						value = float32(n) / 8
					}
					if got := offer(i, value); got != protocol.ReasonAccepted {
						t.Fatalf("%d, round %d: participant %d is answered %v", n, round, i, got)
					}
				}
				_, _, after := f.Model()
				if moved, want := after[0]-before[0], float32(round/3)/8; math.Abs(float64(moved-want)) > 1e-6 {
					t.Errorf("%d, round %d after it was found: moved by %g, want %g", n, round, moved, want)
				}
			}
			f.Flush()
			if !slices.Contains(f.journal.kinds, "taken out") || !slices.Contains(f.journal.kinds, "judged") {
				t.Errorf("the event log has %v", f.journal.kinds)
			}
		}
	}
}

// Where every contribution is bad, nobody is to blame: the round is rolled back.
func TestGuardBlamesNobody(t *testing.T) {
	f, _, _, offer, kept := judged(t, 4, nil)
	for i := range 4 {
		offer(i, 60)
	}
	if v, _, _ := f.Model(); v != 0 || f.State().Ledger.RolledBack != 1 || *kept != 0 {
		t.Errorf("version %d, %d rolled back, %d held; want 0, 1 and 0", v, f.State().Ledger.RolledBack, *kept)
	}
}

// Taking a contribution out leaves the very bits of a sum that never had it.
func TestTakenOutExactly(t *testing.T) {
	with, without := newSum(t, 5), newSum(t, 5)
	a, b := []float32{1e-7, -3.25, 64, 1e-30, .1}, []float32{.3, 17, -64, -1e-9, 1.0 / 3}
	without.AddScaled(a, 3.7, 3.7)
	with.AddScaled(a, 3.7, 3.7)
	p := part{accepted: accepted{packed: &held{[][]float32{b}, new(int)}}, multiplied: 1, add: strategy.Add{Scale: .123, Weight: 41}}
	for _, sign := range []float64{1, -1} {
		if err := p.addTo([]*combine.Sum{with}, sign); err != nil {
			t.Fatal(err)
		}
	}
	got, want := make([]float32, 5), make([]float32, 5)
	if with.Mean(got, got, 1) != nil || without.Mean(want, want, 1) != nil || !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func newSum(t *testing.T, n int) *combine.Sum {
	t.Helper()
	s, err := combine.NewSum(n, 1e9)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A run goes back to an earlier version by a new one with its very parameters; open work
// is given up, also while a version is being made.
func TestRewind(t *testing.T) {
	f, _, peers, offer, kept := judged(t, 3, nil)
	_, _, initial := f.Model()
	for range 2 {
		for i := range 3 {
			offer(i, 1)
		}
	}
	offer(0, 1) // one answer of round 3
	var got uint64
	f.Rewind(0, slices.Clone(initial), func(v uint64, err error) {
		if err != nil {
			t.Error(err)
		}
		got = v
	})
	if v, _, params := f.Model(); got != 3 || v != 3 || !slices.Equal(params, initial) || *kept != 0 {
		t.Fatalf("answered with %d at version %d, equal %v, %d held", got, v, slices.Equal(params, initial), *kept)
	}
	if ack := last[*protocol.Ack](peers[0]); ack.Reason != protocol.ReasonAbandoned {
		t.Errorf("the open answer is acknowledged with %v", ack.Reason)
	}
	if o := last[*protocol.Order](peers[0]); o.Base != 3 || o.Round != 4 {
		t.Errorf("the next order is on %d for round %d", o.Base, o.Round)
	}
	// While a version is being made, that one comes first.
	f.env.hold = true
	for i := range 3 {
		offer(i, 1)
	}
	got = 0
	f.Rewind(0, slices.Clone(initial), func(v uint64, _ error) { got = v })
	f.Rewind(0, initial, func(_ uint64, err error) {
		if err == nil {
			t.Error("a second way back is begun")
		}
	})
	if got != 0 {
		t.Error("it is answered before the open version is made")
	}
	f.env.release()
	f.env.advance(time.Second)
	if v, _, params := f.Model(); got != 5 || v != 5 || !slices.Equal(params, initial) {
		t.Errorf("answered with %d at version %d", got, v)
	}
	f.Rewind(1, initial[1:], func(_ uint64, err error) {
		if err == nil {
			t.Error("parameters of another model are taken")
		}
	})
	f.End("done")
	f.Rewind(0, initial, func(_ uint64, err error) {
		if err == nil {
			t.Error("a run that is over goes back")
		}
	})
}

// A run that is stopped gives up its open round, after a version that is being made.
func TestStop(t *testing.T) {
	f, _, peers, offer, kept := judged(t, 3, nil)
	for i := range 3 {
		offer(i, 1)
	}
	f.env.hold = true
	for i := range 3 {
		offer(i, 1)
	}
	var got uint64
	f.Stop("enough", func(v uint64, err error) {
		if err != nil {
			t.Error(err)
		}
		got = v
	})
	f.Stop("again", func(_ uint64, err error) {
		if err == nil || !strings.Contains(err.Error(), "already being stopped: enough") {
			t.Errorf("a second stop is answered with %v", err)
		}
	})
	if got != 0 || f.State().Finished != "" {
		t.Error("the run is over before its open version is made")
	}
	f.env.release()
	f.env.advance(time.Second)
	if s := f.State(); got != 2 || s.Finished != "enough" || s.Version != 2 || *kept != 0 {
		t.Errorf("answered with %d, state %+v, %d held", got, s, *kept)
	}
	if last[*protocol.Status](peers[0]).Reason != "enough" {
		t.Error("participants are not told why")
	}
	f.Stop("late", func(_ uint64, err error) {
		if err == nil || !strings.Contains(err.Error(), "is over: enough") {
			t.Errorf("a run that is over is stopped: %v", err)
		}
	})
	// In the middle of a round, at once; and where nothing can be written, it says so.
	f, _, _, offer, _ = judged(t, 3, nil)
	offer(0, 1)
	f.Stop("now", func(v uint64, err error) {
		if got = v; err != nil || v != 0 {
			t.Errorf("version %d, %v", v, err)
		}
	})
	if f.State().Finished != "now" {
		t.Error("it goes on")
	}
	f, _, _, _, _ = judged(t, 3, nil)
	f.journal.err = ErrPermanent
	var failed error
	f.Stop("now", func(_ uint64, err error) { failed = err })
	if !errors.Is(failed, ErrPermanent) {
		t.Errorf("answered with %v, want %v", failed, ErrPermanent)
	}
}

// A run goes back while no round is open too; a journal that fails for good is told.
func TestRewindWhileWaiting(t *testing.T) {
	var log logLines
	f := newFixture(t, func(c *Config, _ *strategy.Config) { c.Log = &log })
	_, _, initial := f.Model()
	for want := uint64(1); want <= 2; want++ {
		var got uint64
		f.Rewind(0, slices.Clone(initial), func(v uint64, err error) {
			if err != nil {
				t.Error(err)
			}
			got = v
		})
		if v, _, _ := f.Model(); got != want || v != want {
			t.Fatalf("answered with %d at version %d, want %d", got, v, want)
		}
		if loss := f.journal.commits[want-1].TrainLoss; !math.IsNaN(loss) {
			t.Errorf("version %d has a training loss of %g, want none", want, loss)
		}
	}
	if want := []string{"gone back to an earlier version version 1 model_of 0", "gone back to an earlier version version 2 model_of 0"}; !slices.Equal(log, want) {
		t.Errorf("the log has %q, want %q", log, want)
	}
	f.journal.err = ErrPermanent
	var failed error
	f.Rewind(0, initial, func(_ uint64, err error) { failed = err })
	if !errors.Is(failed, ErrPermanent) {
		t.Errorf("answered with %v, want %v", failed, ErrPermanent)
	}
}

// Under FedBuff the answers in the buffer are given up with it, and their senders are
// told; an order that is out goes on, and its answer counts.
func TestRewindBuffer(t *testing.T) {
	f, numbers, peers, offer, _ := judged(t, 3, func(_ *Config, s *strategy.Config) {
		*s = strategy.Config{Kind: "fedbuff", LR: .1, Guard: 2, MinClients: 3, Own: strategy.FedBuffSettings{Buffer: 9}}
	})
	first, out := last[*protocol.Order](peers[0]), last[*protocol.Order](peers[2])
	offer(0, 1)
	f.Rewind(0, make([]float32, f.n), func(_ uint64, err error) {
		if err != nil {
			t.Error(err)
		}
	})
	told := false
	for _, ack := range all[*protocol.Ack](peers[0]) {
		told = told || ack.Order == first.Order && ack.Reason == protocol.ReasonAbandoned
	}
	if !told {
		t.Error("the sender of the answer in the buffer is not told that it is lost")
	}
	if acks := all[*protocol.Ack](peers[2]); len(acks) != 0 {
		t.Errorf("a client that is at work is told %+v", acks[0])
	}
	f.Offer(numbers[2], peers[2], f.inspect(f.contribution(out, 1, 10)))
	if got := last[*protocol.Ack](peers[2]); got == nil || got.Reason != protocol.ReasonAccepted {
		t.Errorf("its answer is acknowledged with %+v", got)
	}
}
