package module

import (
	"bytes"
	"encoding/binary"
	"math"
)

// The parts of a WebAssembly module that the kernels need, in bytes of the binary
// format (https://webassembly.github.io/spec/core/binary). An expression is the code
// that leaves one value on the stack.

// expr is code that leaves a value.
type expr []byte

// Types of values.
const (
	typeI32  = 0x7f
	typeI64  = 0x7e
	typeF32  = 0x7d
	typeF64  = 0x7c
	typeV128 = 0x7b
)

// local is a parameter or a local variable of a function.
type local struct {
	index uint32
	kind  byte
}

func uleb(b []byte, v uint64) []byte {
	for v >= 0x80 {
		b, v = append(b, byte(v)|0x80), v>>7
	}
	return append(b, byte(v))
}

func sleb(b []byte, v int64) []byte {
	for {
		low := byte(v & 0x7f)
		if v >>= 7; v == 0 && low&0x40 == 0 || v == -1 && low&0x40 != 0 {
			return append(b, low)
		}
		b = append(b, low|0x80)
	}
}

// get reads a local.
func (l local) get() expr { return uleb([]byte{0x20}, uint64(l.index)) }

// i32 is a constant.
func i32(v int) expr { return sleb([]byte{0x41}, int64(v)) }

// i64 is a constant.
func i64(v int64) expr { return sleb([]byte{0x42}, v) }

// f32 is a constant.
func f32(v float32) expr {
	u := math.Float32bits(v)
	return expr{0x43, byte(u), byte(u >> 8), byte(u >> 16), byte(u >> 24)}
}

// v128 is a constant of four equal lanes.
func v128(u uint32) expr {
	b := expr{0xfd, 0x0c}
	for range 4 {
		b = append(b, byte(u), byte(u>>8), byte(u>>16), byte(u>>24))
	}
	return b
}

// f64x2 is a constant of two equal lanes of 64 bits.
func f64x2(v float64) expr {
	b := expr{0xfd, 0x0c}
	for range 2 {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
	}
	return b
}

// op is an instruction of one byte with its operands.
func op(code byte, operands ...expr) expr {
	var b expr
	for _, o := range operands {
		b = append(b, o...)
	}
	return append(b, code)
}

// simd is an instruction behind the vector prefix with its operands.
func simd(code uint32, operands ...expr) expr {
	return uleb(op(0xfd, operands...), uint64(code))
}

// lane is a vector instruction that names a lane.
func lane(code uint32, n byte, operands ...expr) expr { return append(simd(code, operands...), n) }

// shuffle picks four lanes of 32 bits of a (0 to 3) and b (4 to 7).
func shuffle(a, b expr, lanes [4]byte) expr {
	s := simd(0x0d, a, b)
	for _, l := range lanes {
		s = append(s, 4*l, 4*l+1, 4*l+2, 4*l+3)
	}
	return s
}

// from adds an alignment of 4 bytes and an offset to an instruction that accesses
// memory.
func from(access expr, offset int) expr { return uleb(append(access, 2), uint64(offset)) }

// anywhere is from with no alignment.
func anywhere(access expr, offset int) expr { return uleb(append(access, 0), uint64(offset)) }

func add(a, b expr) expr     { return op(0x6a, a, b) }
func sub(a, b expr) expr     { return op(0x6b, a, b) }
func mul(a, b expr) expr     { return op(0x6c, a, b) }
func divide(a, b expr) expr  { return op(0x6e, a, b) } // unsigned
func and(a, b expr) expr     { return op(0x71, a, b) }
func shl(a expr, n int) expr { return op(0x74, a, i32(n)) }
func below(a, b expr) expr   { return op(0x49, a, b) } // unsigned
func none(a expr) expr       { return op(0x45, a) }

func loadI32(p expr, offset int) expr   { return from(op(0x28, p), offset) }
func loadF32(p expr, offset int) expr   { return from(op(0x2a, p), offset) }
func load(p expr, offset int) expr      { return from(simd(0x00, p), offset) }
func loadSplat(p expr, offset int) expr { return from(simd(0x09, p), offset) }
func splat(v expr) expr                 { return simd(0x13, v) }
func absolute(v expr) expr              { return simd(0xe0, v) }
func vadd(a, b expr) expr               { return simd(0xe4, a, b) }
func vsub(a, b expr) expr               { return simd(0xe5, a, b) }
func vmul(a, b expr) expr               { return simd(0xe6, a, b) }
func vand(a, b expr) expr               { return simd(0x4e, a, b) }
func vor(a, b expr) expr                { return simd(0x50, a, b) }

// nonzero has all bits set in the lanes of v that are not 0 or -0. zero is never written.
func nonzero(v expr, zero local) expr { return simd(0x42, v, zero.get()) }

// function is one function of a module.
type function struct {
	name    string // of the export; empty: none
	params  []byte
	results []byte
	locals  []byte
	code    []byte
	index   uint32
	last    expr // reads the local that the code ends with writing; nil: it ends otherwise
}

// emit appends code. A local that was just written, and is read first, stays on the stack:
// local.tee is shorter than local.set and local.get.
func (f *function) emit(code expr) {
	if n := len(f.last); n > 0 && bytes.HasPrefix(code, f.last) {
		f.code[len(f.code)-n] = 0x22
		code = code[n:]
	}
	f.code = append(f.code, code...)
	f.last = nil
}

