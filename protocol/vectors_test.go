package protocol

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

// The vectors are frozen with v1: from then on this flag is for new files
// only, and a test that fails shows an incompatible change.
var update = flag.Bool("update", false, "rewrite testdata/vectors (frozen with v1)")

// ramp returns n bytes that count up from first.
func ramp(first byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = first + byte(i)
	}
	return b
}

// vectors are the messages of testdata/vectors, by file name.
var vectors = []struct {
	name string
	note string
	m    Message
}{
	{"hello", "A new participant.", &Hello{
		Protocol: Version, Task: "mnist-2nn", Client: "fedtab-tab/0.1 wasm simd", Codecs: []Codec{CodecFloat32}, TabState: TabVisible}},
	{"hello-resumed", "A participant that comes back, holds version 7, and knows codecs that we do not.", &Hello{
		Protocol: Version, Task: "mnist-2nn", ResumeToken: ramp(0xa0, 48), Client: "π/3", Codecs: []Codec{0, 1, 300},
		Held: 7, HeldHash: ramp(0, 32), TabState: TabHidden}},
	{"hello-empty", "Every field zero: two bytes.", &Hello{}},
	{"welcome", "MNIST on the network of the FedAvg paper.", &Welcome{
		Session: 1234, Participant: 3, ResumeToken: ramp(0xa0, 48), Run: "mnist-2nn-1-5f3a", Title: "Handwritten digits",
		Model: ModelSpec{Input: []uint32{28, 28}, Layers: []Layer{
			{Kind: LayerDense, Units: 200, Activation: ActivationReLU}, {Kind: LayerDense, Units: 200, Activation: ActivationReLU}, {Kind: LayerDense, Units: 10, Activation: ActivationIdentity}}},
		Seed: math.MaxUint64, InitialHash: ramp(0x20, 32), Parameters: 199210, Version: 12, PingInterval: 10}},
	{"welcome-unknown-layer", "A layer and an activation that we do not know: kept as numbers.", &Welcome{
		Model: ModelSpec{Input: []uint32{5}, Layers: []Layer{{Kind: LayerKind(9), Units: 4, Activation: Activation(12)}, {}}}}},
	{"welcome-cnn", "A network of convolutions with penalties, and random features in front.", &Welcome{
		Participant: 3, Run: "mnist-cnn-1", Model: ModelSpec{Input: []uint32{28, 28}, Loss: LossHinge, Epsilon: 0.5, L1: 0.25, L2: 0.125, Layers: []Layer{
			{Kind: LayerConv, Units: 32, Size: 5, Same: true, Activation: ActivationGELU}, {Kind: LayerMaxPool, Size: 3, Stride: 2},
			{Kind: LayerDropout, Rate: 0.5}, {Kind: LayerRBF, Units: 100, Gamma: 0.25, Seed: 7}, {Kind: LayerDense, Units: 10}}}}},
	{"shards", "Four of a hundred shards.", &Shards{
		Assignment: 5, Source: "/data/mnist/train", Shards: []uint32{0, 17, 64, 300}, Total: 600}},
	{"order", "One local epoch of federated averaging.", &Order{
		Order: 9, Kind: OrderFit, Round: 13, Base: 12, BaseHash: ramp(0x40, 32),
		Hyper: Hyper{Epochs: 1, Batch: 10, LR: 0.1}, Seed: 0xfedcba9876543210, Deadline: 60000}},
	{"order-adam", "Every setting of the optimiser.", &Order{
		Order: 9, Kind: OrderFit, Round: 13, Base: 12, BaseHash: ramp(0x40, 32),
		Hyper: Hyper{Epochs: 1, Batch: 10, LR: 0.1, Optimiser: OptimiserAdamW, Momentum: 0.75, Beta2: 0.5, Epsilon: 0.125, WeightDecay: 0.25,
			Clip: 5, Schedule: ScheduleCosine, Every: 100, Factor: 0.0625, Warmup: 20}}},
	{"order-monitor", "Dynamic averaging: train on from a balanced model, report when the squared distance exceeds 0.75.", &Order{
		Order: 11, Kind: OrderMonitor, Round: 13, Base: 12, BaseHash: ramp(0x40, 32), Seed: 5, Start: ramp(0x50, 32),
		Hyper: Hyper{Steps: 8, Batch: 10, LR: 0.1, Stream: true, Delta: 0.75}}},
	{"order-scaffold", "Control variates and a proximal term.", &Order{
		Order: 12, Kind: OrderFit, Round: 13, Base: 12, BaseHash: ramp(0x40, 32),
		Hyper: Hyper{Epochs: 5, Batch: 10, LR: 0.1, Prox: 0.125, Control: true}}},
	{"order-packed", "An answer of half a bit per parameter, with error feedback.", &Order{
		Order: 12, Kind: OrderFit, Round: 13, Base: 12, BaseHash: ramp(0x40, 32),
		Hyper: Hyper{Epochs: 1, Batch: 10, LR: 0.1, Codec: CodecDeadzone, Bits: 0.5, Feedback: true}}},
	{"order-base", "Ten base models for the Radon machine.", &Order{
		Order: 1, Kind: OrderBase, Round: 1, BaseHash: ramp(0x40, 32), Hyper: Hyper{Epochs: 20, Batch: 1, LR: 0.1, Parts: 10}}},
	{"order-unknown-kind", "A kind of order that we do not know: kept, and declined.", &Order{
		Order: 10, Kind: OrderKind(77), Round: 14, Hyper: Hyper{Steps: 1 << 31, LR: float32(math.Copysign(0, -1)), Codec: 5}}},
	{"model", "Three parameters, inline.", &Model{
		Version: 12, Hash: ramp(0x60, 32), Vectors: []Vector{
			{Role: RoleModel, Block: []byte{0, 0, 0x80, 0x3f, 0, 0, 0, 0xbf, 0, 0, 0, 0}}}}},
	{"model-announced", "A full model of 199,210 parameters whose 796,840 bytes follow in 13 chunks.", &Model{
		Transfer: 12, Version: 12, Hash: ramp(0x60, 32), Vectors: []Vector{{Role: RoleModel, Size: 796840}}}},
	{"model-delta", "A difference from version 10.", &Model{
		Version: 12, Hash: ramp(0x60, 32), Base: 10, Vectors: []Vector{
			{Role: RoleDelta, BaseHash: ramp(0x80, 32), Codec: 3, Block: ramp(1, 9)}}}},
	{"contribution", "A delta and a control variate, inline.", &Contribution{
		Order: 9, Round: 13, Weight: 600,
		Metrics: Metrics{Examples: 600, Steps: 60, LossSum: 812.5, Correct: 431, Millis: 57},
		Vectors: []Vector{
			{Role: RoleDelta, BaseHash: ramp(0x40, 32), Block: ramp(1, 8)},
			{Role: RoleControl, Part: 1, Block: ramp(9, 4)}}}},
	{"contribution-announced", "Two blocks that follow in chunks, the second empty.", &Contribution{
		Transfer: 1, Order: 9, Round: 13, Weight: 600, Vectors: []Vector{
			{Role: RoleDelta, BaseHash: ramp(0x40, 32), Size: 796840}, {Role: RoleControl}}}},
	{"contribution-metrics", "The answer to an evaluation: no vectors, and a loss that is not finite.", &Contribution{
		Order: 11, Round: 14, Weight: 100, Metrics: Metrics{Examples: 100, LossSum: math.Inf(1)}}},
	{"ack", "Accepted is 0 and therefore not in the bytes.", &Ack{Order: 9}},
	{"ack-round", "Accepted for a round that the order had left open.", &Ack{Order: 9, Round: 14}},
	{"ack-late", "A refusal.", &Ack{Order: 9, Reason: ReasonLate, Detail: "round 13 closed"}},
	{"decline", "A client that cannot do what it is asked for.", &Decline{Order: 10, Reason: ReasonUnsupported, Detail: "order kind 77"}},
	{"want", "The newest model, in full.", &Want{Full: true}},
	{"want-version", "A certain version, in any form.", &Want{Version: 11}},
	{"fetch", "The present local model, please.", &Fetch{Order: 12, Codec: 3}},
	{"progress", "Training has begun.", &Progress{Order: 9, Examples: 600}},
	{"tab", "The tab is about to be frozen.", &Tab{State: TabFrozen}},
	{"status", "Round 14 is open.", &Status{
		Phase: PhaseTraining, Round: 14, Version: 13, Participants: 4, Evaluated: 12, TestLoss: 0.25, TestAccuracy: 0.9321, Closed: 13}},
	{"status-finished", "The end.", &Status{
		Phase: PhaseFinished, Round: 40, Version: 40, Participants: 4, Evaluated: 40, TestLoss: 0.0625, TestAccuracy: 0.9803, Closed: 40,
		Reason: "accuracy 0.98 reached"}},
	{"bye", "A newer socket has the same token.", &Bye{Code: CloseSuperseded, Detail: "this participant is active in another tab"}},
	{"chunk", "The second chunk of a transfer, cut short.", &Chunk{Transfer: 12, Offset: 65536, Data: ramp(0xf0, 32)}},
}

