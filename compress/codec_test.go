package compress

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"fedtab/protocol"
	"pgregory.net/rapid"
)

// nmse returns the squared error of y as a part of the square of x.
func nmse(x, y []float32) float64 {
	var lost, all float64
	for i := range x {
		d := float64(x[i]) - float64(y[i])
		lost += d * d
		all += float64(x[i]) * float64(x[i])
	}
	return lost / all
}

func lookup(t testing.TB, id protocol.Codec) Codec {
	t.Helper()
	c, err := Lookup(id)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// vectors are of kinds that codecs meet seldom.
func vectors() map[string][]float32 {
	r := rand.New(rand.NewPCG(1, 2))
	normal := func(n int, scale float64) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(r.NormFloat64() * scale)
		}
		return v
	}
	sparse := make([]float32, 20000)
	for i := range 20 {
		sparse[i*997] = float32(i + 1)
	}
	spike := make([]float32, 5000)
	spike[4321] = -3
	heavy := normal(20000, 1)
	for i := range heavy {
		heavy[i] *= heavy[i] * heavy[i]
	}
	uneven := normal(20000, 1)
	for i := range uneven {
		uneven[i] *= float32(math.Exp2(float64(i/500 - 20)))
	}
	// So long that rate control looks at a sample only, and misses the last.
	lonely := append(normal(150_001, .01), -1)
	alike := make([]float32, 3000)
	for i := range alike {
		alike[i] = .25
	}
	return map[string][]float32{
		"nothing": {}, "zero": {0}, "one": {1.5}, "two": {-1, 1e-3}, "zeros": make([]float32, 1000),
		"ten": normal(10, .1), "hundred": normal(100, .1), "normal": normal(20000, .01),
		"tiny": normal(3000, 1e-15), "denormal": {1e-44, -1e-40}, "large": normal(3000, 1e4),
		"sparse": sparse, "spike": spike, "heavy": heavy, "uneven": uneven, "alike": alike, "lonely": lonely,
	}
}

// rated are the options that a codec is tried with.
func rated(c Codec) []Options {
	if !c.Rated {
		return []Options{{}}
	}
	return []Options{{Bits: .1, Seed: 1}, {Bits: 1, Seed: 2}, {Bits: 4, Seed: 3}, {Bits: 10, Seed: 4}, {Bits: 16, Seed: 5}}
}

func TestRoundTrip(t *testing.T) {
	for _, c := range codecs {
		c.Name = c.ID.String()
		for _, o := range rated(c) {
			checkRoundTrip(t, c, o, func(t *testing.T, name string, v, got []float32, size float64) {
				// Below .1 bit, and for vectors of few distinct values, a block may be
				// smaller than asked for.
				if size > 1.1*o.Bits+.2 {
					t.Errorf("%.3f bits per parameter, want %.3f", size, o.Bits)
				}
				// Distortion is that of a Gaussian variable or less, within a bit, down to
				// the finest step, 2^-17 of the largest magnitude.
				if e := nmse(v, got); name != "zeros" && o.Bits >= 4 && e > math.Exp2(-2*(min(o.Bits, 12)-1.2)) {
					t.Errorf("NMSE is %.2g at %.3f bits (%.3f asked for)", e, size, o.Bits)
				}
			})
		}
	}
}

// checkRoundTrip packs vectors of every kind and unpacks them. Of large ones and a codec
// with a rate, check gets what was decoded and the size in bits per parameter.
func checkRoundTrip(t *testing.T, c Codec, o Options, check func(t *testing.T, name string, v, got []float32, size float64)) {
	for name, v := range vectors() {
		if c.ID == protocol.CodecFloat16 && (name == "large" || name == "uneven") {
			continue // refused, see TestFloat16
		}
		t.Run(fmt.Sprintf("%s/%s/%v", c.Name, name, o.Bits), func(t *testing.T) {
			layout := Flat(len(v))
			if len(v) > 10 {
				layout = []Tensor{{Size: len(v) - 11, Row: 50}, {Size: 10}, {Size: 1}}
			}
			was := slices.Clone(v)
			block, err := c.NewEncoder(layout).Append([]byte("head"), v, o)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(v, was) {
				t.Error("encoding has changed the vector")
			}
			if string(block[:4]) != "head" {
				t.Errorf("the block begins with %q", block[:4])
			}
			block = block[4:]
			if most := MaxBlock(c.ID, len(v)); len(block) > most {
				t.Errorf("block of %d bytes, MaxBlock says %d", len(block), most)
			}
			got := make([]float32, len(v))
			if err := DecodeWith(c.NewDecoder(), got, block, o); err != nil {
				t.Fatal(err)
			}
			checkFinite(t, got)
			checkPieces(t, c, got, block, o)
			switch {
			case c.Lossless && !slices.Equal(got, v):
				t.Error("something is lost")
			case c.Rated && len(v) >= 3000 && name != "alike":
				check(t, name, v, got, 8*float64(len(block))/float64(len(v)))
			}
		})
	}
}

