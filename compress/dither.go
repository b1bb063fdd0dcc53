package compress

import (
	"math"

	"fedtab/learn/kernel"
	"fedtab/learn/rng"
)

// dither packs without bias: the same step for all values, no dead zone, no
// centroids, and rounding at random. With u uniform in [-1/2, 1/2), drawn from
// the seed that both ends have, the level is round(x/step + u). Of a class it is
// read in one of two ways, whichever has the smaller error:
//
//	subtractive  step x (level - u): the error is uniform, step^2/12 in the
//	             square, and has nothing to do with x (Schuchman, "Dither signals
//	             and their effect on quantization noise", 1964)
//	stochastic   step x level: step^2 y(1-y) in the square, with y what x/step
//	             is above a whole number. It is the smaller one for classes of
//	             values that are small beside the step; and it leaves zeros zero
//
// For both, the expectation over the seed is x. The step is chosen from the
// values and from another seed, never from the dither it is used with; nor do
// the bins depend on that, nor the way in which a bin is read. Class 0, which
// is read as zeros, has the segments whose values are all 0 and those of
// stochastic bins that were rounded to zeros, but none of subtractive ones.
//
// The block is that of deadzone, with a bit for each class, 1 if it is
// subtractive, instead of the shifts. u for values 4k to 4k+3 of the vector is
// from output k of the generator rng.New(rng.Derive(seed, "dither")): its 16-bit
// quarters h, the lowest first, give u = (h + 1/2)/2^16 - 1/2.
type dither struct {
	deadzone
	u []float32 // of a segment
}

// increment is that of rng.Source's state; with it any output can be computed
// directly.
const increment = 0x9e3779b97f4a7c15

// noise sets u to the dither of the values from number from on.
func noise(u []float32, state uint64, from int) {
	const unit = 1. / (1 << 16)
	i := 0
	for i < len(u) {
		k := from + i
		h := rng.New(state+uint64(k>>2)*increment).Uint64() >> (16 * uint(k&3))
		for end := min(len(u), i+4-k&3); i < end; i++ {
			u[i] = (float32(uint16(h))+.5)*unit - .5
			h >>= 16
		}
	}
}

// Append packs v.
func (e *dither) Append(dst []byte, v []float32, o Options) ([]byte, error) {
	if err := o.checkBits(); err != nil {
		return dst, err
	}
	c := &e.c
	if err := c.reset(e.tensors, len(v)); err != nil {
		return dst, err
	}
	e.r.plain = true
	peak, err := e.r.measure(c, v)
	if err != nil {
		return dst, err
	}
	step := float32(1)
	if peak == 0 {
		c.empty()
	} else {
		want := o.Bits*float64(len(v)) + overhead
		step = e.r.choose(peak, .99*want)
		// The trial uses another seed: the step may not depend on the dither
		// that it is used with.
		if got := e.try(v, step, rng.Derive(o.Seed, "dither trial")); got < .98*want || got > want {
			step = e.r.choose(peak, max(.99*.99*want*want/got, want/16))
		}
		e.try(v, step, rng.Derive(o.Seed, "dither"))
	}
	at := len(dst)
	w := bitWriter{out: appendHeader(dst, &c.layout, step)}
	c.appendTables(&w)
	for k := range c.classes {
		w.put(uint64(c.kind[k]), 1)
	}
	return c.appendStreams(w.flush(), at), nil
}

// try quantises v and returns the size in bits.
func (e *dither) try(v []float32, step float32, state uint64) float64 {
	c := &e.c
	c.subtract = e.r.subtractive(step)
	e.u = grown(e.u, maxSegment)
	c.low = c.low[:0]
	inverse := 1 / float64(step)
	for i, b := range c.bin {
		from, to := c.of(i)
		c.lows[i] = int32(len(c.low))
		if b == dead {
			clear(c.sym[from:to])
			continue
		}
		u := e.u[:to-from]
		noise(u, state, from)
		if kernel.Dither(c.sym[from:to], v[from:to], u, inverse) {
			c.ditherWide(c.sym[from:to], v[from:to], u, inverse)
		}
	}
	c.lows[len(c.bin)] = int32(len(c.low))
	c.count()
	return c.merge() + headerCost(&c.layout) + float64(c.classes)
}

// ditherWide is kernel.Dither for any magnitudes, and keeps the low bits.
func (c *coder) ditherWide(sym []uint8, v, u []float32, inverse float64) {
	for i, x := range v {
		// In float64, where adding the noise loses nothing.
		q := int32(math.Floor(float64(float64(x)*inverse) + float64(u[i]) + .5))
		m := uint32(max(q, -q))
		sym[i] = uint8(2*c.wide(min(m, maxLevel-1)) - uint32(q)>>31)
	}
}

// subtractive returns the bin from which on the dither is subtracted: values of
// the bins below are small beside the step, and rounding them at random adds
// less error than the dither does.
func (r *rate) subtractive(step float32) uint8 {
	best, lowest, sum := 0, 0.0, 0.0 // error of stochastic bins less that of subtractive ones
	for b, n := range r.total {
		if n == 0 {
			continue
		}
		sum -= float64(n) / 12
		for k, c := range r.count[b] {
			if c > 0 && k > 0 {
				y := r.middle(k) / float64(step)
				y -= math.Floor(y)
				sum += float64(c) * y * (1 - y)
			}
		}
		if sum < lowest {
			best, lowest = b+1, sum
		}
	}
	return uint8(best)
}

// ditherDecoder unpacks what dither has packed.
type ditherDecoder struct {
	s        segments
	step     float32
	subtract [maxClasses]bool // by class
	state    uint64
	u, part  []float32
}

// Open begins a block of n values.
func (d *ditherDecoder) Open(block []byte, n int, o Options) error {
	step, rest, err := readHeader(&d.s.layout, block, n)
	if err != nil {
		return err
	}
	r := bitReader{in: rest}
	if err := d.s.readTables(&r); err != nil {
		return err
	}
	for i := range d.s.classes {
		d.subtract[i+1] = r.get(1) != 0
		v := &d.s.values[i]
		v.of[0], v.scale, v.shift = 0, float64(step), 0
		for m := 1; m < direct; m++ {
			x := float32(m) * step
			v.of[2*m-1], v.of[2*m] = -x, x
		}
	}
	if r.short {
		return broken(ErrTruncated, "ends in its tables")
	}
	d.step, d.state, d.u = step, rng.Derive(o.Seed, "dither"), grown(d.u, maxSegment)
	return d.s.open(block, len(block)-len(r.rest()))
}

// Next sets dst to the next values.
func (d *ditherDecoder) Next(dst []float32) error {
	for len(dst) > 0 {
		at := d.s.at
		n, class, err := d.s.run(min(len(dst), len(d.u)))
		if err != nil {
			return err
		}
		part := dst[:n]
		dst = dst[n:]
		if class == 0 {
			clear(part)
			continue
		}
		if err := d.s.streams[class-1].read(part, &d.s.values[class-1], &setting); err != nil {
			return err
		}
		if d.subtract[class] {
			u := d.u[:n]
			noise(u, d.state, at)
			for i := range part {
				part[i] -= float32(d.step * u[i])
			}
		}
	}
	return nil
}

// Add adds weight x the next values to dst.
func (d *ditherDecoder) Add(dst []float32, weight float32) error {
	return addParts(d, &d.part, dst, weight)
}

// Close returns an error unless all values were read and every stream ended.
func (d *ditherDecoder) Close() error { return d.s.close() }
