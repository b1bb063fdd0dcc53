package run

import (
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"fedtab/combine"
	"fedtab/privacy/account"
	"fedtab/protocol"
	"fedtab/strategy"

	"gonum.org/v1/gonum/stat/distuv"
)

// differential edits a fixture to a run that is differentially private: noise 1 and norms of at
// most 1. Its random bytes come from a source that goes on in the next process.
func differential(source io.Reader) func(*Config, *strategy.Config) {
	claim := account.Claim{Noise: 1, Rate: 1, Delta: 1e-3}
	return func(c *Config, _ *strategy.Config) {
		c.Differential = &Differential{
			Noise: func(uint64) io.Reader { return source }, Delta: claim.Delta,
			Epsilon: func(n uint64) (float64, error) { return claim.Epsilon(int(n)) },
		}
	}
}

// What is recorded of a round is its account, and nothing that depends on its contributions
// without noise.
func TestDifferentialRecord(t *testing.T) {
	f := newFixture(t, differential(rand.NewChaCha8([32]byte{1})))
	a, pa := f.join(t)
	b, pb := f.join(t)
	f.offer(a, pa, f.contribution(last[*protocol.Order](pa), 1, 7))
	f.offer(b, pb, f.contribution(last[*protocol.Order](pb), 1, 9))
	f.env.advance(time.Minute)
	if len(f.journal.commits) != 1 {
		t.Fatal("no version")
	}
	c := f.journal.commits[0]
	if s := c.Spent; s == nil || s.Releases != 1 || s.Delta != 1e-3 || math.Abs(s.Epsilon-2.8) > .5 {
		t.Fatalf("spent %+v, want one release", s)
	}
	if !math.IsNaN(c.Weight) || !math.IsNaN(c.TrainLoss) || c.Norms != nil || c.Times != nil || len(c.Participants)+len(c.Contributions) > 0 {
		t.Errorf("the record has more than the account: %+v", c)
	}
	if rec := f.Rounds()[0]; rec.Spent == nil || *rec.Spent != *c.Spent || rec.Participants != 0 {
		t.Errorf("the round's record is %+v", rec)
	}
	f.flush()
	for _, e := range f.journal.entries {
		if strings.Contains(e.Detail, "weight") {
			t.Errorf("the event log has the examples of a participant: %+v", e)
		}
	}
}

// A round in which nobody answers makes a version of noise.
func TestDifferentialEmpty(t *testing.T) {
	f := newFixture(t, differential(rand.NewChaCha8([32]byte{1})))
	f.join(t)
	f.join(t)
	_, _, before := f.Model()
	f.env.advance(2 * time.Minute)
	version, _, after := f.Model()
	if version != 1 || slices.Equal(before, after) {
		t.Errorf("version %d after a round without answers, want 1, with noise", version)
	}
}

// Without random bytes there is no version.
func TestDifferentialWithoutNoise(t *testing.T) {
	f := newFixture(t, differential(strings.NewReader("")))
	a, pa := f.join(t)
	b, pb := f.join(t)
	f.offer(a, pa, f.contribution(last[*protocol.Order](pa), 1, 7))
	f.offer(b, pb, f.contribution(last[*protocol.Order](pb), 1, 9))
	f.env.advance(time.Minute)
	if version, _, _ := f.Model(); version != 0 || f.State().Ledger.RolledBack != 1 {
		t.Errorf("version %d without noise", version)
	}
}

// A process that stops before a version is durable has released nothing: the next goes on with
// the same cohort, noise of its own and the same account. After a version the account goes on
// from what is recorded, and no noise is drawn again.
func TestDifferentialRestart(t *testing.T) {
	source := rand.NewChaCha8([32]byte{1})
	answer := func(f *fixture) {
		a, pa := f.join(t)
		b, pb := f.join(t)
		for _, p := range []struct {
			n uint32
			p *fakePeer
		}{{a, pa}, {b, pb}} {
			if o := last[*protocol.Order](p.p); o != nil {
				f.offer(p.n, p.p, f.contribution(o, 1, 5))
			}
		}
		f.env.advance(time.Minute)
	}
	first := newFixture(t, func(c *Config, s *strategy.Config) {
		differential(source)(c, s)
		c.Shards.Divide = false
	})
	a, pa := first.join(t)
	b, pb := first.join(t)
	first.env.hold = true // the disk
	first.offer(a, pa, first.contribution(last[*protocol.Order](pa), 1, 5))
	first.offer(b, pb, first.contribution(last[*protocol.Order](pb), 1, 5))
	first.env.advance(time.Minute)
	if version, _, _ := first.Model(); version != 0 {
		t.Fatal("the version is published before it is durable")
	}
	open := first.journal.opens[len(first.journal.opens)-1]
	first.env.release()
	lost := first.journal.commits[0] // what the first process would have released

	second := newFixture(t, func(c *Config, s *strategy.Config) {
		differential(source)(c, s)
		c.Saved = &Saved{Open: &open, Participants: 10}
		c.RestartGrace = time.Second
	})
	for _, n := range open.Cohort {
		p := &fakePeer{}
		if _, ok := second.Join(&hello, n, p); !ok {
			t.Fatalf("participant %d cannot come back", n)
		}
		if o := last[*protocol.Order](p); o == nil || o.Order != open.Order {
			t.Fatalf("participant %d gets %v, want its order %d again", n, o, open.Order)
		} else {
			second.offer(n, p, second.contribution(o, 1, 5))
		}
	}
	second.env.advance(time.Minute)
	if len(second.journal.commits) == 0 {
		t.Fatal("no version after the restart")
	}
	kept := second.journal.commits[0]
	if kept.Spent.Releases != 1 {
		t.Errorf("%d releases after a restart, want 1: nothing was released before", kept.Spent.Releases)
	}
	if slices.Equal(kept.Params, lost.Params) {
		t.Error("the noise of the first process was drawn again")
	}

	third := newFixture(t, func(c *Config, s *strategy.Config) {
		differential(source)(c, s)
		record := kept.Record()
		c.Saved = &Saved{Last: &kept, Participants: 10, Rounds: []RoundRecord{record}}
	})
	answer(third)
	if n := len(third.journal.commits); n != 1 {
		t.Fatalf("%d versions of the third process", n)
	}
	next := third.journal.commits[0]
	if next.Round != 2 || next.Spent.Releases != 2 {
		t.Errorf("version %d with %d releases, want 2 and 2", next.Round, next.Spent.Releases)
	}
	if claim, _ := (account.Claim{Noise: 1, Rate: 1, Delta: 1e-3}).Epsilon(2); next.Spent.Epsilon != claim {
		t.Errorf("epsilon %g, want %g", next.Spent.Epsilon, claim)
	}
	same := true
	for i := range next.Params {
		same = same && math.Abs(float64(next.Params[i]-kept.Params[i]-(kept.Params[i]-lost.Params[i]))) < 1e-6
	}
	if same {
		t.Error("noise is repeated")
	}
}

