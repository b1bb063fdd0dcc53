package protocol

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestReconnect(t *testing.T) {
	for _, c := range []struct {
		code CloseCode
		want bool
		name string
	}{
		{1000, false, "normal"},
		{1001, true, "close code 1001"},
		{1002, false, "close code 1002"},
		{1003, false, "close code 1003"},
		{1005, true, "close code 1005"},
		{1006, true, "close code 1006"},
		{1007, false, "close code 1007"},
		{1008, false, "close code 1008"},
		{1009, false, "close code 1009"},
		{1010, false, "close code 1010"},
		{1011, true, "close code 1011"},
		{1012, true, "close code 1012"},
		{3000, true, "close code 3000"},
		{CloseShutdown, true, "shutdown"},
		{CloseOverloaded, true, "overloaded"},
		{4499, true, "close code 4499"},
		{CloseProtocolVersion, false, "protocol version"},
		{CloseSuperseded, false, "superseded"},
		{4999, false, "close code 4999"},
	} {
		if got := c.code.Reconnect(); got != c.want {
			t.Errorf("%d.Reconnect() = %v, want %v", uint16(c.code), got, c.want)
		}
		if got := c.code.String(); got != c.name {
			t.Errorf("%d.String() = %q, want %q", uint16(c.code), got, c.name)
		}
	}
}

func TestCloseCodes(t *testing.T) {
	all := CloseCodes()
	for c := range CloseCode(math.MaxUint16) {
		named := !strings.HasPrefix(c.String(), "close code ")
		if got := slices.Contains(all, c); got != named {
			t.Errorf("%d, %s: in the list %v, want %v", uint16(c), c, got, named)
		}
	}
}

func TestCloseFor(t *testing.T) {
	for _, c := range []struct {
		err  error
		want CloseCode
	}{
		{nil, 0},
		{errors.New("other"), 0},
		{&UnknownKindError{99}, 0},
		{&FieldError{"hello.task", "not UTF-8", ErrMalformed}, CloseMalformed},
		{fmt.Errorf("read: %w", ErrTooLarge), CloseTooLarge},
		{fmt.Errorf("read: %w", ErrTransfer), CloseUnexpected},
		{fmt.Errorf("read: %w", &CloseError{Code: CloseAbuse}), CloseAbuse},
	} {
		if got := CloseFor(c.err); got != c.want {
			t.Errorf("CloseFor(%v) = %v, want %v", c.err, got, c.want)
		}
	}
}

func TestStrings(t *testing.T) {
	for _, c := range []struct {
		got  fmt.Stringer
		want string
	}{
		{KindContribution, "contribution"}, {Kind(16), "kind 16"}, {Kind(0), "kind 0"},
		{OrderBase, "base"}, {OrderReport, "report"}, {OrderKind(7), "order kind 7"}, {PayloadIntegers, "integers"}, {PayloadMasked, "masked"}, {PayloadKind(5), "payload kind 5"},
		{RoleControl, "control"}, {Role(0), "role 0"},
		{CodecFloat32, "float32"}, {Codec(math.MaxUint32), "codec 4294967295"},
		{ReasonOutOfBounds, "out of bounds"}, {ReasonAbandoned, "abandoned"}, {Reason(15), "reason 15"},
		{TabPaused, "paused"}, {TabState(5), "tab state 5"},
		{PhaseCommitting, "committing"}, {PhasePaused, "paused"}, {Phase(0), "phase 0"},
		{LayerDense, "dense"}, {ActivationIdentity, "identity"},
	} {
		if got := c.got.String(); got != c.want {
			t.Errorf("String() = %q, want %q", got, c.want)
		}
	}
}

