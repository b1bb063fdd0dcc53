package client

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"fedtab/learn/digest"
	"fedtab/privacy/integers"
	"fedtab/privacy/secagg"
	"fedtab/privacy/secagg/native"
	"fedtab/privacy/terms"
	"fedtab/protocol"
)

// circle is an attempt: some clients, and the coordinator's side of the protocol.
type circle struct {
	t       *testing.T
	terms   secagg.Terms
	format  integers.Format
	server  *secagg.Server
	sum     *secagg.Sum
	clients []*Client // nil: gone
	configs []Secure
	records [][]byte
	given   [][]uint32
	work    []*Workspace
	inbox   [][]protocol.Message // that clients have not received
	in      []uint64             // whose vectors are added
	done    bool
}

func secureWelcome(t testing.TB, participant uint32) *protocol.Welcome {
	w := welcome(t)
	w.Participant = participant
	w.Secure = protocol.SecureTerms{Min: 3, Max: 8, Dropout: .3, Corrupt: .1, Examples: 10, Bits: 16, Subset: 1}
	return w
}

func secureOrder(w *protocol.Welcome, number uint64) *protocol.Order {
	o := order(w, number)
	o.Hyper.Bound = 1
	o.Payloads = []protocol.Payload{{Kind: protocol.PayloadMasked, Name: protocol.SecurePayload, MaxBytes: 1 << 16}}
	return o
}

// newCircle makes n clients; edit changes what client i has for secure aggregation.
func newCircle(t *testing.T, n int, edit func(i int, c *Secure)) *circle {
	t.Helper()
	w := secureWelcome(t, 1)
	x := &circle{t: t, records: make([][]byte, n), given: make([][]uint32, n), inbox: make([][]protocol.Message, n)}
	var err error
	if x.terms, x.format, err = terms.Of(w.Secure, nil, w.Run, parameters); err != nil {
		t.Fatal(err)
	}
	x.sum = secagg.NewSum(x.terms.Length, x.terms.Bits)
	ids := make([]uint64, n)
	for i := range ids {
		ids[i] = uint64(i + 1)
	}
	if x.server, err = secagg.NewServer(x.terms, secagg.Attempt{Round: 1, Number: 1}, ids); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		secure := Secure{
			Primitives: native.Primitives{Source: rand.NewChaCha8([32]byte{byte(i)})},
			Persist:    func(record []byte) error { x.records[i] = slices.Clone(record); return nil },
			Masks:      func(_ *protocol.Order, values []uint32) { x.given[i] = slices.Clone(values) },
		}
		if edit != nil {
			edit(i, &secure)
		}
		x.configs = append(x.configs, secure)
		x.clients = append(x.clients, x.client(i))
		x.work = append(x.work, nil)
		x.inbox[i] = []protocol.Message{secureOrder(w, 1)}
	}
	return x
}

// client returns client i, welcomed.
func (x *circle) client(i int) *Client {
	x.t.Helper()
	c := New(Config{Task: "task", Secure: &x.configs[i]})
	receive(x.t, c, secureWelcome(x.t, uint32(i+1)))
	receive(x.t, c, &protocol.Shards{Shards: []uint32{3}, Total: 5})
	if err := c.AddShard(3, examples(x.t, 7+i)); err != nil {
		x.t.Fatal(err)
	}
	return c
}

// send hands what a client sends to the server.
func (x *circle) send(i int, out []protocol.Message) {
	for _, m := range out {
		switch m := m.(type) {
		case *protocol.Secure:
			x.serve(secagg.Received{From: uint64(i + 1), Message: m.Vectors[0].Block})
		case *protocol.Contribution:
			x.serve(secagg.Received{From: uint64(i + 1), Message: m.Vectors[0].Block})
		case *protocol.Decline:
			x.serve(secagg.Left{From: uint64(i + 1)})
		}
	}
}

func (x *circle) serve(e secagg.Event) {
	for _, e := range x.server.Step(e) {
		switch e := e.(type) {
		case secagg.Send:
			x.inbox[e.To-1] = append(x.inbox[e.To-1], &protocol.Secure{Order: 1, Vectors: []protocol.Vector{{Kind: protocol.PayloadBytes, Name: protocol.SecurePayload, Block: e.Message}}})
		case secagg.Compute:
			x.serve(secagg.Computed{Answer: e.Request.Execute(native.Primitives{})})
		case secagg.Add:
			x.in = append(x.in, e.From)
			if err := x.sum.Add(e.Vector); err != nil {
				x.t.Fatal(err)
			}
		case secagg.Journal:
			x.sum.Subtract(e.Masks)
			x.serve(secagg.Persisted{})
		case secagg.Finished:
			x.done = true
		}
	}
}

