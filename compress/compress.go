// Package compress packs vectors of parameters into the blocks that travel in
// a message's body, one file for each codec.
package compress

import (
	"errors"
	"fmt"

	"fedtab/protocol"
)

// Errors of decoding.
var (
	ErrUnknownCodec = errors.New("compress: unknown codec")
	ErrBlock        = errors.New("compress: broken block")
	ErrNotFinite    = errors.New("compress: value is not finite")
)

// Codecs are those that this build packs and unpacks, the preferred first.
func Codecs() []protocol.Codec { return []protocol.Codec{protocol.CodecFloat32} }

// Append packs v with codec and appends the block to dst.
func Append(codec protocol.Codec, dst []byte, v []float32) ([]byte, error) {
	switch codec {
	case protocol.CodecFloat32:
		return AppendFloat32(dst, v), nil
	}
	return dst, fmt.Errorf("%w %d", ErrUnknownCodec, codec)
}

// Decode unpacks block into dst, whose length is that of the vector. Every
// value that it leaves there is finite when it returns nil.
func Decode(codec protocol.Codec, dst []float32, block []byte) error {
	switch codec {
	case protocol.CodecFloat32:
		return DecodeFloat32(dst, block)
	}
	return fmt.Errorf("%w %d", ErrUnknownCodec, codec)
}

// MaxBlock is the largest block that codec makes of n values.
func MaxBlock(codec protocol.Codec, n int) int { return 4 * n }
