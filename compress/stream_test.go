package compress

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// What is written can be read, in pieces of any size, and reading ends where
// writing began.
func TestStreamRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 3000).Draw(t, "n")
		most := rapid.SampledFrom([]int{0, 1, 3, 63, 64, 127}).Draw(t, "highest magnitude")
		skew := rapid.IntRange(0, 8).Draw(t, "skew")
		r := rapid.SliceOfN(rapid.Uint32(), n, n).Draw(t, "symbols")
		var count [magnitudes]uint32
		var low []uint32
		sym := make([]uint8, n)
		want := make([]float32, n)
		for i, x := range r {
			mag := uint32(most)
			for range skew {
				if x&1 == 0 {
					mag /= 2
				}
				x >>= 1
			}
			m, k := levelOf(mag)
			value := float32(m)
			if k > 0 {
				low = append(low, x&(1<<k-1))
				value += float32(low[len(low)-1])
			}
			count[mag]++
			if mag > 0 && x>>20&1 != 0 {
				sym[i], want[i] = uint8(2*mag-1), -value
			} else {
				sym[i], want[i] = uint8(2*mag), value
			}
		}
		var tab, back table
		tab.fit(&count, n)
		var w bitWriter
		tab.append(&w)
		if got := len(w.out)*8 + int(w.n); got != tab.cost() {
			t.Errorf("table takes %d bits, cost says %d", got, tab.cost())
		}
		if err := back.read(&bitReader{in: w.flush()}); err != nil || back.log != tab.log || back.freq != tab.freq {
			t.Fatalf("table read: %v", err)
		}
		var cells [1 << maxTableLog]uint8
		var p packer
		p.build(&tab, &cells)
		block := p.append(make([]byte, before), sym, low)

		var u unpacker
		u.build(&back, &cells)
		v := values{scale: 1}
		for m := 1; m < direct; m++ {
			v.of[2*m-1], v.of[2*m] = float32(-m), float32(m)
		}
		var s stream
		if err := s.open(&u, back.log, block, before, len(block)); err != nil {
			t.Fatal(err)
		}
		got := make([]float32, n)
		for at := 0; at < n; {
			k := min(rapid.IntRange(1, 700).Draw(t, "piece"), n-at)
			how := &setting
			if rapid.Bool().Draw(t, "add") {
				how = &adding
			}
			if err := s.read(got[at:at+k], &v, how); err != nil {
				t.Fatal(err)
			}
			at += k
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
}

func TestMagnitudes(t *testing.T) {
	next := uint32(0)
	for mag := range uint32(magnitudes) {
		m, n := levelOf(mag)
		if m != next {
			t.Fatalf("magnitude %d begins at %d, want %d", mag, m, next)
		}
		next = m + 1<<n
		for _, x := range []uint32{m, next - 1} {
			if gm, low, gn := magnitudeOf(x); gm != mag || gn != n || m+low != x {
				t.Errorf("level %d is %d + %d of %d bits, want of magnitude %d", x, gm, low, gn, mag)
			}
		}
	}
	if next != maxLevel {
		t.Errorf("levels end at %d, want %d", next, maxLevel)
	}
}

func TestGolomb(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.SliceOf(rapid.Uint32Range(0, 1<<20)).Draw(t, "v")
		k := rapid.UintRange(0, 12).Draw(t, "k")
		var w bitWriter
		for _, x := range v {
			w.golomb(x, k)
		}
		r := bitReader{in: w.flush()}
		for i, x := range v {
			if got := r.golomb(k); got != x || r.short {
				t.Fatalf("number %d is %d, want %d", i, got, x)
			}
		}
	})
}