// param adds a parameter; all come before the first variable.
func (f *function) param(kind byte) local {
	f.params = append(f.params, kind)
	return local{uint32(len(f.params) - 1), kind}
}

// variable adds a local variable, which is 0 at first.
func (f *function) variable(kind byte) local {
	f.locals = append(f.locals, kind)
	return local{uint32(len(f.params) + len(f.locals) - 1), kind}
}

func (f *function) ints(n int) []local { return f.several(n, typeI32) }

func (f *function) several(n int, kind byte) []local {
	all := make([]local, n)
	for i := range all {
		all[i] = f.variable(kind)
	}
	return all
}

// set writes a local.
func (f *function) set(l local, v expr) {
	f.emit(v)
	f.emit(uleb([]byte{0x21}, uint64(l.index)))
	f.last = l.get()
}

// step adds n to a local.
func (f *function) step(l local, n int) { f.set(l, add(l.get(), i32(n))) }

func (f *function) store(p expr, offset int, v expr) {
	f.emit(from(simd(0x0b, p, v), offset))
}

func (f *function) storeI32(p expr, offset int, v expr) {
	f.emit(from(op(0x36, p, v), offset))
}

func (f *function) storeF32(p expr, offset int, v expr) {
	f.emit(from(op(0x38, p, v), offset))
}

// relu sets what is below 0 to 0: NaN and -0 stay, as in Go. It uses up zero.
func (f *function) relu(sums []local, zero local) {
	f.set(zero, v128(0))
	for _, s := range sums {
		f.set(s, simd(0xeb, s.get(), zero.get())) // pmax
	}
}

// when runs the body if cond is not 0.
func (f *function) when(cond expr, body func()) {
	f.emit(cond)
	f.emit(expr{0x04, 0x40})
	body()
	f.emit(expr{0x0b})
}

// either runs one of two bodies.
func (f *function) either(cond expr, then, otherwise func()) {
	f.emit(cond)
	f.emit(expr{0x04, 0x40})
	then()
	f.emit(expr{0x05})
	otherwise()
	f.emit(expr{0x0b})
}

// repeat runs the body, and again while cond, which is evaluated after it.
func (f *function) repeat(body func(), cond expr) {
	f.loop(func() {
		body()
		f.again(cond, 0)
	})
}

// loop runs the body, which goes on with again.
func (f *function) loop(body func()) {
	f.emit(expr{0x03, 0x40})
	body()
	f.emit(expr{0x0b})
}

// again runs the loop around again if cond is not 0, from within inner blocks.
func (f *function) again(cond expr, inner byte) {
	f.emit(cond)
	f.emit(expr{0x0d, inner})
}

// upTo runs the body while i is below end, and adds step to i after each time.
func (f *function) upTo(i local, end expr, step expr, body func()) {
	f.when(below(i.get(), end), func() {
		f.repeat(func() {
			body()
			f.set(i, add(i.get(), step))
		}, below(i.get(), end))
	})
}

// give makes v the function's result.
func (f *function) give(v expr) { f.emit(v) }

// do runs code that leaves nothing.
func (f *function) do(code expr) { f.emit(code) }

// call calls g.
func call(g *function, operands ...expr) expr {
	var b expr
	for _, o := range operands {
		b = append(b, o...)
	}
	return uleb(append(b, 0x10), uint64(g.index))
}

// functions are those of a module, in the order of their indices.
type functions struct {
	all []*function
}

func (m *functions) function(name string) *function {
	f := &function{name: name, index: uint32(len(m.all))}
	m.all = append(m.all, f)
	return f
}

// bytes returns the module. Its memory is go.mem.
func (m *functions) bytes() []byte {
	b := []byte("\x00asm\x01\x00\x00\x00")
	section := func(id byte, count int, content []byte) {
		content = append(uleb(nil, uint64(count)), content...)
		b = append(uleb(append(b, id), uint64(len(content))), content...)
	}
	var types, funcs, exports, codes []byte
	kinds := map[string]int{}
	exported := 0
	for _, f := range m.all {
		kind := append(uleb([]byte{0x60}, uint64(len(f.params))), f.params...)
		kind = append(uleb(kind, uint64(len(f.results))), f.results...)
		if _, ok := kinds[string(kind)]; !ok {
			kinds[string(kind)] = len(kinds)
			types = append(types, kind...)
		}
		funcs = uleb(funcs, uint64(kinds[string(kind)]))
		if f.name != "" {
			exports = append(uleb(exports, uint64(len(f.name))), f.name...)
			exports = uleb(append(exports, 0), uint64(f.index))
			exported++
		}
		// Locals are declared by runs of one type.
		var runs []byte
		n := 0
		for i := 0; i < len(f.locals); {
			j := i
			for j < len(f.locals) && f.locals[j] == f.locals[i] {
				j++
			}
			runs = append(uleb(runs, uint64(j-i)), f.locals[i])
			n++
			i = j
		}
		body := append(append(append(uleb(nil, uint64(n)), runs...), f.code...), 0x0b)
		codes = append(uleb(codes, uint64(len(body))), body...)
	}
	section(1, len(kinds), types)
	section(2, 1, []byte("\x02go\x03mem\x02\x00\x00"))
	section(3, len(m.all), funcs)
	section(7, exported, exports)
	section(10, len(m.all), codes)
	return b
}
