package secagg_test

import (
	"crypto/ed25519"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"fedtab/privacy/secagg"
	"fedtab/privacy/secagg/native"
)

// A network joins a server and its clients, and delivers their messages in an order that its seed
// decides. Clients are numbered from 1 on.
type network struct {
	t       testing.TB
	rng     *rand.Rand
	terms   secagg.Terms
	attempt secagg.Attempt
	server  *secagg.Server
	clients []*secagg.Client // nil: gone
	vectors [][]uint32
	signers []native.Primitives
	sum     *secagg.Sum
	added   map[uint64]bool
	records [][]byte // of each client's history
	queue   []delivery
	keys    map[uint64][]byte // that clients have sent

	// drops says that a client drops out before it sends a message of the kind.
	drops func(client uint64, kind byte) bool
	// changes returns what is delivered of a message from a client, or to one.
	changes func(client uint64, up bool, message []byte) [][]byte
	repeats bool // every message comes twice
	// computes sees a client's requests.
	computes func(client uint64, r secagg.Request)

	ignored  []error
	refused  map[uint64]error
	finished *secagg.Finished
	failed   *secagg.Failed
	deadline int // deadlines that it took
	up, down int // bytes
}

type delivery struct {
	client  uint64
	up      bool
	message []byte
}

// terms returns those of a small task.
func terms() secagg.Terms {
	return secagg.Terms{
		Run: [32]byte{1, 2, 3}, Min: 5, Length: 100, Bits: 13,
		Risk: secagg.Risk{Dropout: .3, Corrupt: .2, Privacy: 40, Failure: 20},
	}
}

// members gives the terms the public keys of n members.
func members(terms secagg.Terms, n int) secagg.Terms {
	for i := range n {
		terms.Members = append(terms.Members, secagg.Key(identity(i).Public().(ed25519.PublicKey)))
	}
	return terms
}

func identity(i int) ed25519.PrivateKey {
	seed := make([]byte, 32)
	binary.LittleEndian.PutUint64(seed, uint64(i))
	return ed25519.NewKeyFromSeed(seed)
}

// source returns a stream of random bytes.
func source(seed, stream uint64) *rand.ChaCha8 {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	binary.LittleEndian.PutUint64(key[8:], stream)
	return rand.NewChaCha8(key)
}

func newNetwork(t testing.TB, terms secagg.Terms, n int, seed uint64) *network {
	t.Helper()
	w := &network{
		t: t, rng: rand.New(source(seed, 0)), terms: terms, attempt: secagg.Attempt{Round: 7, Number: seed + 1},
		sum: secagg.NewSum(terms.Length, terms.Bits), added: map[uint64]bool{}, refused: map[uint64]error{},
		records: make([][]byte, n), keys: map[uint64][]byte{},
	}
	var ids []uint64
	for i := range n {
		ids = append(ids, uint64(i+1))
		w.signers = append(w.signers, native.Primitives{Identity: identity(i), Source: source(seed, uint64(i+1))})
		v := make([]uint32, terms.Length)
		for j := range v {
			v[j] = w.rng.Uint32N(uint32(min(1<<terms.Bits, 1<<31)))
		}
		w.vectors = append(w.vectors, v)
		c, err := secagg.NewClient(terms, w.attempt, i, secagg.History{})
		if err != nil {
			t.Fatal(err)
		}
		w.clients = append(w.clients, c)
	}
	var err error
	if w.server, err = secagg.NewServer(terms, w.attempt, ids); err != nil {
		t.Fatal(err)
	}
	return w
}

// run runs the attempt until the server is done and no message is left.
func (w *network) run() *network {
	w.t.Helper()
	for i := range w.clients {
		w.step(uint64(i+1), secagg.Begin{})
		w.step(uint64(i+1), secagg.Vector{Update: 3, Values: append([]uint32(nil), w.vectors[i]...)})
	}
	for w.finished == nil && w.failed == nil || len(w.queue) > 0 {
		if len(w.queue) == 0 {
			if w.deadline++; w.deadline > 10 {
				w.t.Fatal("the attempt does not end")
			}
			w.serve(secagg.Deadline{})
			continue
		}
		i := w.rng.IntN(len(w.queue))
		d := w.queue[i]
		w.queue[i] = w.queue[len(w.queue)-1]
		w.queue = w.queue[:len(w.queue)-1]
		w.deliver(d)
	}
	return w
}

