package client

import (
	"fmt"
	"slices"

	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/protocol"
)

// assign replaces the assigned shards. It drops shards that are no longer assigned,
// and all if the source differs: the source names the content, so that a coordinator
// that comes back with other data has other shards under the same numbers. The
// current order keeps its examples.
func (c *Client) assign(m *protocol.Shards) {
	if m.Source != c.origin {
		clear(c.shards)
	}
	c.origin, c.assigned, c.makeDo = m.Source, m.Shards, false
	for n := range c.shards {
		if !slices.Contains(m.Shards, n) {
			delete(c.shards, n)
		}
	}
}

// Missing returns the assigned shards that the client does not have, in the order in
// which to fetch them.
func (c *Client) Missing() []uint32 {
	var missing []uint32
	for _, n := range c.assigned {
		if c.shards[n] == nil {
			missing = append(missing, n)
		}
	}
	return missing
}

// AddShard adds a shard of the current source, and ignores it if it is not assigned.
// It returns an error if the examples are not of the model's shape.
func (c *Client) AddShard(n uint32, s *data.Set) error {
	if !slices.Contains(c.assigned, n) {
		return nil
	}
	if err := fits(c.model.Spec(), s, fmt.Sprintf("shard %d has", n)); err != nil {
		return err
	}
	c.shards[n] = s
	return nil
}

// fits returns an error if examples are not of the model's shape; what says whose they are.
func fits(spec learn.Spec, ex data.Examples, what string) error {
	if ex.Features() != spec.Features() || ex.Classes() > spec.Classes() {
		return fmt.Errorf("client: %s %d features and %d classes, the model takes %d and %d",
			what, ex.Features(), ex.Classes(), spec.Features(), spec.Classes())
	}
	return nil
}

// Shards returns the number of shards that are here, and of those assigned.
func (c *Client) Shards() (here, assigned int) { return len(c.shards), len(c.assigned) }

// MakeDo lets the order in work begin without the shards that are missing, as soon as a
// quarter of the assigned ones is here. It is for a driver that could not fetch the others
// in time: a model that is trained on a few of the shards alone may be worse than the one
// before, as they need not have all classes.
func (c *Client) MakeDo() { c.makeDo = true }

// enough reports whether training may start: with all shards, or a quarter of them if
// that has to do.
func (c *Client) enough() bool {
	here := len(c.shards)
	return c.private != nil || here > 0 && (here == len(c.assigned) || c.makeDo && 4*here >= len(c.assigned))
}

// SetExamples makes the client train on data of its own.
func (c *Client) SetExamples(ex data.Examples) { c.private = ex }

// atHand returns the available examples in the order of assignment, or nil if there
// are none.
func (c *Client) atHand() data.Examples {
	if c.private != nil {
		return c.private
	}
	var parts []data.Examples
	for _, n := range c.assigned {
		if s := c.shards[n]; s != nil {
			parts = append(parts, s)
		}
	}
	switch len(parts) {
	case 0:
		return nil
	case 1:
		return parts[0]
	}
	return data.NewUnion(parts...)
}

// Pictures returns at most n of the pictures that the coordinator has handed to the
// client, from all over its shards: their pixels, one picture of the given shape after the
// other, and their labels. There are none where the examples are rows of a table, or the
// client's own.
func (c *Client) Pictures(n int) (pixels, labels []uint8, shape []int) {
	var sets []*data.Set
	total := 0
	for _, number := range c.assigned {
		if s := c.shards[number]; s != nil && s.X != nil && s.Y != nil {
			sets, total = append(sets, s), total+s.Len()
		}
	}
	n = min(n, total)
	at, set := 0, 0 // of the first example of a set
	for i := range n {
		want := i * total / n
		for want >= at+sets[set].Len() {
			at += sets[set].Len()
			set++
		}
		s, k := sets[set], want-at
		pixels = append(pixels, s.X[k*s.Features():][:s.Features()]...)
		labels = append(labels, s.Y[k])
		shape = s.Shape
	}
	return pixels, labels, shape
}

// Scaling returns how pixels of the pictures that the client was given become numbers; ok
// is false if there are none.
func (c *Client) Scaling() (by data.Scaling, ok bool) {
	for _, s := range c.shards {
		if s.X != nil {
			return s.Scaling(), true
		}
	}
	return by, false
}

// Examples returns the number of available examples.
func (c *Client) Examples() int {
	ex := c.atHand()
	if ex == nil {
		return 0
	}
	return ex.Len()
}
