// Package reference packs vectors as published methods do, for simulations that
// compare package compress with them. Participants and the coordinator of a live
// run do not have these codecs.
//
//   - qsgd: QSGD (Alistarh et al., "QSGD: Communication-efficient SGD via gradient
//     quantization and encoding", NIPS 2017)
//   - qsgd-max: the same with the largest magnitude in place of the norm, as in that
//     paper's experiments
//   - topk: the largest magnitudes (Aji and Heafield, "Sparse communication for
//     distributed gradient descent", EMNLP 2017; Stich et al., "Sparsified SGD with
//     memory", NeurIPS 2018)
//   - ternary: sparse ternary compression (Sattler et al., "Robust and
//     communication-efficient federated learning from non-i.i.d. data", 2019)
//   - signsgd: signs and a scale for each layer (Bernstein et al., "signSGD", ICML
//     2018; the scale is that of Karimireddy et al., "Error feedback fixes SignSGD",
//     ICML 2019)
//
// All but QSGD are meant to be wrapped in [compress.Feedback]. The blocks are real:
// decoders check what they read, and errors are those of package compress. Each begins
// with
//
//	byte     1, the version
//	uvarint  number of values
//
// and its codec says what follows. Numbers of bits are written with the lowest bit
// first, into the lowest free bit of each byte, and padded with zeros to a whole byte.
package reference

import (
	"encoding/binary"
	"fmt"
	"math"

	"fedtab/compress"
	"fedtab/protocol"
)

// The numbers of the codecs, of those that no peer sends.
const (
	QSGD = protocol.CodecPrivate + iota
	QSGDMax
	TopK
	Ternary
	SignSGD
)

// Codecs returns the codecs of this package.
func Codecs() compress.Extra {
	return compress.Extra{
		{ID: QSGD, Name: "qsgd", Rated: true, Unbiased: true, Seeded: true,
			NewEncoder: func([]compress.Tensor) compress.Encoder { return new(qsgd) },
			NewDecoder: func() compress.Decoder { return new(qsgdDecoder) }},
		{ID: QSGDMax, Name: "qsgd-max", Rated: true, Unbiased: true, Seeded: true,
			NewEncoder: func([]compress.Tensor) compress.Encoder { return &qsgd{byMax: true} },
			NewDecoder: func() compress.Decoder { return new(qsgdDecoder) }},
		{ID: TopK, Name: "topk", Rated: true,
			NewEncoder: func([]compress.Tensor) compress.Encoder { return new(topK) },
			NewDecoder: func() compress.Decoder { return new(topKDecoder) }},
		{ID: Ternary, Name: "ternary", Rated: true,
			NewEncoder: func([]compress.Tensor) compress.Encoder { return new(ternary) },
			NewDecoder: func() compress.Decoder { return new(ternaryDecoder) }},
		{ID: SignSGD, Name: "signsgd",
			NewEncoder: func(t []compress.Tensor) compress.Encoder { return &signSGD{tensors: t} },
			NewDecoder: func() compress.Decoder { return new(signDecoder) }},
	}
}

// version of the blocks.
const version = 1

func appendHeader(dst []byte, n int) []byte {
	return binary.AppendUvarint(append(dst, version), uint64(n))
}

// header reads what appendHeader has written for n values and returns the rest.
func header(block []byte, n int) ([]byte, error) {
	if len(block) == 0 {
		return nil, fmt.Errorf("%w: ends in the version", compress.ErrTruncated)
	}
	if block[0] != version {
		return nil, fmt.Errorf("%w: version: %d, want %d", compress.ErrVersion, block[0], version)
	}
	count, rest, err := uvarint(block[1:], "number of values")
	if err == nil && count != uint64(n) {
		err = fmt.Errorf("%w: values: %d, want %d", compress.ErrLength, count, n)
	}
	return rest, err
}

func uvarint(b []byte, what string) (uint64, []byte, error) {
	v, n := binary.Uvarint(b)
	if n == 0 {
		return 0, nil, fmt.Errorf("%w: ends in the %s", compress.ErrTruncated, what)
	}
	if n < 0 {
		return 0, nil, fmt.Errorf("%w: %s of more than 64 bits", compress.ErrLength, what)
	}
	return v, b[n:], nil
}

func appendFloat(dst []byte, x float32) []byte {
	return binary.LittleEndian.AppendUint32(dst, math.Float32bits(x))
}

// scale reads a finite float32 of 0 or more.
func scale(b []byte, what string) (float32, []byte, error) {
	if len(b) < 4 {
		return 0, nil, fmt.Errorf("%w: ends in the %s", compress.ErrTruncated, what)
	}
	x := math.Float32frombits(binary.LittleEndian.Uint32(b))
	if x-x != 0 {
		return 0, nil, fmt.Errorf("%w: %s", compress.ErrNotFinite, what)
	}
	if x < 0 {
		return 0, nil, fmt.Errorf("%w: %s: %v, want >= 0", compress.ErrRange, what, x)
	}
	return x, b[4:], nil
}

// checkFinite returns an error if a value of v is NaN or infinite.
func checkFinite(v []float32) error {
	for i, x := range v {
		if x-x != 0 {
			return fmt.Errorf("%w: element %d", compress.ErrNotFinite, i)
		}
	}
	return nil
}
