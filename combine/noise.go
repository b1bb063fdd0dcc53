package combine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
)

// ErrNoise is wrapped by the error of a plan that needs noise and has no random bytes for it.
var ErrNoise = errors.New("no noise, and so no version")

// Private is the step of a Gaussian mechanism: noise of standard deviation Sigma is added to
// each coordinate of the first sum, which is divided by Divisor, whatever has arrived. What a
// server optimiser makes of the result tells nothing more of a participant.
//
// What bounds a contribution is the strategy's duty; docs/differential.md has the claim.
type Private struct {
	Sigma   float64
	Divisor float64 // the expected sum of weights
	Server  Server
	Count   *Count // nil: nothing is counted
	Tree    *Tree  // the noise is that of a tree; nil: each step has its own

	// Distributed says that the noise is in the sum already, which participants have added
	// shares to.
	Distributed bool
}

// Tree is what a step of tree aggregation does to the noise that the model carries (Kairouz et
// al. 2021): the sum of all steps so far has the noise of those nodes of a binary tree that it
// is made of. The step's own node, whose noise follows from Vectors.Seed, takes the place of
// Drop.
type Tree struct{ Drop []Seed }

// Seed is what the noise of a node follows from: it is taken back exactly as it was added.
type Seed = [32]byte

// Count is a number that a Private step releases with noise of standard deviation Sigma, as
// the first of Vectors.Noised. Like a vector's its noise is rounded to a grid, and added to an
// integer.
type Count struct {
	Halves int64 // the number, in halves
	Sigma  float64
}

// countGrid is the number of steps of a Count's grid in 1. The noise of a count of 2^30
// participants and the count itself stay below 2^53 steps, so that what is released is exact.
const countGrid = 1 << 20

// noised returns the number with noise.
func (c *Count) noised(noise *Normal) (float64, error) {
	x, err := noise.steps(c.Sigma * countGrid)
	return float64(c.Halves*(countGrid/2)+x) / countGrid, err
}

// Combine implements Plan.
func (p Private) Combine(v *Vectors) error {
	if p.Distributed {
		if err := v.Sums[0].Divided(v.Next, p.Divisor); err != nil {
			return err
		}
		return p.Server.Step(v.Next, v.Base, v.Next, v.State)
	}
	noise, err := NewNormal(v.Noise)
	if err != nil {
		return err
	}
	plus, minus := noise, []*Normal(nil)
	if p.Tree != nil {
		v.Seed = new(Seed)
		if _, err := io.ReadFull(v.Noise, v.Seed[:]); err != nil {
			return fmt.Errorf("combine: %w: %w", ErrNoise, err)
		}
		plus = grown(*v.Seed)
		for _, s := range p.Tree.Drop {
			minus = append(minus, grown(s))
		}
	}
	if err := v.Sums[0].Noised(v.Next, p.Sigma, p.Divisor, plus, minus...); err != nil {
		return err
	}
	if c := p.Count; c != nil {
		x, err := c.noised(noise)
		if err != nil {
			return err
		}
		v.Noised = []float64{x}
	}
	return p.Server.Step(v.Next, v.Base, v.Next, v.State)
}

// grown returns the noise of a node.
func grown(s Seed) *Normal { return &Normal{reader: rand.NewChaCha8(s)} }

// Noised writes (sum + noise) / divisor to dst, less the noise of minus, also where nothing has
// been added. The noise is rounded to the sum's grid and added to its integers: the last digits of the result are
// those of an integer, and not those of a floating-point sum, which can betray its parts
// (Mironov 2012). The sum itself is not changed.
func (s *Sum) Noised(dst []float32, sigma, divisor float64, noise *Normal, minus ...*Normal) error {
	if len(dst) != len(s.counts) {
		panic(fmt.Sprintf("combine: Sum.Noised to %d values, want %d", len(dst), len(s.counts)))
	}
	units := sigma * s.scale
	if !(sigma >= 0 && units <= maxNoise) || !(divisor > 0) {
		return fmt.Errorf("combine: noise of %g on a grid of %g, divided by %g: want a noise from 0 to %g, and a divisor > 0", sigma, 1/s.scale, divisor, maxNoise/s.scale)
	}
	factor := 1 / (divisor * s.scale)
	for i, c := range s.counts {
		x, err := noise.steps(units)
		if err != nil {
			return err
		}
		c += x
		for _, m := range minus {
			x, err := m.steps(units)
			if err != nil {
				return err
			}
			c -= x
		}
		dst[i] = float32(float64(c) * factor)
	}
	return nil
}

// Divided writes sum / divisor to dst.
func (s *Sum) Divided(dst []float32, divisor float64) error {
	if len(dst) != len(s.counts) {
		panic(fmt.Sprintf("combine: Sum.Divided to %d values, want %d", len(dst), len(s.counts)))
	}
	if !(divisor > 0) {
		return fmt.Errorf("combine: a sum divided by %g, want a divisor > 0", divisor)
	}
	factor := 1 / (divisor * s.scale)
	for i, c := range s.counts {
		dst[i] = float32(float64(c) * factor)
	}
	return nil
}

// maxNoise is the largest standard deviation of noise in units of a sum. The sum is below
// 2^62, no variable of a Normal is beyond 2^4, and a tree has at most 2^5 nodes to take back.
const maxNoise = 1 << 52

// Normal draws standard normal variables from random bytes by the transform of Box and Muller
// (1958), at full precision: none is beyond 8.6.
type Normal struct {
	reader io.Reader
	buffer [4096]byte
	left   []byte
	spare  float64
	spared bool
}

// NewNormal returns a Normal. Noise that a claim rests on needs a reader of the system's
// randomness; simulations may have a seeded one.
func NewNormal(r io.Reader) (*Normal, error) {
	if r == nil {
		return nil, fmt.Errorf("combine: %w: no source of random bytes is given", ErrNoise)
	}
	return &Normal{reader: r}, nil
}

// Next returns the next variable.
func (n *Normal) Next() (float64, error) {
	if n.spared {
		n.spared = false
		return n.spare, nil
	}
	if len(n.left) < 16 {
		if _, err := io.ReadFull(n.reader, n.buffer[:]); err != nil {
			return 0, fmt.Errorf("combine: %w: %w", ErrNoise, err)
		}
		n.left = n.buffer[:]
	}
	// u is in (0, 1], so that its logarithm is finite.
	u := (float64(binary.LittleEndian.Uint64(n.left)>>11) + 1) * 0x1p-53
	sin, cos := math.Sincos(2 * math.Pi * float64(binary.LittleEndian.Uint64(n.left[8:])>>11) * 0x1p-53)
	n.left = n.left[16:]
	radius := math.Sqrt(-2 * math.Log(u))
	n.spare, n.spared = radius*sin, true
	return radius * cos, nil
}

// steps returns the next variable times sigma, rounded to an integer.
func (n *Normal) steps(sigma float64) (int64, error) {
	x, err := n.Next()
	return int64(math.RoundToEven(float64(sigma * x))), err
}