func TestErrorsSayWhereAndWhat(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{&FieldError{"contribution.vectors[2].base_hash", "5 bytes, want 0 or 32", ErrMalformed},
			"protocol: contribution.vectors[2].base_hash: malformed: 5 bytes, want 0 or 32"},
		{&UnknownKindError{16}, "protocol: unknown kind of message 16"},
		{&CloseError{CloseFinished, "accuracy reached"}, "protocol: session closed: finished (4507): accuracy reached"},
		{&CloseError{Code: 1006}, "protocol: session closed: close code 1006 (1006)"},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("Error() = %q, want %q", got, c.want)
		}
	}
}

func TestFrameOverhead(t *testing.T) {
	for _, c := range []struct{ payload, plain, masked int }{
		{0, 2, 6}, {125, 2, 6}, {126, 4, 8}, {65535, 4, 8}, {65536, 10, 14},
	} {
		if got := FrameOverhead(c.payload, false); got != c.plain {
			t.Errorf("FrameOverhead(%d, false) = %d, want %d", c.payload, got, c.plain)
		}
		if got := FrameOverhead(c.payload, true); got != c.masked {
			t.Errorf("FrameOverhead(%d, true) = %d, want %d", c.payload, got, c.masked)
		}
	}
}

// TestLargestFrames encodes the largest message of each kind that could fill
// a frame.
func TestLargestFrames(t *testing.T) {
	const most = math.MaxInt32 // of an enumeration
	v := make([]Vector, MaxVectors)
	for i := range v {
		v[i] = Vector{Role: most, BaseHash: ramp(0, HashSize), Part: math.MaxUint32, Codec: most, Block: make([]byte, InlineBody/MaxVectors)}
	}
	shards := make([]uint32, MaxShards)
	for i := range shards {
		shards[i] = math.MaxUint32
	}
	for _, m := range []Message{
		&Contribution{math.MaxUint64, math.MaxUint64, math.MaxUint64, math.MaxUint64,
			Metrics{math.MaxUint64, math.MaxUint64, -1, math.MaxUint64, math.MaxUint32}, v},
		&Chunk{math.MaxUint64, math.MaxUint64, make([]byte, ChunkSize)},
		&Shards{math.MaxUint64, strings.Repeat("a", MaxText), shards, math.MaxUint32},
	} {
		frame := Append(nil, m)
		if len(frame) > MaxFrame {
			t.Errorf("%v of %d bytes, want at most %d", KindOf(m), len(frame), MaxFrame)
		}
		if _, err := Decode(frame); err != nil {
			t.Error(err)
		}
	}
}

func TestMaxBody(t *testing.T) {
	for _, c := range []struct {
		parameters uint64
		vectors    int
		want       int64
	}{
		{199210, 1, 796840 + BlockOverhead},
		{0, 2, 2 * BlockOverhead},
		{math.MaxUint64, 1, MaxBlock},
		{1, -1, 0},
		{1, math.MaxInt, MaxVectors * (4 + BlockOverhead)},
	} {
		if got := MaxBody(c.parameters, c.vectors); got != c.want {
			t.Errorf("MaxBody(%d, %d) = %d, want %d", c.parameters, c.vectors, got, c.want)
		}
	}
}

func TestClipText(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"short", "π", "π"},
		{"long", strings.Repeat("a", MaxText+1), strings.Repeat("a", MaxText)},
		{"cut between characters", strings.Repeat("a", MaxText-1) + "π", strings.Repeat("a", MaxText-1)},
		{"broken", "a\xffb\xc3", "a?b?"},
		{"all broken", strings.Repeat("\x80", 2*MaxText), strings.Repeat("?", MaxText-utf8.UTFMax)},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := ClipText(c.in); got != c.want {
				t.Errorf("ClipText = %q, want %q", got, c.want)
			}
		})
	}
}

