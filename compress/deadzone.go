package compress

import (
	"encoding/binary"
	"math"

	"fedtab/learn/kernel"
)

// version of the blocks of deadzone, dither and grid.
const version = 1

// deadzone packs with a uniform quantiser that has one step for all values and
// a dead zone around 0, followed by an entropy coder. The step is chosen so that
// the block takes Options.Bits per parameter, headers included. Small values are
// rounded down where that saves more bits than the error is worth. A value is
// decoded as the mean of those that were rounded to the same level, so the result
// is biased towards 0 and its squared error is small.
//
// It follows Sullivan, "Efficient scalar quantization of exponential and
// Laplacian random variables" (1996), with a table of its own for every class
// of rows that are about equally active.
//
// The block is
//
//	byte     1, the version
//	uvarint  number of values
//	uvarint  number of parts; for each: uvarint size, uvarint segment length
//	float32  step, little-endian
//	bits     number of classes (4), tables (see table); for each class the
//	         shifts of levels 1, 2 and above (8 each, in 1/256 step, below 0)
//	streams  of the list of classes, and of the symbols of each class; each
//	         after its length (4 bytes)
//
// Decoding needs memory for the list of classes, at most 1/16 byte for a
// value, and 16 KiB for each of at most 8 classes.
type deadzone struct {
	tensors []Tensor
	c       coder
	r       rate
	mean    [maxClasses][shifts]mean
}

// shifts is the number of levels with a centroid of their own; the last one
// shares its centroid with all higher levels.
const shifts = 3

type mean struct {
	_   incomparable
	sum float32
	n   int32
}

// Append packs v. It takes about 1.5 times the memory of v for itself.
func (e *deadzone) Append(dst []byte, v []float32, o Options) ([]byte, error) {
	if err := o.checkBits(); err != nil {
		return dst, err
	}
	c := &e.c
	if err := c.reset(e.tensors, len(v)); err != nil {
		return dst, err
	}
	e.r.plain = false
	peak, err := e.r.measure(c, v)
	if err != nil {
		return dst, err
	}
	step := float32(1)
	if peak == 0 {
		c.empty()
	} else {
		step = e.quantiseTo(v, peak, o.Bits)
	}
	at := len(dst)
	dst = appendHeader(dst, &c.layout, step)
	w := bitWriter{out: dst}
	c.appendTables(&w)
	if c.classes > 0 {
		e.centroids(v, 1/step)
	}
	for k := range c.classes {
		for m := range shifts {
			w.put(uint64(e.mean[k+1][m].shift()), 8)
		}
	}
	return c.appendStreams(w.flush(), at), nil
}

// overhead is the size of the header in bits, beyond Options.Bits per parameter.
const overhead = 256

// quantiseTo quantises v with the step that takes bits per parameter, and returns
// the step.
func (e *deadzone) quantiseTo(v []float32, peak float32, bits float64) float32 {
	c := &e.c
	want := bits * float64(len(v))
	aim := .991 * want
	step := e.r.choose(peak, aim)
	for try := 0; ; try++ {
		e.quantised(v, step)
		c.count()
		got := c.merge() + headerCost(&c.layout) + float64(8*shifts*c.classes) - overhead
		if got > .98*want && got < 1.002*want || try == 2 {
			return step
		}
		// The estimate was off by a factor that hardly changes.
		aim = max(aim*(.991*want)/got, aim/16)
		next := e.r.choose(peak, aim)
		if next == step {
			return step
		}
		step = next
	}
}

func headerCost(l *layout) float64 { return 8 * float64(8+5*len(l.parts)+lengthBytes) }

// quantised sets the symbols of c to those of v.
func (e *deadzone) quantised(v []float32, step float32) {
	c := &e.c
	c.low = c.low[:0]
	inverse := 1 / step
	for i, b := range c.bin {
		from, to := c.of(i)
		c.lows[i] = int32(len(c.low))
		if b == dead {
			clear(c.sym[from:to])
			continue
		}
		o := e.r.offsets[b]
		if kernel.Quantise(c.sym[from:to], v[from:to], inverse, o.first, o.up) {
			c.quantiseWide(c.sym[from:to], v[from:to], inverse, o)
		}
	}
	c.lows[len(c.bin)] = int32(len(c.low))
}

// quantiseWide is kernel.Quantise for any magnitudes, and keeps the low bits.
func (c *coder) quantiseWide(sym []uint8, v []float32, inverse float32, o offset) {
	for i, x := range v {
		b := math.Float32bits(x)
		y := math.Float32frombits(b&0x7fffffff) * inverse
		if y < o.first {
			sym[i] = 0
			continue
		}
		sym[i] = uint8(2*c.wide(min(uint32(y+o.up), maxLevel-1)) - b>>31)
	}
}

