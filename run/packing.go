package run

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"fedtab/compress"
	"fedtab/protocol"
)

// Packing says how parameters travel. The zero value is raw float32 both ways.
type Packing struct {
	Up         protocol.Codec
	Bits       float64 // per parameter, of codecs that have a choice
	Feedback   bool    // clients add what earlier answers have lost
	Down       protocol.Codec
	Coarseness float64 // of the grid: its step, in multiples of the first round's mean change
}

// Versions on a grid. Everybody who holds a version holds the same bits: version
// 0, which comes from the seed, plus a step times integers. The version that the
// sums give, the exact one, is rounded to that grid; what is lost stays with the
// coordinator and goes into the next version. The difference between two versions
// is coded without loss, once for all who need it.
//
// The newest exact version and the step are server vectors (State), so that they
// are durable with the version.
type grid struct {
	grid    *compress.Grid
	initial []float32
	exact   []float32 // the newest version before it was rounded
	step    float32   // 0 before the first
	kept    []levels  // newest versions, ascending
	kb      int64     // bytes that kept may take
	blocks  map[uint64]*Shared
}

// levels is a version as integers.
type levels struct {
	version uint64
	step    float32
	at      []int32
}

// The names of the grid's server vectors.
const (
	exactVector = "exact"
	stepVector  = "step"
)

// keptLevels bounds the memory of old versions: of the 2NN it holds 80. Whoever
// holds an older one gets the difference from version 0.
const keptLevels = 64 << 20

// halveBelow is when the step is halved: once it is so many times what would fit
// the changes of now. The remainders stay with the coordinator, so a step of some
// times the changes costs little, and a halving costs everybody a bit.
const halveBelow = 8

// coarsenAbove is when the step is made anew: once what would fit the changes of
// now is so many times the step. A first round may have changed next to nothing,
// and without this every later difference would pay for its fine step, or leave the
// range of levels. It costs everybody a difference from version 0.
const coarsenAbove = 16

func (r *Run) newGrid() (*grid, error) {
	g := &grid{initial: slices.Clone(r.params), exact: slices.Clone(r.params), kb: keptLevels, blocks: map[uint64]*Shared{}}
	var err error
	if g.grid, err = compress.NewGrid(compress.TensorsOf(r.cfg.Model.Layout()), g.initial); err != nil {
		return nil, fmt.Errorf("run %s: grid: %w", r.cfg.ID, err)
	}
	return g, nil
}

// restore takes up the newest version after a restart.
func (g *grid) restore(version uint64, params []float32, state map[string][]float32) error {
	exact, step := state[exactVector], state[stepVector]
	if len(exact) != len(params) || len(step) != 1 {
		return fmt.Errorf("version %d has no grid: it was made by a task that packed otherwise", version)
	}
	at := make([]int32, len(params))
	if err := g.grid.Levels(at, params, step[0]); err != nil {
		return fmt.Errorf("version %d: %w", version, err)
	}
	g.exact, g.step = exact, step[0]
	g.kept = []levels{{version, step[0], at}}
	return nil
}

// round makes the public version p of the exact one w, and says with which step.
func (g *grid) round(w []float32, coarseness float64) (p []float32, at []int32, step float32, err error) {
	change := make([]float32, len(w))
	for i, x := range w {
		change[i] = x - g.exact[i]
	}
	fits := compress.GridStep(change, coarseness) // as if this were the first round
	step = g.step
	switch {
	case step == 0 && fits == 0:
		step = 1 // nothing has changed: any grid holds version 0
	case step == 0 || fits > coarsenAbove*step:
		step = fits
	case fits > 0 && step > halveBelow*fits:
		step /= 2
	}
	p, at = make([]float32, len(w)), make([]int32, len(w))
	for err = g.grid.Round(at, p, w, step); errors.Is(err, compress.ErrRange) && step < math.MaxFloat32/2; {
		step *= 2 // so fine a grid does not reach so far
		err = g.grid.Round(at, p, w, step)
	}
	return p, at, step, err
}

// commit takes a version in that is durable now.
func (g *grid) commit(l levels, exact []float32) {
	if l.step > g.step {
		g.kept = slices.Delete(g.kept, 0, len(g.kept)) // they lie on no coarser grid
	}
	g.exact, g.step = exact, l.step
	g.kept = append(g.kept, l)
	for size := int64(4 * len(exact)); len(g.kept) > 1 && int64(len(g.kept))*size > g.kb; {
		g.kept = slices.Delete(g.kept, 0, 1) // and let go of its levels
	}
	clear(g.blocks)
}

// Oldest returns the oldest version from which a difference may still be sent,
// version 0 apart: it is of no use to hold one that is older.
func (r *Run) Oldest() uint64 {
	if r.grid != nil && len(r.grid.kept) > 0 {
		return r.grid.kept[0].version
	}
	return r.version
}

// message returns the message that leads whoever holds a version to the newest.
func (g *grid) message(r *Run, held uint64) (*Shared, error) {
	newest := g.kept[len(g.kept)-1]
	var from []int32
	halvings := 0
	if i := slices.IndexFunc(g.kept, func(l levels) bool { return l.version == held }); i >= 0 {
		from = g.kept[i].at
		for s := g.kept[i].step; s > newest.step; s /= 2 {
			halvings++
		}
	} else {
		held = 0
	}
	if s := g.blocks[held]; s != nil {
		return s, nil
	}
	block, err := g.grid.Append(nil, from, newest.at, newest.step, halvings)
	if err != nil {
		return nil, err
	}
	base, _ := r.hashOf(held)
	delta := protocol.Vector{Role: protocol.RoleDelta, BaseHash: base[:], Codec: protocol.CodecGrid, Block: block}
	s := &Shared{Message: &protocol.Model{
		Transfer: r.version, Version: r.version, Hash: slices.Clone(r.hash[:]), Base: held,
		Vectors: append([]protocol.Vector{delta}, r.controlVector()...),
	}}
	g.blocks[held] = s
	return s, nil
}

// pack encodes a vector with a codec that has no options and takes whatever is
// finite, or a version that was rounded to it.
func (r *Run) pack(codec protocol.Codec, v []float32) []byte {
	c, err := compress.Lookup(codec)
	if err == nil {
		var b []byte
		if b, err = c.NewEncoder(compress.TensorsOf(r.cfg.Model.Layout())).Append(nil, v, compress.Options{}); err == nil {
			return b
		}
	}
	panic(fmt.Sprintf("run: packing with %v: %v", codec, err)) // checked when the task was loaded, and versions are finite
}
