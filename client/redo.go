package client

import (
	"encoding/binary"
	"fmt"
	"math"

	"fedtab/compress"
	"fedtab/learn"
	"fedtab/privacy/secagg"
	"fedtab/protocol"
)

// maxRedone bounds the body of a contribution that Redo takes: as many vectors as there
// can be.
const maxRedone = protocol.MaxVectors * protocol.MaxBlock

// Bits of what a call has left, in the first number that AppendDone writes and in its order.
const (
	leftOrder = 1 << iota
	leftBegun
	leftEnquiry
	leftStart
	leftAway
	leftUnchecked
	leftMasking
)

// AppendDone appends to b what a call that returned out has made of the client: Work, or
// Receive of a Fetch. Redo repeats the call from it without training, in a simulation that
// goes on after an interruption.
//
// It has the messages and the state that the call has left, without the vectors, which
// AppendVectors has. What people are shown is not in it: Progress, evaluations and
// comparisons.
func (c *Client) AppendDone(b []byte, out []protocol.Message) []byte {
	var left uint64
	for bit, is := range []bool{c.order != nil, c.examples != nil, c.enquiry != nil, c.start != nil, c.away, c.unchecked, c.masking != nil && c.masking.values != nil} {
		if is {
			left |= 1 << bit
		}
	}
	for _, n := range []uint64{
		left, uint64(c.stream), c.packedRound, uint64(c.made),
		uint64(c.sums.Examples), uint64(c.sums.Correct), math.Float64bits(c.sums.Loss),
	} {
		b = binary.AppendUvarint(b, n)
	}
	b = appendBytes(b, c.localBase[:])
	if left&leftMasking != 0 {
		b = binary.AppendUvarint(b, uint64(c.masking.examples))
		b = appendBytes(b, secagg.AppendPacked(nil, c.masking.values, c.maskBits()))
	}
	for _, m := range out {
		b = appendMessage(b, m)
	}
	return b
}

// Redo repeats a call of which AppendDone has written what it made of a client in the same
// state, and returns its messages. The vectors stay as they are: only after the newest of
// the calls that are repeated are they needed, and RestoreVectors sets them.
func (c *Client) Redo(done []byte) ([]protocol.Message, error) {
	d := savedReader{b: done}
	left := d.uint()
	stream, packedRound, made := int(d.uint()), d.uint(), int(d.uint())
	sums := learn.Sums{Examples: int(d.uint()), Correct: int(d.uint()), Loss: math.Float64frombits(d.uint())}
	base := d.bytes()
	if d.broken || len(base) != len(c.localBase) {
		return nil, fmt.Errorf("%w: a call is cut off", ErrSaved)
	}
	if left&leftMasking != 0 {
		if err := c.redoMasking(&d); err != nil {
			return nil, err
		}
	}
	var out []protocol.Message
	for len(d.b) > 0 {
		m, err := d.message(maxRedone)
		if err != nil {
			return nil, fmt.Errorf("%w: message %d of a call: %w", ErrSaved, len(out), err)
		}
		out = append(out, m)
		if answer, ok := m.(*protocol.Contribution); ok && c.order != nil && answer.Order == c.order.Order {
			c.keep(answer)
		}
	}
	if left&leftOrder == 0 && c.order != nil {
		c.drop(c.resting())
	}
	if left&leftBegun != 0 {
		c.examples = c.atHand()
	}
	if left&leftEnquiry == 0 {
		c.endEnquiry()
	}
	if left&leftStart == 0 {
		c.start = nil
	}
	c.away, c.unchecked = left&leftAway != 0, left&leftUnchecked != 0
	c.stream, c.packedRound, c.made, c.sums = stream, packedRound, made, sums
	copy(c.localBase[:], base)
	return out, nil
}

// AppendVectors appends the vectors that the client keeps from one order to the next: the
// residual of error feedback, and the model that Monitor orders train on.
func (c *Client) AppendVectors(b []byte) []byte {
	var residual []byte
	if c.feedback != nil {
		residual = c.feedback.AppendState(nil)
	}
	b = appendBytes(b, residual)
	for _, v := range [][]float32{c.unsent, c.before} {
		b = appendMade(b, func(b []byte) []byte { return compress.AppendFloat32(b, v) })
	}
	unsettled := uint64(0)
	if c.unsettled {
		unsettled = 1
	}
	b = binary.AppendUvarint(b, unsettled)
	if c.localBase != ([32]byte{}) { // otherwise it is of no use
		b = compress.AppendFloat32(b, c.local)
	}
	return b
}

// RestoreVectors reads what AppendVectors has written. It comes after the welcome.
func (c *Client) RestoreVectors(vectors []byte) error {
	d := savedReader{b: vectors}
	residual, unsent, before := d.bytes(), d.bytes(), d.bytes()
	unsettled := d.uint() == 1
	n := c.model.Layout().Size
	if d.broken || len(unsent) != 0 && len(unsent) != 4*n || len(before) != 0 && len(before) != 4*n || len(d.b) != 0 && len(d.b) != 4*n {
		return fmt.Errorf("%w: vectors are cut off", ErrSaved)
	}
	c.feedback, c.local, c.unsettled = nil, nil, unsettled
	for to, from := range map[*[]float32][]byte{&c.unsent: unsent, &c.before: before} {
		if *to = nil; len(from) == 0 {
			continue
		}
		*to = make([]float32, n)
		if err := compress.DecodeFloat32(*to, from); err != nil {
			return fmt.Errorf("%w: what was not sent: %w", ErrSaved, err)
		}
	}
	if len(residual) > 0 {
		c.feedback = new(compress.Feedback)
		if err := c.feedback.RestoreState(residual, n); err != nil {
			return fmt.Errorf("%w: residual: %w", ErrSaved, err)
		}
	}
	if len(d.b) > 0 {
		c.local = make([]float32, n)
		for i := range c.local { // not all need be finite
			c.local[i] = math.Float32frombits(binary.LittleEndian.Uint32(d.b[4*i:]))
		}
	}
	return nil
}

// maskBits returns the width of the integers of secure aggregation.
func (c *Client) maskBits() int { return int(c.welcome.Secure.Bits) }

// redoMasking reads what a call has left for secure aggregation.
func (c *Client) redoMasking(d *savedReader) error {
	examples, packed := int(d.uint()), d.bytes()
	t := c.secured.terms
	sum := secagg.NewSum(t.Length, t.Bits)
	if c.order == nil || d.broken || sum.Add(packed) != nil {
		return fmt.Errorf("%w: a masked vector without its order, or cut off", ErrSaved)
	}
	c.masking = &masking{order: c.order, values: sum.Values(nil), examples: examples}
	return nil
}