// TestAppendClipsTexts: no text for people makes a frame that the peer would
// refuse.
func TestAppendClipsTexts(t *testing.T) {
	bad := "\xff" + strings.Repeat("ä", MaxText)
	for _, m := range []Message{
		&Hello{Client: bad}, &Welcome{Title: bad}, &Ack{Detail: bad}, &Decline{Detail: bad}, &Status{Reason: bad}, &Bye{Detail: bad},
	} {
		frame := Append(nil, m)
		if Size(m) != len(frame) {
			t.Errorf("%v: Size = %d, want %d", KindOf(m), Size(m), len(frame))
		}
		got, err := Decode(frame)
		if err != nil {
			t.Error(err)
		} else if !strings.Contains(render(got), strings.Repeat(`\xc3\xa4`, MaxText/2-1)) {
			t.Errorf("%v: the text is lost", KindOf(m))
		}
	}
}

func TestAssemblerRefuses(t *testing.T) {
	announce := func(n uint64) Message { return &Model{Transfer: 7, Vectors: []Vector{{Size: n}}} }
	data := make([]byte, ChunkSize+1)
	for _, c := range []struct {
		name  string
		chunk Chunk
	}{
		{"wrong transfer", Chunk{6, 2048, data[:2048]}},
		{"gap", Chunk{7, 2049, data[:2048]}},
		{"overlap", Chunk{7, 2047, data[:2048]}},
		{"again", Chunk{7, 0, data[:2048]}},
		{"overrun", Chunk{7, 2048, data[:5000-2048+1]}},
		{"too short", Chunk{7, 2048, data[:MinChunk-1]}},
		{"empty", Chunk{7, 2048, nil}},
	} {
		for _, skip := range []bool{false, true} {
			t.Run(c.name, func(t *testing.T) {
				var a Assembler
				start := func() error { return a.Start(announce(5000), 5000, nil) }
				if skip {
					start = func() error { return a.Skip(announce(5000), 5000) }
				}
				if err := start(); err != nil {
					t.Fatal(err)
				}
				if m, err := a.Add(&Chunk{7, 0, data[:2048]}); m != nil || err != nil {
					t.Fatal(m, err)
				}
				m, err := a.Add(&c.chunk)
				if m != nil || !errors.Is(err, ErrTransfer) {
					t.Errorf("Add = %v, %v, want ErrTransfer", m, err)
				}
				if a.Open() {
					t.Error("the transfer goes on")
				}
				if err := start(); err != nil {
					t.Errorf("the next transfer: %v", err)
				}
			})
		}
	}
	t.Run("chunk larger than ChunkSize", func(t *testing.T) {
		var a Assembler
		if err := a.Start(announce(1<<20), 1<<20, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Add(&Chunk{7, 0, data}); !errors.Is(err, ErrTransfer) {
			t.Errorf("Add: %v, want ErrTransfer", err)
		}
	})
	t.Run("start", func(t *testing.T) {
		var a Assembler
		if _, err := a.Add(&Chunk{}); !errors.Is(err, ErrTransfer) {
			t.Errorf("chunk without an announcement: %v, want ErrTransfer", err)
		}
		if err := a.Start(&Ack{}, 10, nil); !errors.Is(err, ErrTransfer) {
			t.Errorf("nothing announced: %v, want ErrTransfer", err)
		}
		if err := a.Start(announce(11), 10, nil); !errors.Is(err, ErrTooLarge) {
			t.Errorf("over the limit: %v, want ErrTooLarge", err)
		}
		if err := a.Start(announce(MaxBlock), -1, nil); !errors.Is(err, ErrTooLarge) {
			t.Errorf("negative limit: %v, want ErrTooLarge", err)
		}
		if err := a.Start(announce(10), 10, nil); err != nil {
			t.Fatal(err)
		}
		if err := a.Start(announce(10), 10, nil); !errors.Is(err, ErrTransfer) {
			t.Errorf("a second announcement: %v, want ErrTransfer", err)
		}
		if !a.Open() {
			t.Error("a second announcement ended the first")
		}
	})
	t.Run("skip", func(t *testing.T) {
		var a Assembler
		if err := a.Skip(announce(MaxBlock), MaxBlock); err != nil {
			t.Fatal(err)
		}
		if cap(a.buf) != 0 {
			t.Error("Skip allocates the body")
		}
		a.Reset()
		if err := a.Skip(announce(10), 10); err != nil {
			t.Fatal(err)
		}
		if m, err := a.Add(&Chunk{7, 0, data[:10]}); m != nil || err != nil || a.Open() {
			t.Errorf("Add = %v, %v, open %v, want nil, nil, false", m, err, a.Open())
		}
	})
}

func TestAssemblerReusesBuffer(t *testing.T) {
	var a Assembler
	buf := make([]byte, 10, 5000)
	if err := a.Start(&Model{Vectors: []Vector{{Size: 3000}, {Role: RoleControl}, {Size: 2000}}}, 5000, buf); err != nil {
		t.Fatal(err)
	}
	body := bytes.Repeat(ramp(1, 50), 100)
	m, err := a.Add(&Chunk{0, 0, body})
	if err != nil {
		t.Fatal(err)
	}
	v := m.(*Model).Vectors
	if &v[0].Block[0] != &buf[0] {
		t.Error("the body is not in the buffer")
	}
	if cap(v[0].Block) != 3000 {
		t.Errorf("cap of the first block = %d: appending to it would overwrite the second", cap(v[0].Block))
	}
	if !bytes.Equal(v[0].Block, body[:3000]) || v[1].Block != nil || !bytes.Equal(v[2].Block, body[3000:]) {
		t.Error("the blocks are not the body's pieces")
	}
}

// TestDecodeAllocates bounds what hostile frames make Decode allocate.
func TestDecodeAllocates(t *testing.T) {
	empty := bytes.Repeat([]byte{0x2a, 0}, MaxVectors)
	frame := append([]byte{0x2a, 0x80, 0x04}, empty...)
	got := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := Decode(frame); err != nil {
				b.Fatal(err)
			}
		}
	}).AllocedBytesPerOp()
	if got > 80_000 {
		t.Errorf("%d empty vectors allocate %d bytes, want at most 80,000", MaxVectors, got)
	}
}

