package run

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"fedtab/client"
	"fedtab/learn/data"
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
