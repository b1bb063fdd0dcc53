package protocol

import (
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

// The fields of the messages that carry vectors.

// vectors writes a repeated field of vectors.
func (w *writer) vectors(num protowire.Number, vectors []Vector) {
	for i := range vectors {
		v := &vectors[i]
		c := w.counter()
		v.write(&c)
		w.open(num, c.n)
		v.write(w)
	}
}

// vector reads one more element of a repeated field of vectors.
func (r *reader) vector(vectors []Vector) []Vector {
	sub, ok := r.element("vectors", len(vectors), MaxVectors)
	if !ok {
		return vectors
	}
	var v Vector
	v.read(&sub)
	r.joinElement("vectors", len(vectors), &sub)
	return append(vectors, v)
}

func (v *Vector) write(w *writer) {
	w.uint(1, uint64(v.Role))
	w.bytes(2, v.BaseHash)
	w.uint(3, uint64(v.Part))
	w.uint(4, uint64(v.Codec))
	if w.announcing {
		w.uint(6, uint64(len(v.Block)))
	} else {
		w.bytes(5, v.Block)
		w.uint(6, v.Size)
	}
	w.uint(7, uint64(v.Kind))
	w.string(8, v.Name)
	w.uint(9, uint64(v.Bits))
	w.uint(10, v.Count)
}

func (v *Vector) read(r *reader) {
	for r.next() {
		switch r.num {
		case 1:
			v.Role = Role(r.enum("role"))
		case 2:
			v.BaseHash = r.hash("base_hash")
		case 3:
			v.Part = r.uint32("part")
		case 4:
			v.Codec = Codec(r.enum("codec"))
		case 5:
			v.Block = r.alias("block", MaxFrame)
		case 6:
			v.Size = r.announced("size", MaxBlock)
		case 7:
			v.Kind = PayloadKind(r.enum("kind"))
		case 8:
			v.Name = r.text("name", MaxName)
		case 9:
			v.Bits = r.uint32("bits")
		case 10:
			v.Count = r.announced("count", MaxCount)
		default:
			r.skip()
		}
	}
	r.integers(v.Kind, v.Count, v.Bits)
	if v.Size > 0 && len(v.Block) > 0 {
		r.fail("size", ErrMixedBody, "the block is inline")
	}
}

// integers records an error when the integers of a payload take more than a block.
func (r *reader) integers(kind PayloadKind, count uint64, bits uint32) {
	if size := integersSize(count, bits); kind == PayloadIntegers && size > MaxBlock {
		r.fail("count", ErrAnnouncedSize, strconv.FormatUint(size, 10)+" bytes of integers, want at most "+strconv.Itoa(MaxBlock))
	}
}

// either records an error when some blocks are inline and some announced.
func (r *reader) either(vectors []Vector) {
	var inline, announced bool
	for i := range vectors {
		inline = inline || len(vectors[i].Block) > 0
		announced = announced || vectors[i].Size > 0
	}
	if inline && announced {
		r.fail("vectors", ErrMixedBody, "some blocks inline, some in chunks")
	}
}

func (m *Model) write(w *writer) {
	w.uint(1, m.Transfer)
	w.uint(2, m.Version)
	w.bytes(3, m.Hash)
	w.uint(4, m.Base)
	w.vectors(5, m.Vectors)
}

func (m *Model) read(r *reader) {
	for r.next() {
		switch r.num {
		case 1:
			m.Transfer = r.uint64("transfer")
		case 2:
			m.Version = r.uint64("version")
		case 3:
			m.Hash = r.hash("hash")
		case 4:
			m.Base = r.uint64("base")
		case 5:
			m.Vectors = r.vector(m.Vectors)
		default:
			r.skip()
		}
	}
	r.either(m.Vectors)
}

func (m *Secure) write(w *writer) {
	w.uint(1, m.Transfer)
	w.uint(2, m.Order)
	w.vectors(3, m.Vectors)
}

func (m *Secure) read(r *reader) {
	for r.next() {
		switch r.num {
		case 1:
			m.Transfer = r.uint64("transfer")
		case 2:
			m.Order = r.uint64("order")
		case 3:
			m.Vectors = r.vector(m.Vectors)
		default:
			r.skip()
		}
	}
	r.either(m.Vectors)
}

func (m *Contribution) write(w *writer) {
	w.uint(1, m.Transfer)
	w.uint(2, m.Order)
	w.uint(3, m.Round)
	w.uint(4, m.Weight)
	if n := m.Metrics.size(); n > 0 {
		w.open(5, n)
		m.Metrics.write(w)
	}
	w.vectors(6, m.Vectors)
}

func (m *Contribution) read(r *reader) {
	for r.next() {
		switch r.num {
		case 1:
			m.Transfer = r.uint64("transfer")
		case 2:
			m.Order = r.uint64("order")
		case 3:
			m.Round = r.uint64("round")
		case 4:
			m.Weight = r.uint64("weight")
		case 5:
			if sub, ok := r.nested("metrics"); ok {
				m.Metrics.read(&sub)
				r.join("metrics", &sub)
			}
		case 6:
			m.Vectors = r.vector(m.Vectors)
		default:
			r.skip()
		}
	}
	r.either(m.Vectors)
}

func (m *Metrics) size() int {
	w := writer{counting: true}
	m.write(&w)
	return w.n
}

func (m *Metrics) write(w *writer) {
	w.uint(1, m.Examples)
	w.uint(2, m.Steps)
	w.double(3, m.LossSum)
	w.uint(4, m.Correct)
	w.uint(5, uint64(m.Millis))
}

func (m *Metrics) read(r *reader) {
	for r.next() {
		switch r.num {
		case 1:
			m.Examples = r.uint64("examples")
		case 2:
			m.Steps = r.uint64("steps")
		case 3:
			m.LossSum = r.double("loss_sum")
		case 4:
			m.Correct = r.uint64("correct")
		case 5:
			m.Millis = r.uint32("millis")
		default:
			r.skip()
		}
	}
}

func (m *Chunk) write(w *writer) {
	w.uint(1, m.Transfer)
	w.uint(2, m.Offset)
	w.bytes(3, m.Data)
}

func (m *Chunk) read(r *reader) {
	for r.next() {
		switch r.num {
		case 1:
			m.Transfer = r.uint64("transfer")
		case 2:
			m.Offset = r.uint64("offset")
		case 3:
			m.Data = r.alias("data", ChunkSize)
		default:
			r.skip()
		}
	}
}
