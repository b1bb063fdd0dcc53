package reference

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"fedtab/compress"
	"fedtab/learn/kernel"
	"fedtab/protocol"
)

func codec(t testing.TB, name string) compress.Codec {
	t.Helper()
	for _, c := range Codecs() {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("no codec %q", name)
	return compress.Codec{}
}

// heavy returns values whose magnitudes vary as those of an update.
func heavy(n int) []float32 {
	r := rand.New(rand.NewPCG(5, 6))
	v := make([]float32, n)
	for i := range v {
		x := r.NormFloat64()
		v[i] = float32(x * x * x / 100)
	}
	return v
}

// packed returns the block of v, and what it is decoded to.
func packed(t testing.TB, c compress.Codec, tensors []compress.Tensor, v []float32, o compress.Options) (block []byte, got []float32) {
	t.Helper()
	block, err := c.NewEncoder(tensors).Append(nil, v, o)
	if err != nil {
		t.Fatal(err)
	}
	got = make([]float32, len(v))
	if err := compress.DecodeWith(c.NewDecoder(), got, block, o); err != nil {
		t.Fatal(err)
	}
	return block, got
}

// The mean over many seeds is the value, whatever the number of levels.
func TestQSGDIsUnbiased(t *testing.T) {
	const n, trials = 700, 2000
	v := heavy(n)
	for _, name := range []string{"qsgd", "qsgd-max"} {
		for _, bits := range []float64{2, 4, 8} {
			t.Run(fmt.Sprintf("%s/%v", name, bits), func(t *testing.T) {
				sums := make([]float64, n)
				for seed := range uint64(trials) {
					_, got := packed(t, codec(t, name), compress.Flat(n), v, compress.Options{Bits: bits, Seed: seed})
					for i, x := range got {
						sums[i] += float64(x)
					}
				}
				e := qsgd{byMax: name == "qsgd-max"}
				for i, x := range v {
					from := i / bucket * bucket
					level := float64(e.norm(v[from:min(from+bucket, n)])) / float64(highest(int(bits)))
					_, p := math.Modf(math.Abs(float64(x)) / level)
					// 6 deviations, and where the upper level is rare 3 draws more.
					limit := level * (6*math.Sqrt(p*(1-p)*trials) + 3)
					if math.Abs(sums[i]-trials*float64(x)) > limit {
						t.Errorf("element %d is %v, and %v in the mean, want within %v", i, x, sums[i]/trials, limit/trials)
					}
				}
			})
		}
	}
}

// Lemma 3.1 of the paper bounds the variance by min(n/s^2, sqrt(n)/s) of the square, and
// the levels but 0 by s(s + sqrt(n)), for each bucket of n values.
func TestQSGDKeepsItsBounds(t *testing.T) {
	v := heavy(bucket)
	square := 0.
	for _, x := range v {
		square += float64(x) * float64(x)
	}
	for _, bits := range []float64{2, 4, 6} {
		s := float64(highest(int(bits)))
		lost, kept := 0., 0.
		const trials = 200
		for seed := range uint64(trials) {
			_, got := packed(t, codec(t, "qsgd"), compress.Flat(bucket), v, compress.Options{Bits: bits, Seed: seed})
			for i, x := range got {
				d := float64(x) - float64(v[i])
				lost += d * d / trials
				if x != 0 {
					kept += 1. / trials
				}
			}
		}
		if limit := min(bucket/(s*s), math.Sqrt(bucket)/s) * square; lost > limit {
			t.Errorf("%v bits: squared error %v, want at most %v", bits, lost, limit)
		}
		if limit := s * (s + math.Sqrt(bucket)); kept > limit {
			t.Errorf("%v bits: %v levels but 0, want at most %v", bits, kept, limit)
		}
	}
}

// Fixed codes take Bits for a value and 32 for a norm, and Elias's are taken where they
// take less.
func TestQSGDSize(t *testing.T) {
	flat := make([]float32, 4096) // levels that are never 0
	for i := range flat {
		flat[i] = 1
	}
	for _, c := range []struct {
		name  string
		v     []float32
		codec string
		bits  int
		fixed bool
	}{
		{"fixed", flat, "qsgd-max", 4, true},
		{"Elias", heavy(4096), "qsgd", 2, false},
		{"zeros", make([]float32, 4096), "qsgd", 8, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			block, _ := packed(t, codec(t, c.codec), compress.Flat(len(c.v)), c.v, compress.Options{Bits: float64(c.bits)})
			fixed := 5 + 4*len(c.v)/bucket + len(c.v)*c.bits/8
			if c.fixed != (len(block) == fixed) || len(block) > fixed {
				t.Errorf("%d bytes; fixed codes take %d: want %v", len(block), fixed, c.fixed)
			}
		})
	}
}

