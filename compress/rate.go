package compress

import (
	"math"

	"fedtab/learn/kernel"
)

// Rate control finds the step for a given size of the block without encoding
// twice. It counts a sample of the values by magnitude, 16 to an octave, for each
// bin of activity, and computes the size for a step from these counts.
const (
	octaves  = 18 // below the largest magnitude; smaller values count as 0
	perShift = 19 // of a float32's bits: 16 to an octave
	cells    = octaves * 16
	binShift = 22 // of a float32's bits: 2 bins of activity to an octave
)

// sampled is the approximate number of values that are counted.
const sampled = 3 << 14

// Bits of float32s: infinity, and the range of the quantisers, 2^-64 to 2^64. A
// vector whose values are all below 2^-64 is coded as zeros.
const (
	infinite = 0x7f800000
	largest  = (127 + 64) << 23
	smallest = (127 - 64) << 23
)

// rate is the memory of rate control.
type rate struct {
	_       incomparable
	base    int32 // cell 0's bits >> perShift
	count   [bins][cells + 2]uint32
	over    [bins][cells + 2]uint32 // values in this cell or above
	total   [bins]int
	weight  float64 // values that one of the sample stands for
	rows    [bins]int
	all     int          // segments
	offsets [bins]offset // of each bin, at the step tried last
	plain   bool         // no dead zone: dithered
}

// offset holds the quantiser's thresholds in steps: from 0 to 1 at first, from
// m - 1 to m at m - up.
type offset struct{ first, up float32 }

// usual offsets are those of a Laplacian that is about as wide as the step.
var usual = offset{.6, .45}

// refine is the number of times that offsets are computed again from the
// frequencies that result from them.
const refine = 2

// price is the value of a bit in squared steps: the slope of the distortion
// of a uniform quantiser with an entropy coder, step^2/12 = c 2^(-2 bits), is
// -2 ln 2 step^2/12 per bit.
const price = 2 * math.Ln2 / 12

// measure puts the segments of c into bins by the values of v and counts a sample.
// It returns the largest magnitude, or 0 if v is coded as zeros, and an error if a
// value is not finite or above 2^64.
func (r *rate) measure(c *coder, v []float32) (float32, error) {
	var peak uint32
	for i := range c.bin {
		from, to := c.of(i)
		var sum float32
		sum, peak = kernel.Magnitudes(v[from:to], peak)
		// Until the largest is known, lows keeps the means.
		c.lows[i] = int32(math.Float32bits(sum/float32(to-from)) >> binShift)
	}
	if peak > largest {
		for i, x := range v {
			if b := math.Float32bits(x) & 0x7fffffff; b >= infinite {
				return 0, notFinite(i)
			} else if b > largest {
				return 0, outOfRange("more than 2^64 in magnitude", i)
			}
		}
	}
	if peak < smallest {
		return 0, nil
	}
	r.base = int32(peak>>perShift) - cells + 1
	top := int32(peak >> binShift)
	clear(r.count[:])
	clear(r.total[:])
	clear(r.rows[:])
	stride := max(len(v)/sampled, 1)
	r.weight = float64(stride)
	r.all = c.segments
	skip := 0
	for i := range c.bin {
		if c.lows[i] == 0 {
			c.bin[i] = dead
			continue
		}
		b := uint8(max(bins-1-(top-c.lows[i]), 0))
		c.bin[i] = b
		from, to := c.of(i)
		r.rows[b]++
		h := &r.count[b]
		j := from + skip
		for ; j < to; j += stride {
			k := int32(math.Float32bits(v[j])&0x7fffffff>>perShift) - r.base + 1
			h[min(max(k, 0), cells)]++
		}
		r.total[b] += (j - from - skip) / stride
		skip = j - to
	}
	for b := range r.over {
		r.offsets[b] = usual // even where the sample has missed the bin
		if r.total[b] == 0 {
			continue
		}
		sum := uint32(0)
		for k := cells + 1; k >= 0; k-- {
			sum += r.count[b][k]
			r.over[b][k] = sum
		}
	}
	return math.Float32frombits(peak), nil
}

// above returns the number of bin b's sampled values of magnitude x or more.
func (r *rate) above(b int, x float32) float64 {
	u := math.Float32bits(x)
	k := int32(u>>perShift) - r.base + 1
	switch {
	case k <= 0:
		return float64(r.over[b][1])
	case k > cells:
		return 0
	}
	part := float64(u&(1<<perShift-1)) / (1 << perShift)
	return float64(r.over[b][k]) - part*float64(r.count[b][k])
}