func (w *network) deliver(d delivery) {
	messages := [][]byte{d.message}
	if w.changes != nil {
		messages = w.changes(d.client, d.up, d.message)
	}
	for _, m := range messages {
		if d.up {
			w.up += len(m)
			w.serve(secagg.Received{From: d.client, Message: m})
		} else {
			w.down += len(m)
			w.step(d.client, secagg.Received{Message: m})
		}
	}
}

// step gives a client an event and does what follows.
func (w *network) step(id uint64, e secagg.Event) {
	c := w.clients[id-1]
	if c == nil {
		return
	}
	for _, effect := range c.Step(e) {
		switch f := effect.(type) {
		case secagg.Send:
			if w.drops != nil && w.drops(id, f.Message[0]) {
				if w.clients[id-1] == c { // unless drops has put another in its place
					w.clients[id-1] = nil
				}
				return
			}
			if f.Message[0] == secagg.KindKeys {
				w.keys[id] = f.Message[secagg.HeaderSize:][:2*secagg.KeySize]
			}
			w.enqueue(delivery{id, true, f.Message})
		case secagg.Compute:
			if w.computes != nil {
				w.computes(id, f.Request)
			}
			w.step(id, secagg.Computed{Answer: f.Request.Execute(w.signers[id-1])})
		case secagg.Persist:
			w.records[id-1] = f.Record
			w.step(id, secagg.Persisted{})
		case secagg.Ignored:
			w.ignored = append(w.ignored, f.Err)
		case secagg.Refused:
			w.refused[id] = f.Err
		}
	}
}

// serve gives the server an event and does what follows.
func (w *network) serve(e secagg.Event) {
	w.t.Helper()
	for _, effect := range w.server.Step(e) {
		switch f := effect.(type) {
		case secagg.Send:
			w.enqueue(delivery{f.To, false, f.Message})
		case secagg.Compute:
			w.serve(secagg.Computed{Answer: f.Request.Execute(native.Primitives{})})
		case secagg.Add:
			if w.added[f.From] {
				w.t.Errorf("the vector of client %d is added twice", f.From)
			}
			w.added[f.From] = true
			if err := w.sum.Add(f.Vector); err != nil {
				w.t.Error(err)
			}
		case secagg.Journal:
			if w.finished != nil {
				w.t.Error("the sum is used before it is written down")
			}
			w.sum.Subtract(f.Masks)
			w.serve(secagg.Persisted{})
		case secagg.Finished:
			w.finished = &f
		case secagg.Failed:
			w.failed = &f
		case secagg.Ignored:
			w.ignored = append(w.ignored, f.Err)
		}
	}
}

func (w *network) enqueue(d delivery) {
	w.queue = append(w.queue, d)
	if w.repeats {
		w.queue = append(w.queue, d)
	}
}

// wantSum fails unless the sum is that of the survivors, who are as many as given.
func (w *network) wantSum(survivors int) {
	w.t.Helper()
	if w.failed != nil {
		w.t.Fatalf("%s: %v; refused: %v", w.failed.Phase, w.failed.Err, w.refused)
	}
	if got := len(w.finished.Survivors); got != survivors {
		w.t.Errorf("%d survivors, want %d", got, survivors)
	}
	got := w.sum.Values(nil)
	for j := range got {
		var want uint32
		for _, id := range w.finished.Survivors {
			want += w.vectors[id-1][j]
		}
		if want &= uint32(uint64(1)<<w.terms.Bits - 1); got[j] != want {
			w.t.Fatalf("coordinate %d is %d, want %d", j, got[j], want)
		}
	}
}