// The largest magnitudes are kept, as many as the rate allows, and the positions take
// what the formula says.
func TestLargest(t *testing.T) {
	v := heavy(20_000)
	sorted := slices.Clone(v)
	slices.SortFunc(sorted, func(a, b float32) int { return int(magnitude(b)) - int(magnitude(a)) })
	for name, width := range map[string]float64{"topk": bitsTopK, "ternary": bitsTernary} {
		for _, rate := range []float64{1. / 64, .1, .5, 1, 1.5} {
			t.Run(fmt.Sprintf("%s/%v", name, rate), func(t *testing.T) {
				block, got := packed(t, codec(t, name), compress.Flat(len(v)), v, compress.Options{Bits: rate})
				k := count(len(v), rate, width)
				kept := 0
				for i, x := range got {
					if x == 0 {
						continue
					}
					kept++
					if magnitude(v[i]) < magnitude(sorted[k-1]) {
						t.Fatalf("element %d, %v, is kept; the %d largest are at least %v", i, v[i], k, sorted[k-1])
					}
				}
				if kept != k {
					t.Errorf("%d values are kept, want %d", kept, k)
				}
				want := float64(k) * (width + positionBits(k, len(v))) / 8
				if size := float64(len(block)); size < .98*want || size > 1.02*want+14 {
					t.Errorf("block of %v bytes, want about %.0f", size, want)
				}
			})
		}
	}
}

func TestTopKValues(t *testing.T) {
	v := []float32{0, -3, 1e-3, .5, 0, 2.999}
	_, got := packed(t, codec(t, "topk"), compress.Flat(len(v)), v, compress.Options{Bits: 7})
	for i, want := range []float32{0, -3, 0, 0, 0, 2.999} {
		if math.Abs(float64(got[i]-want)) > 1e-3*math.Abs(float64(want)) {
			t.Errorf("element %d is %v, want %v", i, got[i], want)
		}
	}
}

// What is kept has one magnitude, the mean, and its own sign.
func TestTernaryHasOneMagnitude(t *testing.T) {
	v := heavy(10_000)
	_, got := packed(t, codec(t, "ternary"), compress.Flat(len(v)), v, compress.Options{Bits: .3})
	sum, kept, one := 0., 0, float32(0)
	for i, x := range got {
		if x == 0 {
			continue
		}
		if one == 0 {
			one = max(x, -x)
		}
		if max(x, -x) != one || x*v[i] < 0 {
			t.Fatalf("element %d, %v, is %v, want %v with its sign", i, v[i], x, one)
		}
		sum += math.Abs(float64(v[i]))
		kept++
	}
	if want := float32(sum / float64(kept)); one != want {
		t.Errorf("magnitude %v, want the mean, %v", one, want)
	}
}

func TestSignSGD(t *testing.T) {
	v := []float32{1, -3, 0, 2, -5, 5, 7, -7, 0, 0}
	tensors := []compress.Tensor{{Size: 4}, {}, {Size: 4}, {Size: 2}}
	block, got := packed(t, codec(t, "signsgd"), tensors, v, compress.Options{})
	if want := []float32{1.5, -1.5, 1.5, 1.5, -6, 6, 6, -6, 0, 0}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if want := 3 + 3*(1+4) + 2; len(block) != want {
		t.Errorf("block of %d bytes, want %d", len(block), want)
	}
	many := slices.Repeat([]compress.Tensor{{Size: 2}}, maxParts+1)
	_, got = packed(t, codec(t, "signsgd"), many, heavy(2*len(many)), compress.Options{})
	if magnitude(got[0]) != magnitude(got[len(got)-1]) {
		t.Errorf("magnitudes %v and %v, want one: there are too many tensors", got[0], got[len(got)-1])
	}
}