func TestVectors(t *testing.T) {
	files, err := filepath.Glob("testdata/vectors/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	if !*update && len(files) != len(vectors) {
		t.Errorf("testdata/vectors has %d files, want %d", len(files), len(vectors))
	}
	covered := map[Kind]bool{}
	for _, v := range vectors {
		covered[KindOf(v.m)] = true
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join("testdata", "vectors", v.name+".txt")
			if *update {
				if err := os.WriteFile(path, []byte(vectorFile(v.note, v.m)), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			frame, text := readVector(t, path)
			if got := Append(nil, v.m); !bytes.Equal(got, frame) {
				t.Errorf("Append = %x, want %x", got, frame)
			}
			if got := Size(v.m); got != len(frame) {
				t.Errorf("Size = %d, want %d", got, len(frame))
			}
			got, err := Decode(frame)
			if err != nil {
				t.Fatalf("Decode: %v", err)
			}
			if !equal(got, v.m) {
				t.Errorf("Decode = %s, want %s", render(got), render(v.m))
			}
			if got := render(got); got != text {
				t.Errorf("decoded message is\n%s\nwant\n%s", got, text)
			}
		})
	}
	for k := KindHello; k <= KindChunk; k++ {
		if !covered[k] {
			t.Errorf("no vector of kind %v", k)
		}
	}
}

