package compress

import (
	"encoding/binary"
)

// segments reads the symbols of a block, class by class and in the order of
// the vector.
type segments struct {
	layout
	classes int
	class   []uint8 // of every segment
	tables  [maxClasses]table
	unpacks [maxClasses]*unpacker // of the live classes, made when needed
	streams [maxClasses]stream
	values  [maxClasses]values
	ids     table
	cells   [1 << maxTableLog]uint8

	// Where reading is: in a segment of a part.
	part    int
	end     int // of the part
	segment int
	left    int // values of the segment
	at      int
}

// readTables reads what appendTables has written.
func (s *segments) readTables(r *bitReader) error {
	s.classes = int(r.get(4))
	if r.short {
		return broken(ErrTruncated, "ends in the number of classes")
	}
	if s.classes >= maxClasses {
		return brokenBy(ErrClasses, "classes:", s.classes, maxClasses-1)
	}
	if s.classes == 0 {
		return nil
	}
	if err := s.ids.read(r); err != nil {
		return err
	}
	for i := range s.classes {
		if err := s.tables[i].read(r); err != nil {
			return err
		}
	}
	return nil
}

// integers sets the values of symbols to their levels.
func (s *segments) integers() {
	for i := range s.classes {
		v := &s.values[i]
		v.of[0], v.scale, v.shift = 0, 1, 0
		for m := 1; m < direct; m++ {
			v.of[2*m-1], v.of[2*m] = float32(-m), float32(m)
		}
	}
}

// open reads the list of classes and opens the streams, which lie in
// block[at:] up to its end. The values must be set before any is read.
func (s *segments) open(block []byte, at int) error {
	s.class = grown(s.class, s.segments)
	s.part, s.end, s.segment, s.left, s.at = -1, 0, -1, 0, 0
	if s.classes == 0 {
		clear(s.class)
		if at != len(block) {
			return brokenBy(ErrTrailing, "bytes:", len(block), at)
		}
		return nil
	}
	next := func(u *unpacker, t *table, st *stream) error {
		at = max(at, before-lengthBytes)
		if len(block)-at < lengthBytes {
			return broken(ErrTruncated, "ends in the length of a stream")
		}
		n := binary.LittleEndian.Uint32(block[at:])
		at += lengthBytes
		if uint64(n) > uint64(len(block)-at) {
			return broken(ErrTruncated, "ends in a stream")
		}
		u.build(t, &s.cells)
		from := at
		at += int(n)
		return st.open(u, t.log, block, from, at)
	}
	for i := range s.classes {
		if s.unpacks[i] == nil {
			s.unpacks[i] = new(unpacker)
		}
	}
	// The list comes first; its unpacker is reused for class 1.
	if err := next(s.unpacks[0], &s.ids, &s.streams[0]); err != nil {
		return err
	}
	if s.ids.last >= direct {
		return broken(ErrClasses, "wide symbol in the list of classes")
	}
	last := int32(0)
	for i := range s.class {
		if err := s.streams[0].check(); err != nil {
			return err
		}
		sym, _ := s.streams[0].next()
		last += unzigzag(sym)
		if last < 0 || int(last) > s.classes {
			return brokenBy(ErrClasses, "class beyond the last:", int(last), s.classes)
		}
		s.class[i] = uint8(last)
	}
	if err := s.streams[0].close(); err != nil {
		return err
	}
	for i := range s.classes {
		if err := next(s.unpacks[i], &s.tables[i], &s.streams[i]); err != nil {
			return err
		}
	}
	if at != len(block) {
		return brokenBy(ErrTrailing, "bytes:", len(block), at)
	}
	return nil
}

func unzigzag(sym uint32) int32 {
	if sym&1 != 0 {
		return -int32(sym/2) - 1
	}
	return int32(sym / 2)
}

// read takes the next len(dst) values into dst. It returns an error if a stream
// is broken.
func (s *segments) read(dst []float32, how *taking) error {
	for len(dst) > 0 {
		n, class, err := s.run(len(dst))
		if err != nil {
			return err
		}
		switch {
		case class > 0:
			if err := s.streams[class-1].read(dst[:n], &s.values[class-1], how); err != nil {
				return err
			}
		case !how.add:
			clear(dst[:n])
		}
		dst = dst[n:]
	}
	return nil
}

// run advances by at most limit values of one segment and returns their number
// and class.
func (s *segments) run(limit int) (n int, class int, err error) {
	for s.left == 0 {
		if s.at == s.n {
			return 0, 0, broken(ErrLength, "more than its values are asked for")
		}
		if s.at == s.end {
			s.part++
			s.end += s.parts[s.part].size
		}
		s.segment++
		s.left = min(s.parts[s.part].segment, s.end-s.at)
	}
	n = min(limit, s.left)
	s.left -= n
	s.at += n
	return n, int(s.class[s.segment]), nil
}

// close checks that all values were read and that every stream ends with its
// symbols.
func (s *segments) close() error {
	if s.at != s.n {
		return brokenBy(ErrLength, "values read:", s.at, s.n)
	}
	for i := range s.classes {
		if err := s.streams[i].close(); err != nil {
			return err
		}
	}
	return nil
}
