package protocol

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// The cases are made of fields that are written here, not by the encoder.

func num(n protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, n, protowire.VarintType), v)
}

func sub(n protowire.Number, parts ...[]byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, n, protowire.BytesType), slices.Concat(parts...))
}

func str(n protowire.Number, s string) []byte { return sub(n, []byte(s)) }

func fixed32(n protowire.Number, v uint32) []byte {
	return protowire.AppendFixed32(protowire.AppendTag(nil, n, protowire.Fixed32Type), v)
}

func fixed64(n protowire.Number, v uint64) []byte {
	return protowire.AppendFixed64(protowire.AppendTag(nil, n, protowire.Fixed64Type), v)
}

func many(n int, field []byte) []byte { return bytes.Repeat(field, n) }

// in returns the frame of a message of kind k with the fields.
func in(k Kind, fields ...[]byte) []byte { return sub(protowire.Number(k), fields...) }

// opens is the frame of a model whose body follows.
func opens(sizes ...uint64) []byte {
	fields := num(1, 7)
	for _, n := range sizes {
		fields = append(fields, sub(5, num(1, uint64(RoleModel)), num(6, n))...)
	}
	return in(KindModel, fields)
}

// piece is the frame of a chunk of n bytes.
func piece(offset uint64, n int) []byte {
	return in(KindChunk, num(1, 7), num(2, offset), sub(3, bytes.Repeat([]byte{0xab}, n)))
}

// takenCases must be taken, as the message or the blocks given.
func takenCases() (cases []conformanceCase) {
	ok := func(name, comment string, frame []byte, want Message) {
		cases = append(cases, conformanceCase{name: "taken-" + name, expect: "ok", comment: comment, frames: [][]byte{frame}, message: render(want)})
	}
	ok("empty-bytes", "An empty string, token, hash and list are as good as none.",
		in(KindHello, sub(1), sub(3), sub(5), sub(7), sub(9)), &Hello{})
	ok("long-tag", "A tag takes more bytes than need be.", in(KindFetch, []byte{0x88, 0x00, 0x05}), &Fetch{Order: 5})
	ok("bool-long", "True is 1, whatever its length.", in(KindWant, []byte{0x10, 0x81, 0x00}), &Want{Full: true})
	ok("unknown-fields", "Unknown fields of every wire type are skipped, with numbers up to 2^29 - 1.",
		in(KindFetch, num(3, 1), fixed32(4, 2), fixed64(5, 3), str(6, "later"), num(1<<29-1, 7), num(1, 8)), &Fetch{Order: 8})
	ok("unknown-twice", "An unknown field may occur twice.", in(KindFetch, num(14, 1), num(14, 2)), &Fetch{})
	ok("floats", "Floats keep their bits: negative zero, infinities, the smallest, NaN.",
		in(KindOrder, sub(6, fixed32(4, 1<<31), fixed32(7, 0x7f800000), fixed32(8, 1), fixed32(9, 0x7fc00000), fixed64(19, 0xfff0000000000000))),
		&Order{Hyper: Hyper{LR: float32(math.Copysign(0, -1)), Momentum: float32(math.Inf(1)), Beta2: math.SmallestNonzeroFloat32, Epsilon: float32(math.NaN()), Delta: math.Inf(-1)}})
	ok("code-max", "The largest close code.", in(KindBye, num(1, math.MaxUint16)), &Bye{Code: math.MaxUint16})
	ok("text", "UTF-8 of one to four bytes, and a zero.", in(KindAck, str(3, "a\x00é€😀")), &Ack{Detail: "a\x00é€😀"})
	ok("fields-max", "Name, token and text as long as they may be.",
		in(KindHello, str(1, strings.Repeat("a", MaxName)), sub(3, many(MaxToken, []byte{0xff})), str(4, strings.Repeat("c", MaxText))),
		&Hello{Protocol: strings.Repeat("a", MaxName), ResumeToken: many(MaxToken, []byte{0xff}), Client: strings.Repeat("c", MaxText)})
	ok("codecs-64", "As many codecs as there may be.", in(KindHello, sub(5, many(MaxCodecs, []byte{3}))), &Hello{Codecs: slices.Repeat([]Codec{3}, MaxCodecs)})
	ok("vectors-256", "As many vectors as there may be, all empty.", in(KindModel, many(MaxVectors, sub(5))), &Model{Vectors: make([]Vector, MaxVectors)})
	ok("payloads-16", "As many payloads as an order may declare.", in(KindOrder, many(MaxPayloads, sub(10, num(1, 2), num(5, 1)))),
		&Order{Payloads: slices.Repeat([]Payload{{Kind: PayloadBytes, MaxBytes: 1}}, MaxPayloads)})
	filler := MaxFrame - len(in(KindFetch, num(1, 1), sub(14, make([]byte, MaxFrame-20)))) + MaxFrame - 20
	ok("frame-max", "A frame as large as it may be, most of it an unknown field.", in(KindFetch, num(1, 1), sub(14, make([]byte, filler))), &Fetch{Order: 1})
	ok("sizes-max", "An announced block of the largest model, beside an empty one.",
		in(KindModel, sub(5, num(6, MaxBlock)), sub(5, sub(5), num(6, 0))), &Model{Vectors: []Vector{{Size: MaxBlock}, {}}})
	ok("parameters-max", "The largest model.", in(KindWelcome, num(9, MaxParameters)), &Welcome{Parameters: MaxParameters})
	ok("payload-max", "The largest payloads.",
		in(KindOrder, sub(10, num(1, 1), num(3, 1), num(4, MaxCount)), sub(10, num(1, 1), num(3, 64), num(4, MaxBlock/8)), sub(10, num(1, 2), num(5, MaxBlock))),
		&Order{Payloads: []Payload{{Kind: PayloadIntegers, Bits: 1, Count: MaxCount}, {Kind: PayloadIntegers, Bits: 64, Count: MaxBlock / 8}, {Kind: PayloadBytes, MaxBytes: MaxBlock}}})
	ok("payload-kinds", "Kinds of payload that are unknown: kept, in a Hello, an Order and a Vector alike.",
		in(KindHello, sub(9, []byte{1, 2, 9})), &Hello{Payloads: []PayloadKind{1, 2, 9}})
	transfer := func(name, comment string, limit int64, sums []string, frames ...[]byte) {
		cases = append(cases, conformanceCase{name: "taken-" + name, expect: "ok", comment: comment, limit: limit, frames: frames, bodies: sums})
	}
	sums := func(sizes ...int) []string {
		m := &Model{}
		for _, n := range sizes {
			m.Vectors = append(m.Vectors, Vector{Block: bytes.Repeat([]byte{0xab}, n)})
		}
		return bodySums(m)
	}
	transfer("transfer-crossing", "Three vectors, one of them empty, in chunks that cross from one into the next.", 80000, sums(30000, 0, 40001),
		opens(30000, 0, 40001), piece(0, 10000), piece(10000, 60000), piece(70000, 1))
	transfer("transfer-between", "Small messages come between the chunks.", 1<<20, sums(65000),
		opens(65000), in(KindAck, num(1, 4)), piece(0, 1024), in(KindStatus, num(1, 2)), piece(1024, 65000-1024))
	return cases
}

