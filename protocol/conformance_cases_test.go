package protocol

import (
	"bytes"
	"math"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// raw builds a frame field by field, also as no encoder would.
type raw []byte

func (b raw) varint(num protowire.Number, v uint64) raw {
	return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), v)
}

func (b raw) bytes(num protowire.Number, v []byte) raw {
	return protowire.AppendBytes(protowire.AppendTag(b, num, protowire.BytesType), v)
}

func (b raw) text(num protowire.Number, s string) raw { return b.bytes(num, []byte(s)) }

func (b raw) tag(num protowire.Number, typ protowire.Type, rest ...byte) raw {
	return append(protowire.AppendTag(b, num, typ), rest...)
}

// in puts the fields into a message of a kind, alone in a frame.
func (b raw) in(k Kind) []byte { return raw(nil).bytes(protowire.Number(k), b) }

// chunks cuts a body into the frames of chunks of the given sizes.
func chunks(transfer uint64, sizes ...int) (frames [][]byte) {
	offset := 0
	for _, n := range sizes {
		frames = append(frames, Append(nil, &Chunk{Transfer: transfer, Offset: uint64(offset), Data: make([]byte, n)}))
		offset += n
	}
	return frames
}

func announced(transfer uint64, sizes ...uint64) []byte {
	m := &Contribution{Transfer: transfer, Order: 1, Round: 1, Weight: 1}
	for _, n := range sizes {
		m.Vectors = append(m.Vectors, Vector{Role: RoleDelta, Size: n})
	}
	return Append(nil, m)
}

