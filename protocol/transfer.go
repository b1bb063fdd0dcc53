package protocol

import (
	"fmt"
	"iter"

	"google.golang.org/protobuf/encoding/protowire"
)

// vectorsOf returns the body of m, which is empty unless m is a Model, a Contribution or a
// Secure.
func vectorsOf(m Message) (transfer uint64, vectors []Vector) {
	switch m := m.(type) {
	case *Model:
		return m.Transfer, m.Vectors
	case *Contribution:
		return m.Transfer, m.Vectors
	case *Secure:
		return m.Transfer, m.Vectors
	}
	return 0, nil
}

// bodySize returns the bytes of the blocks at hand.
func bodySize(vectors []Vector) int {
	n := 0
	for i := range vectors {
		n += len(vectors[i].Block)
	}
	return n
}

// Announced returns the size of the body that follows m in chunks. It is 0
// for a message that is complete.
func Announced(m Message) uint64 {
	_, vectors := vectorsOf(m)
	var n uint64
	for i := range vectors {
		n += vectors[i].Size
	}
	return n
}

// Frames yields the frames of m in the order in which they are to be sent:
// one, or the announcement and the chunks of a message with a body whose
// body exceeds InlineBody. No Vector of m may have a Size.
//
// Every frame lies in buf, which grows if it lacks room, and is valid until the
// next frame is yielded. A frame of a cut body is at most MaxFrame. AppendFrames
// makes frames that stay valid.
func Frames(m Message, buf []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		transfer, vectors := vectorsOf(m)
		body := bodySize(vectors)
		if body <= InlineBody {
			yield(Append(buf[:0], m))
			return
		}
		w := writer{b: buf[:0], announcing: true}
		w.frame(m)
		if !yield(w.b) {
			return
		}
		buf = w.b
		c := cutter{transfer: transfer, vectors: vectors, body: body}
		for c.offset < body {
			buf = c.append(buf[:0])
			if !yield(buf) {
				return
			}
		}
	}
}

// AppendFrames appends the frames of m to dst, as Frames yields them. They
// lie in memory of their own, allocated at once, and stay valid: a coordinator
// frames a model once for all clients.
func AppendFrames(dst [][]byte, m Message) [][]byte {
	transfer, vectors := vectorsOf(m)
	body := bodySize(vectors)
	if body <= InlineBody {
		return append(dst, Append(make([]byte, 0, Size(m)), m))
	}
	count := writer{counting: true, announcing: true}
	count.frame(m)
	total := count.n
	for offset := 0; offset < body; offset += ChunkSize {
		total += chunkSize(transfer, offset, min(ChunkSize, body-offset))
	}
	w := writer{b: make([]byte, 0, total), announcing: true}
	w.frame(m)
	dst = append(dst, w.b[:len(w.b):len(w.b)])
	b := w.b
	c := cutter{transfer: transfer, vectors: vectors, body: body}
	for c.offset < body {
		from := len(b)
		b = c.append(b)
		dst = append(dst, b[from:len(b):len(b)])
	}
	return dst
}

// chunkSize returns the size of the frame of a chunk of n bytes.
func chunkSize(transfer uint64, offset, n int) int {
	inner := chunkHeader(transfer, offset, n) + n
	return protowire.SizeTag(protowire.Number(KindChunk)) + protowire.SizeBytes(inner)
}

// chunkHeader returns the size of a Chunk before its data.
func chunkHeader(transfer uint64, offset, n int) int {
	w := writer{counting: true}
	w.uint(1, transfer)
	w.uint(2, uint64(offset))
	w.open(3, n)
	return w.n
}

// A cutter cuts a body into the frames of chunks.
type cutter struct {
	transfer uint64
	vectors  []Vector // what is left; of the first, what follows skip
	skip     int
	offset   int // in the body
	body     int
}

// appendChunkHead appends the frame of a chunk of n bytes, without its data.
func appendChunkHead(b []byte, transfer uint64, offset, n int) []byte {
	w := writer{b: b}
	w.open(protowire.Number(KindChunk), chunkHeader(transfer, offset, n)+n)
	w.uint(1, transfer)
	w.uint(2, uint64(offset))
	w.open(3, n)
	return w.b
}

// append appends the frame of the next chunk.
func (c *cutter) append(b []byte) []byte {
	n := min(ChunkSize, c.body-c.offset)
	w := writer{b: appendChunkHead(b, c.transfer, c.offset, n)}
	c.offset += n
	for n > 0 {
		rest := c.vectors[0].Block[c.skip:]
		k := min(n, len(rest))
		w.b = append(w.b, rest[:k]...)
		c.skip += k
		n -= k
		if k == len(rest) {
			c.vectors, c.skip = c.vectors[1:], 0
		}
	}
	return w.b
}

// FrameOverhead returns the bytes that WebSocket (RFC 6455) puts before a
// payload of the given size in one unfragmented frame: 2, 4 or 10, and 4 more
// for the mask of a client's frames.
func FrameOverhead(payload int, masked bool) int {
	n := 2
	switch {
	case payload > 0xFFFF:
		n = 10
	case payload > 125:
		n = 4
	}
	if masked {
		n += 4
	}
	return n
}

// WireSize returns the bytes of all frames of m, with the WebSocket headers,
// without encoding. A real and a simulated socket are charged the same. masked
// is true for a client's frames.
func WireSize(m Message, masked bool) int64 {
	transfer, vectors := vectorsOf(m)
	body := bodySize(vectors)
	w := writer{counting: true, announcing: body > InlineBody}
	w.frame(m)
	total := int64(w.n + FrameOverhead(w.n, masked))
	if !w.announcing {
		return total
	}
	for offset := 0; offset < body; offset += ChunkSize {
		n := chunkSize(transfer, offset, min(ChunkSize, body-offset))
		total += int64(n + FrameOverhead(n, masked))
	}
	return total
}

