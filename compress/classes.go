package compress

import (
	"encoding/binary"
	"math"
)

// Segments of like activity are coded with one table. Activity is first put
// into bins, half an octave each, and neighbouring bins are joined while that
// makes the block smaller. Class 0 is of segments that are all zero, which take
// no bits.
const (
	bins       = 32
	dead       = bins // of a segment whose values are all zero
	maxClasses = 9
)

// coder is the memory of encoding symbols, whichever codec makes them.
type coder struct {
	layout
	sym   []uint8  // a symbol for every value
	low   []uint32 // low bits of the wide ones, in order
	lows  []int32  // for every segment, len(low) where it begins; one more at the end
	start []int32  // for every segment, where it begins; one more at the end
	bin   []uint8  // for every segment, its activity
	class []uint8  // for every segment
	order []int32  // the segments that are not all zero, by bin

	hist    [bins][magnitudes]uint32
	sum     [magnitudes]uint32 // of several bins
	members [bins]int          // values
	rows    [bins]int          // segments
	classOf [bins]uint8
	tables  []table
	classes int // live ones, numbered from 1

	// Of dither: bins from this on are subtractive, and so is a class whose
	// kind is 1. For the others it is beyond the bins.
	subtract uint8
	kind     [maxClasses]uint8 // of the live classes
	ids      table
	idSym    []uint8

	four      [4 * (symbols + 1)]uint32 // see tally
	cells     [1 << maxTableLog]uint8
	pack      packer
	gather    []uint8
	gatherLow []uint32
}

// reset makes room for a vector of the layout.
func (c *coder) reset(tensors []Tensor, n int) error {
	if err := c.layout.set(tensors, n); err != nil {
		return err
	}
	c.sym = grown(c.sym, n)
	c.bin = grown(c.bin, c.segments)
	c.class = grown(c.class, c.segments)
	c.lows = grown(c.lows, c.segments+1)
	c.order = grown(c.order, c.segments)
	c.subtract = dead
	c.start = append(grown(c.start, c.segments+1)[:0], 0)
	at := 0
	for _, p := range c.parts {
		for left := p.size; left > 0; left -= p.segment {
			at += min(left, p.segment)
			c.start = append(c.start, int32(at))
		}
	}
	return nil
}

