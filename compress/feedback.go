package compress

import (
	"encoding/binary"
	"math"
)

// FeedbackUpTo is the rate, in bits for a parameter, up to which error feedback is
// on unless a task says otherwise. Above, less is lost, and the memory and the
// staleness of the residual weigh more; where clients come back often it pays at
// 1 bit too (docs/compression.md).
const FeedbackUpTo = .5

// Feedback is an Encoder that adds to a vector what the one before it lost
// (Seide et al., "1-bit stochastic gradient descent", 2014; Karimireddy et al.,
// "Error feedback fixes SignSGD", 2019). What is lost now is lost only until the
// next contribution.
//
// It belongs to one client and one kind of vector, and goes stale while the
// client is not chosen: the model has moved on. So it is to be aged by every
// round that passes, and flushed when the client rejoins a run from which it
// was away, or when what it has packed was refused.
//
// Between two calls it holds one vector, the residual. The encoder and the
// decoder may be lent to other clients meanwhile.
type Feedback struct {
	enc      Encoder
	dec      Decoder
	residual []float32 // empty when there is none
	piece    []float32 // to decode into
}

const (
	// mostResidual bounds the norm of the residual, as a multiple of that of
	// the vector that was packed last. Updates that all point the same way and
	// lose 3/4 of their square leave 6.5 times their norm, others less. Without a
	// bound, a client whose updates shrink would send what is long past.
	mostResidual = 8
	// leastResidual is when ageing has left so little that it is flushed.
	leastResidual = 1e-3
)

// NewFeedback returns the wrapper of an encoder and the decoder that reads what
// it packs, with nothing to feed back.
func NewFeedback(enc Encoder, dec Decoder) *Feedback { return new(Feedback).Using(enc, dec) }

// Using makes f the wrapper of another encoder and decoder, and returns it.
func (f *Feedback) Using(enc Encoder, dec Decoder) *Feedback {
	f.enc, f.dec = enc, dec
	return f
}

// Append packs v and what is fed back. A vector of another length than the last
// begins anew. After an error there is nothing to feed back.
func (f *Feedback) Append(dst []byte, v []float32, o Options) ([]byte, error) {
	if len(f.residual) != len(v) {
		f.residual = grown(f.residual, len(v))
		clear(f.residual)
	}
	var was, lost float64
	for i, x := range v {
		f.residual[i] += x
		was += float64(x) * float64(x)
	}
	at := len(dst)
	dst, err := f.enc.Append(dst, f.residual, o)
	if err != nil {
		f.Flush()
		return dst, err
	}
	f.piece = grown(f.piece, mostSegment)
	err = f.dec.Open(dst[at:], len(v), o)
	for left := f.residual; len(left) > 0 && err == nil; {
		piece := f.piece[:min(len(left), mostSegment)]
		err = f.dec.Next(piece)
		for i, x := range piece {
			r := left[i] - x
			left[i] = r
			lost += float64(r) * float64(r)
		}
		left = left[len(piece):]
	}
	if err == nil {
		err = f.dec.Close()
	}
	if err != nil {
		f.Flush()
		return dst[:at], err // the decoder is of another codec
	}
	switch most := mostResidual * mostResidual * was; {
	case !(lost <= math.MaxFloat64) || !(was <= math.MaxFloat64):
		f.Flush()
	case lost > most:
		f.scale(float32(math.Sqrt(most / lost)))
	}
	return dst, nil
}

// Flush forgets what was to be fed back.
func (f *Feedback) Flush() { f.residual = f.residual[:0] }

// Age multiplies what is to be fed back by keep for each of some rounds that
// have passed without this client; keep is 0 to 1.
func (f *Feedback) Age(rounds int, keep float64) {
	k := math.Pow(keep, float64(rounds))
	if !(k >= leastResidual) {
		f.Flush()
		return
	}
	f.scale(float32(min(k, 1)))
}

func (f *Feedback) scale(by float32) {
	for i := range f.residual {
		f.residual[i] *= by
	}
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
		panic(err) // Append has seen to it that the residual is finite
	}
	return dst
}

// RestoreState takes up the residual of a vector of n values that AppendState
// has written. After an error there is none.
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