// TestDocumentation keeps the tables of docs/protocol.md true.
func TestDocumentation(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "docs", "protocol.md"))
	if err != nil {
		t.Fatal(err)
	}
	doc := string(b)
	documented := map[string]any{
		"ChunkSize": ChunkSize, "MinChunk": MinChunk, "InlineBody": InlineBody, "MaxFrame": MaxFrame, "MaxFragments": MaxFragments, "MaxDrain": MaxDrain,
		"HashSize": HashSize, "MaxText": MaxText, "MaxName": MaxName, "MaxToken": MaxToken, "MaxCodecs": MaxCodecs,
		"MaxVectors": MaxVectors, "MaxPayloads": MaxPayloads, "MaxCount": MaxCount, "MaxBlock": MaxBlock, "MaxShards": MaxShards, "MaxDimensions": MaxDimensions, "MaxLayers": MaxLayers,
		"MaxUnits": MaxUnits, "MaxParameters": MaxParameters, "MaxUnknown": MaxUnknown, "BlockOverhead": BlockOverhead,
		"MaxWeight": MaxWeight, "MaxDelta": MaxDelta, "HelloTimeout": HelloTimeout, "PingInterval": PingInterval,
		"PongTimeout": PongTimeout, "WriteTimeout": WriteTimeout, "CloseTimeout": CloseTimeout,
		"TokenLife": TokenLife, "MaxTakeOvers": MaxTakeOvers, "ReconnectMin": ReconnectMin, "ReconnectMax": ReconnectMax, "SendQueue": SendQueue, "SendQueueBytes": SendQueueBytes,
		"MaxMessageRate": MaxMessageRate, "MessageBurst": MessageBurst, "MaxRejected": MaxRejected,
		"FrameTimeout": FrameTimeout, "BodyGrace": BodyGrace, "MinBodyRate": MinBodyRate,
		"MaxSessions": MaxSessions, "MaxPerAddress": MaxPerAddress, "MaxHandshakeRate": MaxHandshakeRate, "HandshakeBurst": HandshakeBurst, "MaxBodies": MaxBodies,
		"MessagesPerOrder": MessagesPerOrder, "MaxModelRate": MaxModelRate, "ModelBurst": ModelBurst,
		"MaxConnectionRate": MaxConnectionRate, "ConnectionBurst": ConnectionBurst, "MaxRequestRate": MaxRequestRate, "RequestBurst": RequestBurst, "MaxProbeRate": MaxProbeRate, "ProbeBurst": ProbeBurst, "MaxDownloadRate": MaxDownloadRate, "DownloadBurst": DownloadBurst,
		"MaxClasses": MaxClasses, "MaxAnswers": MaxAnswers, "MaxModelFiles": MaxModelFiles, "MinFileRate": MinFileRate,
		"MaxConnections": MaxConnections, "MaxRequests": MaxRequests, "ConnectionsPerParticipant": ConnectionsPerParticipant, "IdleTimeout": IdleTimeout, "MaxHeader": MaxHeader, "MaxStreams": MaxStreams,
		"MaxAdminConnections": MaxAdminConnections, "MaxLoggedAddresses": MaxLoggedAddresses, "MaxWants": MaxWants, "MaxParticipants": MaxParticipants,
		"ParticipantEvents": ParticipantEvents, "ParticipantEventTime": ParticipantEventTime, "AddressEvents": AddressEvents, "AddressEventTime": AddressEventTime, "RunEvents": RunEvents, "RunEventTime": RunEventTime,
		"MaxUnsent": MaxUnsent, "MaxNumbers": MaxNumbers, "EnquiryOrders": uint64(EnquiryOrders),
	}
	for name, value := range documented {
		if row := fmt.Sprintf("\n| `%s` | %v", name, value); !strings.Contains(doc, row+" ") {
			t.Errorf("docs/protocol.md lacks the row %q", row[1:])
		}
	}
	f, err := parser.ParseFile(token.NewFileSet(), "limits.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, s := range g.Specs {
			for _, n := range s.(*ast.ValueSpec).Names {
				if _, ok := documented[n.Name]; !ok {
					t.Errorf("%s is not among the documented limits", n.Name)
				}
			}
		}
	}
	codes := 0
	for c := CloseCode(1000); c < 5000; c++ {
		if strings.HasPrefix(c.String(), "close code ") {
			continue
		}
		codes++
		reconnect := map[bool]string{true: "yes", false: "no"}[c.Reconnect()]
		if row := fmt.Sprintf("\n| %d | %v | %s |", uint16(c), c, reconnect); !strings.Contains(doc, row) {
			t.Errorf("docs/protocol.md lacks the row %q", row[1:])
		}
	}
	if codes != 18 {
		t.Errorf("%d close codes have names, want 18", codes)
	}
	for k := Kind(1); k <= Kinds; k++ {
		if !k.known() {
			continue
		}
		name := k.String()
		if head := fmt.Sprintf("\n### %d %s%s, ", k, strings.ToUpper(name[:1]), name[1:]); !strings.Contains(doc, head) {
			t.Errorf("docs/protocol.md lacks the section %q", head[1:])
		}
	}
}

