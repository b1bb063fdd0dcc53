package run

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"fedtab/compress"
	"fedtab/learn/data"
	"fedtab/learn/rng"
	"fedtab/protocol"
	"fedtab/strategy"
)

// A round of five: the run learns their sum, writes it down before the version, and no
// contribution of one of them is anywhere.
func TestSecureRound(t *testing.T) {
	l := newLodge(t, 5, nil)
	l.pump(1)
	l.checkSums()
	l.wantMean()
	c := l.journal.commits[0]
	if want := []uint32{1, 2, 3, 4, 5}; !slices.Equal(c.Participants, want) || len(c.Contributions) != 5 || len(l.journal.sums) != 1 {
		t.Errorf("participants %v, %d contributions and %d sums, want %v, 5 and 1", c.Participants, len(c.Contributions), len(l.journal.sums), want)
	}
	// Of ten examples at most, they have 5, 6, 7, 5 and 6.
	if !near(c.Weight, 29, 1e-3) || c.Norms != nil && c.Norms.Max != 0 {
		t.Errorf("weight %g and norms %+v, want 29 and none", c.Weight, c.Norms)
	}
	for _, k := range c.Contributions {
		if k.Weight != 0 || k.Fingerprint != 0 {
			t.Errorf("%+v, want no weight and no fingerprint of one participant", k)
		}
	}
	for _, m := range l.members {
		if m.client.Progress().Accepted != 1 || m.faults > 0 {
			t.Errorf("participant %d: %+v and %d faults, want one accepted contribution", m.number, m.client.Progress(), m.faults)
		}
	}
}

// Those who fall silent in a phase are not in the sum if they have sent no vector. With too
// many there is no sum, and the attempt is given up with the phase as its reason.
func TestSecurePhases(t *testing.T) {
	for _, test := range []struct {
		name    string
		kind    byte
		silent  int
		in      int    // participants of the sum; 0: there is none
		because string // there is none
	}{
		{"keys, two of seven", sendsKeys, 2, 5, ""},
		{"shares, two of seven", sendsShares, 2, 5, ""},
		{"masked vectors, two of seven", sendsMasked, 2, 5, ""},
		{"shares that unmask, two of seven", sendsReveal, 2, 7, ""},
		{"keys, five of seven", sendsKeys, 5, 0, "keys: secure aggregation: too few clients"},
		{"shares, five of seven", sendsShares, 5, 0, "shares: secure aggregation: too few clients"},
		{"masked vectors, five of seven", sendsMasked, 5, 0, "2 of 7 contributions"},
		{"shares that unmask, five of seven", sendsReveal, 5, 0, "unmask: secure aggregation: shares"},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := newLodge(t, 7, nil)
			for _, m := range l.members[:test.silent] {
				m.stops = test.kind
			}
			for range 120 {
				if l.pump(1); l.down.version > 0 || l.abandonedFor() != "" {
					break
				}
				l.env.advance(time.Second)
			}
			if test.in == 0 {
				why := l.abandonedFor()
				l.Flush()
				for _, e := range l.journal.entries {
					if e.Kind == "no sum" {
						why += "; " + e.Detail
					}
				}
				if l.down.version != 0 || len(l.journal.sums) != 0 || !strings.Contains(why, test.because) {
					t.Errorf("version %d, %d sums, given up because %q, want none and %q", l.down.version, len(l.journal.sums), why, test.because)
				}
				return
			}
			if l.down.version != 1 || len(l.journal.sums) != 1 || len(l.journal.sums[0].Participants) != test.in {
				t.Fatalf("version %d with sums %+v, want version 1 and one sum of %d", l.down.version, l.journal.sums, test.in)
			}
			l.checkSums()
			l.wantMean()
		})
	}
}

// A participant that was too late for the keys is not waited for: the sum of the others is
// there before the strategy's time is up.
func TestSecureLateKeys(t *testing.T) {
	l := newLodge(t, 7, nil)
	l.members[0].stops = sendsKeys
	l.until(1, 30*time.Second) // the deadline is a minute, a phase a quarter of it
	if l.down.version != 1 {
		t.Fatalf("version %d after half of the time, want 1", l.down.version)
	}
	l.wantMean()
}