func checkFinite(t testing.TB, v []float32) {
	t.Helper()
	for i, x := range v {
		if math.Float32bits(x)&infinite == infinite {
			t.Fatalf("element %d is %g", i, x)
		}
	}
}

// checkPieces decodes and adds a block in pieces of odd sizes.
func checkPieces(t testing.TB, c Codec, want []float32, block []byte, o Options) {
	t.Helper()
	d := c.NewDecoder()
	got := make([]float32, len(want))
	sum := make([]float32, len(want))
	for _, size := range []int{1, 7, 64, 4096} {
		if size < 64 && len(want) > 100_000 {
			continue
		}
		if err := d.Open(block, len(want), o); err != nil {
			t.Fatal(err)
		}
		for at := 0; at < len(got); at += size {
			part := got[at:min(at+size, len(got))]
			if err := d.Next(part); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("other values in pieces of %d", size)
		}
		clear(sum)
		if err := d.Open(block, len(want), o); err != nil {
			t.Fatal(err)
		}
		for at := 0; at < len(sum); at += size {
			if err := d.Add(sum[at:min(at+size, len(sum))], -2); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		for i, x := range sum {
			if d := math.Abs(float64(x) + 2*float64(want[i])); d > 1e-6*math.Abs(float64(x)) {
				t.Fatalf("element %d: adding -2 x %g gives %g", i, want[i], x)
			}
		}
	}
	peak, err := Check(d, block, len(want), o, got[:min(len(got), 100)])
	if err != nil || len(want) > 0 && peak != max(slices.Max(want), -slices.Min(want)) {
		t.Fatalf("Check: peak %g, %v", peak, err)
	}
}

func TestEncodersRefuse(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, test := range []struct {
		name   string
		codec  protocol.Codec
		layout []Tensor
		v      []float32
		bits   float64
		want   error
	}{
		{"nan", protocol.CodecDeadzone, Flat(3), []float32{1, nan, 2}, 1, ErrNotFinite},
		{"inf", protocol.CodecDeadzone, Flat(3), []float32{1, -inf, 2}, 1, ErrNotFinite},
		{"huge", protocol.CodecDeadzone, Flat(2), []float32{1, 1e38}, 1, ErrRange},
		{"layout", protocol.CodecDeadzone, Flat(4), []float32{1}, 1, ErrLayout},
		{"negative layout", protocol.CodecDeadzone, []Tensor{{Size: -1}, {Size: 2}}, []float32{1}, 1, ErrLayout},
		{"no rate", protocol.CodecDeadzone, Flat(1), []float32{1}, 0, ErrOptions},
		{"rate", protocol.CodecDeadzone, Flat(1), []float32{1}, 17, ErrOptions},
		{"rate is nan", protocol.CodecDither, Flat(1), []float32{1}, math.NaN(), ErrOptions},
		{"nan", protocol.CodecDither, Flat(1), []float32{nan}, 1, ErrNotFinite},
		{"inf", protocol.CodecPlanes, Flat(1), []float32{inf}, 0, ErrNotFinite},
		{"nan", protocol.CodecFloat16, Flat(1), []float32{nan}, 0, ErrNotFinite},
		{"inf", protocol.CodecFloat16, Flat(1), []float32{inf}, 0, ErrNotFinite},
		{"range", protocol.CodecFloat16, Flat(1), []float32{-65520}, 0, ErrRange},
	} {
		t.Run(test.codec.String()+"/"+test.name, func(t *testing.T) {
			got, err := lookup(t, test.codec).NewEncoder(test.layout).Append([]byte("head"), test.v, Options{Bits: test.bits})
			if !errors.Is(err, test.want) || string(got) != "head" {
				t.Errorf("got %q, %v, want %v", got, err, test.want)
			}
		})
	}
	if _, err := Lookup(77); !errors.Is(err, ErrUnknownCodec) {
		t.Errorf("got %v", err)
	}
	if _, err := Named("zip"); !errors.Is(err, ErrUnknownCodec) {
		t.Errorf("got %v", err)
	}
	if c, err := Named("float32-planes"); err != nil || c.ID != protocol.CodecPlanes {
		t.Errorf("got %v, %v", c.ID, err)
	}
}

// However a block is damaged, decoding ends with an error or with finite values.
func TestDamage(t *testing.T) {
	for _, c := range codecs {
		for _, o := range rated(c) {
			checkDamage(t, c, o)
		}
	}
}

func checkDamage(t *testing.T, c Codec, o Options) {
	t.Helper()
	r := rand.New(rand.NewPCG(3, 4))
	v := make([]float32, 1500)
	for i := range v {
		v[i] = float32(r.NormFloat64() * math.Exp2(float64(i/300)))
	}
	layout := []Tensor{{Size: 1200, Row: 60}, {Size: 300, Row: 300}}
	block, err := c.NewEncoder(layout).Append(nil, v, o)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]float32, len(v))
	d := c.NewDecoder()
	try := func(b []byte, what string, at int) error {
		err := DecodeWith(d, got, b, o)
		if err == nil {
			checkFinite(t, got)
		} else if !errors.Is(err, ErrBlock) && !errors.Is(err, ErrNotFinite) && !errors.Is(err, ErrRange) {
			t.Fatalf("%v, %s %d: %v", c.ID, what, at, err)
		}
		return err
	}
	every := 1
	if raced {
		every = 29
	}
	for i := 0; i < 8*len(block); i += every {
		block[i/8] ^= 1 << (i % 8)
		try(block, "bit", i)
		block[i/8] ^= 1 << (i % 8)
	}
	for i := range block {
		if err := try(block[:i], "cut at", i); err == nil {
			t.Errorf("%v: a block of %d bytes decodes without its last %d", c.ID, len(block), len(block)-i)
		}
	}
	if err := try(append(block, 0), "longer by", 1); err == nil {
		t.Errorf("%v: a byte too many is taken", c.ID)
	}
	if err := try(block, "whole", 0); err != nil {
		t.Errorf("%v: %v", c.ID, err)
	}
	if err := DecodeWith(d, got[:len(got)-1], block, o); err == nil {
		t.Errorf("%v: the block is of one value more", c.ID)
	}
}