// formCases are frames that must be taken or refused by their form alone. Their files
// name no class; CLASSES does.
var formCases = []conformanceCase{
	// What a receiver must take.
	{name: "order-of-fields", expect: "ok", comment: "Fields in descending order.", frames: one(raw(nil).varint(4, 5).varint(3, 4).varint(2, 3).varint(1, 2).in(KindContribution))},
	{name: "explicit-zeros", expect: "ok", comment: "Zero values that a canonical encoder leaves out.", frames: one(raw(nil).varint(1, 0).varint(2, 0).text(3, "").varint(4, 0).in(KindAck))},
	{name: "unpacked-list", expect: "ok", comment: "A repeated number field, one element after the other.", frames: one(raw(nil).text(1, Version).varint(5, 0).varint(5, 3).in(KindHello))},
	{name: "list-in-pieces", expect: "ok", comment: "A packed list in two pieces, and an element between them.", frames: one(raw(nil).bytes(5, []byte{0, 1}).varint(5, 2).bytes(5, []byte{3}).in(KindHello))},
	{name: "long-varint", expect: "ok", comment: "A varint of ten bytes for the number 9.", frames: one(raw(nil).tag(1, protowire.VarintType, 0x89, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0).in(KindAck))},
	{name: "long-length", expect: "ok", comment: "The length of a message in more bytes than it needs.", frames: one(append(protowire.AppendTag(nil, protowire.Number(KindTab), protowire.BytesType), 0x82, 0, 8, 2))},
	{name: "unknown-fields", expect: "ok", comment: "64 fields of unknown numbers, of all four wire types.", frames: one(unknownFields(MaxUnknown).in(KindTab))},
	{name: "unknown-field-beside-the-message", expect: "ok", comment: "An unknown field in the frame, before the message.", frames: one(append(raw(nil).varint(99, 1), raw(nil).varint(1, 2).in(KindTab)...))},
	{name: "unknown-enumerations", expect: "ok", comment: "Values of enumerations that v1 does not define are kept.", frames: one(raw(nil).varint(1, 9).varint(2, 77).varint(3, 1).in(KindOrder))},
	{name: "largest-enumeration", expect: "ok", comment: "2^31 - 1.", frames: one(raw(nil).varint(1, math.MaxInt32).in(KindTab))},
	{name: "largest-numbers", expect: "ok", comment: "The largest number of 64 bits, and of 32.", frames: one(raw(nil).varint(1, math.MaxUint64).varint(2, math.MaxUint32).in(KindWelcome))},
	{name: "floats-by-their-bits", expect: "ok", comment: "NaN in a sum of losses is a question of content, not of form.", frames: one(Append(nil, &Contribution{Order: 1, Metrics: Metrics{LossSum: math.Float64frombits(0x7ff8000000000001)}}))},
	{name: "empty-messages", expect: "ok", comment: "A message without any field.", frames: one(raw(nil).in(KindHello))},
	{name: "empty-nested", expect: "ok", comment: "A nested message without any field.", frames: one(raw(nil).bytes(6, nil).in(KindOrder))},
	{name: "longest-name", expect: "ok", comment: "A task of 128 bytes.", frames: one(raw(nil).text(2, strings.Repeat("a", MaxName)).in(KindHello))},
	{name: "longest-text", expect: "ok", comment: "A detail of 1,024 bytes, of characters of two bytes.", frames: one(raw(nil).text(2, strings.Repeat("é", MaxText/2)).in(KindBye))},
	{name: "payloads", expect: "ok", comment: "An order for integers and bytes.", frames: one(Append(nil, &Order{Order: 1, Kind: OrderReport, Payloads: []Payload{{Kind: PayloadIntegers, Name: "n", Bits: 64, Count: 1000}, {Kind: PayloadBytes, Name: "b", MaxBytes: 1}}}))},
	{name: "unknown-payload", expect: "ok", comment: "A kind of payload that v1 does not define is declined, not refused.", frames: one(Append(nil, &Order{Order: 1, Payloads: []Payload{{Kind: 9, MaxBytes: 5}}}))},
	{name: "transfer", expect: "ok", comment: "A body of two vectors in three chunks, the boundary between the vectors inside one.", frames: append(one(announced(7, 70_000, 70_000)), chunks(7, ChunkSize, ChunkSize, 140_000-2*ChunkSize)...), limit: 200_000},
	{name: "transfer-small-chunks", expect: "ok", comment: "The smallest chunks, and a shorter last one.", frames: append(one(announced(7, 2*MinChunk+1)), chunks(7, MinChunk, MinChunk, 1)...), limit: 200_000},
	{name: "transfer-of-empty-vectors", expect: "ok", comment: "An empty vector between two others.", frames: append(one(announced(7, 1000, 0, 1000)), chunks(7, 2000)...), limit: 200_000},
	{name: "transfer-at-the-limit", expect: "ok", comment: "A body of exactly the limit.", frames: append(one(announced(7, 5000)), chunks(7, 5000)...), limit: 5000},

	// What is no message.
	{name: "wrong-wire-type", expect: "malformed", comment: "A text as a varint.", frames: one(raw(nil).varint(1, 5).in(KindHello))},
	{name: "wrong-wire-type-number", expect: "malformed", comment: "A number as bytes.", frames: one(raw(nil).text(1, "5").in(KindAck))},
	{name: "wrong-wire-type-float", expect: "malformed", comment: "A float of 32 bits in 64.", frames: one(raw(nil).bytes(6, raw(nil).tag(4, protowire.Fixed64Type, 0, 0, 0, 0, 0, 0, 0, 0)).in(KindOrder))},
	{name: "wrong-wire-type-double", expect: "malformed", comment: "A float of 64 bits in 32.", frames: one(raw(nil).bytes(6, raw(nil).tag(19, protowire.Fixed32Type, 0, 0, 0, 0)).in(KindOrder))},
	{name: "wrong-wire-type-message", expect: "malformed", comment: "A message as a varint.", frames: one(raw(nil).varint(protowire.Number(KindTab), 2))},
	{name: "cut-off-tag", expect: "malformed", comment: "The frame ends in a tag.", frames: one([]byte{0x80})},
	{name: "cut-off-varint", expect: "malformed", comment: "The frame ends in a number.", frames: one(raw(nil).tag(1, protowire.VarintType, 0x80).in(KindTab))},
	{name: "cut-off-bytes", expect: "malformed", comment: "A field of which the last byte is missing.", frames: one(raw(nil).tag(2, protowire.BytesType, 5, 'd', 'i', 'g', 'i').in(KindHello))},
	{name: "cut-off-float", expect: "malformed", comment: "A float of three bytes.", frames: one(raw(nil).bytes(6, raw(nil).tag(4, protowire.Fixed32Type, 1, 2, 3)).in(KindOrder))},
	{name: "cut-off-message", expect: "malformed", comment: "The message is longer than the frame.", frames: one([]byte{0x62, 3, 8, 2})},
	{name: "absurd-length", expect: "malformed", comment: "A field of 2^63 - 1 bytes.", frames: one(raw(nil).tag(2, protowire.BytesType, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f).in(KindHello))},
	{name: "absurd-message", expect: "malformed", comment: "A message of 2^63 - 1 bytes.", frames: one([]byte{0x62, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 8, 2})},
	{name: "varint-of-eleven-bytes", expect: "malformed", comment: "A number of more than ten bytes.", frames: one(raw(nil).tag(1, protowire.VarintType, bytes.Repeat([]byte{0x80}, 10)...).tag(0, 0)[:13:13].in(KindTab))},
	{name: "varint-of-65-bits", expect: "malformed", comment: "A number of 65 bits.", frames: one(raw(nil).tag(1, protowire.VarintType, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2).in(KindAck))},
	{name: "group", expect: "malformed", comment: "Wire types 3 and 4, where a group would be well formed.", frames: one(raw(nil).tag(20, protowire.StartGroupType).tag(20, protowire.EndGroupType).in(KindTab))},
	{name: "end-of-a-group", expect: "malformed", comment: "Wire type 4 alone.", frames: one(raw(nil).tag(20, protowire.EndGroupType).in(KindTab))},
	{name: "wire-type-6", expect: "malformed", comment: "A wire type that does not exist.", frames: one(raw{20<<3 | 6}.in(KindTab))},
	{name: "wire-type-7", expect: "malformed", comment: "A wire type that does not exist.", frames: one([]byte{0x67})},
	{name: "field-0", expect: "malformed", comment: "A field number that does not exist.", frames: one(raw{0, 1}.in(KindTab))},
	{name: "two-messages", expect: "malformed", comment: "Two messages in a frame.", frames: one(append(raw(nil).varint(1, 2).in(KindTab), raw(nil).varint(1, 1).in(KindProgress)...))},
	{name: "one-message-twice", expect: "malformed", comment: "The same message twice.", frames: one(append(raw(nil).varint(1, 2).in(KindTab), raw(nil).varint(1, 2).in(KindTab)...))},
	{name: "empty-frame", expect: "malformed", comment: "No bytes.", frames: one(nil)},
	{name: "bytes-after-the-message", expect: "malformed", comment: "Bytes that are no field.", frames: one(append(raw(nil).varint(1, 2).in(KindTab), 0xff))},
	{name: "field-twice", expect: "malformed", comment: "A field that is not repeated, twice.", frames: one(raw(nil).varint(1, 2).varint(1, 2).in(KindTab))},
	{name: "field-twice-nested", expect: "malformed", comment: "A nested message, twice.", frames: one(raw(nil).bytes(6, nil).bytes(6, nil).in(KindOrder))},
	{name: "field-twice-in-a-list", expect: "malformed", comment: "A field twice in an element of a list.", frames: one(raw(nil).bytes(6, raw(nil).varint(3, 1).varint(3, 1)).in(KindContribution))},
	{name: "name-not-utf-8", expect: "malformed", comment: "A task that is not UTF-8.", frames: one(raw(nil).text(2, "\xff").in(KindHello))},
	{name: "text-not-utf-8", expect: "malformed", comment: "A detail that ends inside a character.", frames: one(raw(nil).text(2, "\xc3").in(KindBye))},
	{name: "text-surrogate", expect: "malformed", comment: "A detail with half of a surrogate pair.", frames: one(raw(nil).text(2, "\xed\xa0\x80").in(KindBye))},
	{name: "number-of-33-bits", expect: "malformed", comment: "2^32 where 32 bits are wanted.", frames: one(raw(nil).varint(2, 1<<32).in(KindWelcome))},
	{name: "enumeration-of-32-bits", expect: "malformed", comment: "2^31 where an enumeration is wanted.", frames: one(raw(nil).varint(1, 1<<31).in(KindTab))},
	{name: "negative-enumeration", expect: "malformed", comment: "-1 where an enumeration is wanted.", frames: one(raw(nil).varint(1, math.MaxUint64).in(KindTab))},
	{name: "bool-2", expect: "malformed", comment: "2 where 0 or 1 is wanted.", frames: one(raw(nil).varint(2, 2).in(KindWant))},
	{name: "close-code-of-17-bits", expect: "malformed", comment: "65,536 where a close code is wanted.", frames: one(raw(nil).varint(1, 1<<16).in(KindBye))},
	{name: "hash-of-31-bytes", expect: "malformed", comment: "", frames: one(raw(nil).bytes(7, ramp(0, 31)).in(KindHello))},
	{name: "hash-of-33-bytes", expect: "malformed", comment: "", frames: one(raw(nil).bytes(8, ramp(0, 33)).in(KindWelcome))},
	{name: "base-hash-of-1-byte", expect: "malformed", comment: "", frames: one(raw(nil).bytes(6, raw(nil).bytes(2, []byte{1})).in(KindContribution))},
	{name: "block-and-size", expect: "malformed", comment: "A vector whose block is there and announced.", frames: one(raw(nil).bytes(6, raw(nil).bytes(5, ramp(0, 4)).varint(6, 4)).in(KindContribution))},
	{name: "one-block-and-one-size", expect: "malformed", comment: "One vector's block is there, the other's announced.", frames: one(raw(nil).bytes(6, raw(nil).bytes(5, ramp(0, 4))).bytes(6, raw(nil).varint(6, 4)).in(KindContribution))},
	{name: "list-cut-off", expect: "malformed", comment: "A packed list that ends in a number.", frames: one(raw(nil).bytes(5, []byte{1, 0x80}).in(KindHello))},
	{name: "list-of-large-numbers", expect: "malformed", comment: "A codec of 2^31 in a packed list.", frames: one(raw(nil).bytes(5, protowire.AppendVarint(nil, 1<<31)).in(KindHello))},

	// What is over a limit.
	{name: "frame-too-large", expect: "too-large", comment: "A frame of a byte more than MaxFrame, of one unknown field.", frames: one(raw(nil).bytes(99, make([]byte, MaxFrame-4)))},
	{name: "name-too-long", expect: "too-large", comment: "A task of 129 bytes.", frames: one(raw(nil).text(2, strings.Repeat("a", MaxName+1)).in(KindHello))},
	{name: "text-too-long", expect: "too-large", comment: "A detail of 1,025 bytes.", frames: one(raw(nil).text(2, strings.Repeat("a", MaxText+1)).in(KindBye))},
	{name: "token-too-long", expect: "too-large", comment: "A resume token of 257 bytes.", frames: one(raw(nil).bytes(3, make([]byte, MaxToken+1)).in(KindHello))},
	{name: "too-many-codecs", expect: "too-large", comment: "65 codecs.", frames: one(raw(nil).bytes(5, make([]byte, MaxCodecs+1)).in(KindHello))},
	{name: "too-many-kinds-of-payload", expect: "too-large", comment: "65 kinds.", frames: one(raw(nil).bytes(9, make([]byte, MaxCodecs+1)).in(KindHello))},
	{name: "too-many-payloads", expect: "too-large", comment: "17 payloads.", frames: one(repeated(10, MaxPayloads+1).in(KindOrder))},
	{name: "too-many-vectors", expect: "too-large", comment: "257 vectors.", frames: one(repeated(6, MaxVectors+1).in(KindContribution))},
	{name: "too-many-shards", expect: "too-large", comment: "4,097 shards.", frames: one(raw(nil).bytes(3, make([]byte, MaxShards+1)).in(KindShards))},
	{name: "too-many-dimensions", expect: "too-large", comment: "Nine dimensions.", frames: one(raw(nil).bytes(6, raw(nil).bytes(1, make([]byte, MaxDimensions+1))).in(KindWelcome))},
	{name: "too-many-layers", expect: "too-large", comment: "65 layers.", frames: one(raw(nil).bytes(6, repeated(2, MaxLayers+1)).in(KindWelcome))},
	{name: "too-many-unknown-fields", expect: "too-large", comment: "65 fields of unknown numbers.", frames: one(unknownFields(MaxUnknown + 1).in(KindTab))},
	{name: "block-too-large", expect: "too-large", comment: "An announced block of a byte more than any model has.", frames: one(raw(nil).bytes(6, raw(nil).varint(6, MaxBlock+1)).in(KindContribution))},
	{name: "absurd-block", expect: "too-large", comment: "An announced block of 2^63 - 1 bytes.", frames: one(raw(nil).bytes(6, raw(nil).varint(6, math.MaxInt64)).in(KindContribution))},
	{name: "absurd-integers", expect: "too-large", comment: "A payload of 2^62 integers of 64 bits, whose bytes no 64 bits count.", frames: one(Append(nil, &Order{Payloads: []Payload{{Kind: PayloadIntegers, Bits: 64, Count: 1 << 62}}}))},
	{name: "absurd-bytes", expect: "too-large", comment: "A payload of 2^63 - 1 bytes.", frames: one(Append(nil, &Order{Payloads: []Payload{{Kind: PayloadBytes, MaxBytes: math.MaxInt64}}}))},
	{name: "body-too-large", expect: "too-large", comment: "A body of a byte more than its limit.", frames: one(announced(7, 5001)), limit: 5000},
	{name: "bodies-that-add-up", expect: "too-large", comment: "Two blocks, each below the limit, that together are above it.", frames: one(announced(7, 3000, 3000)), limit: 5000},

	// What is not known.
	{name: "unknown-kind", expect: "unknown-kind", comment: "A frame of a field 16 alone.", frames: one(raw(nil).bytes(16, []byte{8, 1}))},
	{name: "unknown-kind-varint", expect: "unknown-kind", comment: "A frame of an unknown field that is no message.", frames: one(raw(nil).varint(1000, 1))},
	{name: "unknown-kinds", expect: "unknown-kind", comment: "Two unknown fields.", frames: one(append(raw(nil).bytes(16, nil), raw(nil).bytes(17, nil)...))},

	// What breaks the rules of transfers.
	{name: "chunk-alone", expect: "transfer", comment: "A chunk without an announcement.", frames: chunks(7, 5), limit: 5000},
	{name: "chunk-after-the-end", expect: "transfer", comment: "A chunk after the last.", frames: append(append(one(announced(7, 5000)), chunks(7, 5000)...), chunks(7, 5)...), limit: 5000},
	{name: "chunk-of-another-transfer", expect: "transfer", comment: "", frames: append(one(announced(7, 5000)), chunks(8, 5000)...), limit: 5000},
	{name: "chunk-out-of-place", expect: "transfer", comment: "The second chunk first.", frames: append(one(announced(7, 5000)), chunks(7, 2000, 3000)[1]), limit: 5000},
	{name: "chunk-twice", expect: "transfer", comment: "The first chunk twice.", frames: append(one(announced(7, 5000)), chunks(7, 2000)[0], chunks(7, 2000)[0]), limit: 5000},
	{name: "chunk-beyond-the-body", expect: "transfer", comment: "A chunk with a byte more than is left.", frames: append(one(announced(7, 5000)), chunks(7, 5001)...), limit: 5000},
	{name: "chunk-too-short", expect: "transfer", comment: "A chunk of a byte less than MinChunk that is not the last.", frames: append(one(announced(7, 5000)), chunks(7, MinChunk-1)...), limit: 5000},
	{name: "chunk-too-long", expect: "too-large", comment: "A chunk of a byte more than ChunkSize.", frames: append(one(announced(7, 100_000)), chunks(7, ChunkSize+1)...), limit: 200_000},
	{name: "empty-chunk", expect: "transfer", comment: "", frames: append(one(announced(7, 5000)), chunks(7, 0)...), limit: 5000},
	{name: "announced-twice", expect: "transfer", comment: "An announcement while another body is on its way.", frames: append(one(announced(7, 5000)), chunks(7, 2000)[0], announced(8, 5000)), limit: 5000},
}

func one(frame []byte) [][]byte { return [][]byte{frame} }

// unknownFields returns n fields of numbers from 20 on, of all four wire types.
func unknownFields(n int) (b raw) {
	for i := range n {
		switch num := protowire.Number(20 + i); i % 4 {
		case 0:
			b = b.varint(num, 1)
		case 1:
			b = b.tag(num, protowire.Fixed32Type, 1, 2, 3, 4)
		case 2:
			b = b.tag(num, protowire.Fixed64Type, 1, 2, 3, 4, 5, 6, 7, 8)
		case 3:
			b = b.bytes(num, []byte{1})
		}
	}
	return b
}

// repeated returns n empty elements of a field.
func repeated(num protowire.Number, n int) (b raw) {
	for range n {
		b = b.bytes(num, nil)
	}
	return b
}