// What the strategy has waited for, and the group has not begun, has no sum.
func TestSecureKeysTooSlow(t *testing.T) {
	l := newLodge(t, 5, nil)
	for _, m := range l.members {
		m.stops = sendsShares
	}
	l.pump(1)
	g := l.secure.attempt.groups[0]
	l.Run.unmask(strategy.Unmask{Round: 1})
	if !strings.Contains(g.why, "the time for training was over") || l.open != nil {
		t.Errorf("the group goes on: %q", g.why)
	}
}

// A participant that has lost its socket gets the message of the phase again; one that has
// been reloaded has lost its keys, says so, and the others do not wait for it.
func TestSecureComesBack(t *testing.T) {
	for _, test := range []struct {
		name   string
		kind   byte // it loses its socket before it sends that
		reload bool
		in     int
	}{
		{"before its keys", sendsKeys, false, 6},
		{"before its shares", sendsShares, false, 6},
		{"before its masked vector", sendsMasked, false, 6},
		{"before its shares of others", sendsReveal, false, 6},
		{"reloaded before its keys", sendsKeys, true, 5},
		{"reloaded before its shares", sendsShares, true, 5},
		{"reloaded with a masked vector that was not sent", sendsMasked, true, 6},
		{"reloaded after its masked vector", sendsReveal, true, 6},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := newLodge(t, 6, nil)
			m := l.members[0]
			m.stops = test.kind
			l.pump(1)
			if !m.silent {
				t.Fatal("it has not stopped")
			}
			l.leave(m, Lost)
			m.silent, m.stops = false, 0
			if test.reload {
				l.begin(m, m.client.Save())
			}
			l.join(m)
			began := l.env.now
			l.pump(1)
			if l.down.version != 1 || l.env.now != began {
				t.Fatalf("version %d, want 1 without a deadline; given up: %q", l.down.version, l.abandonedFor())
			}
			if got := l.journal.sums[0].Participants; len(got) != test.in {
				t.Errorf("the sum is of %v, want %d", got, test.in)
			}
			if m.faults > 0 {
				t.Errorf("%d faults of an honest participant, want none", m.faults)
			}
			l.checkSums()
			l.wantMean()
		})
	}
}

// A restart with a durable sum commits that sum, and asks nobody; without one it gives the
// attempt up, as the keys are gone.
func TestSecureRestart(t *testing.T) {
	l := newLodge(t, 5, nil)
	l.pump(1)
	first := l.down.params
	restart := func(edit func(*Saved, *Config)) *lodge {
		saved := &Saved{Participants: 513, Open: &l.journal.opens[0], Sums: slices.Clone(l.journal.sums)}
		return newLodge(t, 0, func(c *Config, sc *strategy.Config) {
			sc.MinClients = 5
			c.Saved = saved
			if edit != nil {
				edit(saved, c)
			}
		})
	}
	with := restart(nil)
	if with.down.version != 1 || !slices.Equal(with.down.params, first) || !slices.Equal(with.journal.commits[0].Participants, []uint32{1, 2, 3, 4, 5}) {
		t.Errorf("version %d is %v of %+v, want the sum's, %v", with.down.version, with.down.params, with.journal.commits, first)
	}
	for _, test := range []struct {
		name string
		edit func(*Saved, *Config)
		want string
	}{
		{"no sum", func(s *Saved, _ *Config) { s.Sums = nil }, "the coordinator was restarted while participants exchanged masks"},
		{"a sum of an earlier attempt", func(s *Saved, _ *Config) { s.Sums[0].Order = 0 }, "the coordinator was restarted"},
		{"a sum that is cut off", func(s *Saved, _ *Config) { s.Sums[0].Packed = s.Sums[0].Packed[1:] }, "integers of"},
		{"a sum of other settings", func(_ *Saved, c *Config) { c.Secure.Terms.Bits = 20 }, "integers of"},
		{"a sum that is no update's", func(s *Saved, _ *Config) {
			s.Sums[0].Packed = slices.Repeat([]byte{0xff}, len(s.Sums[0].Packed))
		}, "what is not an update"},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := restart(test.edit)
			if why := l.abandonedFor(); l.down.version != 0 || l.open != nil || !strings.Contains(why, test.want) {
				t.Errorf("version %d, given up because %q, want %q", l.down.version, why, test.want)
			}
		})
	}
	// A restart in a pause gives the attempt up with its sum: what follows is another attempt.
	paused := restart(func(s *Saved, _ *Config) { s.Paused = "a break" })
	if paused.down.version != 0 || paused.open != nil {
		t.Errorf("version %d, open %+v, want neither in a pause", paused.down.version, paused.open)
	}
}

