package strategy

import (
	"slices"
	"strings"
	"testing"

	"fedtab/combine"
)

// personOf is the person behind a client of the tests below: clients 1 and 11, 2 and 12, ... are
// one.
func personOf(id ClientID) Person { return 1<<40 + Person(id%10) }

// Limits hold for a person, whoever's client it comes back as: at the same time, after it has
// left, after restarts, and after the way back to an earlier version. A person is in a cohort once.
func TestPersonLimits(t *testing.T) {
	secure := &Secure{Dropout: .4, Fewest: 2, Most: 3, Min: 2}
	for name, p := range map[string]Private{
		"a tree":            {Tree: &Tree{Participations: 2, Separation: 2}},
		"noise of the tabs": {Distributed: &Distributed{Participations: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			p.Noise, p.Vector, p.Clip, p.Population = 1, 1, 1, 3
			start := func() *rounds {
				setup := Setup{Seed: 3, MinCohort: 2, Live: true, Parameters: 2, Convex: true, Private: &p}
				if p.Distributed != nil {
					setup.Secure = secure
				}
				s, err := New(Config{Kind: "fedavg", Fraction: 1, LR: .1}.ForPrivate(1), setup)
				if err != nil {
					t.Fatal(err)
				}
				return s.(*rounds)
			}
			s, asked := start(), map[Person]int{}
			for attempt := range 12 {
				base := ClientID(100 * (attempt + 1)) // all have new numbers
				s.Step(Paused{})
				for id := ClientID(1); id <= 3; id++ {
					s.Step(Joined{Client: base + id, Person: personOf(id)})
					s.Step(Joined{Client: base + id + 10, Person: personOf(id)})
				}
				var cohort []ClientID
				for _, e := range slices.Clone(s.Step(Resumed{})) {
					if o, ok := e.(Open); ok {
						cohort = o.Cohort
					}
				}
				seen := map[Person]bool{}
				for _, id := range cohort {
					if who := personOf(id); seen[who] {
						t.Errorf("attempt %d asks person %d twice: %v", attempt, who, cohort)
					} else {
						seen[who] = true
						asked[who]++
					}
				}
				if s.state != opening {
					continue // all have been asked often enough
				}
				s.Step(Opened{s.version + 1})
				step := p.Tree != nil && attempt%3 < 2
				var end Event = Rewind{Plan: combine.Fixed{}} // gives the attempt up
				if step {
					end = Fired{timerDeadline} // nobody has answered
				}
				for _, e := range slices.Clone(s.Step(end)) {
					if c, ok := e.(Commit); ok {
						snapshot := slices.Concat(c.Snapshot, c.Seeds)
						if step {
							snapshot = append(snapshot, make([]byte, 32)...)
						}
						s = start()
						if err := s.Restore(snapshot); err != nil {
							t.Fatal(err)
						}
					}
				}
			}
			if len(asked) != 3 {
				t.Errorf("of 3 persons %d were asked", len(asked))
			}
			for who, n := range asked {
				if n != 2 {
					t.Errorf("person %d was asked %d times, want twice", who, n)
				}
			}
		})
	}
}

// Of a person with two clients one is drawn, and with the probability of one.
func TestPersonDraw(t *testing.T) {
	s := privately(t, Config{Fraction: .5}, Private{Noise: 1, Vector: 1, Clip: 1, Population: 3})
	asked, attempts := 0, 2000
	s.Step(Paused{})
	for _, id := range []ClientID{1, 11, 2} {
		s.Step(Joined{Client: id, Person: personOf(id)})
	}
	for range attempts {
		for _, e := range slices.Clone(s.Step(Resumed{})) {
			if o, ok := e.(Open); ok {
				if slices.Contains(o.Cohort, 11) {
					t.Fatal("both clients of a person are in the draw")
				}
				if slices.Contains(o.Cohort, 1) {
					asked++
				}
			}
		}
		s.Step(Paused{})
	}
	if asked < attempts/2-100 || asked > attempts/2+100 { // 4 standard deviations
		t.Errorf("a person with two clients is in %d of %d cohorts, want half", asked, attempts)
	}
}