// turn lets client i handle a message, or train; out is what it sends.
func (x *circle) turn(i int) (out []protocol.Message, busy bool) {
	c := x.clients[i]
	switch {
	case c == nil:
		return nil, false
	case len(x.inbox[i]) > 0:
		m := x.inbox[i][0]
		x.inbox[i] = x.inbox[i][1:]
		return append(receive(x.t, c, m), c.Exchange()...), true
	case c.Ready():
		if x.work[i] == nil {
			x.work[i] = c.NewWorkspace()
		}
		return append(c.Work(x.work[i], 1000), c.Deliver()...), true
	}
	return nil, false
}

// run runs the attempt until nothing happens, with deadlines where clients are gone.
func (x *circle) run() {
	for range 10 {
		for busy := true; busy && !x.done; {
			busy = false
			for i := range x.clients {
				out, is := x.turn(i)
				x.send(i, out)
				busy = busy || is
			}
		}
		if x.done || x.server.Phase() == secagg.PhaseOver {
			return
		}
		x.serve(secagg.Deadline{})
	}
}

// want fails unless the sum is that of the vectors of the clients given, by number from 1.
func (x *circle) want(in ...uint64) {
	x.t.Helper()
	slices.Sort(x.in)
	if !x.done || !slices.Equal(x.in, in) {
		x.t.Fatalf("a sum of %v (done %v), want %v", x.in, x.done, in)
	}
	want := secagg.NewSum(x.terms.Length, x.terms.Bits)
	for _, i := range in {
		want.AddValues(x.given[i-1])
	}
	if got := x.sum.Values(nil); !slices.Equal(got, want.Values(nil)) {
		x.t.Errorf("sum %v, want %v", got, want.Values(nil))
	}
}

func TestSecure(t *testing.T) {
	x := newCircle(t, 5, nil)
	x.run()
	x.want(1, 2, 3, 4, 5)
	total, err := x.format.Decode(x.sum.Values(nil), integers.Turn{Seed: 1, Round: 1, Bound: 1})
	if err != nil || math.Abs(total.Weight-(.7+.8+.9+1+1)) > 1e-3 {
		t.Errorf("%+v (%v), want a weight of 4.4", total, err)
	}
	for i, c := range x.clients {
		h, err := secagg.ParseHistory(x.records[i])
		if err != nil || h.Attempt.Number != 1 || h.Update != 1 || h.Released == [32]byte{} {
			t.Errorf("client %d has written down %+v (%v), want the attempt, its update and what it has released", i, h, err)
		}
		if c.unsent == nil {
			t.Errorf("client %d keeps nothing of what rounding has left", i)
		}
	}
}

// A client in a driver that trains on another goroutine hands its vector over when the driver
// says so, and drops what it has trained if it has left the attempt meanwhile.
func TestSecureApart(t *testing.T) {
	x := newCircle(t, 5, func(_ int, c *Secure) { c.Apart = true })
	c := x.clients[0]
	receive(t, c, x.inbox[0][0])
	if out := work(c, 1000); len(out) != 1 {
		t.Errorf("work sends %v, want its progress alone", out)
	}
	x.inbox[0] = x.inbox[0][1:]
	x.send(0, c.Exchange())
	x.send(0, c.Deliver())
	x.run()
	x.want(1, 2, 3, 4, 5)

	broken := errors.New("no room")
	x = newCircle(t, 5, func(i int, c *Secure) {
		c.Apart = true
		if i == 0 {
			c.Persist = func([]byte) error { return broken }
		}
	})
	c = x.clients[0]
	receive(t, c, x.inbox[0][0])
	x.inbox[0] = nil
	out := c.Exchange() // as Work runs
	if d, ok := out[0].(*protocol.Decline); !ok || !strings.Contains(d.Detail, "no room") || c.Order() != 1 {
		t.Errorf("%+v, order %d, want to decline, and to leave the order to Deliver", out, c.Order())
	}
	work(c, 1)
	c.Deliver()
	if c.Order() != 0 || c.masking != nil || c.Progress().Activity != Waiting {
		t.Errorf("order %d, %+v, want the client to wait", c.Order(), c.Progress())
	}
	x.send(0, out)
	x.run()
	x.want(2, 3, 4, 5)
}