// TestImports keeps the package small and pure: it goes into every tab.
func TestImports(t *testing.T) {
	allowed := map[string]bool{
		"errors": true, "fmt": true, "iter": true, "math": true, "math/bits": true, "slices": true, "strconv": true, "time": true, "unicode/utf8": true,
		"google.golang.org/protobuf/encoding/protowire": true,
	}
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range f.Imports {
			if path, _ := strconv.Unquote(i.Path.Value); !allowed[path] {
				t.Errorf("%s imports %s", name, path)
			}
		}
	}
}

func Example() {
	// A client sends what it has learned.
	sent := &Contribution{
		Transfer: 1, Order: 9, Round: 13, Weight: 600,
		Vectors: []Vector{{Role: RoleDelta, Codec: CodecFloat32, Block: make([]byte, 100_000)}},
	}
	fmt.Println(WireSize(sent, true), "bytes on the wire")

	// The coordinator puts it together.
	var body Assembler
	for frame := range Frames(sent, nil) {
		m, err := Decode(frame)
		if err != nil {
			fmt.Println("close with", CloseFor(err))
			return
		}
		switch m := m.(type) {
		case *Contribution:
			fmt.Println("announced:", Announced(m), "bytes")
			if err := body.Start(m, MaxBody(25_000, 1), nil); err != nil {
				fmt.Println("close with", CloseFor(err))
				return
			}
		case *Chunk:
			whole, err := body.Add(m)
			if err != nil {
				fmt.Println("close with", CloseFor(err))
				return
			}
			if whole != nil {
				c := whole.(*Contribution)
				fmt.Println("complete:", c.Vectors[0].Role, "of", len(c.Vectors[0].Block), "bytes")
			}
		}
	}
	// Output:
	// 100071 bytes on the wire
	// announced: 100000 bytes
	// complete: delta of 100000 bytes
}

