package compress

import (
	"encoding/binary"
	"math"

	"fedtab/learn/kernel"
	"fedtab/protocol"
)

// Feedback is an Encoder that adds the residual of the last vector to the next
// (Seide et al., "1-bit stochastic gradient descent", 2014; Karimireddy et al.,
// "Error feedback fixes SignSGD", 2019). The residual is what packing lost.
//
// It belongs to one client and one kind of vector. The residual becomes stale
// while the client is not chosen, because the model changes. The caller ages it
// by every round that passes, and flushes it when the client rejoins a run after
// an absence or when a contribution was rejected.
//
// Between two calls it holds one vector, the residual. Other clients may
// use the encoder and the decoder meanwhile.
type Feedback struct {
	enc      Encoder
	dec      Decoder
	residual []float32 // empty when there is none
	piece    []float32 // to decode into
}

const (
	// maxResidual bounds the norm of the residual, as a multiple of that of
	// the vector that was packed last. Updates of one direction that lose 3/4 of
	// their squared norm leave 6.5 times their norm, others less. Without a bound,
	// a client whose updates shrink would send mainly stale residuals.
	maxResidual = 8
	// minResidual is the factor of ageing below which the residual is flushed.
	minResidual = 1e-3
)

// NewFeedback returns the wrapper of an encoder and the decoder of its blocks,
// without a residual.
func NewFeedback(enc Encoder, dec Decoder) *Feedback { return new(Feedback).Using(enc, dec) }

// Using makes f the wrapper of another encoder and decoder, and returns it.
func (f *Feedback) Using(enc Encoder, dec Decoder) *Feedback {
	f.enc, f.dec = enc, dec
	return f
}

// Append packs the sum of v and the residual. A vector of another length than the
// last resets the residual; so does an error.
func (f *Feedback) Append(dst []byte, v []float32, o Options) ([]byte, error) {
	if len(f.residual) != len(v) {
		f.residual = grown(f.residual, len(v))
		clear(f.residual)
	}
	was, lost := kernel.AddSquares(f.residual, v), 0.
	at := len(dst)
	dst, err := f.enc.Append(dst, f.residual, o)
	if err != nil {
		f.Flush()
		return dst, err
	}
	f.piece = grown(f.piece, maxSegment)
	err = f.dec.Open(dst[at:], len(v), o)
	for left := f.residual; len(left) > 0 && err == nil; {
		piece := f.piece[:min(len(left), maxSegment)]
		err = f.dec.Next(piece)
		lost += kernel.SubSquares(left[:len(piece)], piece)
		left = left[len(piece):]
	}
	if err == nil {
		err = f.dec.Close()
	}
	if err != nil {
		f.Flush()
		return dst[:at], err // the decoder is of another codec
	}
	switch limit := maxResidual * maxResidual * was; {
	case !(lost <= math.MaxFloat64) || !(was <= math.MaxFloat64):
		f.Flush()
	case lost > limit:
		kernel.Scale(f.residual, float32(math.Sqrt(limit/lost)))
	}
	return dst, nil
}

// Flush drops the residual.
func (f *Feedback) Flush() { f.residual = f.residual[:0] }

// Age multiplies the residual by keep, 0 to 1, for each of the rounds that have
// passed without this client.
func (f *Feedback) Age(rounds int, keep float64) {
	k := math.Pow(keep, float64(rounds))
	if !(k >= minResidual) {
		f.Flush()
		return
	}
	kernel.Scale(f.residual, float32(min(k, 1)))
}

// feedbackVersion of what AppendState writes.
const feedbackVersion = 1

// AppendState appends the residual, to be saved with the client's session: the
// version, the number of values (uvarint), and a float32-planes block.
func (f *Feedback) AppendState(dst []byte) []byte {
	dst = append(dst, feedbackVersion)
	dst = binary.AppendUvarint(dst, uint64(len(f.residual)))
	p := planes{tensors: Flat(len(f.residual))}
	dst, err := p.Append(dst, f.residual, Options{})
	if err != nil {
		panic(err) // Append keeps the residual finite
	}
	return dst
}

// MaxState returns the max number of bytes that AppendState appends.
func (f *Feedback) MaxState() int {
	return 1 + binary.MaxVarintLen64 + MaxBlock(protocol.CodecPlanes, len(f.residual))
}

// RestoreState reads the residual of a vector of n values that AppendState has
// written. After an error the residual is empty.
func (f *Feedback) RestoreState(state []byte, n int) error {
	f.Flush()
	if len(state) == 0 || state[0] != feedbackVersion {
		return broken(ErrVersion, "feedback of another version")
	}
	count, block, err := uvarint(state[1:], uint64(n), ErrLength, "length of the feedback")
	if err != nil {
		return err
	}
	if count != 0 && count != uint64(n) {
		return brokenBy(ErrLength, "values of feedback:", int(count), n)
	}
	f.residual = grown(f.residual, int(count))
	if err := DecodeWith(new(planesDecoder), f.residual, block, Options{}); err != nil {
		f.Flush()
		return err
	}
	return nil
}