// An attack on the whole path of a version, from an answer to what is published: a run of one
// round, with and without a participant, many times. The attacker knows all else, and guesses
// which it was by the change of the model. What it shows must be below the claim, and within a
// factor of 2 of it.
func TestDifferentialAudit(t *testing.T) {
	runs := 12_000
	if !testing.Short() {
		runs = 40_000
	}
	const threshold = 2 // of the target's direction, in units of the noise
	source := rand.NewChaCha8([32]byte{2})
	says := func(there bool) (yes int) {
		for range runs {
			f := newFixture(t, differential(source))
			_, _, before := f.Model()
			a, pa := f.join(t)
			b, pb := f.join(t)
			f.offer(a, pa, f.contribution(last[*protocol.Order](pa), -1, 5))
			if there {
				f.offer(b, pb, f.contribution(last[*protocol.Order](pb), 10, 5)) // far beyond the bound
			}
			f.env.advance(time.Minute)
			version, _, after := f.Model()
			if version < 1 {
				t.Fatal("no version")
			}
			along := 0.0
			for i := range after {
				along += float64(after[i]-before[i]) * 2 / math.Sqrt(float64(f.n))
			}
			if along+1 > threshold { // less the other's contribution, of norm 1 the other way
				yes++
			}
		}
		return yes
	}
	right, wrong := says(true), says(false)
	const confidence, delta = .999, 1e-3
	low := distuv.Beta{Alpha: float64(right), Beta: float64(runs-right) + 1}.Quantile((1 - confidence) / 2)
	high := distuv.Beta{Alpha: float64(wrong) + 1, Beta: float64(runs - wrong)}.Quantile((1 + confidence) / 2)
	found := math.Log((low - delta) / high)
	claim, err := (account.Claim{Noise: 1, Rate: 1, Delta: delta}).Epsilon(1)
	if err != nil {
		t.Fatal(err)
	}
	if told := fmt.Sprintf("%d runs show epsilon >= %.3f, the claim is %.3f", runs, found, claim); found > claim || found < claim/2 {
		t.Errorf("%s: want it below, within a factor of 2", told)
	} else {
		t.Log(told)
	}
}

// lastRead remembers the last 32 bytes that were read.
type lastRead struct {
	io.Reader
	seed combine.Seed
}

func (l *lastRead) Read(b []byte) (int, error) {
	n, err := l.Reader.Read(b)
	copy(l.seed[:], b[:n])
	return n, err
}

// Noise of a tree is taken back as it was added, by the process after a restart too: after four
// rounds the model carries the noise of one node, the last.
func TestDifferentialTree(t *testing.T) {
	source := &lastRead{Reader: rand.NewChaCha8([32]byte{3})}
	var saved *Saved
	round := func(n int) *fixture {
		f := newFixture(t, func(c *Config, s *strategy.Config) {
			differential(source)(c, s)
			c.ID, c.Saved = "tree", saved
		})
		f.join(t)
		f.join(t)
		for range n {
			f.env.advance(2 * time.Minute) // nobody answers
		}
		return f
	}
	f := round(3)
	if n := len(f.journal.commits); n != 3 {
		t.Fatalf("%d versions, want 3", n)
	}
	first := make([]float32, f.n)
	f.cfg.Model.Init(first, f.cfg.Seed)
	last := f.journal.commits[2]
	saved = &Saved{Last: &last, Participants: 10, Rounds: f.Rounds()}
	f = round(1)
	if n := len(f.journal.commits); n != 1 || f.journal.commits[0].Spent.Releases != 4 {
		t.Fatalf("%d versions after a restart, want one, the fourth release", n)
	}
	normal, err := combine.NewNormal(rand.NewChaCha8(source.seed))
	if err != nil {
		t.Fatal(err)
	}
	for i, got := range f.journal.commits[0].Params {
		x, _ := normal.Next()
		if want := float64(first[i]) + x/2; math.Abs(float64(got)-want) > 1e-5 {
			t.Errorf("parameter %d is %g, want %g: the noise of one node over C N = 2", i, got, want)
		}
	}
}