// Many random layouts and vectors, whole and in rows.
func TestRatedProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var layout []Tensor
		n := 0
		for range rapid.IntRange(1, 5).Draw(t, "tensors") {
			s := Tensor{Size: rapid.IntRange(0, 900).Draw(t, "size"), Row: rapid.IntRange(0, 3000).Draw(t, "row")}
			layout = append(layout, s)
			n += s.Size
		}
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		v := make([]float32, n)
		power := rapid.IntRange(0, 4).Draw(t, "power")
		for i := range v {
			x := r.NormFloat64()
			v[i] = float32(math.Copysign(math.Pow(math.Abs(x), float64(power)), x))
		}
		c := codecs[rapid.IntRange(0, 1).Draw(t, "codec")]
		o := Options{Bits: rapid.Float64Range(MinBits, MaxBits).Draw(t, "bits"), Seed: 1}
		block, err := c.NewEncoder(layout).Append(nil, v, o)
		if err != nil {
			t.Fatal(err)
		}
		got := make([]float32, n)
		if err := DecodeWith(c.NewDecoder(), got, block, o); err != nil {
			t.Fatal(err)
		}
		if e := nmse(v, got); c.ID == protocol.CodecDeadzone && e > 1.001 {
			t.Errorf("NMSE is %g", e)
		}
	})
}
