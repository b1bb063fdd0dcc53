package kernel

import (
	"math/bits"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// source draws numbers fast.
func source(t *rapid.T) func(n int) int {
	state := rapid.Uint64().Draw(t, "seed")
	return func(n int) int {
		state = state*6364136223846793005 + 1442695040888963407
		return int(state >> 33 % uint64(n))
	}
}

// Fours are read alike at every level, from any table, and leave the same states: to the
// end of the stream, of the values or to a wide symbol.
func TestSetFours(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := source(t)
		log := rapid.IntRange(5, 12).Draw(t, "log")
		rare := rapid.SampledFrom([]int{20, 1000, 1 << 30}).Draw(t, "wide symbols are one in")
		var entries [MaxStates]uint32
		for i := range 1 << log {
			n := draw(log + 1)
			symbol := draw(WideSymbol)
			if draw(rare) == 0 {
				symbol = WideSymbol | WideEntry
			}
			entries[i] = uint32(symbol | n<<8 | draw(1<<log-1<<n+1)<<16)
		}
		in := make([]byte, 16+rapid.IntRange(1, 1000).Draw(t, "bytes"))
		for i := range in {
			in[i] = byte(draw(256))
		}
		var values [256]float32
		for i := range values {
			values[i] = float32(i)
		}
		n := rapid.IntRange(0, 1100).Draw(t, "n")
		begin := Reading{Entries: &entries, In: in, Start: 128, Pos: 128 + draw(8*len(in)-128)}
		for i := range begin.States {
			begin.States[i] = uint32(draw(1 << log))
		}
		ref, want := begin, make([]float32, n)
		count := scalarSetFours(&ref, want, &values)
		added := begin
		if sum := make([]float32, n); added.AddFours(sum, &values) != count || !slices.Equal(sum, want) || added.States != ref.States || added.Pos != ref.Pos {
			t.Fatal("AddFours differs from SetFours")
		}
		atEachLevel(func(level string) {
			r := begin
			got, intact := guarded(t, n)
			clear(got)
			if c := r.SetFours(got, &values); c != count || !slices.Equal(got, want) {
				t.Fatalf("%s: %d values, %v, want %d, %v", level, c, got, count, want)
			}
			if r.States != ref.States || r.Pos != ref.Pos {
				t.Fatalf("%s: states %v at %d, want %v at %d", level, r.States, r.Pos, ref.States, ref.Pos)
			}
			intact()
		})
	})
}

// writingTable draws a table of a logarithm: any frequencies, as if each symbol were alone.
func writingTable(draw func(n int) int, log int) *WritingTable {
	table := &WritingTable{Log: uint(log)}
	for s := range table.Symbols {
		f := 1 + draw(1<<log)
		n := uint(log)
		if f > 1 {
			n -= uint(bits.Len(uint(f-1))) - 1
		}
		table.Symbols[s].Bits = uint32(n)<<16 - uint32(f)<<n
		table.Symbols[s].Find = int32(draw(MaxStates-2*f+1) - f)
	}
	for i := range table.States {
		table.States[i] = uint16(1<<log + draw(1<<log))
	}
	return table
}

// Fours are written alike at every level, with any table.
func TestWriteFours(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := source(t)
		log := rapid.IntRange(5, 11).Draw(t, "log")
		table := writingTable(draw, log)
		rare := rapid.SampledFrom([]int{20, 1000, 1 << 30}).Draw(t, "wide symbols are one in")
		symbols := make([]uint8, 4*rapid.IntRange(0, 300).Draw(t, "fours"))
		for i := range symbols {
			symbols[i] = uint8(draw(WideSymbol))
			if draw(rare) == 0 {
				symbols[i] = uint8(WideSymbol + draw(128))
			}
		}
		before := draw(20)
		begin := Writing{Table: table, Bits: uint64(draw(128)), Have: 7, At: before}
		for i := range begin.States {
			begin.States[i] = uint32(1<<log + draw(1<<log))
		}
		room := before + (len(symbols)*log+7)/8 + 8
		ref := begin
		ref.Out = make([]byte, room)
		left := scalarWriteFours(&ref, symbols)
		atEachLevel(func(level string) {
			w := begin
			w.Out = slices.Repeat([]byte{7}, room+8)[:room]
			if got := w.Fours(symbols); got != left || w.States != ref.States || w.Bits != ref.Bits || w.Have != ref.Have || w.At != ref.At {
				t.Fatalf("%s: %d left, %v, want %d, %v", level, got, w, left, ref)
			}
			if !slices.Equal(w.Out[before:w.At], ref.Out[before:w.At]) || !slices.Equal(w.Out[:before], slices.Repeat([]byte{7}, before)) {
				t.Fatalf("%s: wrote %v, want %v", level, w.Out[:w.At], ref.Out[:w.At])
			}
			if !slices.Equal(w.Out[room:room+8], slices.Repeat([]byte{7}, 8)) {
				t.Fatalf("%s: wrote beyond the slice", level)
			}
		})
	})
}
