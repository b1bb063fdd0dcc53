package combine

import (
	"fmt"
	"io"
)

// A Plan is the arithmetic of a Commit: plain data with one pure method, run
// outside Step and, in production, on another goroutine.
type Plan interface {
	// Combine writes the next model to v.Next.
	Combine(v *Vectors) error
}

// Payload is what a contribution carries beside vectors of parameters: integers or
// bytes.
type Payload struct {
	Name     string
	Integers []uint64
	Bytes    []byte
}

// Vectors are what a Plan works on. All but payloads have the model's
// length.
type Vectors struct {
	Base     []float32            // version Commit.Base; read only
	Next     []float32            // the result
	Sums     []*Sum               // what Add effects filled
	Kept     [][][]float32        // the vectors of each handle in Commit.Kept; read only
	Payloads [][]Payload          // of each handle in Commit.Kept, as ordered; read only
	State    map[string][]float32 // server vectors by name (momentum, control), stored with the commit; new ones replace the old, which are not written to
	Noise    io.Reader            // random bytes of a Private; nil: none
	Noised   []float64            // further results of a Private
	Seed     *Seed                // of the noise of a Private with a Tree; nil: it has none
}

// WeightedMean makes the next model from the base and the weighted mean of
// the deltas in the first sum: base + ServerLR x mean.
type WeightedMean struct{ ServerLR float64 }

// Combine implements Plan.
func (p WeightedMean) Combine(v *Vectors) error {
	return v.Sums[0].Mean(v.Next, v.Base, p.ServerLR)
}

// ServerStep takes a step of a server optimiser (Reddi et al. 2021) along Sign
// times the mean of the first sum.
type ServerStep struct {
	Sign   float64
	Server Server
}

// Combine implements Plan.
func (p ServerStep) Combine(v *Vectors) error {
	clear(v.Next) // becomes the mean first
	if err := v.Sums[0].Mean(v.Next, v.Next, p.Sign); err != nil {
		return err
	}
	return p.Server.Step(v.Next, v.Base, v.Next, v.State)
}

// Scaffold moves the model along the mean delta and the server's control
// variate along the mean change of the clients', for the Share of all clients
// that took part:
//
//	x <- x + eta_s mean(delta);  c <- c + |S|/N mean(c_i+ - c_i)
type Scaffold struct{ ServerLR, Share float64 }

// ControlVector is the name of SCAFFOLD's server control variate in
// Vectors.State.
const ControlVector = "control"

// Combine implements Plan.
func (p Scaffold) Combine(v *Vectors) error {
	if len(v.Sums) < 2 {
		return fmt.Errorf("combine: control variates need two sums, got %d", len(v.Sums))
	}
	if err := v.Sums[0].Mean(v.Next, v.Base, p.ServerLR); err != nil {
		return err
	}
	c := make([]float32, len(v.Base))
	if old := v.State[ControlVector]; old != nil {
		copy(c, old)
	}
	v.State[ControlVector] = c
	return v.Sums[1].Mean(c, c, p.Share)
}

// Robust combines the kept deltas by a combiner that some wrong ones cannot
// lead astray, and applies the result at ServerLR.
type Robust struct {
	Combiner  string
	ServerLR  float64
	Trim      float64
	Byzantine int
	Seed      uint64
}

// Combine implements Plan.
func (p Robust) Combine(v *Vectors) error {
	deltas := make([][]float32, len(v.Kept))
	for i, k := range v.Kept {
		deltas[i] = k[0]
	}
	out := make([]float32, len(v.Base))
	if err := p.combine(out, deltas); err != nil {
		return err
	}
	for i, d := range out {
		v.Next[i] = float32(float64(v.Base[i]) + p.ServerLR*float64(d))
	}
	return nil
}

func (p Robust) combine(out []float32, deltas [][]float32) error {
	switch p.Combiner {
	case "median":
		return Median(out, deltas)
	case "trimmed-mean":
		return TrimmedMean(out, deltas, p.Trim)
	case "krum":
		_, err := Krum(out, deltas, p.Byzantine, 1)
		return err
	case "geometric-median":
		_, err := GeometricMedian(out, deltas, nil)
		return err
	case "radon":
		height := Height(len(out), len(deltas))
		return RadonMachine(out, deltas[:Need(len(out), height)], height, p.Seed)
	}
	panic("combine: combiner " + p.Combiner)
}

// RadonTree takes the Radon points of the kept base models, level by level, in
// groups that Seed shuffles.
type RadonTree struct {
	Height int
	Seed   uint64
}

// Combine implements Plan.
func (p RadonTree) Combine(v *Vectors) error {
	var points [][]float32
	for _, k := range v.Kept {
		points = append(points, k...)
	}
	delta := make([]float32, len(v.Base))
	if err := RadonMachine(delta, points, p.Height, p.Seed); err != nil {
		return err
	}
	for i, d := range delta {
		v.Next[i] = v.Base[i] + d
	}
	return nil
}

// Fixed makes the next model of given parameters, and forgets the server's state.
type Fixed struct{ Params []float32 }

// Combine implements Plan.
func (p Fixed) Combine(v *Vectors) error {
	copy(v.Next, p.Params)
	clear(v.State)
	return nil
}
