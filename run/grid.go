package run

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"

	"fedtab/compress"
	"fedtab/protocol"
)

// Packing is the compression of the run. The zero value is raw float32 both ways.
type Packing struct {
	Up         protocol.Codec
	Bits       float64 // per parameter, of codecs with that setting
	Feedback   bool    // error feedback of the clients
	Down       protocol.Codec
	Coarseness float64 // of the grid: its step, in multiples of the first round's mean change
	// Local packs local models, the means that clients start from and that are no
	// versions, as vectors by themselves; LocalBits is its rate. A client that lacks
	// the codec gets the same values in full.
	Local     protocol.Codec
	LocalBits float64
}

// grid holds versions on a grid. All clients that hold a version hold the same
// bits: version 0, which comes from the seed, plus a step times integers. The exact
// version, which the sums give, is rounded to that grid; the remainder stays with
// the coordinator and goes into the next version. The difference between two
// versions is coded without loss, once for all clients that need it.
//
// The newest exact version and the step are server vectors (State), so that they
// are durable with the version. Control variates have a grid of their own, around
// zero; their exact values are the strategy's server vector.
type grid struct {
	grid     *compress.Grid
	exact    []float32          // the newest version before it was rounded
	step     float32            // 0 before the first
	kept     []levels           // newest versions, ascending
	maxBytes int64              // of kept
	messages map[uint64]*Shared // that lead from a version to the newest

	coding sync.Mutex // grid codes one difference at a time, on any goroutine
}

// levels is a version as grid levels.
type levels struct {
	version uint64
	step    float32
	at      []int32
}

// The names of the grid's server vectors.
const (
	exactVector       = "exact"
	stepVector        = "step"
	variateStepVector = "control step"
)

// keptLevels bounds the memory of old versions, in bytes: it holds 80 of the 2NN. A
// client that holds an older one gets the difference from version 0.
const keptLevels = 64 << 20

// halveBelow is the ratio of the step to the step for the present change at which
// the step is halved. Too large a step costs little, since the remainders stay with
// the coordinator; a halving costs every client a bit per parameter.
const halveBelow = 8

// coarsenAbove is the ratio of the step for the present change to the step in use
// at which the step is chosen anew. Otherwise a first round with a tiny change would
// fix too fine a step. A new step costs every client a difference from version 0.
const coarsenAbove = 16

// unchangedStep is the step while nothing has changed: any grid holds version 0. It is finer
// than any other, so that the first change chooses a new one.
const unchangedStep = 1.0 / (1 << 60)

func newGrid(tensors []compress.Tensor, initial []float32) (*grid, error) {
	g := &grid{exact: slices.Clone(initial), maxBytes: keptLevels, messages: map[uint64]*Shared{}}
	var err error
	if g.grid, err = compress.NewGrid(tensors, slices.Clone(initial)); err != nil {
		return nil, fmt.Errorf("grid: %w", err)
	}
	return g, nil
}

// restore loads the newest version after a restart.
func (g *grid) restore(version uint64, params, exact, step []float32) error {
	if len(exact) != len(params) || len(step) != 1 {
		return fmt.Errorf("version %d: no grid, want one; the run was packed with another codec", version)
	}
	at := make([]int32, len(params))
	if err := g.grid.Levels(at, params, step[0]); err != nil {
		return fmt.Errorf("version %d: %w", version, err)
	}
	g.exact, g.step = exact, step[0]
	g.kept = []levels{{version, step[0], at}}
	return nil
}

// restoreExact does it for control variates, of which only the exact values are stored,
// nil for zero, and the step. It returns the public ones. A run of a build that sent
// exact variates has no step and begins a grid; clients that hold an exact variate round
// it to the levels that the coordinator has.
func (g *grid) restoreExact(version uint64, exact, step []float32, coarseness float64) (p []float32, err error) {
	if exact == nil {
		exact = make([]float32, len(g.exact))
	}
	if len(exact) != len(g.exact) || len(step) > 1 {
		return nil, fmt.Errorf("version %d: control variate: %d values and %d steps, want %d and 1", version, len(exact), len(step), len(g.exact))
	}
	if len(step) == 0 {
		var l levels
		if p, l, err = g.round(version, exact, coarseness, false); err == nil {
			g.exact, g.step, g.kept = exact, l.step, []levels{l}
		}
	} else {
		p = make([]float32, len(exact))
		at := make([]int32, len(exact))
		if err = g.grid.Round(at, p, exact, step[0]); err == nil {
			g.exact, g.step, g.kept = exact, step[0], []levels{{version, step[0], at}}
		}
	}
	if err != nil {
		return nil, fmt.Errorf("version %d: control variate: %w", version, err)
	}
	return p, nil
}

// round rounds the exact version w to the public version p, and returns its levels. The
// parameters of a version that is given are no round's change, and leave the step as it is: one
// for the way back over many rounds would lose what the next ones learn.
func (g *grid) round(version uint64, w []float32, coarseness float64, given bool) (p []float32, l levels, err error) {
	change := make([]float32, len(w))
	for i, x := range w {
		change[i] = x - g.exact[i]
	}
	suited := compress.GridStep(change, coarseness) // as if this were the first round
	step := g.step
	switch {
	case step == 0 && suited == 0:
		step = unchangedStep
	case given && step > 0:
	case step == 0 || suited > coarsenAbove*step:
		step = suited
	case suited > 0 && step > halveBelow*suited:
		step /= 2
	}
	p, at := make([]float32, len(w)), make([]int32, len(w))
	for err = g.grid.Round(at, p, w, step); errors.Is(err, compress.ErrRange) && step < math.MaxFloat32/2; {
		step *= 2 // out of the range of levels
		err = g.grid.Round(at, p, w, step)
	}
	return p, levels{version, step, at}, err
}

// commit adds a version that has become durable.
func (g *grid) commit(l levels, exact []float32) {
	if l.step > g.step {
		g.kept = slices.Delete(g.kept, 0, len(g.kept)) // they do not lie on a coarser grid
	}
	g.exact, g.step = exact, l.step
	g.kept = append(g.kept, l)
	for size := int64(4 * len(exact)); len(g.kept) > 1 && int64(len(g.kept))*size > g.maxBytes; {
		g.kept = slices.Delete(g.kept, 0, 1)
	}
	clear(g.messages)
}

// newest returns the newest version.
func (g *grid) newest() levels { return g.kept[len(g.kept)-1] }

// find returns a version that is still kept; otherwise ok is false, and the levels
// stand for version 0.
func (g *grid) find(version uint64) (l levels, ok bool) {
	i := slices.IndexFunc(g.kept, func(l levels) bool { return l.version == version })
	if i < 0 {
		return levels{}, false
	}
	return g.kept[i], true
}

// difference encodes the difference between two versions. Any goroutine may call
// it.
func (g *grid) difference(from, to levels) ([]byte, error) {
	halvings := 0
	for s := from.step; s > to.step; s /= 2 {
		halvings++
	}
	g.coding.Lock()
	defer g.coding.Unlock()
	return g.grid.Append(nil, from.at, to.at, to.step, halvings)
}