// Elias's recursive codes are those of the literature, and all are read as they are
// written.
func TestCodes(t *testing.T) {
	for v, want := range map[uint32]int{1: 1, 2: 3, 3: 3, 4: 6, 7: 6, 8: 7, 15: 7, 16: 11, 100: 13, 1000: 17} {
		w := bitWriter{}
		w.elias(v)
		if got := 8*len(w.out) + w.n; got != want {
			t.Errorf("Elias's code of %d has %d bits, want %d", v, got, want)
		}
	}
	w := bitWriter{}
	numbers := []uint32{1, 2, 3, 7, 8, 100, 65_535, 1 << 28, math.MaxUint32}
	for _, v := range numbers {
		w.elias(v)
		w.rice(uint64(v&1023), 3)
	}
	r := bitReader{in: w.flush()}
	for _, want := range numbers {
		if got := r.elias(); got != want {
			t.Errorf("Elias's code of %d is read as %d", want, got)
		}
		if got := r.rice(3, 1<<28); got != uint64(want&1023) {
			t.Errorf("the Golomb code of %d is read as %d", want&1023, got)
		}
	}
	if r.short {
		t.Error("the reader is beyond the end")
	}
}

func TestEncodersRefuse(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, c := range []struct {
		name, codec string
		v           []float32
		bits        float64
		want        error
	}{
		{"half a bit", "qsgd", []float32{1}, 2.5, compress.ErrOptions},
		{"a bit", "qsgd", []float32{1}, 1, compress.ErrOptions},
		{"bits", "qsgd", []float32{1}, 17, compress.ErrOptions},
		{"nan", "qsgd", []float32{1, nan}, 2, compress.ErrNotFinite},
		{"huge", "qsgd", []float32{3e38, 3e38}, 2, compress.ErrRange},
		{"no rate", "topk", []float32{1}, 0, compress.ErrOptions},
		{"nan is the rate", "ternary", []float32{1}, math.NaN(), compress.ErrOptions},
		{"inf", "topk", []float32{inf}, 1, compress.ErrNotFinite},
		{"inf", "ternary", []float32{-inf}, 1, compress.ErrNotFinite},
		{"nan", "signsgd", []float32{nan}, 0, compress.ErrNotFinite},
		{"layout", "signsgd", []float32{1, 2}, 0, compress.ErrLayout},
	} {
		t.Run(c.codec+"/"+c.name, func(t *testing.T) {
			got, err := codec(t, c.codec).NewEncoder(compress.Flat(1)).Append([]byte("head"), c.v, compress.Options{Bits: c.bits})
			if !errors.Is(err, c.want) || string(got) != "head" {
				t.Errorf("got %q, %v, want %v", got, err, c.want)
			}
		})
	}
}

