package protocol

import (
	"bytes"
	"errors"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// checkFrame decodes any bytes: an error of a known kind, or a message that is
// the same again after it has been encoded.
func checkFrame(t *testing.T, frame []byte) {
	m, err := Decode(frame)
	if err != nil {
		if m != nil || (CloseFor(err) == 0) != errors.Is(err, ErrUnknownKind) {
			t.Fatalf("Decode = %v, %v", m, err)
		}
		return
	}
	canonical := Append(nil, m)
	if Size(m) != len(canonical) {
		t.Fatalf("Size = %d, want %d", Size(m), len(canonical))
	}
	// A list of one number is a byte longer when packed, and its
	// message's lengths may be too.
	if len(canonical) > len(frame)+8 {
		t.Fatalf("the canonical frame has %d bytes, the other %d", len(canonical), len(frame))
	}
	again, err := Decode(canonical)
	if err != nil {
		t.Fatalf("Decode of the canonical frame: %v", err)
	}
	if !equal(again, m) {
		t.Fatalf("decoded again: %s, want %s", render(again), render(m))
	}
	if got := Append(nil, again); !bytes.Equal(got, canonical) {
		t.Fatalf("encoded again: %x, want %x", got, canonical)
	}
}

// FuzzDecode decodes frames of every kind. With kind 0 the bytes are the whole
// frame. With another they are a message, and the frame around it is correct:
// the fuzzer's effort goes into the message.
func FuzzDecode(f *testing.F) {
	for _, v := range vectors {
		frame := Append(nil, v.m)
		f.Add(byte(0), frame)
		_, _, n := protowire.ConsumeTag(frame)
		message, _ := protowire.ConsumeBytes(frame[n:])
		f.Add(byte(KindOf(v.m)), message)
	}
	f.Fuzz(func(t *testing.T, kind byte, b []byte) {
		if kind != 0 {
			b = protowire.AppendBytes(protowire.AppendTag(nil, protowire.Number(kind), protowire.BytesType), b)
		}
		checkFrame(t, b)
	})
}

// FuzzAssembler plays a stream of announcements and chunks. Each byte of the
// script is one step; the properties are that nothing panics, that no more
// than the limit is ever held, and that what is complete has its announced
// sizes.
func FuzzAssembler(f *testing.F) {
	f.Add([]byte{0, 0x20, 0x21, 0x22})
	f.Add([]byte{0, 0x20, 0x40, 0x60, 1, 0x20, 2, 3})
	f.Fuzz(func(t *testing.T, script []byte) {
		const limit = 200_000
		var a Assembler
		data := make([]byte, ChunkSize)
		for i, b := range script {
			arg := int(b >> 3)
			switch b & 7 {
			case 0, 1, 2:
				sizes := []uint64{uint64(arg) * 9973, uint64(i) * 131, 5}
				m := &Contribution{Transfer: uint64(arg), Vectors: []Vector{{Size: sizes[0]}, {Size: sizes[1]}, {Size: sizes[2]}}}
				was := a.Open()
				err := a.Start(m, limit, nil)
				if fits := sizes[0]+sizes[1]+sizes[2] <= limit; (err == nil) != (fits && !was) {
					t.Fatalf("Start of %v, open %v: %v", sizes, was, err)
				}
			case 3:
				_ = a.Skip(&Model{Vectors: []Vector{{Size: uint64(arg)}}}, limit)
			case 4:
				a.Reset()
			default:
				n, total := a.Received()
				length := min(int64(len(data)), total-n)
				offset, transfer := uint64(n), a.transfer
				switch {
				case arg == 1:
					length = min(length+1, int64(len(data)))
				case arg == 2:
					offset++
				case arg == 3:
					transfer++
				case arg > 4:
					length = min(length, int64(arg)*100)
				}
				m, err := a.Add(&Chunk{transfer, offset, data[:length]})
				if err != nil && (m != nil || a.Open()) {
					t.Fatalf("Add = %v, %v, open %v", m, err, a.Open())
				}
				if m != nil {
					if Announced(m) != 0 || int64(bodySize(m.(*Contribution).Vectors)) != total {
						t.Fatalf("complete with %d bytes, want %d", bodySize(m.(*Contribution).Vectors), total)
					}
				}
			}
			if n, total := a.Received(); n > total || total > limit || cap(a.buf) > limit {
				t.Fatalf("%d of %d bytes, buffer of %d", n, total, cap(a.buf))
			}
		}
	})
}
