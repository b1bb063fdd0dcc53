package secagg

import "math/bits"

// A set is a set of clients by number, a bit each, the lowest of the first byte first.
type set []byte

func newSet(n int) set { return make(set, (n+7)/8) }

func (s set) has(i int) bool { return s[i/8]>>(i%8)&1 != 0 }
func (s set) add(i int)      { s[i/8] |= 1 << (i % 8) }

// size returns the number of elements.
func (s set) size() (n int) {
	for _, b := range s {
		n += bits.OnesCount8(b)
	}
	return n
}

// within reports whether every element is in other, which has the same length.
func (s set) within(other set) bool {
	for i, b := range s {
		if b&^other[i] != 0 {
			return false
		}
	}
	return true
}

// of returns how many of the clients are in the set.
func (s set) of(clients []int) (n int) {
	for _, i := range clients {
		if s.has(i) {
			n++
		}
	}
	return n
}

// fits reports whether the set is one of n clients: no bit is set after them.
func (s set) fits(n int) bool {
	return len(s) == (n+7)/8 && (n%8 == 0 || s[len(s)-1]>>(n%8) == 0)
}
