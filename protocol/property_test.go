package protocol

import (
	"bytes"
	"math"
	"testing"

	"pgregory.net/rapid"
)

// numbers prefers the edges of varint lengths.
func numbers(t *rapid.T, name string) uint64 {
	return rapid.OneOf(
		rapid.SampledFrom([]uint64{0, 1, 127, 128, 1 << 14, 1<<32 - 1, 1 << 32, math.MaxUint64}),
		rapid.Uint64(),
	).Draw(t, name)
}

func small(t *rapid.T, name string) uint32 {
	return rapid.OneOf(rapid.Uint32Max(16), rapid.Uint32()).Draw(t, name)
}

// enums are known and unknown values of an enumeration.
func enums(t *rapid.T, name string) uint32 {
	return rapid.OneOf(rapid.Uint32Max(16), rapid.Uint32Max(math.MaxInt32)).Draw(t, name)
}

func doubles(t *rapid.T, name string) float64 {
	return math.Float64frombits(rapid.OneOf(rapid.SampledFrom([]uint64{0, 1 << 63, 0x7ff0000000000000, 0x7ff8000000000001}), rapid.Uint64()).Draw(t, name))
}

func texts(t *rapid.T, name string, limit int) string {
	return rapid.StringN(0, limit/4, limit).Draw(t, name)
}

func someBytes(t *rapid.T, name string, most int) []byte {
	b := rapid.SliceOfN(rapid.Byte(), 0, most).Draw(t, name)
	if len(b) == 0 {
		return nil
	}
	return b
}

func hashes(t *rapid.T, name string) []byte {
	if rapid.Bool().Draw(t, name+" set") {
		return rapid.SliceOfN(rapid.Byte(), HashSize, HashSize).Draw(t, name)
	}
	return nil
}

func lists[T ~uint32](t *rapid.T, name string, most int, one func(*rapid.T, string) uint32) []T {
	var list []T
	for range rapid.IntRange(0, most).Draw(t, name+" length") {
		list = append(list, T(one(t, name)))
	}
	return list
}

// bodies draws vectors that are inline, or announced.
func bodies(t *rapid.T) []Vector {
	announced := rapid.Bool().Draw(t, "announced")
	var list []Vector
	for range rapid.IntRange(0, 4).Draw(t, "vectors") {
		v := Vector{Role: Role(enums(t, "role")), BaseHash: hashes(t, "base hash"), Part: small(t, "part"), Codec: Codec(enums(t, "codec")),
			Kind: PayloadKind(enums(t, "payload kind")), Name: texts(t, "name", MaxName), Bits: small(t, "bits"), Count: rapid.Uint64Max(MaxCount).Draw(t, "count")}
		if v.Kind == PayloadIntegers {
			v.Bits %= 65
			v.Count %= 8 * MaxBlock / 64
		}
		if announced {
			v.Size = rapid.Uint64Max(MaxBlock).Draw(t, "size")
		} else {
			v.Block = someBytes(t, "block", 300)
		}
		list = append(list, v)
	}
	return list
}

// payloads draws a list of payloads that is small enough to be ordered.
func payloads(t *rapid.T) []Payload {
	var list []Payload
	for range rapid.IntRange(0, MaxPayloads).Draw(t, "payloads") {
		p := Payload{Kind: PayloadKind(enums(t, "payload kind")), Name: texts(t, "name", MaxName), Bits: small(t, "bits"), Count: rapid.Uint64Max(MaxCount).Draw(t, "count"), MaxBytes: rapid.Uint64Max(MaxBlock).Draw(t, "max bytes")}
		if p.Kind == PayloadIntegers {
			p.Bits %= 65
			p.Count %= 8 * MaxBlock / 64
		}
		list = append(list, p)
	}
	return list
}

// messages draws any message that Decode accepts.
func manyDoubles(t *rapid.T, name string) (list []float64) {
	for range rapid.IntRange(0, 5).Draw(t, name+"s") {
		list = append(list, doubles(t, name))
	}
	return list
}