// centroids computes the mean distance of values below their levels, class by
// class, from a sample.
func (e *deadzone) centroids(v []float32, inverse float32) {
	clear(e.mean[:])
	c := &e.c
	stride := max(len(v)/sampled, 1)
	skip := 0
	for i, k := range c.class {
		from, to := c.of(i)
		j := from + skip
		for ; j < to; j += stride {
			s := c.sym[j]
			if s == 0 || s >= firstWide {
				continue
			}
			m := (int32(s) + 1) / 2
			p := &e.mean[k][min(m, shifts)-1]
			p.sum += float32(m) - float32(math.Abs(float64(v[j])))*inverse
			p.n++
		}
		skip = j - to
	}
}

// shift returns the mean as a byte: in 1/256 step, 0 where nothing was counted.
func (m mean) shift() uint8 {
	if m.n == 0 {
		return 0
	}
	return uint8(int8(min(max(math.Round(float64(m.sum)/float64(m.n)*256), -127), 127)))
}

func appendHeader(dst []byte, l *layout, step float32) []byte {
	dst = append(dst, version)
	dst = binary.AppendUvarint(dst, uint64(l.n))
	dst = l.append(dst)
	return binary.LittleEndian.AppendUint32(dst, math.Float32bits(step))
}

// readHeader reads what appendHeader has written for n values and returns the
// rest of block.
func readHeader(l *layout, block []byte, n int) (step float32, rest []byte, err error) {
	if len(block) == 0 {
		return 0, nil, broken(ErrTruncated, "ends in the version")
	}
	if block[0] != version {
		return 0, nil, brokenBy(ErrVersion, "version:", int(block[0]), version)
	}
	count, b, err := uvarint(block[1:], maxValues, ErrLength, "number of values")
	if err != nil {
		return 0, nil, err
	}
	if count != uint64(n) {
		return 0, nil, brokenBy(ErrLength, "values:", int(count), n)
	}
	if b, err = l.read(b, n); err != nil {
		return 0, nil, err
	}
	if len(b) < 4 {
		return 0, nil, broken(ErrTruncated, "ends in the step")
	}
	step = math.Float32frombits(binary.LittleEndian.Uint32(b))
	if err := checkStep(step); err != nil {
		return 0, nil, err
	}
	return step, b[4:], nil
}

// checkStep refuses steps with which a level below maxLevel may not be finite.
func checkStep(step float32) error {
	if math.Float32bits(step)&infinite == infinite {
		return &refusal{err: ErrNotFinite, what: "step"}
	}
	if !(step >= 1.0/(1<<30)/(1<<30)/(1<<30) && step <= 1<<80) {
		return &refusal{err: ErrRange, what: "step, want 2^-90 to 2^80"}
	}
	return nil
}

// deadzoneDecoder unpacks what deadzone has packed.
type deadzoneDecoder struct {
	s      segments
	step   float32
	shift  [maxClasses][shifts]int8
	weight float32 // that the values are made for
}

// Open begins a block of n values.
func (d *deadzoneDecoder) Open(block []byte, n int, _ Options) error {
	step, rest, err := readHeader(&d.s.layout, block, n)
	if err != nil {
		return err
	}
	d.step = step
	r := bitReader{in: rest}
	if err := d.s.readTables(&r); err != nil {
		return err
	}
	for i := range d.s.classes {
		for m := range shifts {
			d.shift[i][m] = int8(r.get(8))
		}
	}
	if r.short {
		return broken(ErrTruncated, "ends in its tables")
	}
	d.weigh(1)
	return d.s.open(block, len(block)-len(r.rest()))
}

// weigh makes the values that symbols stand for, times weight.
func (d *deadzoneDecoder) weigh(weight float32) {
	d.weight = weight
	for i := range d.s.classes {
		v := &d.s.values[i]
		v.scale = float64(d.step) * float64(weight)
		v.of[0] = 0
		last := min(d.s.tables[i].last, direct-1)
		for m := 1; m <= last; m++ {
			x := float32((float64(m) - float64(d.shift[i][min(m, shifts)-1])/256) * v.scale)
			v.of[2*m-1], v.of[2*m] = -x, x
		}
		v.shift = -float64(d.shift[i][shifts-1]) / 256
	}
}

// Next sets dst to the next values.
func (d *deadzoneDecoder) Next(dst []float32) error {
	if d.weight != 1 {
		d.weigh(1)
	}
	return d.s.read(dst, &setting)
}

// Add adds weight x the next values to dst.
func (d *deadzoneDecoder) Add(dst []float32, weight float32) error {
	if d.weight != weight {
		d.weigh(weight)
	}
	return d.s.read(dst, &adding)
}

// Close returns an error unless all values were read and every stream ended.
func (d *deadzoneDecoder) Close() error { return d.s.close() }