// refusal is a case whose name begins with its class.
func refusal(class, name, comment string, frame []byte) conformanceCase {
	c := conformanceCase{name: class + "-" + name, expect: "malformed", class: class, comment: comment, frames: one(frame)}
	switch err := classes[class]; {
	case errors.Is(err, ErrTooLarge):
		c.expect = "too-large"
	case !errors.Is(err, ErrMalformed):
		c.expect, c.class = class, ""
	}
	return c
}

// brokenCases are no protobuf messages, not the schema's, or have values that a field
// may not have.
func brokenCases() (cases []conformanceCase) {
	class := ""
	bad := func(name, comment string, frame []byte) {
		cases = append(cases, refusal(class, name, comment, frame))
	}
	class = "broken-field"
	bad("no-length", "A message without its length.", []byte{0x0a})
	bad("fixed64-truncated", "A double of 7 bytes.", in(KindStatus, []byte{0x31}, make([]byte, 7)))
	bad("number-2-29", "Field number 2^29.", in(KindFetch, []byte{0x80, 0x80, 0x80, 0x80, 0x10, 0x01}))
	bad("length-2-64", "A message of 2^64 - 1 bytes.", slices.Concat([]byte{0x0a}, many(9, []byte{0xff}), []byte{0x01}))
	bad("length-2-32", "A block of 4 GiB.", in(KindModel, sub(5, []byte{0x2a, 0x80, 0x80, 0x80, 0x80, 0x10})))
	bad("unknown-truncated", "An unknown field is checked too.", in(KindFetch, []byte{0x72, 9, 1}))
	bad("packed-11-bytes", "A number of 11 bytes in a packed list.", in(KindHello, sub(5, many(10, []byte{0x81}), []byte{0x01})))
	class = "group"
	bad("frame", "A group in place of the message.", []byte{0x0b, 0x0c})
	bad("field", "A known field as a group.", in(KindOrder, []byte{0x33, 0x34}))
	class = "wire-type"
	bad("list", "A list of numbers as a float.", in(KindHello, fixed32(5, 0)))
	bad("messages", "A list of messages as a number.", in(KindModel, num(5, 1)))
	class = "repeated-field"
	bad("zero", "A number twice, the first of them 0.", in(KindFetch, num(1, 0), num(1, 1)))
	bad("string", "A string twice.", in(KindHello, str(2, "a"), str(2, "a")))
	class = "text"
	bad("overlong", "A zero of two bytes.", in(KindDecline, str(3, "\xc0\x80")))
	bad("beyond", "A character above U+10FFFF.", in(KindShards, str(2, "\xf4\x90\x80\x80")))
	bad("invite", "The code of an invite.", in(KindHello, str(10, "\xff")))
	bad("payload", "The name of a payload.", in(KindOrder, sub(10, str(2, "\x80"))))
	class = "number"
	bad("packed", "2^32 in a packed list of 32 bits.", in(KindShards, sub(3, []byte{1}, protowire.AppendVarint(nil, 1<<32))))
	bad("payload-bits", "2^32 bits.", in(KindOrder, sub(10, num(3, 1<<32))))
	class = "unknown-kind"
	bad("max", "The largest field number.", sub(1<<29-1, []byte{1, 2, 3}))
	return cases
}