// grown returns a slice of n elements, s itself if that is long enough. It and
// others here are not inlined because the worker would grow by a kilobyte.
//
//go:noinline
func grown[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// empty makes it a vector of zeros.
func (c *coder) empty() {
	clear(c.class)
	c.classes = 0
}

// of returns the bounds of segment i.
func (c *coder) of(i int) (from, to int) { return int(c.start[i]), int(c.start[i+1]) }

// wide returns the magnitude of a level m below maxLevel, which has low bits, and
// appends these to c.low.
//
//go:noinline
func (c *coder) wide(m uint32) uint32 {
	mag, low, n := magnitudeOf(m)
	if n > 0 {
		c.low = append(c.low, low)
	}
	return mag
}

// count counts the magnitudes of every bin, leaving out segments that are all
// zero: these are class 0.
func (c *coder) count() {
	clear(c.members[:])
	clear(c.rows[:])
	for i := range c.class {
		from, to := c.of(i)
		if c.bin[i] == dead || c.bin[i] < c.subtract && zero(c.sym[from:to]) {
			c.class[i] = 0
			continue
		}
		c.class[i] = 1
		c.members[c.bin[i]] += to - from
		c.rows[c.bin[i]]++
	}
	var next [bins]int
	at := 0
	for b, n := range c.rows {
		next[b] = at
		at += n
	}
	order := c.order[:at]
	for i, k := range c.class {
		if k != 0 {
			b := c.bin[i]
			order[next[b]] = int32(i)
			next[b]++
		}
	}
	for b, n := range c.rows {
		if n == 0 {
			continue
		}
		f := &c.four
		clear(f[:])
		for _, i := range order[:n] {
			from, to := c.of(int(i))
			tally(f, c.sym[from:to])
		}
		order = order[n:]
		h := &c.hist[b]
		clear(h[:])
		for i, x := range f[:4*symbols] {
			h[(i/4+1)/2] += x
		}
	}
}

// zero says whether b is all zeros.
func zero(b []uint8) bool {
	for len(b) >= 8 {
		if binary.LittleEndian.Uint64(b) != 0 {
			return false
		}
		b = b[8:]
	}
	for _, x := range b {
		if x != 0 {
			return false
		}
	}
	return true
}

// tally counts symbols. Equal symbols often follow each other, and counting in
// four places keeps a count from waiting for the one before.
func tally(four *[4 * (symbols + 1)]uint32, b []uint8) {
	for len(b) >= 4 {
		w := binary.LittleEndian.Uint32(b)
		four[4*uint(uint8(w))]++
		four[4*uint(uint8(w>>8))+1]++
		four[4*uint(uint8(w>>16))+2]++
		four[4*uint(w>>24)+3]++
		b = b[4:]
	}
	for _, x := range b {
		four[4*uint(x)]++
	}
}

// bitsOf estimates how many bits n values of the given magnitudes take, with
// the table, the low bits, and rows of the all entries in the list of classes.
func bitsOf(h *[magnitudes]uint32, n, rows, all int) float64 {
	last, nonzero, low := 0, 0, 0
	sum := nlogn(float64(n)) - nlogn(float64(h[0]))
	for m := 1; m < magnitudes; m++ {
		c := h[m]
		if c == 0 {
			continue
		}
		last = m
		nonzero += int(c)
		sum -= nlogn(float64(c))
		if m >= direct {
			_, k := levelOf(uint32(m))
			low += int(c) * int(k)
		}
	}
	sum += float64(nonzero + low)
	// The list of classes costs less than its entropy of order 0, because
	// neighbours are alike.
	ids := .7 * float64(rows) * (math.Log2(float64(all)) - math.Log2(float64(rows)))
	return sum + ids + 80 + 4.5*float64(last)
}

// nlogn returns x log2 x.
//
//go:noinline
func nlogn(x float64) float64 {
	if x <= 1 {
		return 0
	}
	return x * math.Log2(x)
}

// join adds the bins up: magnitudes into c.sum, values and segments.
//
//go:noinline
func (c *coder) join(from, to int) (n, rows int) {
	clear(c.sum[:])
	for b := from; b <= to; b++ {
		if c.rows[b] > 0 {
			for m, x := range &c.hist[b] {
				c.sum[m] += x
			}
			n += c.members[b]
			rows += c.rows[b]
		}
	}
	return n, rows
}

// merge joins bins into classes, fits their tables, and returns how many bits
// the streams will take with their tables and the list of classes.
func (c *coder) merge() float64 {
	type cluster struct {
		first, last int // bins
		bits, with  float64
	}
	var list [bins]cluster
	k := 0
	all := 0
	for b := range c.members {
		if c.rows[b] > 0 {
			list[k] = cluster{first: b, last: b}
			k++
			all += c.rows[b]
		}
	}
	cost := func(from, to int) float64 {
		if from < int(c.subtract) && to >= int(c.subtract) {
			return math.Inf(1)
		}
		n, rows := c.join(from, to)
		return bitsOf(&c.sum, n, rows, c.segments)
	}
	for i := range k {
		list[i].bits = cost(list[i].first, list[i].last)
	}
	for i := range max(k-1, 0) {
		list[i].with = cost(list[i].first, list[i+1].last)
	}
	for k > 1 {
		best, gain := -1, 0.0
		for i := range k - 1 {
			g := list[i].bits + list[i+1].bits - list[i].with
			if best < 0 || g > gain {
				best, gain = i, g
			}
		}
		if gain <= 0 && k < maxClasses {
			break
		}
		list[best].last = list[best+1].last
		list[best].bits = list[best].with
		copy(list[best+1:k-1], list[best+2:k])
		k--
		if best > 0 {
			list[best-1].with = cost(list[best-1].first, list[best].last)
		}
		if best < k-1 {
			list[best].with = cost(list[best].first, list[best+1].last)
		}
	}
	c.classes = k
	c.tables = grown(c.tables, k)
	total := 0.0
	for i := range k {
		n, _ := c.join(list[i].first, list[i].last)
		for b := list[i].first; b <= list[i].last; b++ {
			c.classOf[b] = uint8(i + 1)
		}
		c.kind[i] = 0
		if list[i].first >= int(c.subtract) {
			c.kind[i] = 1
		}
		t := &c.tables[i]
		t.fit(&c.sum, n)
		total += t.bits(&c.sum) + float64(t.cost()+streamCost(t.log))
	}
	for i := range c.class {
		if c.class[i] != 0 {
			c.class[i] = c.classOf[c.bin[i]]
		}
	}
	return total + c.list()
}

// list makes the symbols of the list of classes, of which each is written as
// the difference from the one before, and returns how many bits they take.
func (c *coder) list() float64 {
	c.idSym = grown(c.idSym, c.segments)
	var h [magnitudes]uint32
	last := 0
	for i, v := range c.class {
		c.idSym[i] = uint8(zigzag(int32(v) - int32(last)))
		h[(c.idSym[i]+1)/2]++
		last = int(v)
	}
	if c.segments == 0 {
		return 0
	}
	c.ids.fit(&h, c.segments)
	return c.ids.bits(&h) + float64(c.ids.cost()+streamCost(c.ids.log))
}

// zigzag returns the symbol of a small integer: 0, -1, 1, -2, 2 ... are 0, 1,
// 2, 3, 4 ...
func zigzag(q int32) uint32 {
	if q < 0 {
		return uint32(-2*q - 1)
	}
	return uint32(2 * q)
}

// bits returns how many bits symbols of these magnitudes take with t.
func (t *table) bits(h *[magnitudes]uint32) float64 {
	sum := 0.0
	for m, x := range h {
		if x == 0 {
			continue
		}
		sum += float64(x) * (float64(t.log) - math.Log2(float64(t.freq[m])))
		if m >= direct {
			_, k := levelOf(uint32(m))
			sum += float64(x) * float64(k)
		}
	}
	return sum
}

// appendTables writes the number of live classes and the tables of the list
// and of the classes.
func (c *coder) appendTables(w *bitWriter) {
	w.put(uint64(c.classes), 4)
	if c.classes == 0 {
		return
	}
	c.ids.append(w)
	for i := range c.tables[:c.classes] {
		c.tables[i].append(w)
	}
}

// appendStreams writes the streams of the list and of the classes, each after
// its length. at is where the block begins in dst.
func (c *coder) appendStreams(dst []byte, at int) []byte {
	if c.classes == 0 {
		return dst
	}
	c.pack.build(&c.ids, &c.cells)
	dst = c.appendStream(dst, at, c.idSym, nil)
	wide := len(c.low) > 0
	for k := 1; k <= c.classes; k++ {
		c.gather, c.gatherLow = c.gather[:0], c.gatherLow[:0]
		for i, class := range c.class {
			if int(class) != k {
				continue
			}
			from, to := c.of(i)
			c.gather = append(c.gather, c.sym[from:to]...)
			if wide {
				c.gatherLow = append(c.gatherLow, c.low[c.lows[i]:c.lows[i+1]]...)
			}
		}
		c.pack.build(&c.tables[k-1], &c.cells)
		dst = c.appendStream(dst, at, c.gather, c.gatherLow)
	}
	return dst
}

// lengthBytes is the size of a stream's length.
const lengthBytes = 4

func (c *coder) appendStream(dst []byte, at int, sym []uint8, low []uint32) []byte {
	for len(dst)-at < before-lengthBytes { // reading needs something before it
		dst = append(dst, 0)
	}
	mark := len(dst)
	dst = extend(dst, lengthBytes)
	dst = c.pack.append(dst, sym, low)
	binary.LittleEndian.PutUint32(dst[mark:], uint32(len(dst)-mark-lengthBytes))
	return dst
}
