package client

import (
	"encoding/binary"
	"errors"
	"fmt"

	"fedtab/protocol"
)

// ErrSaved says that bytes are not what Save makes.
var ErrSaved = errors.New("client: not a saved participant")

// savedVersion is the first byte of what Save makes.
const savedVersion = 1

// Bounds of what Restore takes, beside those of the protocol.
const maxSaved = protocol.MaxBlock + 1<<20

// Save returns what must not be lost when a tab is reloaded: who the participant
// is, and the contribution that it keeps until its round is closed. It is nil
// before the welcome. No example and no model is in it.
//
// The bytes are: the format's version; the run, the resume token and the
// participant's number; and the frames of the contribution, if there is one, as
// they travel. Texts and frames have their length before them, as a uvarint.
func (c *Client) Save() []byte {
	if c.welcome == nil || len(c.welcome.ResumeToken) == 0 {
		return nil
	}
	b := []byte{savedVersion}
	b = appendBytes(b, []byte(c.welcome.Run))
	b = appendBytes(b, c.welcome.ResumeToken)
	b = binary.AppendUvarint(b, uint64(c.welcome.Participant))
	if c.kept != nil {
		for frame := range protocol.Frames(c.kept, nil) {
			b = appendBytes(b, frame)
		}
	}
	return b
}

func appendBytes(b, v []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(v))), v...)
}

// Restore makes a fresh client the participant that Save has saved. Its Hello
// asks for the same number again, and a contribution that was kept is offered
// when its order is given again, without training. The error wraps ErrSaved;
// then the client is as it was.
func (c *Client) Restore(saved []byte) error {
	wrong := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", ErrSaved, fmt.Sprintf(format, args...))
	}
	if len(saved) == 0 || len(saved) > maxSaved || saved[0] != savedVersion {
		return wrong("%d bytes of another format", len(saved))
	}
	rest := saved[1:]
	next := func() ([]byte, bool) {
		n, k := binary.Uvarint(rest)
		if k <= 0 || n > uint64(len(rest)-k) {
			return nil, false
		}
		v := rest[k:][:n:n]
		rest = rest[k:][n:]
		return v, true
	}
	run, ok1 := next()
	token, ok2 := next()
	number, n := binary.Uvarint(rest)
	if !ok1 || !ok2 || n <= 0 || number == 0 || number > 1<<32-1 ||
		len(run) > protocol.MaxName || len(token) == 0 || len(token) > protocol.MaxToken {
		return wrong("it is cut off, or too long")
	}
	rest = rest[n:]
	var kept *protocol.Contribution
	var body protocol.Assembler
	for len(rest) > 0 {
		frame, ok := next()
		if !ok {
			return wrong("the contribution is cut off")
		}
		m, err := protocol.Decode(frame)
		if chunk, ok := m.(*protocol.Chunk); ok {
			m, err = body.Add(chunk)
		}
		if err != nil {
			return wrong("the contribution: %v", err)
		}
		if m == nil {
			continue // more chunks
		}
		whole, ok := m.(*protocol.Contribution)
		switch {
		case !ok || kept != nil:
			return wrong("there is more in it than a contribution")
		case protocol.Announced(whole) > 0:
			if err := body.Start(whole, protocol.MaxBlock, nil); err != nil {
				return wrong("the contribution: %v", err)
			}
		default:
			kept = whole
		}
	}
	if body.Open() {
		return wrong("the contribution is not complete")
	}
	c.welcome = &protocol.Welcome{Run: string(run), ResumeToken: token, Participant: uint32(number)}
	c.kept = kept
	return nil
}
