package client

import (
	"fmt"
	"math"
	"testing"

	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/learn/kernel"
	"fedtab/protocol"

	"pgregory.net/rapid"
)

// splitOrder is an order whose answer is the mean of models.
func splitOrder(w *protocol.Welcome, number uint64, parts uint32) *protocol.Order {
	o := order(w, number)
	o.Hyper.Parts = parts
	return o
}

// meanOfParts is the answer to a split order, by hand.
func meanOfParts(t testing.TB, o *protocol.Order, ex data.Examples, parts int) []float32 {
	t.Helper()
	base := OwnModels().Initial(model(t), 1)
	mean := make([]float32, parameters)
	for i := range parts {
		part := everyNth(ex, i, parts)
		cfg := FitOf(o)
		cfg.Seed += uint64(i)
		kernel.Axpy(mean, float32(float64(part.Len())/float64(ex.Len())), fitted(t, base, part, cfg))
	}
	kernel.Axpy(mean, -1, base)
	return mean
}

func same(t testing.TB, got, want []float32) {
	t.Helper()
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("element %d is %g, want %g", i, got[i], want[i])
		}
	}
}

// A split order is answered by the mean of models, each trained on its own part of the
// examples and weighted by them; slices of any length give the same bits.
func TestSplit(t *testing.T) {
	for _, steps := range []int{1, 3, math.MaxInt} {
		c, w := joined(t)
		o := splitOrder(w, 1, 3)
		receive(t, c, o)
		got := contribution(t, work(c, steps))
		// Of 8, 7 and 7 examples, two epochs of two mini-batches each.
		if m := got.Metrics; got.Weight != 22 || m.Examples != 44 || m.Steps != 4 || !(m.LossSum > 0) {
			t.Fatalf("contribution %+v", got)
		}
		same(t, decoded(t, got.Vectors[0]), meanOfParts(t, o, examples(t, 22), 3))
	}
}

// No part is without an example, and one part is no mean.
func TestSplitOfFewExamples(t *testing.T) {
	for parts, want := range map[uint32]int{40: 22, 1: 1, 0: 1} {
		c, w := joined(t)
		o := splitOrder(w, 1, parts)
		receive(t, c, o)
		same(t, decoded(t, contribution(t, work(c, 5)).Vectors[0]), meanOfParts(t, o, examples(t, 22), want))
	}
}

// crew are helpers that have been given parts.
type crew struct {
	of    uint64 // order in work
	free  int
	given []*Part
}

func (h *crew) give(p *Part) bool {
	if p.Order.Order != h.of { // the old ones are of no use any more
		h.free += len(h.given)
		h.of, h.given = p.Order.Order, nil
	}
	if h.free == 0 {
		return false
	}
	h.free--
	h.given = append(h.given, p)
	return true
}

// train does what a helper does with a part.
func (p *Part) train(t testing.TB) (local []float32, sums learn.Sums, steps int) {
	t.Helper()
	f := learn.NewFit(model(t))
	local = append(local, p.Base...)
	if err := f.Start(local, p.Examples, p.Config()); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Run(math.MaxInt); err != nil {
		t.Fatal(err)
	}
	return local, f.Sums(), f.Steps()
}

// Helpers of any number, done in any order, between slices of any length, give the bits
// that the client has alone. There is nothing to do here while they have all that is left.
func TestHelpers(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		parts := rapid.IntRange(2, 6).Draw(r, "parts")
		h := &crew{free: rapid.IntRange(0, 6).Draw(r, "helpers")}
		c, w := joined(t)
		c.cfg.Give = h.give
		if rapid.Bool().Draw(r, "given up before") {
			receive(t, c, splitOrder(w, 1, uint32(parts)))
			c.Work(c.NewWorkspace(), 1)
			receive(t, c, &protocol.Ack{Order: 1, Reason: protocol.ReasonAbandoned})
		}
		late := h.given
		o := splitOrder(w, 2, uint32(parts))
		receive(t, c, o)
		b := c.NewWorkspace()
		var out []protocol.Message
		done := 0
		for len(out) < 2 {
			if c.Ready() && (len(h.given) == 0 || rapid.Bool().Draw(r, "here")) {
				out = append(out, c.Work(b, rapid.IntRange(1, 9).Draw(r, "steps"))...)
				if p := c.Progress(); len(out) < 2 && p.Done < done || p.Done > 44 {
					r.Fatalf("%d examples done after %d", p.Done, done)
				}
				done = c.Progress().Done
				continue
			}
			if len(h.given) == 0 {
				r.Fatal("nobody has anything to do")
			}
			i := rapid.IntRange(0, len(h.given)-1).Draw(r, "helper")
			p := h.given[i]
			h.given = append(h.given[:i:i], h.given[i+1:]...)
			h.free++
			local, sums, steps := p.train(t)
			c.PartSums(p.Order.Order, p.Index, learn.Sums{Examples: 1, Loss: 1})
			if got := c.PartDone(p.Order.Order, p.Index, local, sums, steps, nil); len(got) > 0 {
				r.Fatalf("a part is answered by %v", got)
			}
			c.PartDone(p.Order.Order, p.Index, nil, sums, steps, fmt.Errorf("once more")) // does nothing
			done = 0
		}
		for _, p := range late {
			c.PartDone(p.Order.Order, p.Index, nil, learn.Sums{}, 0, fmt.Errorf("too late"))
		}
		got := contribution(t, out)
		if got.Metrics.Examples != 44 || got.Weight != 22 {
			r.Fatalf("contribution %+v", got)
		}
		same(t, decoded(t, got.Vectors[0]), meanOfParts(t, o, examples(t, 22), parts))
	})
}

// What becomes of a part at a helper becomes of the order.
func TestHelperFails(t *testing.T) {
	for err, want := range map[error]protocol.Reason{
		learn.ErrDiverged:     protocol.ReasonDiverged,
		fmt.Errorf("no room"): protocol.ReasonUnsupported,
		nil:                   protocol.ReasonUnsupported, // a model of another size
	} {
		c, w := joined(t)
		c.cfg.Give = (&crew{free: 1}).give
		receive(t, c, splitOrder(w, 1, 2))
		c.Work(c.NewWorkspace(), 1)
		out := c.PartDone(1, 1, make([]float32, 1), learn.Sums{}, 0, err)
		if len(out) != 1 {
			t.Fatalf("%v is answered by %v", err, out)
		}
		if d, ok := out[0].(*protocol.Decline); !ok || d.Reason != want || d.Order != 1 {
			t.Errorf("%v is answered by %+v, want a refusal for %v", err, out[0], want)
		}
		if c.Ready() {
			t.Errorf("%v: the order goes on", err)
		}
	}
}
