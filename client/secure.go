package client

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"fedtab/learn/rng"
	"fedtab/privacy/integers"
	"fedtab/privacy/secagg"
	"fedtab/privacy/terms"
	"fedtab/protocol"
	"fedtab/tab"
)

// Secure is what a participant needs for secure aggregation, beside the terms of the Welcome.
type Secure struct {
	Primitives secagg.Primitives // cryptography

	// Persist writes a record down durably in place of the one before. After an error the
	// client leaves the attempt.
	Persist func(record []byte) error

	// Members are the public keys of those who may take part, in a task for members: from somebody
	// else than the coordinator, who could be all the others. Member is the client's own place
	// among them, and Primitives sign for it.
	Members []secagg.Key
	Member  int

	// Min and Corrupt are the least that a member takes part with: the coordinator must not choose
	// how few participants a sum has, or how many of them may collude. Noise is the least that is
	// left in a sum without the shares of those who may; Participations, if not 0, the most
	// attempts in which the terms may ask a member to take part.
	Min            int
	Corrupt        float64
	Noise          float64
	Participations int

	History []byte // the record that was written last, in an earlier process; nil: none

	// Apart says that the driver calls Deliver, as it hands the client messages of secure
	// aggregation, and calls Exchange, while Work runs on another goroutine.
	Apart bool

	// Alter changes an update before it is encoded, and Masks the integers before they are
	// masked: adversaries lie by them, and tests look. nil: the client is honest.
	Alter func(o *protocol.Order, u *integers.Update)
	Masks func(o *protocol.Order, values []uint32)
}

// exchange is the client's part in the newest attempt of secure aggregation. Only Exchange
// and Deliver work on it, so that keys are exchanged while another goroutine trains.
type exchange struct {
	order   uint64
	round   uint64
	secret  uint64  // of the attempt: no other has its seeds
	client  machine // nil: there is none
	pending []secagg.Event
	sent    *protocol.Contribution // the masked vector
	left    error                  // why the client takes no further part; nil: Deliver knows
}

// machine is a *secagg.Client.
type machine interface {
	Step(secagg.Event) []secagg.Effect
}

// masking is what a trained order has left for secure aggregation.
type masking struct {
	order    *protocol.Order
	values   []uint32
	examples int // worked through, for the person
}

// Remember gives the client the record that an earlier process has written last, as
// Secure.History does, before its first Hello.
func (c *Client) Remember(record []byte) { c.history = record }

// secures reports whether the task has secure aggregation.
func (c *Client) secures() bool { return c.welcome != nil && c.welcome.Secure.Max > 0 }

// ErrSecure is wrapped by the error of a Welcome to a task whose secure aggregation the client
// cannot, or must not, take part in: to connect again is of no use.
var ErrSecure = errors.New("client: secure aggregation")

// checkSecure returns an error unless the client can take part in a task with these terms.
func (c *Client) checkSecure(w *protocol.Welcome) error {
	if c.model != nil && c.welcome.Run == w.Run && !sameTerms(&c.welcome.Secure, &w.Secure) {
		return fmt.Errorf("%w: run %s has other terms than before", ErrSecure, w.Run)
	}
	s := c.cfg.Secure
	switch {
	case w.Secure.Max == 0 && (s == nil || s.Members == nil):
		return nil
	case w.Secure.Max == 0:
		return fmt.Errorf("%w: the task has none, and a member takes part in no other", ErrSecure)
	case s == nil:
		return fmt.Errorf("%w: this client lacks the cryptography for it", ErrSecure)
	}
	switch digest := terms.Digest(s.Members); {
	case len(w.Secure.Members) == 0 && s.Members != nil:
		return fmt.Errorf("%w: anyone may take part in the task, so that the coordinator can be all the others: want one whose privacy.members have the digest %x, as the list given here", ErrSecure, digest)
	case len(w.Secure.Members) > 0 && !bytes.Equal(digest, w.Secure.Members):
		return fmt.Errorf("%w: the task's members have the digest %x, those of the list given here %x: somebody has changed one of them", ErrSecure, w.Secure.Members, digest)
	}
	if t := &w.Secure; s.Members != nil && (int(t.Min) < s.Min || t.Corrupt < s.Corrupt) {
		return fmt.Errorf("%w: sums have at least %d participants, and withstand %g of them that collude: this member wants %d and %g", ErrSecure, t.Min, t.Corrupt, s.Min, s.Corrupt)
	}
	if err := s.checkNoise(&w.Secure); err != nil {
		return err
	}
	var err error
	if c.secured.terms, c.secured.format, err = terms.Of(w.Secure, s.Members, w.Run, int(w.Parameters)); err != nil {
		return fmt.Errorf("%w: %w", ErrSecure, err)
	}
	return nil
}