// Without its seeds a tree cannot go on: a new one begins, where the account has room for it.
func TestTreeWithoutSeeds(t *testing.T) {
	p := Private{Noise: 1, Vector: 1, Clip: 1, Population: 3, Tree: &Tree{Participations: 9, Separation: 1}}
	s := privately(t, Config{Fraction: 1}, p)
	for step := range 3 {
		s.private.grow(combine.Seed{byte(step)})
	}
	snapshot := s.describe(3, false)
	if err := privately(t, Config{Fraction: 1}, p).Restore(snapshot); err == nil {
		t.Error("a tree goes on without its seeds")
	}
	cut := p
	cut.Tree = &Tree{Participations: 9, Separation: 1, Cuts: []int{3}}
	next := privately(t, Config{Fraction: 1}, cut)
	if err := next.Restore(snapshot); err != nil {
		t.Fatal(err)
	}
	if after, drop := next.private.stepped(); after.steps != 1 || len(drop) > 0 {
		t.Errorf("the step after a cut is number %d of its tree, and takes back %d nodes", after.steps, len(drop))
	}
	next.private.grow(combine.Seed{9})
	if after, drop := next.private.stepped(); next.private.releases != 4 || after.steps != 2 || len(drop) != 1 || drop[0] != (combine.Seed{9}) {
		t.Errorf("the tree after a cut: %d releases, step %d, takes back %v", next.private.releases, after.steps, drop)
	}
}

// A snapshot whose tree has steps is none of a run without a tree, and a cut one is none at all.
func TestBrokenTree(t *testing.T) {
	tree := Private{Noise: 1, Vector: 1, Clip: 1, Population: 3, Tree: &Tree{Participations: 9, Separation: 1}}
	s := privately(t, Config{Fraction: 1}, tree)
	for step := range 3 {
		s.private.grow(combine.Seed{byte(step)})
	}
	whole := slices.Concat(s.describe(3, false), s.seeds(false))
	if err := privately(t, Config{Fraction: 1}, tree).Restore(whole); err != nil {
		t.Fatal(err)
	}
	for n := range whole {
		if err := privately(t, Config{Fraction: 1}, tree).Restore(whole[:n]); err == nil {
			t.Errorf("%d of %d bytes are read", n, len(whole))
		}
	}
	shares := Private{Noise: 1, Vector: 1, Clip: 1, Population: 3, Distributed: &Distributed{Participations: 2}}
	d := stateReader{b: s.private.append(nil, false)}
	p := private{Private: shares}
	if err := p.read(&d); err == nil && d.end() == nil {
		t.Error("a run without a tree reads one")
	}
}

// A secret gives choices of its own, which repeat, and have all of its bits.
func TestSecretChoices(t *testing.T) {
	one, other := Setup{Secret: &[32]byte{1}}, Setup{Secret: &[32]byte{1, 31: 1}}
	first := one.stream("cohort", 1, 2).Uint64()
	if one.stream("cohort", 1, 2).Uint64() != first {
		t.Error("a secret does not repeat its choices")
	}
	for name, x := range map[string]uint64{
		"another secret": other.stream("cohort", 1, 2).Uint64(), "another purpose": one.stream("secure", 1, 2).Uint64(), "another round": one.stream("cohort", 2, 2).Uint64(),
		"a seed": (&Setup{Seed: 1}).stream("cohort", 1, 2).Uint64(),
	} {
		if x == first {
			t.Errorf("%s has the same choices", name)
		}
	}
	if x := one.chance("member", 1, 2); x < 0 || x >= 1 || x != one.chance("member", 1, 2) || x == other.chance("member", 1, 2) {
		t.Errorf("chance is %g", x)
	}
}

// A run with noise of a build that counted numbers of the run does not go on: they would be taken for
// persons. Neither does one with a snapshot of another kind.
func TestNoisedFormats(t *testing.T) {
	p := Private{Noise: 1, Vector: 1, Clip: 1, Population: 3}
	for name, c := range map[string]struct {
		r    *rounds
		want byte
	}{
		"noise of the coordinator": {privately(t, Config{Fraction: 1}, p), noisedFormat},
		"shares":                   {distributedly(t, 2), secureNoisedFormat},
	} {
		whole := c.r.snapshot(1)
		for format := range byte(9) {
			err := c.r.Restore(slices.Concat([]byte{format}, whole[1:]))
			switch old := format >= 1 && format <= secureRoundsFormat; {
			case format == c.want && err != nil:
				t.Errorf("%s: format %d: %v", name, format, err)
			case format != c.want && err == nil:
				t.Errorf("%s: format %d is read", name, format)
			case old != (err != nil && strings.Contains(err.Error(), "a run with noise that such a build began does not go on")):
				t.Errorf("%s: format %d: %v", name, format, err)
			}
		}
	}
}
