package client

import (
	"fmt"
	"slices"

	"fedtab/learn/data"
	"fedtab/protocol"
)

// assign takes a new set of shards. What is no longer assigned is given up at
// once, unless the order in work trains on it.
func (c *Client) assign(m *protocol.Shards) {
	c.assigned = m.Shards
	for n := range c.shards {
		if !slices.Contains(m.Shards, n) {
			delete(c.shards, n)
		}
	}
}

// Missing returns the assigned shards that the client has not got, the ones
// to be fetched first in front.
func (c *Client) Missing() []uint32 {
	var missing []uint32
	for _, n := range c.assigned {
		if c.shards[n] == nil {
			missing = append(missing, n)
		}
	}
	return missing
}

// AddShard hands over a shard. One that is not assigned (any more) is
// ignored. Training may start before all have come. It is an error when the
// examples are not of the model's shape.
func (c *Client) AddShard(n uint32, s *data.Set) error {
	if !slices.Contains(c.assigned, n) {
		return nil
	}
	spec := c.model.Spec()
	if s.Features() != spec.Features() || s.Classes() > spec.Classes() {
		return fmt.Errorf("client: shard %d has %d features and %d classes, the model takes %d and %d",
			n, s.Features(), s.Classes(), spec.Features(), spec.Classes())
	}
	c.shards[n] = s
	return nil
}

// Shards returns how many shards are here and how many are assigned.
func (c *Client) Shards() (here, assigned int) { return len(c.shards), len(c.assigned) }

// enough says whether training may start: with a quarter of the shards, so
// that a tab need not wait for all of them, and yet does not begin with one
// that may hold a single label.
func (c *Client) enough() bool {
	return c.own != nil || len(c.shards) > 0 && 4*len(c.shards) >= len(c.assigned)
}

// SetExamples makes the client train on data of its own.
func (c *Client) SetExamples(ex data.Examples) { c.own = ex }

// atHand returns the examples at hand, in the order of the shards' numbers, or
// nil when there are none yet.
func (c *Client) atHand() data.Examples {
	if c.own != nil {
		return c.own
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

// Examples returns how many examples are at hand.
func (c *Client) Examples() int {
	ex := c.atHand()
	if ex == nil {
		return 0
	}
	return ex.Len()
}
