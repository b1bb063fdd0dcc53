package secagg

import (
	"encoding/binary"
	"fmt"

	"fedtab/learn/digest"
)

// A History is what a client must not forget of a run: its newest attempt, and what it has
// given away. It is written down before the message leaves that makes it true.
type History struct {
	Run      [digest.Size]byte
	Attempt  Attempt           // the newest that it has begun
	Update   uint64            // the newest whose masked vector it has sent; 0: none
	Vectors  uint64            // masked vectors that it has sent
	Released [digest.Size]byte // digest of the survivors for whom it has released shares of Attempt; zeros: none
}

// historyVersion is the first byte of a record.
const historyVersion = 2

const historySize = 1 + 2*digest.Size + 4*8

// Append appends the record of h.
func (h *History) Append(b []byte) []byte {
	b = append(append(b, historyVersion), h.Run[:]...)
	for _, x := range []uint64{h.Attempt.Round, h.Attempt.Number, h.Update, h.Vectors} {
		b = binary.LittleEndian.AppendUint64(b, x)
	}
	return append(b, h.Released[:]...)
}

// ParseHistory reads a record. No bytes are the history of a client that has begun nothing.
func ParseHistory(b []byte) (h History, err error) {
	switch {
	case len(b) == 0:
		return h, nil
	case len(b) != historySize || b[0] != historyVersion:
		return h, fmt.Errorf("%w: a record of %d bytes and version %d, want %d and %d", ErrMessage, len(b), b[0], historySize, historyVersion)
	}
	copy(h.Run[:], b[1:])
	b = b[1+digest.Size:]
	h.Attempt = Attempt{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])}
	h.Update = binary.LittleEndian.Uint64(b[16:])
	h.Vectors = binary.LittleEndian.Uint64(b[24:])
	copy(h.Released[:], b[32:])
	return h, nil
}