// size returns the bits of the streams and tables at a step, and sets the offsets
// for it.
func (r *rate) size(step float32) float64 {
	sum, live := 0.0, 0.0
	for b := range r.total {
		if r.total[b] > 0 {
			bits := r.binSize(b, step)
			sum += bits
			if bits > 0 {
				live += float64(r.rows[b])
			}
		}
	}
	// The list of classes takes at most 1.7 bits per segment, fewer if most
	// segments are zero.
	return sum + 250 + min(3*live, 1.7*float64(r.all))
}

func (r *rate) binSize(b int, step float32) float64 {
	n := float64(r.total[b])
	var bits float64
	// The thresholds depend on the frequencies and these on the thresholds. They
	// begin anew with each step, so that the size is a continuous function of it.
	o := usual
	for try := range refine + 1 {
		var nonzero, p1, p2 float64
		if r.plain {
			bits, nonzero = r.dithered(b, step)
		} else {
			rest := r.above(b, o.first*step)
			nonzero = rest
			p0 := n - rest
			bits = nlogn(n) - nlogn(p0) + nonzero
			// Beyond direct, levels come in groups with low bits.
			m, width := uint32(1), uint32(1)
			k := uint(0)
			for i := 1; rest > 0; i++ {
				var more float64
				if i >= magnitudes-1 {
					more = 0
				} else {
					more = r.above(b, (float32(m+width)-o.up)*step)
				}
				c := rest - more
				bits += float64(k)*c - nlogn(c)
				switch i {
				case 1:
					p1 = c
				case 2:
					p2 = c
				}
				rest = more
				m, k = levelOf(uint32(min(i+1, magnitudes-1)))
				width = 1 << k
			}
		}
		if r.plain || try == refine {
			r.offsets[b] = o
			if nonzero == 0 {
				return 0
			}
			break
		}
		// A level is worth taking where the bits that it costs more than the one
		// below are worth the error that it saves.
		first := .5 + price/2*math.Log2((atLeastOne(n-nonzero))/atLeastOne(p1/2))
		up := .5 - price/2*max(math.Log2(atLeastOne(p1)/atLeastOne(p2)), 0)
		o.up = float32(min(max(up, .3), .5))
		o.first = float32(min(max(first, float64(1-o.up)+2e-6), 1.2))
	}
	return bits*r.weight + 40
}

// atLeastOne keeps logarithms finite.
func atLeastOne(x float64) float64 { return max(x, 1) }

// dithered is the size of a bin when levels are rounded at random, without
// bias.
func (r *rate) dithered(b int, step float32) (bits, nonzero float64) {
	var levels [magnitudes]float64
	scale := 1 / float64(step)
	for k, c := range r.count[b] {
		if c == 0 {
			continue
		}
		if k == 0 {
			levels[0] += float64(c)
			continue
		}
		x := r.middle(k) * scale
		low := math.Floor(x)
		if low >= maxLevel-1 {
			low = maxLevel - 2
		}
		m0, _, _ := magnitudeOf(uint32(low))
		m1, _, _ := magnitudeOf(uint32(low) + 1)
		levels[m0] += float64(c) * (1 - (x - low))
		levels[m1] += float64(c) * (x - low)
	}
	n := 0.0
	for m, c := range levels {
		n += c
		bits -= nlogn(c)
		if m > 0 {
			nonzero += c
		}
		if m >= direct {
			_, k := levelOf(uint32(m))
			bits += c * float64(k)
		}
	}
	return bits + nlogn(n) + nonzero, nonzero
}

// middle returns the magnitude in the middle of cell k, which is not 0.
func (r *rate) middle(k int) float64 {
	return float64(math.Float32frombits(uint32(r.base+int32(k)-1)<<perShift + 1<<(perShift-1)))
}

// choose returns the step at which size is want bits, between the coarsest useful
// one for the largest magnitude, peak, and the finest that can be written.
func (r *rate) choose(peak float32, want float64) float32 {
	lo, hi := math.Log2(float64(peak))-octaves+1, math.Log2(float64(peak))+2
	if r.plain {
		hi += 10 // a level is then reached with a chance of value / step
	}
	at := func(x float64) float64 { return r.size(float32(math.Exp2(x))) }
	// The size falls by at most a bit for each value and octave: regula falsi
	// on a nearly straight line, kept inside the bracket.
	x := (lo + hi) / 2
	fx := 0.0
	flo, fhi := math.Inf(1), 0.0
	for range 24 {
		fx = at(x)
		if math.Abs(fx-want) < .002*want {
			break
		}
		if fx > want {
			lo, flo = x, fx
		} else {
			hi, fhi = x, fx
		}
		if hi-lo < 1e-3 {
			break
		}
		next := (lo + hi) / 2
		if !math.IsInf(flo, 1) && flo > fhi {
			t := (flo - want) / (flo - fhi)
			next = lo + min(max(t, .1), .9)*(hi-lo)
		}
		x = next
	}
	return float32(math.Exp2(x))
}
