package export

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strconv"

	"fedtab/learn"
	"fedtab/learn/data"
)

// MaxFile is the max size of a file that Read takes, bytes.
const MaxFile = 8 + maxHeader + 4*learn.MaxParameters

// Read reads a safetensors file that [Model.Safetensors] has written, or another
// program with the same tensors and metadata. It checks the tensors against the
// description, and the parameters against their hash. It allocates little more than
// the file takes. An error wraps ErrFormat.
func Read(file []byte) (*Model, error) {
	bad := func(format string, args ...any) (*Model, error) {
		return nil, fmt.Errorf("export: %s: %w", fmt.Sprintf(format, args...), ErrFormat)
	}
	h, body, err := split(file, maxHeader)
	if err != nil {
		return nil, err
	}
	m, err := h.model()
	if err != nil {
		return nil, err
	}
	if err := m.check(); err != nil {
		return bad("%v", err)
	}
	tensors := m.names()
	where, err := h.place(tensors, len(body))
	if err != nil {
		return nil, err
	}
	m.Params = make([]float32, 0, len(body)/4)
	for i, t := range tensors {
		if !t.fixed {
			m.Params = appendRead(m.Params, body[where[i]:][:4*features(t.shape)])
		}
	}
	want, err := m.tensors() // and refuses parameters that are not finite
	if err != nil {
		return bad("%v", err)
	}
	for i, t := range want {
		if !t.fixed {
			continue
		}
		for k, got := range appendRead(nil, body[where[i]:][:4*len(t.values)]) {
			// They are made from the seed again. Processors may differ in the last bits.
			if v := t.values[k]; !(math.Abs(float64(got)-float64(v)) <= 1e-5*(1+math.Abs(float64(v)))) {
				return bad("tensor %s: value %d is %v, want %v, which follows from the seed", t.name, k, got, v)
			}
		}
	}
	if m.Hash != learn.Hash(m.Params) {
		return bad("the SHA-256 of the parameters is %x, want the sha256 of the metadata, %x", learn.Hash(m.Params), m.Hash)
	}
	return m, nil
}

func appendRead(values []float32, b []byte) []float32 {
	values = slices.Grow(values, len(b)/4)
	for i := 0; i < len(b); i += 4 {
		values = append(values, math.Float32frombits(binary.LittleEndian.Uint32(b[i:])))
	}
	return values
}

// header is the header of a safetensors file.
type header struct {
	metadata map[string]string
	entries  []entry
}

// entry is a tensor in a header.
type entry struct {
	name       string
	kind       string // dtype
	shape      []int
	begin, end int // bytes after the header
}

// described are the members of the metadata that are read. Others are ignored.
var described = []string{"format", "format_version", "task", "run", "version", "sha256", "spec", "classes", "encoding", "pixels"}

func readHeader(text string) (*header, error) {
	d := newDecoder("header", text)
	h := &header{metadata: map[string]string{}}
	const limit = math.MaxInt32
	d.object(func(key string) {
		if key == "__metadata__" {
			d.object(func(key string) {
				value := d.str()
				if slices.Contains(described, key) {
					h.metadata[key] = value
				}
			})
			return
		}
		e := entry{name: key}
		d.object(func(key string) {
			switch key {
			case "dtype":
				e.kind = d.str()
			case "shape":
				e.shape = d.ints(8, limit)
			case "data_offsets":
				at := d.ints(2, limit)
				if len(at) != 2 {
					d.fail("tensor %q: %d offsets, want 2", e.name, len(at))
					return
				}
				e.begin, e.end = at[0], at[1]
			default:
				d.fail("tensor %q: unknown member %q", e.name, key)
			}
		})
		h.entries = append(h.entries, e)
	})
	return h, d.end()
}

// place returns where each of the tensors begins in a body of size bytes. The tensors
// of the file must be these, of their shapes, and fill the body without gaps or
// overlaps.
func (h *header) place(tensors []tensor, size int) ([]int, error) {
	bad := func(format string, args ...any) ([]int, error) {
		return nil, fmt.Errorf("export: %s: %w", fmt.Sprintf(format, args...), ErrFormat)
	}
	where := make([]int, len(tensors))
	for i := range where {
		where[i] = -1
	}
	entries := slices.SortedFunc(slices.Values(h.entries), func(a, b entry) int { return a.begin - b.begin })
	at := 0
	for _, e := range entries {
		i := slices.IndexFunc(tensors, func(t tensor) bool { return t.name == e.name })
		if i < 0 {
			return bad("tensor %q is not of the model that spec describes", e.name)
		}
		t := &tensors[i]
		n := 4 * features(t.shape)
		switch {
		case e.kind != "F32":
			return bad("tensor %s: dtype %q, want F32", t.name, e.kind)
		case !slices.Equal(e.shape, t.shape):
			return bad("tensor %s: shape %v, want %v, %s", t.name, e.shape, t.shape, t.dims)
		case e.begin != at || e.end != at+n:
			return bad("tensor %s: bytes %d to %d, want %d to %d, without gap or overlap", t.name, e.begin, e.end, at, at+n)
		}
		where[i] = at
		at += n
	}
	for i, t := range tensors {
		if where[i] < 0 {
			return bad("there is no tensor %s", t.name)
		}
	}
	if at != size {
		return bad("%d bytes after the header, want the %d of the tensors", size, at)
	}
	return where, nil
}