// sizeCases are messages that are too large, or announce too much.
func sizeCases() (cases []conformanceCase) {
	class := ""
	bad := func(name, comment string, frame []byte) {
		cases = append(cases, refusal(class, name, comment, frame))
	}
	class = "field-size"
	bad("source", "A source of 1025 bytes.", in(KindShards, str(2, strings.Repeat("/", MaxText+1))))
	bad("payload", "The name of a vector, 129 bytes.", in(KindContribution, sub(6, str(8, strings.Repeat("a", MaxName+1)))))
	bad("invite", "The code of an invite, 257 bytes.", in(KindHello, str(10, strings.Repeat("a", MaxToken+1))))
	bad("status-token", "A newer resume token of 257 bytes.", in(KindStatus, sub(10, many(MaxToken+1, []byte{1}))))
	class = "list-size"
	bad("codecs-unpacked", "65 codecs, not packed.", in(KindHello, many(MaxCodecs+1, num(5, 0))))
	class = "unknown-fields"
	bad("frame", "65 unknown numbers in a frame.", many(MaxUnknown+1, sub(16)))
	bad("within", "65 unknown fields in a message within.", in(KindOrder, sub(6, many(MaxUnknown+1, num(30, 0)))))
	class = "announced-size"
	bad("block-2-64", "A block of 2^64 - 1 bytes, whose sum with another is small.", in(KindModel, sub(5, num(6, 2)), sub(5, num(6, math.MaxUint64))))
	bad("bytes-one-more", "A payload of a byte more than MaxBlock.", in(KindOrder, sub(10, num(1, 2), num(5, MaxBlock+1))))
	bad("count", "An integer more than MaxCount.", in(KindOrder, sub(10, num(1, 1), num(3, 1), num(4, MaxCount+1))))
	bad("count-0-bits", "2^63 - 1 integers of 0 bits: they take no byte, and a list of them does.", in(KindOrder, sub(10, num(1, 1), num(4, math.MaxInt64))))
	bad("count-unknown-kind", "The same of a kind that is unknown.", in(KindOrder, sub(10, num(1, 9), num(4, 1<<61))))
	bad("integers", "Integers of 8 bytes more than MaxBlock.", in(KindOrder, sub(10, num(1, 1), num(3, 64), num(4, MaxBlock/8+1))))
	bad("vector-count", "2^63 - 1 integers in a vector of one byte.", in(KindContribution, sub(6, num(7, 1), num(9, 1), num(10, math.MaxInt64), sub(5, []byte{1}))))
	bad("parameters", "A model of a parameter more than MaxParameters.", in(KindWelcome, num(9, MaxParameters+1)))
	bad("parameters-2-63", "A model of 2^63 - 1 parameters.", in(KindWelcome, num(9, math.MaxInt64)))
	add := func(name, expect, class, comment string, limit int64, frames ...[]byte) {
		cases = append(cases, conformanceCase{name: name, expect: expect, class: class, comment: comment, limit: limit, frames: frames})
	}
	add("body-size-many", "too-large", "body-size", "256 blocks of the largest model: 16 GiB.", 70000, opens(slices.Repeat([]uint64{MaxBlock}, MaxVectors)...))
	add("transfer-offset-2-64", "transfer", "", "A chunk at 2^64 - 1.", 70000, opens(70000), piece(0, 2048), piece(math.MaxUint64, 2048))
	add("transfer-overlap", "transfer", "", "A chunk that has a byte again.", 70000, opens(70000), piece(0, 2048), piece(2047, 2048))
	return cases
}

