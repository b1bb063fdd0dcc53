package compress

import (
	"fmt"
	"math"

	"github.com/klauspost/compress/huff0"
)

// planes packs float32 without loss: the values are divided into their four
// bytes, and each plane is coded by itself with Huffman codes where that makes
// it smaller. Signs are moved to the last bit, so that the first plane holds
// exponents alone. Parameters and updates take 24 to 28 bits: the low bits of a
// mantissa are noise, the exponents are not, and zeros are cheap.
//
// The block is, for each piece of 128 Ki values and in it for each plane, the
// highest first:
//
//	byte     0: the bytes as they are; 1: all are the byte that follows;
//	         2: huff0's table and four streams, after their length (3 bytes)
//
// A decoder needs a piece: 512 KiB, or what the vector takes if that is less.
type planes struct {
	scratch huff0.Scratch
	plane   []byte
}

const (
	pieceLen = 1 << 17 // less than huff0.BlockSizeMax

	planeRaw  = 0
	planeSame = 1
	planeHuff = 2
)

// Append packs v, which may hold anything, NaN included.
func (p *planes) Append(dst []byte, v []float32, _ Options) ([]byte, error) {
	for len(v) > 0 {
		piece := v[:min(len(v), pieceLen)]
		v = v[len(piece):]
		p.plane = grown(p.plane, len(piece))
		for shift := 24; shift >= 0; shift -= 8 {
			for i, x := range piece {
				b := math.Float32bits(x)
				p.plane[i] = uint8((b<<1 | b>>31) >> shift)
			}
			dst = p.append(dst)
		}
	}
	return dst, nil
}

func (p *planes) append(dst []byte) []byte {
	p.scratch.Reuse = huff0.ReusePolicyNone
	out, _, err := huff0.Compress4X(p.plane, &p.scratch)
	switch {
	case err == huff0.ErrUseRLE:
		return append(dst, planeSame, p.plane[0])
	case err != nil || len(out)+3 >= len(p.plane):
		return append(append(dst, planeRaw), p.plane...)
	}
	dst = append(dst, planeHuff, byte(len(out)), byte(len(out)>>8), byte(len(out)>>16))
	return append(dst, out...)
}

type planesDecoder struct {
	rest    []byte
	left    int // values not decoded yet
	piece   []uint32
	at      int // in piece
	plane   []byte
	scratch huff0.Scratch
}

// Open begins a block of n values.
func (d *planesDecoder) Open(block []byte, n int, _ Options) error {
	d.rest, d.left, d.piece, d.at = block, n, d.piece[:0], 0
	return nil
}

// Next sets dst to the next values.
func (d *planesDecoder) Next(dst []float32) error { return d.next(dst, 1, false) }

// Add adds weight x the next values to dst.
func (d *planesDecoder) Add(dst []float32, weight float32) error { return d.next(dst, weight, true) }

func (d *planesDecoder) next(dst []float32, weight float32, add bool) error {
	for len(dst) > 0 {
		if d.at == len(d.piece) {
			if err := d.decode(); err != nil {
				return err
			}
		}
		n := min(len(dst), len(d.piece)-d.at)
		for i, b := range d.piece[d.at : d.at+n] {
			x := math.Float32frombits(b)
			if add {
				x = dst[i] + float32(x*weight)
			}
			dst[i] = x
		}
		d.at += n
		dst = dst[n:]
	}
	return nil
}

// decode decodes the next piece.
func (d *planesDecoder) decode() error {
	n := min(d.left, pieceLen)
	if n == 0 {
		return fmt.Errorf("%w: more than its values are asked for", ErrBlock)
	}
	d.piece = grown(d.piece, n)
	clear(d.piece)
	for shift := 24; shift >= 0; shift -= 8 {
		plane, err := d.decodePlane(n)
		if err != nil {
			return err
		}
		for i, b := range plane {
			d.piece[i] |= uint32(b) << shift
		}
	}
	for i, b := range d.piece {
		b = b>>1 | b<<31
		if b&infinite == infinite {
			return fmt.Errorf("%w: in a piece of float32-planes", ErrNotFinite)
		}
		d.piece[i] = b
	}
	d.left -= n
	d.at = 0
	return nil
}

func errPlane() error { return fmt.Errorf("%w: ends in a plane", ErrBlock) }

func (d *planesDecoder) decodePlane(n int) ([]byte, error) {
	if len(d.rest) < 2 {
		return nil, errPlane()
	}
	kind := d.rest[0]
	d.rest = d.rest[1:]
	switch kind {
	case planeSame:
		d.plane = grown(d.plane, n)
		for i := range d.plane {
			d.plane[i] = d.rest[0]
		}
		d.rest = d.rest[1:]
		return d.plane, nil
	case planeRaw:
		if len(d.rest) < n {
			return nil, errPlane()
		}
		plane := d.rest[:n]
		d.rest = d.rest[n:]
		return plane, nil
	case planeHuff:
	default:
		return nil, fmt.Errorf("%w: plane of kind %d", ErrBlock, kind)
	}
	if len(d.rest) < 3 {
		return nil, errPlane()
	}
	size := int(d.rest[0]) | int(d.rest[1])<<8 | int(d.rest[2])<<16
	d.rest = d.rest[3:]
	if len(d.rest) < size {
		return nil, errPlane()
	}
	_, in, err := huff0.ReadTable(d.rest[:size], &d.scratch)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrBlock, err)
	}
	d.plane = grown(d.plane, n)
	d.scratch.Out = d.plane[:0]
	d.scratch.MaxDecodedSize = n
	plane, err := d.scratch.Decompress4X(in, n)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrBlock, err)
	}
	if len(plane) != n {
		return nil, fmt.Errorf("%w: plane of %d bytes, want %d", ErrBlock, len(plane), n)
	}
	d.rest = d.rest[size:]
	return plane, nil
}

// Close says whether all values were read and nothing follows them.
func (d *planesDecoder) Close() error {
	if d.left != 0 || d.at != len(d.piece) || len(d.rest) != 0 {
		return fmt.Errorf("%w: %d values were not read, %d bytes are left", ErrBlock, d.left+len(d.piece)-d.at, len(d.rest))
	}
	return nil
}