// model reads the description.
func (h *header) model() (*Model, error) {
	bad := func(format string, args ...any) (*Model, error) {
		return nil, fmt.Errorf("export: metadata: %s: %w", fmt.Sprintf(format, args...), ErrFormat)
	}
	if got, want := h.metadata["format_version"], strconv.Itoa(formatVersion); h.metadata["format"] != "fedtab" || got != want {
		return bad("format %q and format_version %q, want \"fedtab\" and %q", h.metadata["format"], got, want)
	}
	m := &Model{Task: h.metadata["task"], Run: h.metadata["run"]}
	var err error
	if m.Version, err = strconv.ParseUint(h.metadata["version"], 10, 64); err != nil {
		return bad("version: %q, want a whole number", h.metadata["version"])
	}
	if b, err := hex.DecodeString(h.metadata["sha256"]); err != nil || len(b) != len(m.Hash) {
		return bad("sha256: %q, want %d bytes in hexadecimal", h.metadata["sha256"], len(m.Hash))
	} else {
		copy(m.Hash[:], b)
	}
	for _, part := range []struct {
		key  string
		read func(d *decoder)
	}{
		{"spec", func(d *decoder) { m.Spec = d.spec() }},
		{"classes", func(d *decoder) { m.Classes = d.strs(learn.MaxWidth) }},
		{"encoding", func(d *decoder) { m.Encoding = d.encoding() }},
		{"pixels", func(d *decoder) {
			m.Pixels = &data.Scaling{}
			d.object(func(key string) {
				switch key {
				case "scale":
					m.Pixels.Scale = d.float32()
				case "offset":
					m.Pixels.Offset = d.float32()
				default:
					d.unknown(key)
				}
			})
		}},
	} {
		text, ok := h.metadata[part.key]
		if !ok {
			continue // check says what is missing
		}
		d := newDecoder("metadata: "+part.key, text)
		part.read(d)
		if err := d.end(); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// unknown refuses a member: what it means for a prediction is not known.
func (d *decoder) unknown(key string) { d.fail("unknown member %q", key) }

func (d *decoder) spec() learn.Spec {
	var s learn.Spec
	_, _, losses := learn.Names()
	d.object(func(key string) {
		switch key {
		case "input":
			s.Input = d.ints(8, learn.MaxWidth)
		case "layers":
			d.array(learn.MaxLayers, func(int) { s.Layers = append(s.Layers, d.layer()) })
		case "loss":
			s.Loss = learn.Loss(d.oneOf(losses))
		case "epsilon":
			s.Epsilon = d.float32()
		case "l1":
			s.L1 = d.float32()
		case "l2":
			s.L2 = d.float32()
		case "class_weights":
			d.array(learn.MaxWidth, func(int) { s.ClassWeights = append(s.ClassWeights, d.float32()) })
		default:
			d.unknown(key)
		}
	})
	return s
}

func (d *decoder) layer() learn.Layer {
	var l learn.Layer
	kinds, activations, _ := learn.Names()
	d.object(func(key string) {
		switch key {
		case "kind":
			l.Kind = learn.Dense + learn.LayerKind(d.oneOf(kinds))
		case "units":
			l.Units = d.int(learn.MaxWidth)
		case "activation":
			l.Activation = learn.Activation(d.oneOf(activations))
		case "size":
			l.Size = d.int(learn.MaxWidth)
		case "stride":
			l.Stride = d.int(learn.MaxWidth)
		case "padding":
			l.Same = d.oneOf([]string{"valid", "same"}) == 1
		case "rate":
			l.Rate = d.float32()
		case "gamma":
			l.Gamma = d.float32()
		case "seed":
			text := d.str()
			seed, err := strconv.ParseUint(text, 10, 64)
			if err != nil {
				d.fail("seed: %q, want a whole number from 0 to 2^64-1, as a string", text)
			}
			l.Seed = seed
		default:
			d.unknown(key)
		}
	})
	return l
}

func (d *decoder) encoding() *data.Encoding {
	e := &data.Encoding{}
	d.object(func(key string) {
		switch key {
		case "columns":
			d.array(learn.MaxWidth, func(int) { e.Columns = append(e.Columns, d.column()) })
		case "target":
			d.object(func(key string) {
				switch t := &e.Target; key {
				case "name":
					t.Name = d.str()
				case "classes":
					t.Classes = d.strs(learn.MaxWidth)
				case "aliases":
					t.Aliases = d.texts()
				case "mean":
					t.Mean = d.float()
				case "deviation":
					t.Deviation = d.float()
				default:
					d.unknown(key)
				}
			})
		default:
			d.unknown(key)
		}
	})
	return e
}

func (d *decoder) column() data.EncodedColumn {
	var c data.EncodedColumn
	d.object(func(key string) {
		switch key {
		case "name":
			c.Name = d.str()
		case "categories":
			c.Categories = d.strs(learn.MaxWidth)
		case "aliases":
			c.Aliases = d.texts()
		case "mean":
			c.Mean = d.float()
		case "deviation":
			c.Deviation = d.float()
		case "fill":
			fill := d.float()
			c.Fill = &fill
		default:
			d.unknown(key)
		}
	})
	return c
}