func messages(t *rapid.T) Message {
	switch k := Kind(rapid.Uint32Range(uint32(KindHello), uint32(KindChunk)+2).Draw(t, "kind")); k {
	case KindChunk + 1:
		return &Constants{manyDoubles(t, "mean"), manyDoubles(t, "deviation")}
	case KindChunk + 2:
		return &Secure{numbers(t, "transfer"), numbers(t, "order"), bodies(t)}
	case KindHello:
		return &Hello{texts(t, "protocol", MaxName), texts(t, "task", MaxName), someBytes(t, "token", MaxToken), texts(t, "client", MaxText),
			lists[Codec](t, "codecs", MaxCodecs, enums), numbers(t, "held"), hashes(t, "held hash"), TabState(enums(t, "tab state")),
			lists[PayloadKind](t, "payload kinds", MaxCodecs, enums), texts(t, "invite", MaxToken)}
	case KindWelcome:
		m := &Welcome{Session: numbers(t, "session"), Participant: small(t, "participant"), ResumeToken: someBytes(t, "token", MaxToken),
			Run: texts(t, "run", MaxName), Title: texts(t, "title", MaxText), Seed: numbers(t, "seed"), InitialHash: hashes(t, "hash"),
			Parameters: rapid.Uint64Max(MaxParameters).Draw(t, "parameters"), Version: numbers(t, "version"), PingInterval: small(t, "ping")}
		m.Secure = SecureTerms{small(t, "min"), small(t, "max"), doubles(t, "dropout"), doubles(t, "corrupt"), small(t, "examples"), small(t, "bits"), doubles(t, "subset"), hashes(t, "members"), doubles(t, "noise"), doubles(t, "clip"), small(t, "participations")}
		m.Model.Input = lists[uint32](t, "input", MaxDimensions, small)
		for range rapid.IntRange(0, 5).Draw(t, "layers") {
			m.Model.Layers = append(m.Model.Layers, Layer{
				LayerKind(enums(t, "layer kind")), small(t, "units"), Activation(enums(t, "activation")), small(t, "size"), small(t, "stride"),
				rapid.Bool().Draw(t, "same"), float32(doubles(t, "rate")), float32(doubles(t, "gamma")), numbers(t, "seed")})
		}
		m.Model.Loss, m.Model.Epsilon = Loss(enums(t, "loss")), float32(doubles(t, "epsilon"))
		for range rapid.IntRange(0, 5).Draw(t, "class weights") {
			m.Model.ClassWeights = append(m.Model.ClassWeights, float32(doubles(t, "class weight")))
		}
		m.Model.L1, m.Model.L2 = float32(doubles(t, "l1")), float32(doubles(t, "l2"))
		return m
	case KindShards:
		return &Shards{numbers(t, "assignment"), texts(t, "source", MaxText), lists[uint32](t, "shards", 100, small), small(t, "total")}
	case KindOrder:
		return &Order{numbers(t, "order"), OrderKind(enums(t, "order kind")), numbers(t, "round"), numbers(t, "base"), hashes(t, "hash"),
			Hyper{small(t, "epochs"), small(t, "steps"), small(t, "batch"), float32(doubles(t, "lr")), Codec(enums(t, "codec")),
				Optimiser(enums(t, "optimiser")), float32(doubles(t, "momentum")), float32(doubles(t, "beta2")), float32(doubles(t, "epsilon")),
				float32(doubles(t, "decay")), float32(doubles(t, "clip")), Schedule(enums(t, "schedule")), small(t, "every"),
				float32(doubles(t, "factor")), small(t, "warmup"),
				float32(doubles(t, "prox")), rapid.Bool().Draw(t, "control"), rapid.Bool().Draw(t, "stream"), doubles(t, "delta"), small(t, "parts"),
				float32(doubles(t, "bits")), rapid.Bool().Draw(t, "feedback"), rapid.Bool().Draw(t, "reproducible"), doubles(t, "bound")},
			numbers(t, "seed"), small(t, "deadline"), hashes(t, "start"), payloads(t)}
	case KindModel:
		return &Model{numbers(t, "transfer"), numbers(t, "version"), hashes(t, "hash"), numbers(t, "base"), bodies(t)}
	case KindContribution:
		return &Contribution{numbers(t, "transfer"), numbers(t, "order"), numbers(t, "round"), numbers(t, "weight"),
			Metrics{numbers(t, "examples"), numbers(t, "steps"), doubles(t, "loss"), numbers(t, "correct"), small(t, "millis")}, bodies(t)}
	case KindAck:
		return &Ack{numbers(t, "order"), Reason(enums(t, "reason")), texts(t, "detail", MaxText), numbers(t, "round")}
	case KindDecline:
		return &Decline{numbers(t, "order"), Reason(enums(t, "reason")), texts(t, "detail", MaxText)}
	case KindWant:
		return &Want{numbers(t, "version"), rapid.Bool().Draw(t, "full")}
	case KindFetch:
		return &Fetch{numbers(t, "order"), Codec(enums(t, "codec"))}
	case KindProgress:
		return &Progress{numbers(t, "order"), numbers(t, "examples")}
	case KindTab:
		return &Tab{TabState(enums(t, "state"))}
	case KindStatus:
		return &Status{Phase(enums(t, "phase")), numbers(t, "round"), numbers(t, "version"), small(t, "participants"), numbers(t, "evaluated"),
			doubles(t, "loss"), doubles(t, "accuracy"), numbers(t, "closed"), texts(t, "reason", MaxText), someBytes(t, "token", MaxToken)}
	case KindBye:
		return &Bye{CloseCode(rapid.Uint16().Draw(t, "code")), texts(t, "detail", MaxText)}
	default:
		return &Chunk{numbers(t, "transfer"), numbers(t, "offset"), someBytes(t, "data", 300)}
	}
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := messages(t)
		frame := Append([]byte("prefix"), m)[len("prefix"):]
		if got := Size(m); got != len(frame) {
			t.Fatalf("Size = %d, want %d", got, len(frame))
		}
		got, err := Decode(frame)
		if err != nil {
			t.Fatal(err)
		}
		if !equal(got, m) {
			t.Fatalf("Decode = %s, want %s", render(got), render(m))
		}
		if got := WireSize(m, false); got != int64(len(frame)+FrameOverhead(len(frame), false)) {
			t.Fatalf("WireSize = %d for a frame of %d bytes", got, len(frame))
		}
	})
}

