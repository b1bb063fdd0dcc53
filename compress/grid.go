package compress

import (
	"fmt"
	"math"

	"fedtab/learn/kernel"
)

// Grid codes the versions of a model that all clients hold bit for bit. A
// version is
//
//	p = base + step x levels
//
// with integer levels and version 0, which every client makes from the run's seed,
// as the base. The difference between two versions is a vector of integers, which
// is coded without loss. From one version to a later one the step may be halved,
// any number of times: the levels of the earlier one are then doubled, and the
// grids are nested.
//
// p is computed in binary64 and rounded once to binary32; step x level is exact
// there, so it is the same on every machine. The levels follow from p and the
// base: they are the integers nearest to (p - base) / step.
//
// The block is that of deadzone without shifts. After the new step it has a byte:
// the number of times that the step was halved since the version held.
//
// A Grid is for one goroutine at a time.
type Grid struct {
	tensors []Tensor
	base    []float32
	c       coder
	s       segments
	part    []float32 // pieceLevels, of Apply
}

const (
	pieceLevels = 4096
	// MaxLevel is above every level, so that a difference can be coded.
	MaxLevel = maxLevel / 2
	// maxHalvings is the max number of halvings between two versions.
	maxHalvings = 20
)

// NewGrid returns the grid around base, which it keeps.
func NewGrid(tensors []Tensor, base []float32) (*Grid, error) {
	g := &Grid{tensors: tensors, base: base}
	return g, g.c.reset(tensors, len(base))
}

// point returns base + step x level.
func point(base, step float32, level int32) float32 {
	return float32(float64(base) + float64(float64(step)*float64(level)))
}

// level returns the integer nearest to (p - base) / step.
func level(p, base float32, inverse float64) float64 {
	return math.RoundToEven((float64(p) - float64(base)) * inverse)
}

// Round sets levels and p to the version nearest to w: levels = round((w -
// base) / step). The caller keeps the remainder of w for the next version. p may be w. The error wraps ErrRange if the step is too
// fine for w, or for binary32 to distinguish neighbours.
func (g *Grid) Round(levels []int32, p, w []float32, step float32) error {
	if err := checkStep(step); err != nil {
		return err
	}
	inverse := 1 / float64(step)
	for i, x := range w {
		k := level(x, g.base[i], inverse)
		if !(math.Abs(k) < MaxLevel) {
			if math.Float32bits(x)&infinite == infinite {
				return notFinite(i)
			}
			return outOfRange("2^21 or more steps from version 0", i)
		}
		levels[i] = int32(k)
		p[i] = point(g.base[i], step, levels[i])
		if level(p[i], g.base[i], inverse) != k {
			return outOfRange("so large that the step is lost beside it", i)
		}
	}
	return nil
}

// Points sets p to the version with these levels.
func (g *Grid) Points(p []float32, levels []int32, step float32) {
	for i, k := range levels {
		p[i] = point(g.base[i], step, k)
	}
}

// Levels sets levels to those of p, which Round or Apply has made with this
// step.
func (g *Grid) Levels(levels []int32, p []float32, step float32) error {
	inverse := 1 / float64(step)
	for i, x := range p {
		k := level(x, g.base[i], inverse)
		if !(math.Abs(k) < MaxLevel) || point(g.base[i], step, int32(k)) != x {
			return outOfRange("not on the grid", i)
		}
		levels[i] = int32(k)
	}
	return nil
}

// Append appends the block that leads from the version with levels from, whose
// step is 2^halvings x step, to the one with levels to and step. A nil from is
// version 0, whatever the step.
func (g *Grid) Append(dst []byte, from, to []int32, step float32, halvings int) ([]byte, error) {
	if err := checkStep(step); err != nil {
		return dst, err
	}
	if halvings < 0 || halvings > maxHalvings {
		return dst, fmt.Errorf("%w: step halved %d times, want 0 to %d", ErrOptions, halvings, maxHalvings)
	}
	c := &g.c
	if err := c.reset(g.tensors, len(to)); err != nil {
		return dst, err
	}
	c.low = c.low[:0]
	for i := range c.bin {
		lo, hi := c.of(i)
		c.lows[i] = int32(len(c.low))
		sum := uint64(0)
		sym := c.sym[lo:hi]
		for j, k := range to[lo:hi] {
			d := int64(k)
			if from != nil {
				d -= int64(from[lo+j]) << halvings
			}
			m := uint64(max(d, -d))
			if m >= maxLevel {
				return dst, outOfRange("2^22 or more steps from the version held", lo+j)
			}
			sum += m
			if m < direct {
				sym[j] = uint8(zigzag(int32(d)))
				continue
			}
			sym[j] = uint8(2*c.wide(uint32(m)) - uint32(uint64(d)>>63))
		}
		// Bins of half an octave from a mean of 2^-12 on.
		mean := math.Float32bits(float32(sum) / float32(hi-lo))
		c.bin[i] = uint8(min(max(int(mean>>binShift)-2*(127-12), 0), bins-1))
	}
	c.lows[len(c.bin)] = int32(len(c.low))
	c.count()
	c.merge()
	at := len(dst)
	dst = append(appendHeader(dst, &c.layout, step), byte(halvings))
	w := bitWriter{out: dst}
	c.appendTables(&w)
	return c.appendStreams(w.flush(), at), nil
}

// Apply turns p, the version held, into the one that block leads to, and returns
// its step. p must have been made by Round or Apply or be version 0. After an
// error p is undefined.
func (g *Grid) Apply(p []float32, block []byte) (step float32, err error) {
	s := &g.s
	step, rest, err := readHeader(&s.layout, block, len(p))
	if err != nil {
		return 0, err
	}
	if len(rest) == 0 {
		return 0, broken(ErrTruncated, "ends in the halvings of the step")
	}
	if rest[0] > maxHalvings {
		return 0, brokenBy(ErrHalvings, "halvings of the step:", int(rest[0]), maxHalvings)
	}
	halvings := rest[0]
	r := bitReader{in: rest[1:]}
	if err := s.readTables(&r); err != nil {
		return 0, err
	}
	s.integers()
	if err := s.open(block, len(block)-len(r.rest())); err != nil {
		return 0, err
	}
	finer := float64(uint32(1) << halvings)
	grid := kernel.Grid{Inverse: 1 / (float64(step) * finer), Finer: finer, Step: float64(step), Limit: MaxLevel}
	g.part = grown(g.part, pieceLevels)
	for at := 0; at < len(p); {
		part := g.part[:min(len(p)-at, pieceLevels)]
		if err := s.read(part, &setting); err != nil {
			return 0, err
		}
		if n := grid.Move(p[at:at+len(part)], g.base[at:], part); n < len(part) {
			return 0, outOfRange("2^21 or more steps from version 0", at+n)
		}
		at += len(part)
	}
	return step, s.close()
}

// GridStep returns the step to begin with: coarseness x the root mean square of
// the first round's aggregate. 0 if the aggregate is 0.
func GridStep(aggregate []float32, coarseness float64) float32 {
	sum := 0.0
	for _, x := range aggregate {
		sum += float64(float64(x) * float64(x))
	}
	if sum == 0 {
		return 0
	}
	rms := math.Sqrt(sum / float64(len(aggregate)))
	return float32(coarseness * rms)
}
