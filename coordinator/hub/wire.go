package hub

import (
	"encoding/binary"
	"math"
	"net"

	"fedtab/protocol"
)

// wire is the connection below a WebSocket. It follows the frames of both
// directions, counts the bytes of data frames, and refuses a frame by its
// header, before gorilla/websocket waits for its payload.
type wire struct {
	net.Conn
	open     bool   // the handshake is over: frames travel
	draining bool   // what is read is dropped: limits no longer apply
	in, out  frames // in is owned by the reader; out by the holder of the WebSocket's write lock
	refused  error  // returned by Read after the bytes before the refused frame
}

// Read implements net.Conn.
func (w *wire) Read(p []byte) (int, error) {
	if w.refused != nil && !w.draining {
		return 0, w.refused
	}
	n, err := w.Conn.Read(p)
	if !w.open {
		return n, err
	}
	allowed, refused := w.in.follow(p[:n], !w.draining)
	if refused != nil {
		w.refused = refused
		return allowed, nil
	}
	return n, err
}

// Write implements net.Conn.
func (w *wire) Write(p []byte) (int, error) {
	n, err := w.Conn.Write(p)
	if w.open {
		w.out.follow(p[:n], false)
	}
	return n, err
}

// frames follows the WebSocket frames of one direction (RFC 6455, section 5.2).
type frames struct {
	bytes   int64 // of data frames, header and mask included
	closing bool  // a close frame has begun

	head [14]byte
	have int   // bytes of head
	size int64 // payload bytes of the frame whose header is under way
	rest int64 // payload bytes still to come
	data bool  // the frame under way is a data frame

	message int64 // payload bytes that the message's frames have announced
	parts   int   // frames of the message
}

// follow takes the next bytes in. With limits it returns, for a data frame
// beyond MaxFrame or MaxFragments, how many bytes came before the end of its
// length, and a CloseError; the rest of p is counted all the same.
func (f *frames) follow(p []byte, limits bool) (allowed int, refused error) {
	allowed = len(p)
	for i := 0; i < len(p); {
		if f.rest > 0 {
			n := min(f.rest, int64(len(p)-i))
			f.rest -= n
			i += int(n)
			if f.data {
				f.bytes += n
			}
			continue
		}
		f.head[f.have] = p[i]
		if f.have == 0 {
			opcode := p[i] & 0x0f
			f.data = opcode < 8
			f.closing = f.closing || opcode == 8
		}
		f.have++
		if f.data {
			f.bytes++
		}
		mask, end := headerSize(f.head[:f.have])
		if f.have == mask {
			err := f.length()
			if err != nil && limits && refused == nil {
				allowed, refused = i, err
			}
		}
		if f.have == end {
			f.have, f.rest = 0, f.size
		}
		i++
	}
	return allowed, refused
}

// headerSize returns where the mask of the header that begins with head starts,
// and where the header ends.
func headerSize(head []byte) (mask, end int) {
	if len(head) < 2 {
		return 2, 2
	}
	mask = 2
	switch head[1] & 0x7f {
	case 126:
		mask += 2
	case 127:
		mask += 8
	}
	end = mask
	if head[1]&0x80 != 0 {
		end += 4
	}
	return mask, end
}

// length takes the length of a frame in, when its header has come as far as that.
func (f *frames) length() error {
	size := uint64(f.head[1] & 0x7f)
	switch size {
	case 126:
		size = uint64(binary.BigEndian.Uint16(f.head[2:]))
	case 127:
		size = binary.BigEndian.Uint64(f.head[2:])
	}
	f.size = int64(min(size, math.MaxInt64))
	if !f.data {
		return nil
	}
	if f.head[0]&0x0f != 0 { // the first frame of a message
		f.message, f.parts = 0, 0
	}
	f.parts++
	if f.message += f.size; f.message < 0 || f.message > protocol.MaxFrame {
		return closeError(protocol.CloseTooLarge, "frame: %d bytes, want <= %d", size, protocol.MaxFrame)
	}
	if f.parts > protocol.MaxFragments {
		return closeError(protocol.CloseMalformed, "fragments: more than %d in a message", protocol.MaxFragments)
	}
	return nil
}
