package run

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"fedtab/client"
	"fedtab/compress"
	"fedtab/learn/data"
	"fedtab/learn/rng"
	"fedtab/privacy/integers"
	"fedtab/privacy/secagg"
	"fedtab/privacy/secagg/native"
	"fedtab/privacy/terms"
	"fedtab/protocol"
	"fedtab/strategy"
)

// The first bytes of what a client sends in an attempt.
const (
	sendsKeys   = 1
	sendsShares = 3
	sendsMasked = 5
	sendsReveal = 9
)

// secureTerms are those of the tests: sums of 3 to 8, of which a third may drop out.
func secureTerms() protocol.SecureTerms {
	return protocol.SecureTerms{Min: 3, Max: 8, Dropout: .3, Corrupt: .1, Examples: 10, Bits: 16, Subset: 1}
}

// setupOf returns what a strategy is told of secure aggregation.
func setupOf(s *Secure) *strategy.Secure {
	if s == nil {
		return nil
	}
	t, _, err := terms.Of(s.Terms, nil, "", 1)
	if err != nil {
		panic(err)
	}
	setup := &strategy.Secure{Fewest: t.Fewest(int(s.Terms.Max)), Most: 100, Min: int(s.Terms.Min), Dropout: s.Terms.Dropout, Groups: s.Group > 0}
	if setup.Groups {
		setup.Fewest = 3 * s.Group
	}
	return setup
}

// masker is a participant of secure aggregation: a client behind a peer.
type masker struct {
	fakePeer
	number  uint32
	life    uint64 // clients that it has had
	client  *client.Client
	work    *client.Workspace
	read    int
	record  []byte              // what it has written down
	given   map[uint64][]uint32 // integers that it has made, by order
	stops   byte                // the kind of message before which it falls silent; 0: none
	silent  bool
	changes func(protocol.Message) protocol.Message // of what it sends; nil: nothing
	sent    []protocol.Message
}

// lodge is a run with secure aggregation and its participants.
type lodge struct {
	*fixture
	t       testing.TB
	members []*masker
	format  integers.Format
	width   int

	primitives func(i int, p native.Primitives) secagg.Primitives // of participant i; nil: p
	masks      func(i int, o *protocol.Order, values []uint32)    // changes the integers of participant i, unless nil
}

func newLodge(t testing.TB, n int, edit func(*Config, *strategy.Config)) *lodge {
	t.Helper()
	l := &lodge{t: t, fixture: newFixture(t, func(c *Config, sc *strategy.Config) {
		c.Shards = Shards{}
		c.Secure = &Secure{Terms: secureTerms(), Primitives: native.Primitives{}}
		sc.Epochs, sc.Batch, sc.MinClients = 1, 5, max(n, 2)
		if edit != nil {
			edit(c, sc)
		}
	})}
	var err error
	if _, l.format, err = terms.Of(l.cfg.Secure.Terms, nil, l.cfg.ID, l.n); err != nil {
		t.Fatal(err)
	}
	l.width = int(l.cfg.Secure.Terms.Bits)
	for range n {
		l.add()
	}
	return l
}

// add lets a participant join.
func (l *lodge) add() *masker {
	m := &masker{given: map[uint64][]uint32{}}
	l.members = append(l.members, m)
	l.begin(m, nil)
	l.join(m)
	return m
}

// begin gives a participant a client, perhaps what an earlier one has saved.
func (l *lodge) begin(m *masker, saved []byte) {
	i := slices.Index(l.members, m)
	m.life++
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], uint64(i+1))
	binary.LittleEndian.PutUint64(key[8:], m.life)
	var primitives secagg.Primitives = native.Primitives{Source: rand.NewChaCha8(key)}
	if l.primitives != nil {
		primitives = l.primitives(i, native.Primitives{Source: rand.NewChaCha8(key)})
	}
	m.client = client.New(client.Config{Task: "test", Secure: &client.Secure{
		Primitives: primitives, History: m.record,
		Persist: func(record []byte) error { m.record = slices.Clone(record); return nil },
		Masks: func(o *protocol.Order, values []uint32) {
			if l.masks != nil {
				l.masks(i, o, values)
			}
			m.given[o.Order] = slices.Clone(values)
		},
	}})
	examples := 5 + i%3
	images := data.Array{Dims: []int{examples, 2}, Data: make([]uint8, 2*examples)}
	labels := data.Array{Dims: []int{examples}, Data: make([]uint8, examples)}
	for j := range images.Data {
		images.Data[j] = uint8(37*i + 11*j)
	}
	for j := range labels.Data {
		labels.Data[j] = uint8((i + j) % 2)
	}
	set, err := data.NewSet(images, labels, 2)
	if err != nil {
		l.t.Fatal(err)
	}
	m.client.SetExamples(set)
	if saved != nil {
		if err := m.client.Restore(saved); err != nil {
			l.t.Fatal(err)
		}
	}
	m.work = nil
}

// join gives a participant a socket, also in place of one that is lost.
func (l *lodge) join(m *masker) {
	l.t.Helper()
	m.fakePeer, m.read = fakePeer{}, 0
	number, ok := l.Join(m.client.Hello(), m.number, &m.fakePeer)
	if !ok {
		l.t.Fatalf("participant %d cannot join: %v %s", m.number, m.closed, m.detail)
	}
	m.number = number
}

// leave loses a participant's socket, and with it what it has not read.
func (l *lodge) leave(m *masker, how Parting) {
	m.read = len(m.got)
	l.Leave(m.number, &m.fakePeer, how)
}