// update2NN is a raw contribution of 199,210 parameters.
func update2NN() *Contribution {
	return &Contribution{Transfer: 1, Order: 9, Round: 13, Weight: 600,
		Metrics: Metrics{Examples: 600, Steps: 60, LossSum: 812.5, Correct: 431, Millis: 57},
		Vectors: []Vector{{Role: RoleDelta, BaseHash: ramp(0, HashSize), Block: make([]byte, 4*199210)}}}
}

func BenchmarkFrames2NN(b *testing.B) {
	m, buf := update2NN(), make([]byte, 0, MaxFrame)
	b.SetBytes(int64(len(m.Vectors[0].Block)))
	b.ReportAllocs()
	for b.Loop() {
		for f := range Frames(m, buf) {
			_ = f
		}
	}
}

func BenchmarkAppendFrames2NN(b *testing.B) {
	m := update2NN()
	var frames [][]byte
	b.SetBytes(int64(len(m.Vectors[0].Block)))
	b.ReportAllocs()
	for b.Loop() {
		frames = AppendFrames(frames[:0], m)
	}
}

func BenchmarkAssemble2NN(b *testing.B) {
	m := update2NN()
	frames := AppendFrames(nil, m)
	buf := make([]byte, len(m.Vectors[0].Block))
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		var a Assembler
		for _, f := range frames {
			m, err := Decode(f)
			if err != nil {
				b.Fatal(err)
			}
			if c, ok := m.(*Chunk); ok {
				_, err = a.Add(c)
			} else {
				err = a.Start(m, int64(len(buf)), buf)
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkWireSize2NN(b *testing.B) {
	m := update2NN()
	b.ReportAllocs()
	for b.Loop() {
		WireSize(m, true)
	}
}

func BenchmarkSmall(b *testing.B) {
	for _, v := range vectors {
		switch v.name {
		case "welcome", "order", "status", "ack":
		default:
			continue
		}
		frame := Append(nil, v.m)
		b.Run("append/"+v.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				frame = Append(frame[:0], v.m)
			}
		})
		b.Run("decode/"+v.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Decode(frame); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestAppendAllocatesNothing holds for every vector, given room.
func TestAppendAllocatesNothing(t *testing.T) {
	dst := make([]byte, 0, MaxFrame)
	for _, v := range vectors {
		if n := testing.AllocsPerRun(10, func() { dst = Append(dst[:0], v.m); Size(v.m); WireSize(v.m, true) }); n != 0 {
			t.Errorf("%s: %v allocations", v.name, n)
		}
	}
}