// The sum is written down before it is used, and used once that is durable.
func TestSecureJournal(t *testing.T) {
	l := newLodge(t, 5, nil)
	for _, m := range l.members {
		m.stops = sendsReveal
	}
	l.pump(1)
	l.journal.err = fmt.Errorf("the disk is full")
	for _, m := range l.members {
		m.silent, m.stops = false, 0
		l.leave(m, Lost)
		l.join(m)
	}
	l.pump(1)
	if l.down.version != 0 || len(l.journal.sums) != 0 || l.secure.attempt.groups[0].total != nil {
		t.Fatalf("version %d with %d sums, want neither while the disk is full", l.down.version, len(l.journal.sums))
	}
	l.journal.err = nil
	l.env.advance(time.Minute)
	if l.down.version != 1 || len(l.journal.sums) != 1 {
		t.Errorf("version %d with %d sums, want 1 and 1", l.down.version, len(l.journal.sums))
	}
}

// Groups have a sum each, and their means are combined; a group that fails leaves two, which
// are too few for the median.
func TestSecureGroups(t *testing.T) {
	groups := func(c *Config, sc *strategy.Config) {
		c.Secure.Group, c.Secure.Terms.Max, c.Secure.Terms.Dropout, c.Secure.Terms.Corrupt = 4, 7, .1, .01
		sc.Combine = "median"
	}
	l := newLodge(t, 13, groups)
	l.pump(1)
	if l.down.version != 1 || len(l.journal.sums) != 3 {
		t.Fatalf("version %d and %d sums, want 1 and 3", l.down.version, len(l.journal.sums))
	}
	l.checkSums()
	seen := map[uint32]bool{}
	for _, s := range l.journal.sums {
		if len(s.Participants) < 4 || len(s.Participants) > 5 {
			t.Errorf("a group of %v, want 4 or 5", s.Participants)
		}
		for _, p := range s.Participants {
			seen[p] = true
		}
	}
	if len(seen) != 13 || len(l.journal.commits[0].Contributions) != 13 {
		t.Errorf("%d participants in the groups, want 13", len(seen))
	}

	l = newLodge(t, 13, groups)
	for _, p := range slices.Sorted(maps.Keys(l.secure.attempt.of)) {
		if l.secure.attempt.of[p].index == 0 {
			l.members[p-1].stops = sendsMasked
		}
	}
	l.until(1, 2*time.Minute)
	if l.down.version != 0 || l.abandonedFor() == "" {
		t.Errorf("version %d of two groups, want none", l.down.version)
	}
}

