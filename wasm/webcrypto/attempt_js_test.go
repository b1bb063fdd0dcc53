package webcrypto_test

import (
	"crypto/ed25519"
	"math/rand/v2"
	"slices"
	"testing"

	"fedtab/privacy/secagg"
	"fedtab/privacy/secagg/native"
	"fedtab/wasm/webcrypto"
)

// terms returns those of an attempt of as many members as given, or of anybody.
func terms(members int) secagg.Terms {
	t := secagg.Terms{
		Run: [32]byte{1, 2, 3}, Min: 5, Length: 1000, Bits: 13,
		Risk: secagg.Risk{Dropout: .3, Corrupt: .2, Privacy: 40, Failure: 20},
	}
	for i := range members {
		t.Members = append(t.Members, secagg.Key(ed25519.NewKeyFromSeed(seed(i)).Public().(ed25519.PublicKey)))
	}
	return t
}

func seed(i int) []byte {
	b := make([]byte, ed25519.SeedSize)
	b[0] = byte(i)
	return b
}

// An attempt has a server and its clients, whose messages come in the order in which they
// were sent. Client i has number i+1.
type attempt struct {
	t       *testing.T
	terms   secagg.Terms
	server  *secagg.Server
	clients []*secagg.Client
	execute func(client int, r secagg.Request) secagg.Answer
	queue   []func()
	sum     *secagg.Sum
	over    bool // no more messages are delivered
}

func newAttempt(t *testing.T, terms secagg.Terms, clients int) *attempt {
	t.Helper()
	a := &attempt{t: t, terms: terms, sum: secagg.NewSum(terms.Length, terms.Bits)}
	of := secagg.Attempt{Round: 1, Number: 1}
	var ids []uint64
	for i := range clients {
		c, err := secagg.NewClient(terms, of, i, secagg.History{})
		if err != nil {
			t.Fatal(err)
		}
		a.clients, ids = append(a.clients, c), append(ids, uint64(i+1))
	}
	var err error
	if a.server, err = secagg.NewServer(terms, of, ids); err != nil {
		t.Fatal(err)
	}
	for i := range clients {
		a.queue = append(a.queue, func() { a.step(i, secagg.Begin{}) })
	}
	return a
}

// run delivers messages until the attempt is over.
func (a *attempt) run() {
	for len(a.queue) > 0 && !a.over {
		next := a.queue[0]
		a.queue = a.queue[1:]
		next()
	}
}

// step gives a client an event and does what follows.
func (a *attempt) step(i int, e secagg.Event) {
	for _, effect := range a.clients[i].Step(e) {
		switch f := effect.(type) {
		case secagg.Send:
			a.queue = append(a.queue, func() { a.serve(secagg.Received{From: uint64(i + 1), Message: f.Message}) })
		case secagg.Compute:
			a.step(i, secagg.Computed{Answer: a.execute(i, f.Request)})
		case secagg.Persist:
			a.step(i, secagg.Persisted{})
		case secagg.Refused:
			a.t.Errorf("client %d: %v", i+1, f.Err)
		}
	}
}

// serve gives the server an event and does what follows.
func (a *attempt) serve(e secagg.Event) {
	for _, effect := range a.server.Step(e) {
		switch f := effect.(type) {
		case secagg.Send:
			a.queue = append(a.queue, func() { a.step(int(f.To-1), secagg.Received{Message: f.Message}) })
		case secagg.Compute:
			a.serve(secagg.Computed{Answer: f.Request.Execute(native.Primitives{})})
		case secagg.Add:
			if err := a.sum.Add(f.Vector); err != nil {
				a.t.Error(err)
			}
		case secagg.Journal:
			a.sum.Subtract(f.Masks)
			a.serve(secagg.Persisted{})
		case secagg.Finished:
			a.over = true
		case secagg.Failed:
			a.t.Fatalf("%s: %v", f.Phase, f.Err)
		}
	}
}

// A whole attempt is exact when some clients have the browser's primitives and some Go's: both
// agree on secrets, keys and masks, open what the other has sealed, and verify what it has signed.
func TestAttempt(t *testing.T) {
	const clients = 8
	for name, members := range map[string]int{"anybody": 0, "members": clients} {
		t.Run(name, func(t *testing.T) {
			a := newAttempt(t, terms(members), clients)
			a.execute = func(client int, r secagg.Request) secagg.Answer {
				if client%2 == 0 {
					return r.Execute(webcrypto.Primitives{Identity: seed(client)})
				}
				return r.Execute(native.Primitives{Identity: ed25519.NewKeyFromSeed(seed(client))})
			}
			want := make([]uint32, a.terms.Length)
			rng := rand.New(rand.NewPCG(1, 2))
			for i := range clients {
				values := make([]uint32, a.terms.Length)
				for j := range values {
					values[j] = rng.Uint32N(1 << a.terms.Bits)
					want[j] = (want[j] + values[j]) % (1 << a.terms.Bits)
				}
				a.queue = append(a.queue, func() { a.step(i, secagg.Vector{Update: 1, Values: values}) })
			}
			a.run()
			if !a.over {
				t.Fatalf("the attempt waits in phase %q for %v", a.server.Phase(), a.server.Awaited())
			}
			if !slices.Equal(a.sum.Values(nil), want) {
				t.Error("the sum is another")
			}
		})
	}
}
