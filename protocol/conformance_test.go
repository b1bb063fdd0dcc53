package protocol

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// classes are the answers of a receiver, as testdata/conformance and
// docs/protocol.md name them.
var classes = map[string]error{
	"ok": nil, "malformed": ErrMalformed, "too-large": ErrTooLarge, "unknown-kind": ErrUnknownKind, "transfer": ErrTransfer,
}

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

// kit are the cases of testdata/conformance, by file name.
var kit = []struct {
	name    string
	class   string
	comment string
	frames  [][]byte // several are an announcement and its chunks, taken in order
	limit   int64    // of the body
}{
	// What a receiver must take.
	{"order-of-fields", "ok", "Fields in descending order.", one(raw(nil).varint(4, 5).varint(3, 4).varint(2, 3).varint(1, 2).in(KindContribution)), 0},
	{"explicit-zeros", "ok", "Zero values that a canonical encoder leaves out.", one(raw(nil).varint(1, 0).varint(2, 0).text(3, "").varint(4, 0).in(KindAck)), 0},
	{"unpacked-list", "ok", "A repeated number field, one element after the other.", one(raw(nil).text(1, Version).varint(5, 0).varint(5, 3).in(KindHello)), 0},
	{"list-in-pieces", "ok", "A packed list in two pieces, and an element between them.", one(raw(nil).bytes(5, []byte{0, 1}).varint(5, 2).bytes(5, []byte{3}).in(KindHello)), 0},
	{"long-varint", "ok", "A varint of ten bytes for the number 9.", one(raw(nil).tag(1, protowire.VarintType, 0x89, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0).in(KindAck)), 0},
	{"long-length", "ok", "The length of a message in more bytes than it needs.", one(append(protowire.AppendTag(nil, protowire.Number(KindTab), protowire.BytesType), 0x82, 0, 8, 2)), 0},
	{"unknown-fields", "ok", "64 fields of unknown numbers, of all four wire types.", one(unknownFields(MaxUnknown).in(KindTab)), 0},
	{"unknown-field-beside-the-message", "ok", "An unknown field in the frame, before the message.", one(append(raw(nil).varint(99, 1), raw(nil).varint(1, 2).in(KindTab)...)), 0},
	{"unknown-enumerations", "ok", "Values of enumerations that v1 does not define are kept.", one(raw(nil).varint(1, 9).varint(2, 77).varint(3, 1).in(KindOrder)), 0},
	{"largest-enumeration", "ok", "2^31 - 1.", one(raw(nil).varint(1, math.MaxInt32).in(KindTab)), 0},
	{"largest-numbers", "ok", "The largest number of 64 bits, and of 32.", one(raw(nil).varint(1, math.MaxUint64).varint(2, math.MaxUint32).in(KindWelcome)), 0},
	{"floats-by-their-bits", "ok", "NaN in a sum of losses is a question of content, not of form.", one(Append(nil, &Contribution{Order: 1, Metrics: Metrics{LossSum: math.Float64frombits(0x7ff8000000000001)}})), 0},
	{"empty-messages", "ok", "A message without any field.", one(raw(nil).in(KindHello)), 0},
	{"empty-nested", "ok", "A nested message without any field.", one(raw(nil).bytes(6, nil).in(KindOrder)), 0},
	{"longest-name", "ok", "A task of 128 bytes.", one(raw(nil).text(2, strings.Repeat("a", MaxName)).in(KindHello)), 0},
	{"longest-text", "ok", "A detail of 1,024 bytes, of characters of two bytes.", one(raw(nil).text(2, strings.Repeat("é", MaxText/2)).in(KindBye)), 0},
	{"payloads", "ok", "An order for integers and bytes.", one(Append(nil, &Order{Order: 1, Kind: OrderReport, Payloads: []Payload{{Kind: PayloadIntegers, Name: "n", Bits: 64, Count: 1000}, {Kind: PayloadBytes, Name: "b", MaxBytes: 1}}})), 0},
	{"unknown-payload", "ok", "A kind of payload that v1 does not define is declined, not refused.", one(Append(nil, &Order{Order: 1, Payloads: []Payload{{Kind: 9, MaxBytes: 5}}})), 0},
	{"transfer", "ok", "A body of two vectors in three chunks, the boundary between the vectors inside one.", append(one(announced(7, 70_000, 70_000)), chunks(7, ChunkSize, ChunkSize, 140_000-2*ChunkSize)...), 200_000},
	{"transfer-small-chunks", "ok", "The smallest chunks, and a shorter last one.", append(one(announced(7, 2*MinChunk+1)), chunks(7, MinChunk, MinChunk, 1)...), 200_000},
	{"transfer-of-empty-vectors", "ok", "An empty vector between two others.", append(one(announced(7, 1000, 0, 1000)), chunks(7, 2000)...), 200_000},
	{"transfer-at-the-limit", "ok", "A body of exactly the limit.", append(one(announced(7, 5000)), chunks(7, 5000)...), 5000},

	// What is no message.
	{"wrong-wire-type", "malformed", "A text as a varint.", one(raw(nil).varint(1, 5).in(KindHello)), 0},
	{"wrong-wire-type-number", "malformed", "A number as bytes.", one(raw(nil).text(1, "5").in(KindAck)), 0},
	{"wrong-wire-type-float", "malformed", "A float of 32 bits in 64.", one(raw(nil).bytes(6, raw(nil).tag(4, protowire.Fixed64Type, 0, 0, 0, 0, 0, 0, 0, 0)).in(KindOrder)), 0},
	{"wrong-wire-type-double", "malformed", "A float of 64 bits in 32.", one(raw(nil).bytes(6, raw(nil).tag(19, protowire.Fixed32Type, 0, 0, 0, 0)).in(KindOrder)), 0},
	{"wrong-wire-type-message", "malformed", "A message as a varint.", one(raw(nil).varint(protowire.Number(KindTab), 2)), 0},
	{"cut-off-tag", "malformed", "The frame ends in a tag.", one([]byte{0x80}), 0},
	{"cut-off-varint", "malformed", "The frame ends in a number.", one(raw(nil).tag(1, protowire.VarintType, 0x80).in(KindTab)), 0},
	{"cut-off-bytes", "malformed", "A field of which the last byte is missing.", one(raw(nil).tag(2, protowire.BytesType, 5, 'd', 'i', 'g', 'i').in(KindHello)), 0},
	{"cut-off-float", "malformed", "A float of three bytes.", one(raw(nil).bytes(6, raw(nil).tag(4, protowire.Fixed32Type, 1, 2, 3)).in(KindOrder)), 0},
	{"cut-off-message", "malformed", "The message is longer than the frame.", one([]byte{0x62, 3, 8, 2}), 0},
	{"absurd-length", "malformed", "A field of 2^63 - 1 bytes.", one(raw(nil).tag(2, protowire.BytesType, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f).in(KindHello)), 0},
	{"absurd-message", "malformed", "A message of 2^63 - 1 bytes.", one([]byte{0x62, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 8, 2}), 0},
	{"varint-of-eleven-bytes", "malformed", "A number of more than ten bytes.", one(raw(nil).tag(1, protowire.VarintType, bytes.Repeat([]byte{0x80}, 10)...).tag(0, 0)[:13:13].in(KindTab)), 0},
	{"varint-of-65-bits", "malformed", "A number of 65 bits.", one(raw(nil).tag(1, protowire.VarintType, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2).in(KindAck)), 0},
	{"group", "malformed", "Wire types 3 and 4, where a group would be well formed.", one(raw(nil).tag(20, protowire.StartGroupType).tag(20, protowire.EndGroupType).in(KindTab)), 0},
	{"end-of-a-group", "malformed", "Wire type 4 alone.", one(raw(nil).tag(20, protowire.EndGroupType).in(KindTab)), 0},
	{"wire-type-6", "malformed", "A wire type that does not exist.", one(raw{20<<3 | 6}.in(KindTab)), 0},
	{"wire-type-7", "malformed", "A wire type that does not exist.", one([]byte{0x67}), 0},
	{"field-0", "malformed", "A field number that does not exist.", one(raw{0, 1}.in(KindTab)), 0},
	{"two-messages", "malformed", "Two messages in a frame.", one(append(raw(nil).varint(1, 2).in(KindTab), raw(nil).varint(1, 1).in(KindProgress)...)), 0},
	{"one-message-twice", "malformed", "The same message twice.", one(append(raw(nil).varint(1, 2).in(KindTab), raw(nil).varint(1, 2).in(KindTab)...)), 0},
	{"empty-frame", "malformed", "No bytes.", one(nil), 0},
	{"bytes-after-the-message", "malformed", "Bytes that are no field.", one(append(raw(nil).varint(1, 2).in(KindTab), 0xff)), 0},
	{"field-twice", "malformed", "A field that is not repeated, twice.", one(raw(nil).varint(1, 2).varint(1, 2).in(KindTab)), 0},
	{"field-twice-nested", "malformed", "A nested message, twice.", one(raw(nil).bytes(6, nil).bytes(6, nil).in(KindOrder)), 0},
	{"field-twice-in-a-list", "malformed", "A field twice in an element of a list.", one(raw(nil).bytes(6, raw(nil).varint(3, 1).varint(3, 1)).in(KindContribution)), 0},
	{"name-not-utf-8", "malformed", "A task that is not UTF-8.", one(raw(nil).text(2, "\xff").in(KindHello)), 0},
	{"text-not-utf-8", "malformed", "A detail that ends inside a character.", one(raw(nil).text(2, "\xc3").in(KindBye)), 0},
	{"text-surrogate", "malformed", "A detail with half of a surrogate pair.", one(raw(nil).text(2, "\xed\xa0\x80").in(KindBye)), 0},
	{"number-of-33-bits", "malformed", "2^32 where 32 bits are wanted.", one(raw(nil).varint(2, 1<<32).in(KindWelcome)), 0},
	{"enumeration-of-32-bits", "malformed", "2^31 where an enumeration is wanted.", one(raw(nil).varint(1, 1<<31).in(KindTab)), 0},
	{"negative-enumeration", "malformed", "-1 where an enumeration is wanted.", one(raw(nil).varint(1, math.MaxUint64).in(KindTab)), 0},
	{"bool-2", "malformed", "2 where 0 or 1 is wanted.", one(raw(nil).varint(2, 2).in(KindWant)), 0},
	{"close-code-of-17-bits", "malformed", "65,536 where a close code is wanted.", one(raw(nil).varint(1, 1<<16).in(KindBye)), 0},
	{"hash-of-31-bytes", "malformed", "", one(raw(nil).bytes(7, ramp(0, 31)).in(KindHello)), 0},
	{"hash-of-33-bytes", "malformed", "", one(raw(nil).bytes(8, ramp(0, 33)).in(KindWelcome)), 0},
	{"base-hash-of-1-byte", "malformed", "", one(raw(nil).bytes(6, raw(nil).bytes(2, []byte{1})).in(KindContribution)), 0},
	{"block-and-size", "malformed", "A vector whose block is there and announced.", one(raw(nil).bytes(6, raw(nil).bytes(5, ramp(0, 4)).varint(6, 4)).in(KindContribution)), 0},
	{"one-block-and-one-size", "malformed", "One vector's block is there, the other's announced.", one(raw(nil).bytes(6, raw(nil).bytes(5, ramp(0, 4))).bytes(6, raw(nil).varint(6, 4)).in(KindContribution)), 0},
	{"list-cut-off", "malformed", "A packed list that ends in a number.", one(raw(nil).bytes(5, []byte{1, 0x80}).in(KindHello)), 0},
	{"list-of-large-numbers", "malformed", "A codec of 2^31 in a packed list.", one(raw(nil).bytes(5, protowire.AppendVarint(nil, 1<<31)).in(KindHello)), 0},

	// What is over a limit.
	{"frame-too-large", "too-large", "A frame of a byte more than MaxFrame, of one unknown field.", one(raw(nil).bytes(99, make([]byte, MaxFrame-4))), 0},
	{"name-too-long", "too-large", "A task of 129 bytes.", one(raw(nil).text(2, strings.Repeat("a", MaxName+1)).in(KindHello)), 0},
	{"text-too-long", "too-large", "A detail of 1,025 bytes.", one(raw(nil).text(2, strings.Repeat("a", MaxText+1)).in(KindBye)), 0},
	{"token-too-long", "too-large", "A resume token of 257 bytes.", one(raw(nil).bytes(3, make([]byte, MaxToken+1)).in(KindHello)), 0},
	{"too-many-codecs", "too-large", "65 codecs.", one(raw(nil).bytes(5, make([]byte, MaxCodecs+1)).in(KindHello)), 0},
	{"too-many-kinds-of-payload", "too-large", "65 kinds.", one(raw(nil).bytes(9, make([]byte, MaxCodecs+1)).in(KindHello)), 0},
	{"too-many-payloads", "too-large", "17 payloads.", one(repeated(10, MaxPayloads+1).in(KindOrder)), 0},
	{"too-many-vectors", "too-large", "257 vectors.", one(repeated(6, MaxVectors+1).in(KindContribution)), 0},
	{"too-many-shards", "too-large", "4,097 shards.", one(raw(nil).bytes(3, make([]byte, MaxShards+1)).in(KindShards)), 0},
	{"too-many-dimensions", "too-large", "Nine dimensions.", one(raw(nil).bytes(6, raw(nil).bytes(1, make([]byte, MaxDimensions+1))).in(KindWelcome)), 0},
	{"too-many-layers", "too-large", "65 layers.", one(raw(nil).bytes(6, repeated(2, MaxLayers+1)).in(KindWelcome)), 0},
	{"too-many-unknown-fields", "too-large", "65 fields of unknown numbers.", one(unknownFields(MaxUnknown + 1).in(KindTab)), 0},
	{"block-too-large", "too-large", "An announced block of a byte more than any model has.", one(raw(nil).bytes(6, raw(nil).varint(6, MaxBlock+1)).in(KindContribution)), 0},
	{"absurd-block", "too-large", "An announced block of 2^63 - 1 bytes.", one(raw(nil).bytes(6, raw(nil).varint(6, math.MaxInt64)).in(KindContribution)), 0},
	{"absurd-integers", "too-large", "A payload of 2^62 integers of 64 bits, whose bytes no 64 bits count.", one(Append(nil, &Order{Payloads: []Payload{{Kind: PayloadIntegers, Bits: 64, Count: 1 << 62}}})), 0},
	{"absurd-bytes", "too-large", "A payload of 2^63 - 1 bytes.", one(Append(nil, &Order{Payloads: []Payload{{Kind: PayloadBytes, MaxBytes: math.MaxInt64}}})), 0},
	{"body-too-large", "too-large", "A body of a byte more than its limit.", one(announced(7, 5001)), 5000},
	{"bodies-that-add-up", "too-large", "Two blocks, each below the limit, that together are above it.", one(announced(7, 3000, 3000)), 5000},

	// What is not known.
	{"unknown-kind", "unknown-kind", "A frame of a field 16 alone.", one(raw(nil).bytes(16, []byte{8, 1})), 0},
	{"unknown-kind-varint", "unknown-kind", "A frame of an unknown field that is no message.", one(raw(nil).varint(1000, 1)), 0},
	{"unknown-kinds", "unknown-kind", "Two unknown fields.", one(append(raw(nil).bytes(16, nil), raw(nil).bytes(17, nil)...)), 0},

	// What breaks the rules of transfers.
	{"chunk-alone", "transfer", "A chunk without an announcement.", chunks(7, 5), 5000},
	{"chunk-after-the-end", "transfer", "A chunk after the last.", append(append(one(announced(7, 5000)), chunks(7, 5000)...), chunks(7, 5)...), 5000},
	{"chunk-of-another-transfer", "transfer", "", append(one(announced(7, 5000)), chunks(8, 5000)...), 5000},
	{"chunk-out-of-place", "transfer", "The second chunk first.", append(one(announced(7, 5000)), chunks(7, 2000, 3000)[1]), 5000},
	{"chunk-twice", "transfer", "The first chunk twice.", append(one(announced(7, 5000)), chunks(7, 2000)[0], chunks(7, 2000)[0]), 5000},
	{"chunk-beyond-the-body", "transfer", "A chunk with a byte more than is left.", append(one(announced(7, 5000)), chunks(7, 5001)...), 5000},
	{"chunk-too-short", "transfer", "A chunk of a byte less than MinChunk that is not the last.", append(one(announced(7, 5000)), chunks(7, MinChunk-1)...), 5000},
	{"chunk-too-long", "too-large", "A chunk of a byte more than ChunkSize.", append(one(announced(7, 100_000)), chunks(7, ChunkSize+1)...), 200_000},
	{"empty-chunk", "transfer", "", append(one(announced(7, 5000)), chunks(7, 0)...), 5000},
	{"announced-twice", "transfer", "An announcement while another body is on its way.", append(one(announced(7, 5000)), chunks(7, 2000)[0], announced(8, 5000)), 5000},
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

// received returns what a receiver makes of frames: the message, and the class of
// the error.
func received(frames [][]byte, limit int64) (m Message, err error) {
	var a Assembler
	for _, frame := range frames {
		if m, err = Decode(frame); err != nil {
			return nil, err
		}
		if c, ok := m.(*Chunk); ok {
			m, err = a.Add(c)
		} else if Announced(m) > 0 {
			err = a.Start(m, limit, nil)
		}
		if err != nil {
			return nil, err
		}
	}
	return m, nil
}

// TestConformance runs the kit of testdata/conformance, which other
// implementations can use too. With -update it makes the files that are missing.
func TestConformance(t *testing.T) {
	dir := filepath.Join("testdata", "conformance")
	if *update {
		for _, c := range kit {
			path := filepath.Join(dir, c.name+".txt")
			if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
				if err := os.WriteFile(path, []byte(kitFile(t, c.class, c.comment, c.frames, c.limit)), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	paths, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil || len(paths) != len(kit) {
		t.Fatalf("%d files of %d cases, %v", len(paths), len(kit), err)
	}
	found := map[string]int{}
	for _, path := range paths {
		c := readKit(t, path)
		found[c.class]++
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			m, err := received(c.frames, c.limit)
			if want := classes[c.class]; !errors.Is(err, want) || (err == nil) != (want == nil) {
				t.Fatalf("%v, want %s", err, c.class)
			}
			if err == nil && c.text != "" && render(m) != c.text {
				t.Errorf("decoded as\n%s\nwant\n%s", render(m), c.text)
			}
		})
	}
	for class := range classes {
		if found[class] == 0 {
			t.Errorf("no case of class %s", class)
		}
	}
}

// TestConformanceIsFrozen compares the files with SHA256SUMS, which grows and does
// not change otherwise as long as there is v1.
func TestConformanceIsFrozen(t *testing.T) {
	checkSums(t, filepath.Join("testdata", "conformance"), *update)
}

// checkSums compares dir's text files with its SHA256SUMS, or writes it.
func checkSums(t *testing.T, dir string, write bool) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var sums strings.Builder
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(b), filepath.Base(path))
	}
	file := filepath.Join(dir, "SHA256SUMS")
	if write {
		if err := os.WriteFile(file, []byte(sums.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != sums.String() {
		t.Errorf("%s does not match the files: %v", file, err)
	}
}

type kitCase struct {
	class  string
	limit  int64
	frames [][]byte
	text   string
}

// kitFile is a file of testdata/conformance; its README.md describes it.
func kitFile(t *testing.T, class, comment string, frames [][]byte, limit int64) string {
	var b strings.Builder
	if comment != "" {
		fmt.Fprintf(&b, "comment: %s\n", comment)
	}
	fmt.Fprintf(&b, "expect: %s\n", class)
	if limit > 0 {
		fmt.Fprintf(&b, "limit: %d\n", limit)
	}
	for _, f := range frames {
		fmt.Fprintf(&b, "\nframe\n%s", hexadecimal(f))
	}
	if class == "ok" && len(frames) == 1 {
		m, err := Decode(frames[0])
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "\nmessage\n%s", render(m))
	}
	return b.String()
}

// hexadecimal writes bytes in lines of 32; a run of more than 32 equal bytes is
// written as one with its count, "00*1000".
func hexadecimal(b []byte) string {
	var s strings.Builder
	for len(b) > 0 {
		n := 1
		for n < len(b) && b[n] == b[0] {
			n++
		}
		if n > 32 {
			fmt.Fprintf(&s, "%02x*%d\n", b[0], n)
			b = b[n:]
			continue
		}
		n = 0
		for n < min(32, len(b)) && !(len(b) > n+32 && bytes.Count(b[n:n+33], b[n:n+1]) == 33) {
			n++
		}
		fmt.Fprintf(&s, "%x\n", b[:n])
		b = b[n:]
	}
	return s.String()
}

func readKit(t *testing.T, path string) (c kitCase) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i, part := range strings.Split(string(b), "\n\n") {
		if i == 0 {
			for line := range strings.Lines(part) {
				key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
				switch key {
				case "comment":
				case "expect":
					c.class = value
				case "limit":
					if c.limit, err = strconv.ParseInt(value, 10, 64); err != nil {
						t.Fatalf("%s: %v", path, err)
					}
				default:
					t.Fatalf("%s: header %q is unknown", path, key)
				}
			}
			continue
		}
		name, rest, _ := strings.Cut(part, "\n")
		switch name {
		case "frame":
			frame, err := parseHexadecimal(rest)
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			c.frames = append(c.frames, frame)
		case "message":
			c.text = rest
		default:
			t.Fatalf("%s: paragraph %q is unknown", path, name)
		}
	}
	if _, ok := classes[c.class]; !ok || len(c.frames) == 0 {
		t.Fatalf("%s: expects %q of %d frames", path, c.class, len(c.frames))
	}
	return c
}

func parseHexadecimal(s string) (b []byte, err error) {
	for _, word := range strings.Fields(s) {
		digits, times, repeated := strings.Cut(word, "*")
		part, err := hex.DecodeString(digits)
		if err != nil {
			return nil, err
		}
		if repeated {
			n, err := strconv.Atoi(times)
			if err != nil {
				return nil, err
			}
			part = slices.Repeat(part, n)
		}
		b = append(b, part...)
	}
	return b, nil
}
