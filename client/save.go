package client

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"fedtab/compress"
	"fedtab/protocol"
)

// ErrSaved says that bytes are not what Save makes.
var ErrSaved = errors.New("client: not a saved participant")

// savedVersion is the first byte of what Save makes.
const savedVersion = 2

// Bounds of what Restore takes, beside those of the protocol: contributions that
// wait for a version, with two vectors each, and a control variate.
const (
	maxKept  = 16
	maxSaved = 4*protocol.MaxBlock + 1<<20
)

// Save returns what must not be lost when a tab is reloaded: who the participant
// is, how far it has gone through its data, its control variate, and the
// contributions that it keeps until their rounds are closed. It is nil before the
// welcome. No example and no model is in it.
//
// The bytes are: the format's version; the run, the resume token, the
// participant's number, the mini-batches taken, the control variate (raw float32,
// or nothing), the residual of error feedback (or nothing) and
// the round that it is from; and for each contribution 1 if it was accepted or else 0, the
// round with which it is done with, how many frames it has, and these as they
// travel. Texts, vectors and frames have their length before them; numbers are
// uvarints.
func (c *Client) Save() []byte {
	if c.welcome == nil || len(c.welcome.ResumeToken) == 0 {
		return nil
	}
	b := append(make([]byte, 0, c.maxSave()), savedVersion)
	b = appendBytes(b, []byte(c.welcome.Run))
	b = appendBytes(b, c.welcome.ResumeToken)
	b = binary.AppendUvarint(b, uint64(c.welcome.Participant))
	b = binary.AppendUvarint(b, uint64(c.stream))
	b = appendMade(b, func(b []byte) []byte { return compress.AppendFloat32(b, c.ownControl) })
	if c.feedback != nil {
		b = appendMade(b, c.feedback.AppendState)
	} else {
		b = appendBytes(b, c.residual)
	}
	b = binary.AppendUvarint(b, c.packedRound)
	for _, k := range c.kept {
		accepted := byte(0)
		if k.accepted {
			accepted = 1
		}
		b = append(b, accepted)
		b = binary.AppendUvarint(b, k.closes)
		b = appendMessage(b, k.Contribution)
	}
	return b
}

// maxSave returns about how many bytes Save returns at most, so that they are allocated
// once: of a tab's memory they are a large part.
func (c *Client) maxSave() int {
	n := 1<<10 + 4*len(c.ownControl) + len(c.residual)
	if c.feedback != nil {
		n += c.feedback.MaxState()
	}
	for _, k := range c.kept {
		n += 1<<10 + int(protocol.WireSize(k.Contribution, true))
	}
	return n
}

// appendMade appends what add appends, after its length.
func appendMade(b []byte, add func([]byte) []byte) []byte {
	var room [binary.MaxVarintLen64]byte // for the length, which is not known yet
	at := len(b)
	b = add(append(b, room[:]...))
	made := b[at+len(room):]
	return append(binary.AppendUvarint(b[:at], uint64(len(made))), made...)
}

// appendBytes appends v after its length. Copies of it would take 2 kB of the
// worker.
//
//go:noinline
func appendBytes(b, v []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(v))), v...)
}

// appendMessage appends the frames of m after their number.
func appendMessage(b []byte, m protocol.Message) []byte {
	frames := 0
	for range protocol.Frames(m, nil) {
		frames++
	}
	b = binary.AppendUvarint(b, uint64(frames))
	for frame := range protocol.Frames(m, nil) {
		b = appendBytes(b, frame)
	}
	return b
}

// Restore makes a fresh client the participant that Save has saved. Its Hello
// asks for the same number again, and contributions that were kept are offered
// when their orders are given again, without training. The error wraps ErrSaved;
// then the client is as it was.
func (c *Client) Restore(saved []byte) error {
	wrong := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", ErrSaved, fmt.Sprintf(format, args...))
	}
	if len(saved) == 0 || len(saved) > maxSaved || saved[0] != savedVersion {
		return wrong("%d bytes of another format", len(saved))
	}
	d := savedReader{b: saved[1:]}
	run, token := d.bytes(), d.bytes()
	number, stream, ownControl, residual := d.uint(), d.uint(), d.bytes(), d.bytes()
	packedRound := d.uint()
	if d.broken || number == 0 || number > math.MaxUint32 || stream > math.MaxInt32 ||
		len(run) > protocol.MaxName || len(token) == 0 || len(token) > protocol.MaxToken {
		return wrong("it is cut off, or too long")
	}
	var control []float32
	if len(ownControl) > 0 {
		control = make([]float32, len(ownControl)/4)
		if err := compress.DecodeFloat32(control, ownControl); err != nil {
			return wrong("the control variate: %v", err)
		}
	}
	var all []kept
	for len(d.b) > 0 {
		k, err := d.contribution()
		if err != nil {
			return wrong("contribution %d: %v", len(all), err)
		}
		if all = append(all, k); len(all) > maxKept {
			return wrong("more than %d contributions", maxKept)
		}
	}
	c.welcome = &protocol.Welcome{Run: string(run), ResumeToken: token, Participant: uint32(number)}
	c.stream, c.ownControl, c.residual, c.packedRound, c.kept = int(stream), control, residual, packedRound, all
	return nil
}

// savedReader reads what Save has written.
type savedReader struct {
	b      []byte
	broken bool
}

func (d *savedReader) uint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.broken, n = true, len(d.b)
	}
	d.b = d.b[n:]
	return v
}

func (d *savedReader) bytes() []byte {
	n := d.uint()
	if n > uint64(len(d.b)) {
		d.broken = true
		return nil
	}
	v := d.b[:n:n]
	d.b = d.b[n:]
	return v
}

func (d *savedReader) contribution() (kept, error) {
	accepted := d.b[0]
	d.b = d.b[1:]
	k := kept{accepted: accepted == 1, closes: d.uint()}
	if d.broken || accepted > 1 {
		return k, errors.New("broken")
	}
	m, err := d.message(2 * protocol.MaxBlock)
	if err != nil {
		return k, err
	}
	var ok bool
	if k.Contribution, ok = m.(*protocol.Contribution); !ok || len(k.Vectors) == 0 {
		return k, errors.New("not the frames of a contribution")
	}
	return k, nil
}

// message reads what appendMessage has written. The body has at most limit bytes.
func (d *savedReader) message(limit int64) (protocol.Message, error) {
	frames := d.uint()
	if d.broken || frames == 0 {
		return nil, errors.New("broken")
	}
	var whole protocol.Message
	var body protocol.Assembler
	for i := range frames {
		frame := d.bytes()
		if d.broken {
			return nil, errors.New("cut off")
		}
		m, err := protocol.Decode(frame)
		if chunk, ok := m.(*protocol.Chunk); ok {
			m, err = body.Add(chunk)
		} else if err == nil && i > 0 {
			err = errors.New("not the frames of one message")
		}
		switch {
		case err != nil:
			return nil, err
		case m == nil: // more chunks
		case protocol.Announced(m) > 0:
			if err := body.Start(m, limit, nil); err != nil {
				return nil, err
			}
		default:
			whole = m
		}
	}
	if whole == nil {
		return nil, errors.New("not complete")
	}
	return whole, nil
}