// What is no masked vector of the attempt is refused, and the reason says what is wrong.
func TestSecureRefuses(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(c *protocol.Contribution)
		want   protocol.Reason
	}{
		{"a weight", func(c *protocol.Contribution) { c.Weight = 2 }, protocol.ReasonOutOfBounds},
		{"no weight", func(c *protocol.Contribution) { c.Weight = 0 }, protocol.ReasonOutOfBounds},
		{"examples", func(c *protocol.Contribution) { c.Metrics.Examples = 7 }, protocol.ReasonOutOfBounds},
		{"a loss", func(c *protocol.Contribution) { c.Metrics.LossSum = 1 }, protocol.ReasonOutOfBounds},
		{"another length", func(c *protocol.Contribution) { v := &c.Vectors[0]; v.Block = v.Block[:len(v.Block)-1] }, protocol.ReasonWrongShape},
		{"another modulus", func(c *protocol.Contribution) { c.Vectors[0].Block = append(c.Vectors[0].Block, 0, 0) }, protocol.ReasonWrongShape},
		{"another attempt", func(c *protocol.Contribution) { c.Vectors[0].Block[5] ^= 1 }, protocol.ReasonWrongShape},
		{"another kind of message", func(c *protocol.Contribution) { c.Vectors[0].Block[0] = sendsKeys }, protocol.ReasonWrongShape},
		{"bytes", func(c *protocol.Contribution) { c.Vectors[0].Kind = protocol.PayloadBytes }, protocol.ReasonWrongShape},
		{"another name", func(c *protocol.Contribution) { c.Vectors[0].Name = "other" }, protocol.ReasonWrongShape},
		{"two vectors", func(c *protocol.Contribution) { c.Vectors = append(c.Vectors, c.Vectors[0]) }, protocol.ReasonWrongShape},
		{"a plain delta", func(c *protocol.Contribution) {
			c.Vectors = []protocol.Vector{{Role: protocol.RoleDelta, Block: compress.AppendFloat32(nil, make([]float32, 6))}}
		}, protocol.ReasonWrongShape},
		{"another round", func(c *protocol.Contribution) { c.Round++ }, protocol.ReasonUnordered},
		{"another order", func(c *protocol.Contribution) { c.Order++ }, protocol.ReasonUnordered},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := newLodge(t, 7, nil)
			liar := l.members[6]
			liar.changes = func(m protocol.Message) protocol.Message {
				c, ok := m.(*protocol.Contribution)
				if !ok {
					return m
				}
				changed := *c
				changed.Vectors = slices.Clone(c.Vectors)
				changed.Vectors[0].Block = slices.Clone(c.Vectors[0].Block)
				test.change(&changed)
				return &changed
			}
			for l.down.version == 0 && last[*protocol.Ack](&liar.fakePeer) == nil {
				if l.turn(liar) {
					continue
				}
				for _, m := range l.members {
					l.turn(m)
				}
			}
			if a := last[*protocol.Ack](&liar.fakePeer); a == nil || a.Reason != test.want {
				t.Fatalf("answered %+v, want %v", a, test.want)
			}
			l.until(1, 2*time.Minute)
			if l.down.version != 1 || slices.Contains(l.journal.sums[0].Participants, liar.number) {
				t.Fatalf("version %d of %+v, want one without the liar", l.down.version, l.journal.sums)
			}
			l.wantMean()
		})
	}
}

// A participant whose shares are garbage spoils an attempt, as its own secret does not reconstruct.
// It is known by that, and the attempts that follow go without it.
func TestSecureSpoiled(t *testing.T) {
	l := newLodge(t, 7, func(_ *Config, sc *strategy.Config) { sc.MinClients = 5 })
	spoiler := l.members[6]
	spoiler.changes = func(m protocol.Message) protocol.Message {
		if s, ok := m.(*protocol.Secure); ok && kindOf(m) == sendsShares {
			changed := *s
			changed.Vectors = slices.Clone(s.Vectors)
			block := slices.Clone(s.Vectors[0].Block)
			for i := range block[17:] {
				block[17+i] ^= 0x55
			}
			changed.Vectors[0].Block = block
			return &changed
		}
		return m
	}
	l.until(3, 5*time.Minute)
	l.Flush()
	var spoiled []uint32
	for _, e := range l.journal.entries {
		if e.Kind == "spoiled" {
			spoiled = append(spoiled, e.Participant)
		}
	}
	if l.down.version != 3 || len(spoiled) == 0 || slices.ContainsFunc(spoiled, func(p uint32) bool { return p != spoiler.number }) {
		t.Fatalf("version %d, spoiled by %v, want 3, and participant %d alone", l.down.version, spoiled, spoiler.number)
	}
	for _, s := range l.journal.sums {
		if slices.Contains(s.Participants, spoiler.number) {
			t.Errorf("a sum is of %v, with the spoiler", s.Participants)
		}
	}
}

