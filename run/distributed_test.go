package run

import (
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"fedtab/client"
	"fedtab/privacy/integers"
	"fedtab/privacy/secagg"
	"fedtab/privacy/secagg/native"
	"fedtab/strategy"
)

// distributed edits a lodge to one whose participants add the noise, of norm 1 at most. The
// coordinator has none to add.
func distributed(c *Config, s *strategy.Config) {
	differential(nil)(c, s)
	c.Secure.Terms.Noise, c.Secure.Terms.Clip, c.Secure.Terms.Examples = 1, 1, 1
}

// A version is the sum of what participants have contributed, their noise included, over the
// fixed C N; its record has the account alone.
func TestDistributedRound(t *testing.T) {
	l := newLodge(t, 5, distributed)
	l.until(1, 5*time.Minute)
	l.checkSums()
	if l.format.Length() != l.n {
		t.Fatalf("%d integers of %d parameters: something else is sent", l.format.Length(), l.n)
	}
	s := l.journal.sums[0]
	total, err := l.format.Decode(l.plain(&s), integers.Turn{Seed: l.cfg.Seed, Round: s.Round, Bound: s.Bound})
	if err != nil || s.Bound != 1 || len(s.Participants) != 5 {
		t.Fatalf("a bound of %g, %d participants, %v", s.Bound, len(s.Participants), err)
	}
	noised := 0.0
	for i, x := range client.OwnModels().Initial(l.cfg.Model, l.cfg.Seed) {
		sum := float64(total.Mean[i]) * total.Weight
		noised = max(noised, math.Abs(sum))
		if want := float64(x) + sum/5; !near(float64(l.down.params[i]), want, 1e-4) {
			t.Errorf("parameter %d is %v, want %v", i, l.down.params[i], want)
		}
	}
	if noised < .5 {
		t.Errorf("no parameter of the sum is beyond %g: it has no noise", noised)
	}
	c := l.journal.commits[0]
	if c.Spent == nil || c.Spent.Releases != 1 || !math.IsNaN(c.Weight) || !math.IsNaN(c.TrainLoss) || len(c.Participants)+len(c.Contributions) > 0 {
		t.Errorf("the record is %+v, want one release and no more", c)
	}
}

// An attempt that has no sum is charged, and so is that which a restart gives up: the noise of
// the next is drawn anew.
func TestDistributedRestart(t *testing.T) {
	first := newLodge(t, 4, distributed)
	for _, m := range first.members {
		m.stops = sendsReveal // all masked vectors come, and none is unmasked
	}
	first.pump(1)
	open := first.journal.opens[len(first.journal.opens)-1]
	second := newLodge(t, 0, func(c *Config, s *strategy.Config) {
		distributed(c, s)
		c.Saved = &Saved{Participants: 10, Open: &open}
		s.MinClients = 4
	})
	for range 4 {
		second.add()
	}
	second.until(1, 10*time.Minute)
	if len(second.journal.commits) == 0 {
		t.Fatalf("no version: %s", second.abandonedFor())
	}
	if c := second.journal.commits[0]; c.Spent.Releases < 2 || c.Round != 1 {
		t.Errorf("version %d with %d releases, want the first with that of the lost attempt too", c.Round, c.Spent.Releases)
	}
}

// muted has no random bytes for noise, which is read in larger pieces than keys.
type muted struct{ secagg.Primitives }

func (m muted) Random(b []byte) error {
	if len(b) > 1024 {
		return errors.New("no random bytes")
	}
	return m.Primitives.Random(b)
}

// A participant without random bytes declines, and the sum is that of the others: nothing
// leaves without its share.
func TestDistributedWithoutNoise(t *testing.T) {
	l := newLodge(t, 0, func(c *Config, s *strategy.Config) {
		distributed(c, s)
		s.MinClients = 5
	})
	l.primitives = func(i int, p native.Primitives) secagg.Primitives {
		if i == 0 {
			return muted{p}
		}
		return p
	}
	for range 5 {
		l.add()
	}
	l.until(1, 5*time.Minute)
	if len(l.journal.sums) != 1 || len(l.journal.sums[0].Participants) != 4 || slices.Contains(l.journal.sums[0].Participants, l.members[0].number) {
		t.Errorf("sums %+v, want one of all but the first", l.journal.sums)
	}
	if len(l.members[0].given) > 0 {
		t.Errorf("it has given %v", l.members[0].given)
	}
}