// A client that cannot write down what it is about to reveal reveals nothing, and leaves.
func TestSecurePersistFails(t *testing.T) {
	for i, name := range []string{"that it begins", "that its update is used", "what it releases"} {
		t.Run(name, func(t *testing.T) {
			var sent []protocol.Message
			records := 0
			x := newCircle(t, 6, func(n int, c *Secure) {
				if n == 0 {
					c.Persist = func([]byte) error {
						if records++; records > i {
							return errors.New("no room")
						}
						return nil
					}
				}
			})
			for range 200 {
				for n := range x.clients {
					out, _ := x.turn(n)
					if n == 0 {
						sent = append(sent, out...)
					}
					x.send(n, out)
				}
			}
			x.run()
			declines, masked := 0, 0
			for _, m := range sent {
				switch m.(type) {
				case *protocol.Decline:
					declines++
				case *protocol.Contribution:
					masked++
				}
			}
			if declines == 0 || masked != max(i-1, 0) || x.clients[0].exchange.client != nil {
				t.Errorf("%d declines and %d masked vectors, want at least 1 and %d", declines, masked, max(i-1, 0))
			}
			if want := []uint64{2, 3, 4, 5, 6}; i < 2 {
				x.want(want...)
			} else {
				x.want(append([]uint64{1}, want...)...)
			}
		})
	}
}

// A client that was reloaded stays out of the attempt, with its order and without.
func TestSecureReload(t *testing.T) {
	x := newCircle(t, 6, nil)
	for range 2 { // its keys and its shares are sent
		out, _ := x.turn(0)
		x.send(0, out)
	}
	x.configs[0].History = x.records[0]
	x.clients[0] = x.client(0)
	x.work[0] = nil
	out := receive(t, x.clients[0], secureOrder(x.clients[0].welcome, 1))
	if d, ok := out[0].(*protocol.Decline); !ok || !strings.Contains(d.Detail, "used before") {
		t.Errorf("the order again: %+v, want to decline", out)
	}
	out = receive(t, x.clients[0], &protocol.Secure{Order: 1, Vectors: make([]protocol.Vector, 1)})
	if d, ok := out[0].(*protocol.Decline); !ok || !strings.Contains(d.Detail, "started anew") {
		t.Errorf("a message of the attempt: %+v, want to decline", out)
	}
	x.send(0, out)
	x.run()
	x.want(2, 3, 4, 5, 6)
}

// What is altered before it is encoded, and before it is masked, is what is summed.
func TestSecureHooks(t *testing.T) {
	x := newCircle(t, 5, func(i int, c *Secure) {
		if i > 0 {
			return
		}
		c.Alter = func(_ *protocol.Order, u *integers.Update) { clear(u.Values) }
		masks := c.Masks
		c.Masks = func(o *protocol.Order, values []uint32) {
			for j, v := range values[:parameters] {
				if v != 0 {
					t.Errorf("integer %d is %d, want 0 of an update of zeros", j, v)
				}
			}
			values[0] = 77
			masks(o, values)
		}
	})
	x.run()
	if x.given[0][0] != 77 {
		t.Errorf("the first integer is %d, want 77", x.given[0][0])
	}
	x.want(1, 2, 3, 4, 5)
}

// Orders without what secure aggregation needs are declined.
func TestSecureOrders(t *testing.T) {
	for name, edit := range map[string]func(*protocol.Order){
		"no bound":           func(o *protocol.Order) { o.Hyper.Bound = 0 },
		"no payload":         func(o *protocol.Order) { o.Payloads = nil },
		"a plain payload":    func(o *protocol.Order) { o.Payloads[0].Kind = protocol.PayloadBytes },
		"a model to monitor": func(o *protocol.Order) { o.Kind = protocol.OrderMonitor },
		"base models":        func(o *protocol.Order) { o.Kind, o.Hyper.Parts = protocol.OrderBase, 1 },
		"a report":           func(o *protocol.Order) { o.Kind = protocol.OrderReport },
		"an enquiry": func(o *protocol.Order) {
			o.Order, o.Kind = protocol.EnquiryOrders+1, protocol.OrderEvaluate
			o.Payloads = []protocol.Payload{{Kind: protocol.PayloadBytes, Name: protocol.EvaluationPayload, MaxBytes: 100}}
		},
		"two masked payloads": func(o *protocol.Order) { o.Payloads = append(o.Payloads, o.Payloads[0]) },
	} {
		c, w := New(Config{Task: "task", Secure: &Secure{Primitives: native.Primitives{}}}), secureWelcome(t, 1)
		receive(t, c, w)
		o := secureOrder(w, 1)
		edit(o)
		out := receive(t, c, o)
		if d, ok := out[0].(*protocol.Decline); !ok || d.Reason != protocol.ReasonUnsupported || len(out) != 1 || c.Order() != 0 {
			t.Errorf("%s: %+v, want to decline", name, out)
		}
	}
}

