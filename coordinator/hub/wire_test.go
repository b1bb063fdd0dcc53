package hub

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"fedtab/protocol"
)

// appendFrame appends a frame with a masked payload of zeros.
func appendFrame(b []byte, first byte, payload int) []byte {
	b = append(b, first)
	switch {
	case payload < 126:
		b = append(b, 0x80|byte(payload))
	case payload <= 0xffff:
		b = binary.BigEndian.AppendUint16(append(b, 0xfe), uint16(payload))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0xff), uint64(payload))
	}
	return append(b, make([]byte, 4+payload)...)
}

// However the bytes are cut into reads, data frames are counted with their
// headers, control frames are not, and a close frame is seen.
func TestFrames(t *testing.T) {
	var stream []byte
	var want int64
	for _, n := range []int{0, 1, 125, 126, 127, 0xffff, 0x10000, protocol.MaxFrame} {
		stream = appendFrame(stream, 0x89, min(n, 125)) // a ping before each
		stream = appendFrame(stream, 0x82, n)
		want += int64(n + protocol.FrameOverhead(n, true))
	}
	stream = appendFrame(stream, 0x02, 1000) // fragments
	stream = appendFrame(stream, 0x8a, 5)    // and a pong between them
	stream = appendFrame(stream, 0x80, 1000)
	want += 2 * int64(1000+protocol.FrameOverhead(1000, true))
	r := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		var f frames
		for rest := stream; len(rest) > 0; {
			n := min(1+r.IntN(1<<r.IntN(18)), len(rest))
			if allowed, err := f.follow(rest[:n], true); err != nil || allowed != n {
				t.Fatalf("follow: %d of %d bytes allowed (%v)", allowed, n, err)
			}
			rest = rest[n:]
		}
		if f.bytes != want || f.closing {
			t.Fatalf("got %d bytes, closing %v, want %d, false", f.bytes, f.closing, want)
		}
		f.follow(appendFrame(nil, 0x88, 2), true)
		if f.bytes != want || !f.closing {
			t.Fatalf("after a close frame: %d bytes, closing %v, want %d, true", f.bytes, f.closing, want)
		}
	}
}

// A frame that is refused is not passed on as far as its length, and what comes of
// it is counted.
func TestFramesRefused(t *testing.T) {
	before := appendFrame(nil, 0x82, 10)
	header := binary.BigEndian.AppendUint64([]byte{0x82, 0xff}, 1<<40)
	stream := append(append(before, header...), make([]byte, 500)...)
	for cut := range len(before) + len(header) {
		var f frames
		allowed, err := f.follow(stream[:cut], true)
		if err != nil || allowed != cut {
			t.Fatalf("cut at %d: the first %d bytes: %v", cut, allowed, err)
		}
		allowed, err = f.follow(stream[cut:], true)
		if protocol.CloseFor(err) != protocol.CloseTooLarge || allowed != len(before)+len(header)-1-cut {
			t.Fatalf("cut at %d: %d bytes allowed, %v", cut, allowed, err)
		}
		if f.bytes != int64(len(stream)) {
			t.Fatalf("cut at %d: %d bytes counted, want %d", cut, f.bytes, len(stream))
		}
	}
}

func FuzzFrames(f *testing.F) {
	f.Add(appendFrame(appendFrame(nil, 0x02, 200), 0x80, 3), uint16(7))
	f.Add(binary.BigEndian.AppendUint64([]byte{0x82, 0xff}, 1<<63), uint16(3))
	f.Fuzz(func(t *testing.T, stream []byte, cut uint16) {
		var whole, pieces frames
		whole.follow(stream, false)
		n := min(int(cut), len(stream))
		pieces.follow(stream[:n], false)
		pieces.follow(stream[n:], false)
		if whole != pieces || whole.bytes > int64(len(stream)) {
			t.Errorf("in one piece %+v, in two %+v", whole, pieces)
		}
	})
}