// checkNoise returns an error if the terms promise less noise than a member wants.
func (s *Secure) checkNoise(t *protocol.SecureTerms) error {
	if s.Members == nil {
		return nil
	}
	if left := terms.Left(*t); !(left >= s.Noise) {
		return fmt.Errorf("%w: sums have a noise of %g times what one participant changes, of which %.4g is left without the shares of the %d that may collude: this member wants %g",
			ErrSecure, t.Noise, left, int(t.Corrupt*float64(t.Max)), s.Noise)
	}
	switch limit := s.Participations; {
	case limit > 0 && t.Participations == 0:
		return fmt.Errorf("%w: a participant may be in any number of sums with noise: this member wants at most %d", ErrSecure, limit)
	case limit > 0 && int64(t.Participations) > int64(limit):
		return fmt.Errorf("%w: a participant may be in %d sums with noise: this member wants at most %d", ErrSecure, t.Participations, limit)
	}
	return nil
}

// checkAttempt returns an error unless the client, with what it has sent before, can take part in
// the attempt of an order.
func (c *Client) checkAttempt(o *protocol.Order, history *secagg.History) error {
	t := &c.welcome.Secure
	switch {
	case t.Clip != 0 && o.Hyper.Bound != t.Clip:
		return fmt.Errorf("an order with the bound %g, want %g, as the terms say", o.Hyper.Bound, t.Clip)
	case t.Participations != 0 && history.Vectors >= uint64(t.Participations):
		return fmt.Errorf("this client has taken part in %d attempts, want no more: the run's claim is on %d", history.Vectors, t.Participations)
	}
	return nil
}

// sameTerms reports whether terms of secure aggregation are the same.
func sameTerms(a, b *protocol.SecureTerms) bool {
	return a.Min == b.Min && a.Max == b.Max && a.Dropout == b.Dropout && a.Corrupt == b.Corrupt &&
		a.Examples == b.Examples && a.Bits == b.Bits && a.Subset == b.Subset && a.Noise == b.Noise &&
		a.Clip == b.Clip && a.Participations == b.Participations && string(a.Members) == string(b.Members)
}

// secureTerms are what the Welcome's terms say: to compute them again takes milliseconds.
type secureTerms struct {
	terms  secagg.Terms
	format integers.Format
}

// beginExchange begins the attempt of an order, or sends what the attempt has sent again. The
// error says why the client cannot take part.
func (c *Client) beginExchange(o *protocol.Order) error {
	x := &c.exchange
	if x.client == nil || x.order != o.Order {
		if o.Kind != protocol.OrderFit && o.Kind != protocol.OrderGradient {
			return fmt.Errorf("an order of kind %v, whose answer is no vector that can be summed, in a task with secure aggregation", o.Kind)
		}
		if b := o.Hyper.Bound; !(b > 0 && b <= math.MaxFloat32) || len(o.Payloads) != 1 || o.Payloads[0].Kind != protocol.PayloadMasked {
			return fmt.Errorf("an order without a bound, or without one masked payload, in a task with secure aggregation")
		}
		history, err := secagg.ParseHistory(c.history)
		t := c.secured.terms
		if err != nil {
			return fmt.Errorf("what this client has released before cannot be read: %w", err)
		}
		if history.Run != t.Run {
			history = secagg.History{}
		}
		if err := c.checkAttempt(o, &history); err != nil {
			return err
		}
		client, err := newMachine(t, secagg.Attempt{Round: o.Round, Number: o.Order}, c.cfg.Secure.Member, history)
		if err != nil {
			return err
		}
		var secret [8]byte
		if err := c.cfg.Secure.Primitives.Random(secret[:]); err != nil {
			return err
		}
		*x = exchange{order: o.Order, round: o.Round, secret: binary.LittleEndian.Uint64(secret[:]), client: client}
		c.masking = nil
		c.settleUnsent(false)
	}
	x.pending = append(x.pending, secagg.Begin{})
	return nil
}