// A client without the cryptography, or with terms that are not possible, does not take part.
func TestSecureWelcome(t *testing.T) {
	if _, err := New(Config{}).Receive(secureWelcome(t, 1)); err == nil || !strings.Contains(err.Error(), "lacks the cryptography") {
		t.Errorf("got %v, want an error", err)
	}
	w := secureWelcome(t, 1)
	w.Secure.Min = 1
	if _, err := New(Config{Secure: &Secure{Primitives: native.Primitives{}}}).Receive(w); err == nil || !strings.Contains(err.Error(), "min: 1") {
		t.Errorf("got %v, want an error of the terms", err)
	}
	c := New(Config{Secure: &Secure{Primitives: native.Primitives{}}})
	receive(t, c, secureWelcome(t, 1))
	for _, edit := range []func(*protocol.SecureTerms){
		func(s *protocol.SecureTerms) { *s = protocol.SecureTerms{} }, func(s *protocol.SecureTerms) { s.Min++ }, func(s *protocol.SecureTerms) { s.Corrupt = 0.05 }, func(s *protocol.SecureTerms) { s.Noise = 1 },
		func(s *protocol.SecureTerms) { s.Clip = 1 }, func(s *protocol.SecureTerms) { s.Participations = 1 },
	} {
		w := secureWelcome(t, 1)
		edit(&w.Secure)
		if _, err := c.Receive(w); err == nil || !strings.Contains(err.Error(), "other terms than before") {
			t.Errorf("%+v after a new socket: %v, want to refuse them", w.Secure, err)
		}
	}
	if h := New(Config{}).Hello(); slices.Contains(h.Payloads, protocol.PayloadMasked) {
		t.Error("a client without the cryptography says that it has it")
	}
}

// An answer that is refused, or whose attempt is given up, ends the exchange; what is to be
// sent later is what it was before, nothing here.
func TestSecureAnswers(t *testing.T) {
	for _, test := range []struct {
		reason protocol.Reason
		goes   bool // the exchange goes on
		keeps  bool // what was not sent
	}{
		{protocol.ReasonAccepted, true, true},
		{protocol.ReasonDuplicate, true, true},
		{protocol.ReasonBusy, true, true},
		{protocol.ReasonAbandoned, false, false},
		{protocol.ReasonLate, false, false},
		{protocol.ReasonWrongShape, false, false},
	} {
		x := newCircle(t, 5, nil)
		for x.clients[0].Kept() == 0 {
			for i := range x.clients {
				out, _ := x.turn(i)
				x.send(i, out)
			}
		}
		c := x.clients[0]
		receive(t, c, &protocol.Ack{Order: 1, Reason: test.reason})
		if goes := c.exchange.client != nil; goes != test.goes || (c.unsent != nil) != test.keeps {
			t.Errorf("%v: goes on %v, keeps what was not sent %v, want %v and %v", test.reason, goes, c.unsent != nil, test.goes, test.keeps)
		}
		receive(t, c, &protocol.Status{Closed: 1, Version: 1})
		if c.exchange.client != nil || c.Keeps() {
			t.Errorf("%v: the round is closed, and the client goes on with it", test.reason)
		}
	}
}