// vectorFile returns a file of testdata/vectors.
func vectorFile(note string, m Message) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n", note)
	for row := range slices.Chunk(Append(nil, m), 32) {
		fmt.Fprintf(&b, "%x\n", row)
	}
	b.WriteString("\n" + render(m))
	return b.String()
}

// readVector returns the frame of a vector file, and the message in
// protobuf's text format.
func readVector(t testing.TB, path string) (frame []byte, text string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.SplitN(string(b), "\n\n", 3)
	if len(parts) != 3 {
		t.Fatalf("%s: has %d paragraphs, want a note, the frame in hexadecimal and the message", path, len(parts))
	}
	frame, err = hex.DecodeString(strings.ReplaceAll(parts[1], "\n", ""))
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return frame, parts[2]
}

// equal compares messages, floats by their bits.
func equal(a, b Message) bool {
	return reflect.TypeOf(a) == reflect.TypeOf(b) && render(a) == render(b) && bytes.Equal(Append(nil, a), Append(nil, b))
}

// render returns m in protobuf's text format, as a Frame.
func render(m Message) string {
	var b strings.Builder
	renderMessage(&b, "", KindOf(m).String(), reflect.ValueOf(m).Elem())
	return b.String()
}

func renderMessage(b *strings.Builder, indent, name string, v reflect.Value) {
	var fields strings.Builder
	for i := range v.NumField() {
		renderField(&fields, indent+"  ", snake(v.Type().Field(i).Name), v.Field(i))
	}
	if fields.Len() == 0 {
		fmt.Fprintf(b, "%s%s {}\n", indent, name)
		return
	}
	fmt.Fprintf(b, "%s%s {\n%s%s}\n", indent, name, fields.String(), indent)
}

func renderField(b *strings.Builder, indent, name string, v reflect.Value) {
	line := func(s string) { fmt.Fprintf(b, "%s%s: %s\n", indent, name, s) }
	if v.Kind() == reflect.Slice {
		if v.Type().Elem().Kind() == reflect.Uint8 {
			if v.Len() > 0 {
				line(quote(v.Bytes()))
			}
			return
		}
		for i := range v.Len() {
			if e := v.Index(i); e.Kind() == reflect.Struct {
				renderMessage(b, indent, name, e)
			} else {
				line(number(e))
			}
		}
		return
	}
	if v.CanFloat() && math.Float64bits(v.Float()) != 0 { // -0 is IsZero
		line(float(v.Float(), v.Type().Bits()))
		return
	}
	if v.Kind() == reflect.Struct {
		var sub strings.Builder
		if renderMessage(&sub, indent, name, v); sub.String() != indent+name+" {}\n" {
			b.WriteString(sub.String())
		}
		return
	}
	if v.IsZero() {
		return
	}
	switch v.Kind() {
	case reflect.String:
		line(quote([]byte(v.String())))
	case reflect.Bool:
		line("true")
	default:
		line(number(v))
	}
}

