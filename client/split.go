package client

import (
	"errors"
	"fmt"

	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/learn/kernel"
	"fedtab/protocol"
)

// Part is one of the parts of an order that is split: what somebody else needs to train
// it. Only Sums and Local change while it is trained.
type Part struct {
	Welcome  *protocol.Welcome
	Order    *protocol.Order
	Index    int
	Base     []float32 // parameters to begin from; others hold them too
	Examples data.Examples
}

// Config returns what the part's training is to be.
func (p *Part) Config() learn.FitConfig { return partConfig(FitOf(p.Order), p.Index) }

// partConfig gives a part an order of examples of its own. The coordinator's seeds are
// hashes: sums of one and a small number collide with none.
func partConfig(cfg learn.FitConfig, part int) learn.FitConfig {
	cfg.Seed += uint64(part)
	return cfg
}

// split is the state of an order whose examples are divided: each part is trained from
// the same model, here or by a helper, and the mean of the models is the answer.
type split struct {
	parts []splitPart
	own   int // that is trained here; -1: none
}

type splitPart struct {
	given  bool      // a helper has it
	local  []float32 // once it is done
	sums   learn.Sums
	steps  int
	weight int // examples
}

// splits returns in how many parts the order in work is trained, 1 if it is not split.
// Each has an example at least.
func (c *Client) splits() int {
	if c.order.Kind != protocol.OrderFit || c.order.Hyper.Parts < 2 {
		return 1
	}
	return min(int(c.order.Hyper.Parts), protocol.MaxVectors, c.examples.Len())
}

// awaits says whether nothing is left of the order in work but what helpers do.
func (c *Client) awaits() bool { return c.split != nil && c.split.own < 0 && !c.split.done() }

func (s *split) done() bool {
	for i := range s.parts {
		if s.parts[i].local == nil {
			return false
		}
	}
	return true
}

// sums returns the totals of all parts, as far as they are known.
func (s *split) sums() (all learn.Sums, steps int) {
	for i := range s.parts {
		all.Add(s.parts[i].sums)
		steps = max(steps, s.parts[i].steps)
	}
	return all, steps
}

// free returns a part that nobody has: the first one, or else the last one; -1: none.
func (s *split) free(first bool) int {
	found := -1
	for i := range s.parts {
		if p := &s.parts[i]; p.local == nil && !p.given && i != s.own {
			if found = i; first {
				break
			}
		}
	}
	return found
}

// divide begins an order that is split.
func (c *Client) divide(parts int) {
	c.split = &split{parts: make([]splitPart, parts), own: 0}
	for i := range c.split.parts {
		c.split.parts[i].weight = (c.examples.Len() - i + parts - 1) / parts
	}
	c.give()
}

// give hands parts that nobody has to helpers.
func (c *Client) give() {
	for c.cfg.Give != nil {
		i := c.split.free(false)
		if i < 0 || !c.cfg.Give(&Part{c.welcome, c.order, i, c.from(), everyNth(c.examples, i, len(c.split.parts))}) {
			return
		}
		c.split.parts[i].given = true
	}
}

// partOf returns a part that a helper has, nil if it is none of the order in work.
func (c *Client) partOf(order uint64, index int) *splitPart {
	if c.split == nil || c.order == nil || c.order.Order != order || index < 0 || index >= len(c.split.parts) {
		return nil
	}
	if p := &c.split.parts[index]; p.given && p.local == nil {
		return p
	}
	return nil
}

// PartSums says how far a helper is with a part.
func (c *Client) PartSums(order uint64, index int, sums learn.Sums) {
	if p := c.partOf(order, index); p != nil {
		p.sums = sums
		sums, _ = c.split.sums()
		c.show(sums)
	}
}

// PartDone takes in a part that a helper has trained: its model, or why there is none.
func (c *Client) PartDone(order uint64, index int, local []float32, sums learn.Sums, steps int, err error) []protocol.Message {
	p := c.partOf(order, index)
	switch {
	case p == nil: // too late
		if c.split != nil {
			c.give() // to the one that has sent it
		}
		return nil
	case errors.Is(err, learn.ErrDiverged):
		return c.fail(protocol.ReasonDiverged, err)
	case err == nil && len(local) != len(c.base):
		err = fmt.Errorf("client: part %d has %d parameters, want %d", index, len(local), len(c.base))
	}
	if err != nil {
		return c.fail(protocol.ReasonUnsupported, err)
	}
	p.local, p.sums, p.steps = local, sums, steps
	c.give()
	sums, _ = c.split.sums()
	c.show(sums)
	return nil
}

// partTrained takes in the part that was trained on b, and begins another one that nobody
// has. It reports whether all are done; their mean is then in b.
func (c *Client) partTrained(b *Workspace) (done bool, err error) {
	s := c.split
	if s.own >= 0 {
		own := &s.parts[s.own]
		own.local = append(b.kept(s.own), b.local...)
		b.parts[s.own] = own.local
		s.own = -1
	}
	if i := s.free(true); i >= 0 {
		s.own = i
		return false, c.begin(b)
	}
	if !s.done() {
		return false, nil
	}
	clear(b.local)
	for i := range s.parts {
		p := &s.parts[i]
		kernel.Axpy(b.local, float32(float64(p.weight)/float64(c.examples.Len())), p.local)
	}
	c.sums, c.made = s.sums()
	return true, nil
}

// kept returns memory for the model of a part.
func (b *Workspace) kept(part int) []float32 {
	for len(b.parts) <= part {
		b.parts = append(b.parts, nil)
	}
	return b.parts[part][:0]
}