// withOwnSeed returns an order whose seed the coordinator does not know: it cannot have the same
// mini-batches trained on again for another attempt, whose sum would differ by what single
// participants have sent. Mini-batches of a stream go on from attempt to attempt anyway.
func (c *Client) withOwnSeed(o *protocol.Order) *protocol.Order {
	if !c.secures() || o.Hyper.Stream {
		return o
	}
	own := *o
	own.Seed ^= c.exchange.secret
	return &own
}

// settleUnsent decides what is to be sent later, once it is known whether the newest masked vector
// counts: if not, what there was before it.
func (c *Client) settleUnsent(counts bool) {
	if !c.unsettled {
		return
	}
	if !counts {
		c.unsent = c.before
	}
	c.before, c.unsettled = nil, false
}

// secureReceived takes a message of an attempt. One of an attempt whose keys the client has not
// got, because it was reloaded, is declined.
func (c *Client) secureReceived(m *protocol.Secure) []protocol.Message {
	x := &c.exchange
	if x.client == nil || x.order != m.Order || len(m.Vectors) != 1 {
		if m.Order < x.order {
			return nil // of an attempt that is over
		}
		return []protocol.Message{&protocol.Decline{Order: m.Order, Reason: protocol.ReasonUnsupported, Detail: "this client has no keys of the attempt: it was started anew"}}
	}
	x.pending = append(x.pending, secagg.Received{Message: m.Vectors[0].Block})
	return nil
}

// Exchanges says whether Exchange has something to do.
func (c *Client) Exchanges() bool { return len(c.exchange.pending) > 0 }

// Exchange does what messages of secure aggregation ask for, and returns what is to be sent. It
// computes, and waits until what must not be forgotten is durable. It may be called while Work
// runs, if Secure.Apart says so.
func (c *Client) Exchange() (out []protocol.Message) {
	x := &c.exchange
	for len(x.pending) > 0 {
		e := x.pending[0]
		x.pending = x.pending[1:]
		out = append(out, c.stepExchange(e)...)
	}
	return out
}

// Deliver hands what was trained to secure aggregation, and returns what is to be sent. Work
// does it, unless Secure.Apart says that the driver does.
func (c *Client) Deliver() []protocol.Message {
	if err := c.exchange.left; err != nil {
		c.exchange.left = nil
		c.dropExchange(err)
	}
	m := c.masking
	if m == nil || m.values == nil {
		return nil
	}
	if c.exchange.client == nil || c.exchange.order != m.order.Order { // it has left the attempt
		c.masking = nil
		c.restExchange()
		return nil
	}
	c.exchange.pending = append(c.exchange.pending, secagg.Vector{Update: m.order.Order, Values: m.values})
	m.values = nil
	return c.Exchange()
}

// stepExchange gives the attempt an event and does what follows.
func (c *Client) stepExchange(e secagg.Event) (out []protocol.Message) {
	x := &c.exchange
	if x.client == nil {
		return nil
	}
	for _, effect := range x.client.Step(e) {
		switch f := effect.(type) {
		case secagg.Send:
			out = append(out, c.exchanged(f.Message))
		case secagg.Compute:
			out = append(out, c.stepExchange(secagg.Computed{Answer: f.Request.Execute(c.cfg.Secure.Primitives)})...)
		case secagg.Persist:
			if err := c.persist(f.Record); err != nil {
				return append(out, c.leaveExchange(fmt.Errorf("cannot write down what it has sent: %w", err))...)
			}
			out = append(out, c.stepExchange(secagg.Persisted{})...)
		case secagg.Refused:
			return append(out, c.leaveExchange(f.Err)...)
		}
	}
	return out
}

// persist writes a record down.
func (c *Client) persist(record []byte) error {
	c.history = record
	if c.cfg.Secure.Persist == nil {
		return nil
	}
	return c.cfg.Secure.Persist(record)
}