// number renders an integer, or an enumeration's value as in fedtab.proto.
func number(v reflect.Value) string {
	s, ok := v.Interface().(fmt.Stringer)
	if !ok || v.Type() == reflect.TypeFor[CloseCode]() {
		return strconv.FormatUint(v.Uint(), 10)
	}
	if words := s.String(); !strings.HasSuffix(words, " "+strconv.FormatUint(v.Uint(), 10)) {
		return strings.ToUpper(snake(v.Type().Name()) + "_" + strings.NewReplacer(" ", "_", "-", "_").Replace(words))
	}
	return strconv.FormatUint(v.Uint(), 10)
}

func float(v float64, bits int) string {
	switch {
	case math.IsNaN(v):
		return "nan"
	case math.IsInf(v, 1):
		return "inf"
	case math.IsInf(v, -1):
		return "-inf"
	}
	s := strconv.FormatFloat(v, 'g', -1, bits)
	if s == "-0" { // an integer to the text format, which has no negative zero
		s = "-0.0"
	}
	return s
}

func quote(s []byte) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range s {
		if c >= ' ' && c <= '~' && c != '"' && c != '\\' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, `\x%02x`, c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// snake turns BaseHash into base_hash and LR into lr.
func snake(s string) string {
	var b strings.Builder
	small := false
	for _, c := range s {
		if unicode.IsUpper(c) && small {
			b.WriteByte('_')
		}
		small = unicode.IsLower(c)
		b.WriteRune(unicode.ToLower(c))
	}
	return b.String()
}

// broken are frames that Decode refuses.
var broken = []struct {
	name  string
	frame string // hexadecimal
	want  error
	path  string
}{
	{"empty", "", ErrMalformed, "frame"},
	{"broken tag", "ff", ErrMalformed, "frame"},
	{"field number 0", "0200", ErrMalformed, "frame"},
	{"truncated message", "0a05", ErrMalformed, "frame"},
	{"truncated field", "0a020a05", ErrMalformed, "hello"},
	{"trailing garbage", "0a00ff", ErrMalformed, "frame"},
	{"message as a number", "0801", ErrMalformed, "hello"},
	{"group", "0b0c", ErrMalformed, "frame"},
	{"wrong wire type", "0a020801", ErrMalformed, "hello.protocol"},
	{"float as a double", "22" + "0b" + "3209" + "21" + "0000000000000000", ErrMalformed, "order.hyper.lr"},
	{"two messages of one kind", "0a000a00", ErrMalformed, "hello"},
	{"two messages", "0a001200", ErrMalformed, "welcome"},
	{"field twice", "52" + "04" + "0801" + "0801", ErrMalformed, "fetch.order"},
	{"sub-message twice", "22" + "04" + "3200" + "3200", ErrMalformed, "order.hyper"},
	{"number of 11 bytes", "520c08ffffffffffffffffffff01", ErrMalformed, "fetch"},
	{"number over 32 bits", "1206" + "108080808010", ErrMalformed, "welcome.participant"},
	{"enumeration over 31 bits", "6206" + "088080808008", ErrMalformed, "tab.state"},
	{"bool of 2", "4a021002", ErrMalformed, "want.full"},
	{"text not UTF-8", "0a030a01ff", ErrMalformed, "hello.protocol"},
	{"hash of 1 byte", "0a033a01ff", ErrMalformed, "hello.held_hash"},
	{"packed number truncated", "0a032a0180", ErrMalformed, "hello.codecs"},
	{"packed number over 32 bits", "1a07" + "1a05" + "8080808010", ErrMalformed, "shards.shards"},
	{"vector's hash", "32" + "07" + "3200" + "3203" + "120100", ErrMalformed, "contribution.vectors[1].base_hash"},
	{"block inline and announced", "2a07" + "2a05" + "2a0100" + "3001", ErrMalformed, "model.vectors[0].size"},
	{"some blocks inline, some announced", "2a09" + "2a03" + "2a0100" + "2a02" + "3001", ErrMalformed, "model.vectors"},
	{"block larger than any model", "2a08" + "2a06" + "308080808002", ErrTooLarge, "model.vectors[0].size"},
	{"text too long", "0a8408" + "22" + "8108" + strings.Repeat("61", 1025), ErrTooLarge, "hello.client"},
	{"name too long", "0a8401" + "0a" + "8101" + strings.Repeat("61", 129), ErrTooLarge, "hello.protocol"},
	{"token too long", "0a8402" + "1a" + "8102" + strings.Repeat("61", 257), ErrTooLarge, "hello.resume_token"},
	{"too many codecs", "0a43" + "2a41" + strings.Repeat("00", 65), ErrTooLarge, "hello.codecs"},
	{"too many codecs, unpacked", "0a8201" + strings.Repeat("2800", 65), ErrTooLarge, "hello.codecs"},
	{"too many vectors", "2a8204" + strings.Repeat("2a00", 257), ErrTooLarge, "model.vectors"},
	{"too many unknown fields", "0a8201" + strings.Repeat("7000", 65), ErrTooLarge, "hello"},
	{"unknown kind", "820100", ErrUnknownKind, ""},
	{"unknown kind as a number", "800105", ErrUnknownKind, ""},
	{"too many unknown kinds", strings.Repeat("820100", 65), ErrTooLarge, "frame"},
	{"frame too large", strings.Repeat("00", MaxFrame+1), ErrTooLarge, "frame"},
}

func TestDecodeRefuses(t *testing.T) {
	for _, c := range broken {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			frame, err := hex.DecodeString(c.frame)
			if err != nil {
				t.Fatal(err)
			}
			m, err := Decode(frame)
			if m != nil || !errors.Is(err, c.want) {
				t.Fatalf("Decode = %v, %v, want error %v", m, err, c.want)
			}
			var f *FieldError
			if errors.As(err, &f) && f.Path != c.path || f == nil && c.path != "" {
				t.Errorf("error is %q, want path %q", err, c.path)
			}
		})
	}
}