// Messages that are repeated, garbled or of another attempt change nothing; those that mean
// nothing count against their sender.
func TestSecureMessages(t *testing.T) {
	l := newLodge(t, 6, nil)
	l.members[0].changes = func(m protocol.Message) protocol.Message {
		if s, ok := m.(*protocol.Secure); ok {
			for _, block := range [][]byte{{}, {0}, {sendsReveal}, {sendsKeys, 1, 2}, append([]byte{s.Vectors[0].Block[0]}, make([]byte, 80)...)} {
				garbled := *s
				garbled.Vectors = []protocol.Vector{{Kind: protocol.PayloadBytes, Name: protocol.SecurePayload, Block: block}}
				l.receiveSecure(l.roster.members[1], &garbled)
			}
			l.receiveSecure(l.roster.members[1], &protocol.Secure{Order: s.Order})
			l.receiveSecure(l.roster.members[1], &protocol.Secure{Order: s.Order + 1})
		}
		return m
	}
	l.members[1].changes = func(m protocol.Message) protocol.Message {
		for _, old := range l.members[1].sent {
			if s, ok := old.(*protocol.Secure); ok {
				l.receiveSecure(l.roster.members[2], s)
			}
		}
		return m
	}
	l.pump(1)
	if l.down.version != 1 || len(l.journal.sums[0].Participants) != 6 {
		t.Fatalf("version %d of %+v, want one of all", l.down.version, l.journal.sums)
	}
	if l.members[0].faults < 6 || l.members[1].faults != 0 || l.members[2].faults != 0 {
		t.Errorf("%d faults of what is garbled, %d and %d of repeats and honesty, want at least 6, and 0", l.members[0].faults, l.members[1].faults, l.members[2].faults)
	}
	l.wantMean()
}

// A client without the cryptography is told so at the door.
func TestSecureCapability(t *testing.T) {
	l := newLodge(t, 0, nil)
	p := &fakePeer{}
	if _, ok := l.Join(&hello, 0, p); ok || p.closed != protocol.CloseCapability || !strings.Contains(p.detail, "secure aggregation") {
		t.Errorf("joined %v, closed %v %q, want capability", ok, p.closed, p.detail)
	}
}

// A run whose terms are not possible does not start.
func TestSecureTerms(t *testing.T) {
	m := newLodge(t, 0, nil).cfg
	m.Secure = &Secure{Terms: protocol.SecureTerms{Min: 3, Max: 3, Dropout: .5, Corrupt: .4, Bits: 16, Subset: 1, Examples: 1}}
	if _, err := New(m, &fakeEnv{}); err == nil || !strings.Contains(err.Error(), "secure aggregation") {
		t.Errorf("got %v, want an error of the terms", err)
	}
	for _, o := range []*Own{{Schema: homes()}, {Schema: &data.Schema{Scale: data.NoScale}, Holdouts: true}} {
		m.Secure, m.Own = &Secure{Terms: secureTerms()}, o
		if _, err := New(m, &fakeEnv{}); err == nil || !strings.Contains(err.Error(), "single participants tell") {
			t.Errorf("%+v: got %v, want to refuse what participants tell by themselves", o, err)
		}
	}
}

// In whatever order messages, losses, reloads and time come: every durable sum is that of what
// its participants gave, and once nothing goes wrong any more there is a version.
func TestSecureAnyOrder(t *testing.T) {
	for seed := range uint64(60) {
		l := newLodge(t, 6, nil)
		r := rng.Stream(seed, "events")
		for range 150 {
			m := l.members[r.IntN(len(l.members))]
			switch {
			case l.down.version >= 2:
			case r.IntN(40) == 0:
				l.leave(m, Lost)
				l.join(m)
			case r.IntN(60) == 0:
				l.leave(m, Lost)
				l.begin(m, m.client.Save())
				l.join(m)
			case r.IntN(60) == 0:
				l.env.advance(time.Duration(r.IntN(20)) * time.Second)
			default:
				l.turn(m)
			}
		}
		l.until(l.down.version+1, 10*time.Minute)
		if l.down.version < 1 {
			t.Fatalf("seed %d: no version; given up: %q", seed, l.abandonedFor())
		}
		l.checkSums()
		for _, m := range l.members {
			if m.faults > 0 {
				t.Errorf("seed %d: %d faults of an honest participant", seed, m.faults)
			}
		}
	}
}