// A client that was saved with its masked vector offers it again, and has no keys.
func TestSecureSaved(t *testing.T) {
	x := newCircle(t, 5, nil)
	for x.clients[0].Kept() == 0 {
		for i := range x.clients {
			out, _ := x.turn(i)
			x.send(i, out)
		}
	}
	saved := x.clients[0].Save()
	x.configs[0].History = x.records[0]
	c := New(Config{Task: "task", Secure: &x.configs[0]})
	if err := c.Restore(saved); err != nil {
		t.Fatal(err)
	}
	receive(t, c, secureWelcome(t, 1))
	out := receive(t, c, secureOrder(c.welcome, 1))
	if k, ok := out[0].(*protocol.Contribution); !ok || !slices.Equal(k.Vectors[0].Block, x.clients[0].kept[0].Vectors[0].Block) {
		t.Errorf("%+v, want the masked vector again", out)
	}
}

// noisy are terms of sums with noise.
func noisy(s *protocol.SecureTerms) {
	*s = protocol.SecureTerms{Min: 10, Max: 20, Dropout: .3, Corrupt: .1, Examples: 1, Bits: 16, Subset: 1, Noise: 2, Clip: 1, Participations: 2}
}

// A member takes part with no less noise, and in no more sums, than it wants; without its shares
// those who may collude leave less.
func TestSecureNoise(t *testing.T) {
	var members []secagg.Key
	for i := range 30 {
		members = append(members, secagg.Key{byte(i + 1)})
	}
	for name, c := range map[string]struct {
		edit func(*protocol.SecureTerms)
		want string
	}{
		"enough":        {func(*protocol.SecureTerms) {}, ""},
		"less noise":    {func(s *protocol.SecureTerms) { s.Noise = 1.9 }, "a noise of 1.9 times what one participant changes, of which 1.699 is left without the shares of the 2 that may collude: this member wants 1.75"},
		"more collude":  {func(s *protocol.SecureTerms) { s.Corrupt = .2 }, "of which 1.549 is left without the shares of the 4"},
		"no noise":      {func(s *protocol.SecureTerms) { s.Noise, s.Clip, s.Participations = 0, 0, 0 }, "a noise of 0 times"},
		"no number":     {func(s *protocol.SecureTerms) { s.Noise = math.NaN() }, "a noise of NaN times"},
		"more sums":     {func(s *protocol.SecureTerms) { s.Participations = 4 }, "may be in 4 sums with noise: this member wants at most 3"},
		"any number":    {func(s *protocol.SecureTerms) { s.Participations = 0 }, "may be in any number of sums with noise: this member wants at most 3"},
		"without bound": {func(s *protocol.SecureTerms) { s.Clip = 0 }, "clip: 0, want more than 0"},
	} {
		w := secureWelcome(t, 1)
		noisy(&w.Secure)
		w.Secure.Members = terms.Digest(members)
		c.edit(&w.Secure)
		s := &Secure{Primitives: native.Primitives{}, Members: members, Min: 10, Corrupt: .1, Noise: 1.75, Participations: 3}
		_, err := New(Config{Secure: s}).Receive(w)
		if c.want == "" && err != nil || c.want != "" && (!errors.Is(err, ErrSecure) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// A client answers no order with another bound than the terms say, and takes part in no more
// attempts, also after it was started anew.
func TestSecureLimits(t *testing.T) {
	w := secureWelcome(t, 1)
	noisy(&w.Secure)
	for name, c := range map[string]struct {
		bound   float64
		vectors uint64 // that it has sent before
		run     string // of which
		want    string
	}{
		"within":       {1, 1, w.Run, ""},
		"bound":        {2, 0, w.Run, "an order with the bound 2, want 1"},
		"limit":        {1, 2, w.Run, "has taken part in 2 attempts, want no more"},
		"another run":  {1, 2, "another", ""},
		"beyond limit": {1, 9, w.Run, "has taken part in 9 attempts"},
	} {
		history := secagg.History{Run: digest.Sum([]byte(c.run)), Attempt: secagg.Attempt{Round: 1, Number: 1}, Update: 1, Vectors: c.vectors}
		client := New(Config{Task: "task", Secure: &Secure{Primitives: native.Primitives{}, History: history.Append(nil)}})
		receive(t, client, w)
		o := secureOrder(w, 2)
		o.Round, o.Hyper.Bound = 2, c.bound
		out := receive(t, client, o)
		d, declined := (*protocol.Decline)(nil), false
		if len(out) == 1 {
			d, declined = out[0].(*protocol.Decline)
		}
		if declined != (c.want != "") || declined && !strings.Contains(d.Detail, c.want) {
			t.Errorf("%s: %+v, want to decline with %q", name, out, c.want)
		}
	}
}