// An Assembler reassembles a message whose body arrives in chunks. Each direction
// of a socket has one. The zero value is ready to use.
type Assembler struct {
	m        Message
	transfer uint64
	vectors  []Vector
	size     int // bytes of the whole body
	offset   int // bytes received
	buf      []byte
	open     bool
}

// Start begins the transfer that m announces: Announced(m) must not be 0.
// limit is the max size of the body in bytes, usually MaxBody of the run's
// parameters; it is checked before anything is allocated. The body is appended
// to buf[:0] if that has room, else to new memory. Until the transfer is
// complete the Assembler owns m and buf; afterwards the blocks of m lie in it.
//
// The errors wrap ErrTransfer (a transfer is open, or m announces nothing) or
// ErrBodySize. After ErrBodySize the caller may Skip the body instead.
func (a *Assembler) Start(m Message, limit int64, buf []byte) error {
	if err := a.begin(m, limit); err != nil {
		return err
	}
	if cap(buf) < a.size {
		buf = make([]byte, a.size)
	}
	a.m, a.buf = m, buf[:0]
	_, a.vectors = vectorsOf(m)
	return nil
}

// Skip begins the transfer that m announces, of a body that is not needed because
// m is rejected already: its chunks are checked and dropped, and Add never returns
// a message. limit and errors are those of Start.
func (a *Assembler) Skip(m Message, limit int64) error {
	return a.begin(m, limit)
}

func (a *Assembler) begin(m Message, limit int64) error {
	size := Announced(m)
	switch {
	case a.open:
		return fmt.Errorf("protocol: %v announces a body while transfer %d is at byte %d of %d: %w", m.kind(), a.transfer, a.offset, a.size, ErrTransfer)
	case size == 0:
		return fmt.Errorf("protocol: %v announces no body: %w", m.kind(), ErrTransfer)
	case limit < 0 || size > uint64(limit):
		return fmt.Errorf("protocol: %v announces a body of %d bytes, want at most %d: %w", m.kind(), size, limit, ErrBodySize)
	}
	transfer, _ := vectorsOf(m)
	*a = Assembler{transfer: transfer, size: int(size), open: true}
	return nil
}

// Next returns the chunk that comes next if the sender cuts the body as Frames does, and
// what its frame has before the data, appended to buf. Data is memory of the body: a
// caller that reads the data there saves Add a copy. The chunk is nil if no data is wanted.
func (a *Assembler) Next(buf []byte) (head []byte, c *Chunk) {
	if a.m == nil {
		return nil, nil
	}
	n := min(ChunkSize, a.size-a.offset)
	c = &Chunk{Transfer: a.transfer, Offset: uint64(a.offset), Data: a.buf[a.offset:][:n]}
	return appendChunkHead(buf, a.transfer, a.offset, n), c
}

// Add takes the next chunk, whose data is copied unless it lies where Next says, and
// returns the complete message after the last one: each Block filled in, each Size 0, as
// if it had come in one frame. Before that, and after Skip, it returns nil. Open
// reports whether the transfer continues.
//
// The errors wrap ErrTransfer: no transfer is open, or the chunk is of
// another, does not begin where the last one ended, goes beyond the body, or
// is shorter than MinChunk and not the last. The transfer is then abandoned.
func (a *Assembler) Add(c *Chunk) (Message, error) {
	n, left := len(c.Data), a.size-a.offset
	var what string
	switch {
	case !a.open:
		return nil, fmt.Errorf("protocol: chunk of transfer %d, and none is open: %w", c.Transfer, ErrTransfer)
	case c.Transfer != a.transfer:
		what = fmt.Sprintf("transfer %d", c.Transfer)
	case c.Offset != uint64(a.offset):
		what = fmt.Sprintf("offset %d", c.Offset)
	case n > left || n > ChunkSize:
		what = fmt.Sprintf("%d bytes of data", n)
	case n < left && n < MinChunk:
		what = fmt.Sprintf("only %d bytes of data", n)
	}
	if what != "" {
		err := fmt.Errorf("protocol: chunk with %s, while transfer %d is at byte %d of %d: %w", what, a.transfer, a.offset, a.size, ErrTransfer)
		a.Reset()
		return nil, err
	}
	a.offset += n
	if a.m != nil {
		if at := a.buf[len(a.buf):][:n]; &at[0] != &c.Data[0] {
			copy(at, c.Data)
		}
		a.buf = a.buf[:a.offset]
	}
	if a.offset < a.size {
		return nil, nil
	}
	m, body := a.m, a.buf
	for i := range a.vectors {
		v := &a.vectors[i]
		if v.Size > 0 {
			v.Block, body, v.Size = body[:v.Size:v.Size], body[v.Size:], 0
		}
	}
	*a = Assembler{}
	return m, nil
}

// Drop makes the open transfer one of Skip: what has come is dropped, and so is the
// rest. The buffer given to Start is the caller's again.
func (a *Assembler) Drop() { a.m, a.vectors, a.buf = nil, nil, nil }

// Open reports whether a transfer is open.
func (a *Assembler) Open() bool { return a.open }

// Received returns the bytes of the body received so far, and its size; both are
// 0 if no transfer is open.
func (a *Assembler) Received() (n, total int64) {
	return int64(a.offset), int64(a.size)
}

// Reset abandons the transfer and returns the buffer given to Start, or what
// was allocated in its place, for the next one.
func (a *Assembler) Reset() []byte {
	buf := a.buf
	*a = Assembler{}
	return buf[:0]
}