// TestTransfer sends bodies of all sizes and cuts them in all the ways that
// are allowed.
func TestTransfer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var list []Vector
		for range rapid.IntRange(1, 4).Draw(t, "vectors") {
			n := rapid.OneOf(
				rapid.SampledFrom([]int{0, 1, InlineBody, InlineBody + 1, ChunkSize, ChunkSize + 1, 3 * ChunkSize}),
				rapid.IntRange(0, 200_000),
			).Draw(t, "block")
			v := Vector{Role: RoleDelta, BaseHash: ramp(0, HashSize)}
			if n > 0 {
				v.Block = bytes.Repeat(ramp(rapid.Byte().Draw(t, "first"), 251), n/251+1)[:n]
			}
			list = append(list, v)
		}
		var m Message = &Model{Transfer: numbers(t, "transfer"), Version: 3, Vectors: list}
		if rapid.Bool().Draw(t, "up") {
			m = &Contribution{Transfer: numbers(t, "transfer"), Order: 8, Vectors: list}
		}
		masked := rapid.Bool().Draw(t, "masked")
		whole := Append(nil, m)

		frames := AppendFrames([][]byte{{1}}, m)[1:]
		i, bytesOnWire := 0, int64(0)
		buf := make([]byte, 0, rapid.SampledFrom([]int{0, MaxFrame}).Draw(t, "buffer"))
		for f := range Frames(m, buf) {
			if i == len(frames) || !bytes.Equal(f, frames[i]) {
				t.Fatalf("frame %d of Frames differs from AppendFrames", i)
			}
			if len(f) > MaxFrame {
				t.Fatalf("frame %d has %d bytes, want at most %d", i, len(f), MaxFrame)
			}
			bytesOnWire += int64(len(f) + FrameOverhead(len(f), masked))
			i++
		}
		if i != len(frames) {
			t.Fatalf("Frames yields %d, AppendFrames %d", i, len(frames))
		}
		if got := WireSize(m, masked); got != bytesOnWire {
			t.Fatalf("WireSize = %d, want %d", got, bytesOnWire)
		}

		first, err := Decode(frames[0])
		if err != nil {
			t.Fatal(err)
		}
		body := Announced(first)
		if len(frames) == 1 {
			if body != 0 || !equal(first, m) {
				t.Fatal("a message in one frame is not itself")
			}
			return
		}
		var a Assembler
		if err := a.Start(first, int64(body), make([]byte, 7, 10)); err != nil {
			t.Fatal(err)
		}
		var got Message
		for i, f := range frames[1:] {
			if rapid.Bool().Draw(t, "in place") {
				head, next := a.Next(nil)
				if !bytes.HasPrefix(f, head) || len(f) != len(head)+len(next.Data) {
					t.Fatalf("chunk %d begins with % x, want % x and %d bytes of data", i, f[:min(len(f), 16)], head, len(next.Data))
				}
				copy(next.Data, f[len(head):])
				if got, err = a.Add(next); err != nil {
					t.Fatal(err)
				}
				continue
			}
			c, err := Decode(f)
			if err != nil {
				t.Fatal(err)
			}
			chunk := c.(*Chunk)
			for len(chunk.Data) > 0 { // a peer may send smaller pieces
				n := len(chunk.Data)
				if n >= 2*MinChunk && rapid.Bool().Draw(t, "cut") {
					n = rapid.IntRange(MinChunk, n-MinChunk).Draw(t, "piece")
				}
				if !a.Open() {
					t.Fatalf("complete before chunk %d", i)
				}
				got, err = a.Add(&Chunk{chunk.Transfer, chunk.Offset, chunk.Data[:n]})
				if err != nil {
					if n < MinChunk {
						t.Skip("the rest of a chunk is too short")
					}
					t.Fatal(err)
				}
				chunk.Offset += uint64(n)
				chunk.Data = chunk.Data[n:]
			}
		}
		if got == nil || a.Open() {
			t.Fatal("not complete after the last chunk")
		}
		if !bytes.Equal(Append(nil, got), whole) {
			t.Fatal("the assembled message differs from the one sent")
		}
	})
}