// exchanged returns the message that carries one of the attempt.
func (c *Client) exchanged(message []byte) protocol.Message {
	x := &c.exchange
	if !secagg.IsMasked(message) {
		return &protocol.Secure{Transfer: x.order, Order: x.order, Vectors: []protocol.Vector{{Kind: protocol.PayloadBytes, Name: protocol.SecurePayload, Block: message}}}
	}
	if x.sent == nil {
		x.sent = &protocol.Contribution{
			Transfer: x.order, Order: x.order, Round: x.round, Weight: 1,
			Vectors: []protocol.Vector{{Kind: protocol.PayloadMasked, Name: protocol.SecurePayload, Block: message}},
		}
		c.keepMasked(x.sent)
	}
	return x.sent
}

// keepMasked keeps the answer to the order until its round is closed.
func (c *Client) keepMasked(m *protocol.Contribution) {
	examples := 0
	if c.masking != nil {
		examples, c.masking = c.masking.examples, nil
	}
	c.kept = append(c.kept, kept{Contribution: m, closes: m.Round, examples: examples})
	if len(c.kept) > maxKept {
		c.kept = c.kept[1:]
	}
	if c.order == nil && c.progress.Activity == Agreeing {
		c.progress.Activity = Sending
	}
}

// leaveExchange ends the client's part in the attempt. Apart, Work may be training for it: then
// Deliver drops that.
func (c *Client) leaveExchange(err error) []protocol.Message {
	order := c.exchange.order
	c.exchange = exchange{order: order, left: err}
	if !c.cfg.Secure.Apart {
		c.Deliver()
	}
	return []protocol.Message{&protocol.Decline{Order: order, Reason: protocol.ReasonUnsupported, Detail: err.Error()}}
}

// dropExchange drops what the client has made for an attempt that it has left.
func (c *Client) dropExchange(err error) {
	c.masking = nil
	c.settleUnsent(false)
	c.progress.LastError = err.Error()
	if o := c.order; o != nil && o.Order == c.exchange.order {
		c.ended(tab.Failed, int(o.Round), &protocol.Ack{Reason: protocol.ReasonUnsupported, Detail: err.Error()})
		c.drop(c.resting())
	}
	c.restExchange()
}

// endExchange forgets the attempt, and with it its secrets.
func (c *Client) endExchange() {
	c.exchange = exchange{order: c.exchange.order}
	c.masking = nil
	c.settleUnsent(false)
	c.restExchange()
}

// restExchange ends the activities of an attempt.
func (c *Client) restExchange() {
	if a := c.progress.Activity; a == Agreeing || a == Summing {
		c.progress.Activity = c.resting()
	}
}

// mask makes the integers of a trained vector, of the mean of the examples, and ends the order:
// the answer is sent once the participants have exchanged their keys.
func (c *Client) mask(values []float32, examples int) []protocol.Message {
	o := c.order
	format := c.secured.format
	loss := 0.0
	if c.sums.Examples > 0 {
		loss = c.sums.Loss / float64(c.sums.Examples)
	}
	u := integers.Update{Values: values, Residual: c.unsent, Examples: examples, Loss: loss}
	if alter := c.cfg.Secure.Alter; alter != nil {
		alter(o, &u)
	}
	turn := integers.Turn{Seed: c.welcome.Seed, Round: o.Round, Bound: o.Hyper.Bound}
	c.masking = &masking{order: o, values: format.Encode(&u, turn, rng.Stream(c.exchange.secret, "rounding")), examples: c.sums.Examples}
	if format.Noise > 0 {
		if err := format.AddNoise(c.masking.values, secret{c.cfg.Secure.Primitives}); err != nil {
			c.masking = nil
			out := decline(o, protocol.ReasonUnsupported, err.Error())
			c.drop(c.resting())
			return out
		}
	}
	if masks := c.cfg.Secure.Masks; masks != nil {
		masks(o, c.masking.values)
	}
	c.before, c.unsent, c.unsettled = c.unsent, slices.Clone(u.Values), true
	c.drop(Agreeing)
	if c.cfg.Secure.Apart {
		return nil
	}
	return c.Deliver()
}

// secret reads random bytes of the client's own source.
type secret struct{ of secagg.Primitives }

func (s secret) Read(b []byte) (int, error) {
	if err := s.of.Random(b); err != nil {
		return 0, err
	}
	return len(b), nil
}

// maskGradient is mask for a sum of gradients.
func (c *Client) maskGradient(sum []float32) []protocol.Message {
	n := c.sums.Examples
	mean := make([]float32, len(sum))
	for i, x := range sum {
		mean[i] = x / float32(max(n, 1))
	}
	return c.mask(mean, n)
}