// Blocks of ten values that must be refused, by the class of what is wrong.
func TestDecodersRefuse(t *testing.T) {
	one := binary.LittleEndian.AppendUint32(nil, math.Float32bits(1))
	nan := binary.LittleEndian.AppendUint32(nil, math.Float32bits(float32(math.NaN())))
	minus := binary.LittleEndian.AppendUint32(nil, math.Float32bits(-1))
	half := []byte{0, 0x3c} // 1 as float16
	join := func(parts ...[]byte) []byte { return slices.Concat(parts...) }
	huge := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}
	for _, c := range []struct {
		name, codec string
		block       []byte
		want        error
	}{
		{"nothing", "qsgd", nil, compress.ErrTruncated},
		{"version", "qsgd", []byte{2, 10}, compress.ErrVersion},
		{"values", "qsgd", []byte{1, 9}, compress.ErrLength},
		{"absurd values", "topk", join([]byte{1}, huge), compress.ErrLength},
		{"no bits", "qsgd", []byte{1, 10, 2}, compress.ErrTruncated},
		{"one bit", "qsgd", join([]byte{1, 10, 1, 0}, one, []byte{0, 0}), compress.ErrRange},
		{"17 bits", "qsgd", join([]byte{1, 10, 17, 0}, one, make([]byte, 22)), compress.ErrRange},
		{"coding", "qsgd", join([]byte{1, 10, 2, 2}, one, []byte{0}), compress.ErrRange},
		{"no norm", "qsgd", []byte{1, 10, 2, 0, 1}, compress.ErrTruncated},
		{"norm is nan", "qsgd", join([]byte{1, 10, 2, 0}, nan, []byte{0, 0, 0}), compress.ErrNotFinite},
		{"norm below 0", "qsgd", join([]byte{1, 10, 2, 0}, minus, []byte{0, 0, 0}), compress.ErrRange},
		{"levels cut off", "qsgd", join([]byte{1, 10, 2, 0}, one, []byte{0, 0}), compress.ErrLength},
		{"absurd count", "qsgd", join([]byte{1, 10, 2, 1}, one, huge), compress.ErrLength},
		{"level above the highest", "qsgd", join([]byte{1, 10, 2, 1}, one, []byte{1, 0b0100}), compress.ErrRange},
		{"distance beyond the end", "qsgd", join([]byte{1, 10, 2, 1}, one, []byte{1, 0b0011_1111, 0}), compress.ErrLength},
		{"padding", "qsgd", join([]byte{1, 10, 2, 1}, one, []byte{1, 0b1000}), compress.ErrTrailing},
		{"eleven kept", "topk", join([]byte{1, 10, 11, 0}, one, make([]byte, 30)), compress.ErrLength},
		{"order", "topk", join([]byte{1, 10, 1, 32}, one, half, []byte{0}), compress.ErrRange},
		{"value above the largest", "topk", join([]byte{1, 10, 1, 0}, one, []byte{1, 0x3c}, []byte{0}), compress.ErrRange},
		{"value is nan", "topk", join([]byte{1, 10, 1, 0}, one, []byte{1, 0x7e}, []byte{0}), compress.ErrNotFinite},
		{"fewer values than positions", "topk", join([]byte{1, 10, 2, 0}, one, half), compress.ErrTruncated},
		{"no positions", "topk", join([]byte{1, 10, 1, 0}, one, half), compress.ErrTruncated},
		{"position beyond the end", "ternary", join([]byte{1, 10, 1, 0}, one, []byte{0xff, 0xff}), compress.ErrLength},
		{"no magnitude", "ternary", []byte{1, 10, 1, 0, 1}, compress.ErrTruncated},
		{"bytes after the last", "ternary", join([]byte{1, 10, 1, 0}, one, []byte{0, 0}), compress.ErrTrailing},
		{"parts", "signsgd", join([]byte{1, 10}, huge), compress.ErrParts},
		{"no parts", "signsgd", []byte{1, 10, 0, 0, 0}, compress.ErrParts},
		{"an empty part", "signsgd", join([]byte{1, 10, 1, 0}, one, []byte{0, 0}), compress.ErrParts},
		{"a large part", "signsgd", join([]byte{1, 10, 1, 11}, one, []byte{0, 0}), compress.ErrParts},
		{"signs cut off", "signsgd", join([]byte{1, 10, 1, 10}, one, []byte{0}), compress.ErrLength},
	} {
		t.Run(c.codec+"/"+c.name, func(t *testing.T) {
			err := compress.DecodeWith(codec(t, c.codec).NewDecoder(), make([]float32, 10), c.block, compress.Options{})
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if !errors.Is(err, compress.ErrBlock) && !errors.Is(err, compress.ErrNotFinite) && !errors.Is(err, compress.ErrRange) {
				t.Errorf("%v is no error of package compress", err)
			}
		})
	}
}

// Simulations know the codecs, and no build does without them.
func TestLookup(t *testing.T) {
	for _, c := range Codecs() {
		if got, err := Codecs().Lookup(c.ID); err != nil || got.Name != c.Name {
			t.Errorf("%s: got %q, %v", c.Name, got.Name, err)
		}
		if _, err := compress.Lookup(c.ID); !errors.Is(err, compress.ErrUnknownCodec) {
			t.Errorf("%s: every build has it: %v", c.Name, err)
		}
		if c.ID < protocol.CodecPrivate || c.ID >= protocol.CodecPrivate+16 {
			t.Errorf("%s has number %d, want one that no peer sends", c.Name, c.ID)
		}
	}
	if c, err := Codecs().Lookup(protocol.CodecDither); err != nil || c.Name != "dither" {
		t.Errorf("dither: got %q, %v", c.Name, err)
	}
}

// Error feedback makes up for what a biased codec drops.
func TestFeedback(t *testing.T) {
	const n, rounds = 2000, 200
	v := heavy(n)
	for name, bits := range map[string]float64{"topk": 1, "ternary": .5, "signsgd": 0} {
		t.Run(name, func(t *testing.T) {
			c := codec(t, name)
			f := compress.NewFeedback(c.NewEncoder(compress.Flat(n)), c.NewDecoder())
			sum := make([]float32, n)
			for range rounds {
				block, err := f.Append(nil, v, compress.Options{Bits: bits})
				if err != nil {
					t.Fatal(err)
				}
				if err := compress.AddWith(c.NewDecoder(), sum, 1./rounds, block, compress.Options{}); err != nil {
					t.Fatal(err)
				}
			}
			_, once := packed(t, c, compress.Flat(n), v, compress.Options{Bits: bits})
			if with, without := distance(sum, v), distance(once, v); with > .7*without {
				t.Errorf("the mean of %d vectors is %v from theirs, want at most .7 of one without feedback, %v", rounds, with, without)
			}
		})
	}
}

func distance(x, y []float32) float64 { return math.Sqrt(kernel.SquaredDistance(x, y)) }
