package webcrypto

import (
	"encoding/binary"
	"fmt"
	"syscall/js"

	"fedtab/privacy/secagg"
)

// A key stream is fetched in pieces, each twice as long as the one before: how much will be read
// is not known, and a call costs as much as some 100 kB.
const (
	firstPiece = 64 << 10
	maxPiece   = 1 << 20
	blockSize  = 16 // of AES
)

type stream struct {
	key   js.Value // the browser's
	block uint64   // number of the next piece's first block
	next  int      // bytes of the next piece
	piece js.Value // stays in JavaScript until it is read
	left  int      // bytes of piece that have not been read: the last ones
}

// Stream returns a key stream.
func (Primitives) Stream(key []byte) (secagg.Stream, error) {
	if len(key) != secagg.KeySize {
		return nil, fmt.Errorf("a key of %d bytes, want %d", len(key), secagg.KeySize)
	}
	k, err := await("stream", "streamKey", array(key))
	if err != nil {
		return nil, err
	}
	return &stream{key: k, next: firstPiece}, nil
}

// Next fills b.
func (s *stream) Next(b []byte) error {
	for len(b) > 0 {
		if s.left == 0 {
			if err := s.fetch(); err != nil {
				return err
			}
		}
		n := js.CopyBytesToGo(b, s.piece.Call("subarray", -s.left))
		b, s.left = b[n:], s.left-n
	}
	return nil
}

func (s *stream) fetch() (err error) {
	counter := binary.BigEndian.AppendUint64(make([]byte, blockSize-8), s.block)
	if s.piece, err = await("stream", "stream", s.key, array(counter), s.next); err != nil {
		return err
	}
	s.left = s.next
	s.block += uint64(s.next / blockSize)
	s.next = min(2*s.next, maxPiece)
	return nil
}