func TestDecodeAccepts(t *testing.T) {
	for _, c := range []struct {
		name  string
		frame string
		want  Message
	}{
		{"zero values", "5204" + "0800" + "1000", &Fetch{}},
		{"fields in any order", "5204" + "1003" + "0801", &Fetch{Order: 1, Codec: 3}},
		{"a longer number than need be", "5203" + "088100", &Fetch{Order: 1}},
		{"list not packed", "0a04" + "2801" + "2802", &Hello{Codecs: []Codec{1, 2}}},
		{"list in pieces", "0a07" + "2a0101" + "2802" + "2a00", &Hello{Codecs: []Codec{1, 2}}},
		{"unknown field", "5205" + "7a0100" + "0801", &Fetch{Order: 1}},
		{"unknown field beside the message", "820100" + "52020801", &Fetch{Order: 1}},
		{"negative zero", "2207" + "3205" + "25" + "00000080", &Order{Hyper: Hyper{LR: float32(math.Copysign(0, -1))}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			frame, err := hex.DecodeString(c.frame)
			if err != nil {
				t.Fatal(err)
			}
			got, err := Decode(frame)
			if err != nil {
				t.Fatal(err)
			}
			if !equal(got, c.want) {
				t.Errorf("Decode = %s, want %s", render(got), render(c.want))
			}
		})
	}
}

// TestDecodeAliases pins what the doc comment of Decode promises.
func TestDecodeAliases(t *testing.T) {
	frame := Append(nil, &Contribution{Vectors: []Vector{{BaseHash: ramp(1, 32), Block: ramp(50, 8)}}})
	m, err := Decode(frame)
	if err != nil {
		t.Fatal(err)
	}
	clear(frame)
	v := m.(*Contribution).Vectors[0]
	if !bytes.Equal(v.BaseHash, ramp(1, 32)) {
		t.Error("a hash aliases the frame")
	}
	if !bytes.Equal(v.Block, make([]byte, 8)) {
		t.Error("a block does not alias the frame")
	}
	if cap(v.Block) != 8 {
		t.Errorf("cap(Block) = %d: appending to it would overwrite the frame", cap(v.Block))
	}
}
