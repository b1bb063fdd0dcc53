package compress

import "math/rand/v2"

// handmade returns a block with tables that an encoder might not choose. Segment i
// has class(i), and class k the table tables[k-1] and symbols drawn from it. head
// is what a codec has after the step, and each class has so many bits, drawn too,
// after the tables.
func handmade(r *rand.Rand, parts []part, tables []table, class func(i int) int, head []byte, bits uint) []byte {
	c := drawn(r, parts, tables, class)
	w := bitWriter{out: append(appendHeader(nil, &c.layout, 1./1024), head...)}
	c.appendTables(&w)
	for range tables {
		w.put(r.Uint64(), bits)
	}
	return c.appendStreams(w.flush(), 0)
}

// drawn returns a coder whose symbols are drawn from the tables.
func drawn(r *rand.Rand, parts []part, tables []table, class func(i int) int) *coder {
	c := &coder{tables: tables, classes: len(tables), start: []int32{0}, lows: []int32{0}}
	for _, p := range parts {
		c.n += p.size
		c.add(p)
		for left := p.size; left > 0; left -= p.segment {
			c.start = append(c.start, c.start[len(c.start)-1]+int32(min(left, p.segment)))
		}
	}
	c.sym = make([]uint8, c.n)
	for i := range c.segments {
		k := class(i)
		c.class = append(c.class, uint8(k))
		if k > 0 {
			t := &tables[k-1]
			t.spread(&c.cells)
			from, to := c.of(i)
			for j := range c.sym[from:to] {
				s := c.cells[r.IntN(1<<t.log)]
				c.sym[from+j] = s
				if s >= firstWide {
					_, n := levelOf((uint32(s) + 1) / 2)
					c.low = append(c.low, r.Uint32()&(1<<n-1))
				}
			}
		}
		c.lows = append(c.lows, int32(len(c.low)))
	}
	c.list()
	return c
}

// falling returns a table of 2^log cells whose frequencies fall, down to that of
// the magnitude last, with gaps.
func falling(log uint, last int) table {
	t := table{log: log, last: last}
	left := 1 << log
	for m := 1; m <= last; m++ {
		if m%5 != 3 {
			f := max(1<<log/(12*(m+1)), 1)
			t.freq[m] = uint16(f)
			left -= 2 * f
		}
	}
	t.freq[0] = uint16(left)
	return t
}