// payloadCases are contributions that answer an order with payloads.
func payloadCases() (cases []conformanceCase) {
	order := func(payloads ...[]byte) []byte {
		fields := slices.Concat(num(1, 13), num(2, uint64(OrderReport)))
		for _, p := range payloads {
			fields = append(fields, sub(10, p)...)
		}
		return in(KindOrder, fields)
	}
	answer := func(vectors ...[]byte) []byte {
		fields := slices.Concat(num(2, 13), num(4, 600))
		for _, v := range vectors {
			fields = append(fields, sub(6, v)...)
		}
		return in(KindContribution, fields)
	}
	integers := func(name string, bits, count uint64, block ...byte) []byte {
		return slices.Concat(sub(5, block), num(7, 1), str(8, name), num(9, bits), num(10, count))
	}
	sums := slices.Concat(num(1, 1), str(2, "sums"), num(3, 20), num(4, 3))
	sealed := slices.Concat(num(1, 2), str(2, "sealed"), num(5, 5))
	right := integers("sums", 20, 3, 0x01, 0x00, 0xf0, 0xff, 0xff, 0xbc, 0x0a, 0x00)
	add := func(name, expect, comment string, order, answer []byte, integers ...string) {
		cases = append(cases, conformanceCase{name: name, expect: expect, comment: comment, order: order, frames: [][]byte{answer}, integers: integers})
	}
	add("taken-integers-20", "ok", "Three integers of 20 bits in 8 bytes.", order(sums), answer(right), "1 1048575 2748")
	add("taken-integers-1", "ok", "Nine integers of one bit.", order(slices.Concat(num(1, 1), num(3, 1), num(4, 9))),
		answer(slices.Concat(sub(5, []byte{0xb1, 0x01}), num(7, 1), num(9, 1), num(10, 9))), "1 0 0 0 1 1 0 1 1")
	add("taken-integers-64", "ok", "Two integers of 64 bits.", order(slices.Concat(num(1, 1), num(3, 64), num(4, 2))),
		answer(slices.Concat(sub(5, []byte{1, 2, 3, 4, 5, 6, 7, 8}, many(8, []byte{0xff})), num(7, 1), num(9, 64), num(10, 2))),
		"578437695752307201 18446744073709551615")
	add("taken-integers-63", "ok", "Two integers of 63 bits: the second crosses from one byte into nine.", order(slices.Concat(num(1, 1), num(3, 63), num(4, 2))),
		answer(slices.Concat(sub(5, many(7, []byte{0xff}), []byte{0x7f, 0x01}, make([]byte, 6), []byte{0x20}), num(7, 1), num(9, 63), num(10, 2))),
		"9223372036854775807 4611686018427387906")
	add("taken-payload-bytes", "ok", "Integers, and bytes up to their bound.", order(sums, sealed),
		answer(right, slices.Concat(sub(5, []byte("bytes")), num(7, 2), str(8, "sealed"))), "1 1048575 2748")
	bad := func(name, comment string, vector []byte) {
		add("payload-"+name, "payload", comment, order(sums), answer(vector))
	}
	block := []byte{0x01, 0x00, 0xf0, 0xff, 0xff, 0xbc, 0x0a, 0x00}
	bad("name", "Another name.", integers("sum", 20, 3, block...))
	bad("bits", "Other bits.", integers("sums", 21, 3, block...))
	bad("count", "Another count.", integers("sums", 20, 2, block...))
	bad("short", "A block that lacks a byte.", integers("sums", 20, 3, block[:7]...))
	bad("long", "A block with a byte more.", integers("sums", 20, 3, append(block[:8:8], 0)...))
	bad("padding", "A bit after the last integer is not zero.", integers("sums", 20, 3, append(block[:7:7], 0x10)...))
	bad("kind", "Bytes in place of integers.", slices.Concat(sub(5, block), num(7, 2), str(8, "sums")))
	bad("float32", "A float32 vector in place of integers.", slices.Concat(num(1, 1), sub(5, block)))
	bad("role", "Integers with a role.", slices.Concat(num(1, 1), right))
	bad("codec", "Integers with a codec.", slices.Concat(num(4, 1), right))
	bad("part", "Integers with a part.", slices.Concat(num(3, 1), right))
	bad("base", "Integers with a base.", slices.Concat(sub(2, make([]byte, HashSize)), right))
	add("payload-empty", "payload", "Bytes without any.", order(sealed), answer(slices.Concat(num(7, 2), str(8, "sealed"))))
	add("payload-bound", "payload", "Bytes of one more than their bound.", order(sealed), answer(slices.Concat(sub(5, []byte("6bytes")), num(7, 2), str(8, "sealed"))))
	return cases
}