// turn gives a participant its next message, or lets it train. It reports whether there was
// something to do.
func (l *lodge) turn(m *masker) bool {
	l.t.Helper()
	switch {
	case m.silent:
		return false
	case m.read < len(m.got):
		msg := m.got[m.read]
		m.read++
		out, err := m.client.Receive(msg)
		if err != nil {
			l.t.Fatal(err)
		}
		l.send(m, append(out, m.client.Exchange()...))
	case m.client.Welcome() != nil && m.client.Ready():
		if m.work == nil {
			m.work = m.client.NewWorkspace()
		}
		l.send(m, m.client.Work(m.work, 1000))
	default:
		return false
	}
	return true
}

// send hands a participant's messages to the run, as a connection would.
func (l *lodge) send(m *masker, out []protocol.Message) {
	l.t.Helper()
	for _, msg := range out {
		if m.silent || m.stops != 0 && kindOf(msg) == m.stops {
			m.silent = true
			return
		}
		if m.changes != nil {
			if msg = m.changes(msg); msg == nil {
				continue
			}
		}
		m.sent = append(m.sent, msg)
		l.deliver(m, msg)
	}
}

func (l *lodge) deliver(m *masker, msg protocol.Message) {
	l.t.Helper()
	msg = l.carry(msg)
	if c, ok := msg.(*protocol.Contribution); ok {
		if l.Announce(m.number, &m.fakePeer, c) {
			l.Offer(m.number, &m.fakePeer, l.inspect(c))
		}
	} else if err := l.Receive(m.number, &m.fakePeer, msg); err != nil {
		l.t.Fatal(err)
	}
}

// carry returns a message as it arrives, in as many frames as it takes.
func (l *lodge) carry(msg protocol.Message) protocol.Message {
	l.t.Helper()
	var body protocol.Assembler
	for _, frame := range protocol.AppendFrames(nil, msg) {
		m, err := protocol.Decode(frame)
		if c, ok := m.(*protocol.Chunk); ok {
			m, err = body.Add(c)
		} else if err == nil && protocol.Announced(m) > 0 {
			m, err = nil, body.Start(m, protocol.MaxBlock, nil)
		}
		if err != nil {
			l.t.Fatal(err)
		}
		if m != nil {
			return m
		}
	}
	l.t.Fatalf("%v does not arrive", protocol.KindOf(msg))
	return nil
}

// kindOf returns the first byte of a message of secure aggregation, 0 of others.
func kindOf(m protocol.Message) byte {
	switch m := m.(type) {
	case *protocol.Secure:
		return m.Vectors[0].Block[0]
	case *protocol.Contribution:
		return m.Vectors[0].Block[0]
	}
	return 0
}

// pump carries messages until nothing happens, or the version is there.
func (l *lodge) pump(version uint64) {
	l.t.Helper()
	for busy := true; busy && l.down.version < version; {
		busy = false
		for _, m := range l.members {
			busy = l.turn(m) || busy
		}
	}
}

// until is pump, and lets time pass where nothing happens.
func (l *lodge) until(version uint64, most time.Duration) {
	l.t.Helper()
	for waited := time.Duration(0); l.down.version < version && waited < most; waited += time.Second {
		if l.pump(version); l.down.version < version {
			l.env.advance(time.Second)
		}
	}
}

// plain returns what the sum of some participants' integers says.
func (l *lodge) plain(s *Sum) []uint32 {
	l.t.Helper()
	total := secagg.NewSum(l.format.Length(), l.width)
	for _, m := range l.members {
		if slices.Contains(s.Participants, m.number) {
			if m.given[s.Order] == nil {
				l.t.Fatalf("participant %d is in the sum of order %d, and has given nothing", m.number, s.Order)
			}
			total.AddValues(m.given[s.Order])
		}
	}
	return total.Values(nil)
}

// checkSums fails unless every durable sum is that of what its participants gave.
func (l *lodge) checkSums() {
	l.t.Helper()
	for i := range l.journal.sums {
		s := &l.journal.sums[i]
		got := secagg.NewSum(l.format.Length(), l.width)
		if err := got.Add(s.Packed); err != nil || !slices.Equal(got.Values(nil), l.plain(s)) {
			l.t.Errorf("sum of %v: %v (%v), want %v", s.Participants, got.Values(nil), err, l.plain(s))
		}
		if len(s.Participants) < int(l.cfg.Secure.Terms.Min) {
			l.t.Errorf("a sum of %v, want at least %d", s.Participants, l.cfg.Secure.Terms.Min)
		}
	}
}

// wantMean fails unless the newest version is version 0 plus the mean that the newest sum says.
func (l *lodge) wantMean() {
	l.t.Helper()
	s := &l.journal.sums[len(l.journal.sums)-1]
	total, err := l.format.Decode(l.plain(s), integers.Turn{Seed: l.cfg.Seed, Round: s.Round, Bound: s.Bound})
	if err != nil {
		l.t.Fatal(err)
	}
	for i, x := range client.OwnModels().Initial(l.cfg.Model, l.cfg.Seed) {
		if want := x + total.Mean[i]; !near(float64(l.down.params[i]), float64(want), 1e-5) {
			l.t.Errorf("parameter %d is %v, want %v", i, l.down.params[i], want)
		}
	}
}

// abandonedFor returns the newest reason why an attempt was given up.
func (l *lodge) abandonedFor() string {
	if a := l.Run.abandoned; a != nil {
		return a.Reason
	}
	for _, e := range slices.Backward(l.journal.entries) {
		if e.Kind == "abandoned" {
			return e.Detail
		}
	}
	return ""
}

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
