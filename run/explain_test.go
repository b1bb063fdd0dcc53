package run

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"fedtab/learn/rng"
	"fedtab/privacy/secagg"
	"fedtab/privacy/secagg/native"
	"fedtab/privacy/terms"
	"fedtab/protocol"
	"fedtab/strategy"
)

// observed is a participant's cryptography. It notes the keys of its masks and its secrets, and
// puts other masks in place of some.
type observed struct {
	native.Primitives
	keys    *[]string
	secrets *[]byte
	others  map[string][]uint32 // what is added to a mask, by its key
}

func (p observed) Random(b []byte) error {
	err := p.Primitives.Random(b)
	*p.secrets = append(*p.secrets, b...)
	return err
}

func (p observed) Stream(key []byte) (secagg.Stream, error) {
	s, err := p.Primitives.Stream(key)
	*p.keys = append(*p.keys, string(key))
	if change := p.others[string(key)]; change != nil && err == nil {
		s = &changed{s, change}
	}
	return s, err
}

// changed is a key stream of 16 bits for each integer, to which something is added.
type changed struct {
	secagg.Stream
	by []uint32
}

func (c *changed) Next(b []byte) error {
	err := c.Stream.Next(b)
	for i := 0; i < len(b); i += 2 {
		binary.LittleEndian.PutUint16(b[i:], binary.LittleEndian.Uint16(b[i:])+uint16(c.by[0]))
		c.by = c.by[1:]
	}
	return err
}

// world is a whole run, as the coordinator has it, and as its participants have.
type world struct {
	received []byte      // all messages of all participants, in the order of their arrival
	sent     []byte      // all that it has answered
	models   [][]float32 // the versions
	sums     []Sum       // as they were written down
	keys     [][]string  // of masks, by participant, in the order of their use
	secrets  [][]byte    // by participant
	given    []map[uint64][]uint32
	public   map[uint64][][]byte // key that decides who adds a mask and who subtracts it, by order and participant
}

const explained = 3 // rounds, and an attempt that fails

// live makes a run of nine, of which some drop out: in its first attempt so many that it fails,
// after masked vectors have come, and in each round one before its masked vector and one after.
// others are masks to put in place of some, and masks changes what participants give.
func live(t *testing.T, others map[string][]uint32, masks func(i int, o *protocol.Order, values []uint32)) *world {
	const n = 9
	w := &world{keys: make([][]string, n), secrets: make([][]byte, n), public: map[uint64][][]byte{}}
	l := newLodge(t, 0, func(c *Config, sc *strategy.Config) {
		c.Secure.Terms.Max = 9
		sc.MinClients = n
	})
	l.masks = masks
	l.primitives = func(i int, p native.Primitives) secagg.Primitives {
		return observed{p, &w.keys[i], &w.secrets[i], others}
	}
	for range n {
		m := l.add()
		i := len(l.members) - 1
		m.changes = func(msg protocol.Message) protocol.Message {
			if s, ok := msg.(*protocol.Secure); ok && kindOf(msg) == sendsKeys {
				if w.public[s.Order] == nil {
					w.public[s.Order] = make([][]byte, n)
				}
				w.public[s.Order][i] = s.Vectors[0].Block[17:][:secagg.KeySize]
			}
			w.received = protocol.Append(append(w.received, byte(i)), msg)
			return msg
		}
	}
	for _, m := range l.members[:6] {
		m.stops = sendsReveal
	}
	for range 120 { // the first attempt is given up
		if l.pump(1); l.newestOrder > 1 {
			break
		}
		l.env.advance(time.Second)
	}
	for _, m := range l.members {
		m.silent, m.stops = false, 0
		l.leave(m, Lost)
		l.join(m)
	}
	for version := range uint64(explained) {
		l.members[version].stops, l.members[version+3].stops = sendsMasked, sendsReveal
		l.until(version+1, 10*time.Minute)
		if l.down.version != version+1 {
			t.Fatalf("version %d, want %d; given up: %q", l.down.version, version+1, l.abandonedFor())
		}
		w.models = append(w.models, l.down.params)
		for _, m := range l.members {
			if m.silent {
				m.silent, m.stops = false, 0
				l.leave(m, Lost)
				l.join(m)
			}
		}
	}
	for _, m := range l.members {
		w.given = append(w.given, m.given)
		for _, msg := range m.got {
			w.sent = protocol.Append(w.sent, msg)
		}
	}
	w.sums = l.journal.sums
	return w
}

// All that a coordinator receives in a run, its versions, and the secrets of all participants
// but two, t-1 of which may collude, are explained by other updates of these two with the same
// sum: the same program, with the other updates and another mask of this pair, sends the same
// bytes.
func TestOtherUpdatesExplainTheRun(t *testing.T) {
	const a, b = 7, 8
	real := live(t, nil, nil)
	s := secureTerms()
	s.Max = 9
	of, format, err := terms.Of(s, nil, "test", 6)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := of.Parameters(9); err != nil || p.Neighbours != 8 {
		t.Fatalf("%+v (%v), want all to be neighbours", p, err)
	}

	// Each attempt has one key that both of them have, of the mask of their pair.
	var shared []string
	for _, key := range real.keys[a] {
		if slices.Contains(real.keys[b], key) {
			shared = append(shared, key)
		}
	}
	orders := slices.Sorted(maps.Keys(real.given[a]))
	if len(orders) != len(shared) || len(orders) <= explained {
		t.Fatalf("%d keys of both, in attempts %v, want one for each", len(shared), orders)
	}
	r := rng.Stream(1, "other updates")
	others, changes := map[string][]uint32{}, map[uint64][]uint32{}
	for i, order := range orders {
		sign := ^uint32(0) // the participant with the lower key adds the mask of the pair
		if bytes.Compare(real.public[order][a], real.public[order][b]) > 0 {
			sign = 1
		}
		for range format.Length() {
			x := r.Uint32()
			changes[order] = append(changes[order], x)
			others[shared[i]] = append(others[shared[i]], sign*x)
		}
	}
	masks := func(i int, o *protocol.Order, values []uint32) {
		for j, x := range changes[o.Order] {
			switch i {
			case a:
				values[j] = (values[j] + x) & 0xffff
			case b:
				values[j] = (values[j] - x) & 0xffff
			}
		}
	}
	other := live(t, others, masks)

	if !bytes.Equal(other.received, real.received) {
		t.Error("the coordinator would have received other messages")
	}
	if !bytes.Equal(other.sent, real.sent) {
		t.Error("the coordinator would have sent other messages")
	}
	if fmt.Sprint(other.models) != fmt.Sprint(real.models) || fmt.Sprint(other.sums) != fmt.Sprint(real.sums) {
		t.Errorf("versions %v of %v, want %v of %v", other.models, other.sums, real.models, real.sums)
	}
	for i := range real.secrets {
		if !bytes.Equal(other.secrets[i], real.secrets[i]) {
			t.Errorf("participant %d would have had other secrets", i)
		}
		for order, values := range real.given[i] {
			if same := slices.Equal(values, other.given[i][order]); same == (i == a || i == b) {
				t.Errorf("participant %d, order %d: the same update: %v", i, order, same)
			}
		}
	}
	if len(real.sums) != explained {
		t.Errorf("%d sums, want %d", len(real.sums), explained)
	}
}
