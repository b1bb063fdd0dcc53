package compress

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"fedtab/protocol"
)

func feedback(t testing.TB, n int) *Feedback {
	c := lookup(t, protocol.CodecDeadzone)
	return NewFeedback(c.NewEncoder(Flat(n)), c.NewDecoder())
}

func norm(v []float32) float64 {
	sum := 0.0
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	return math.Sqrt(sum)
}

// What is lost comes later: the sum of what is decoded stays as near to the sum
// of what was packed as one residual, however many rounds go by.
func TestFeedbackLosesNothing(t *testing.T) {
	const n, rounds = 4000, 30
	r := rand.New(rand.NewPCG(1, 2))
	always := make([]float32, n)
	for i := range always {
		always[i] = float32(r.NormFloat64())
	}
	o := Options{Bits: .5}
	dec := lookup(t, protocol.CodecDeadzone).NewDecoder()
	errorOf := func(enc Encoder) float64 {
		left, got := make([]float32, n), make([]float32, n)
		for range rounds {
			block, err := enc.Append(nil, always, o)
			if err != nil {
				t.Fatal(err)
			}
			if err := DecodeWith(dec, got, block, o); err != nil {
				t.Fatal(err)
			}
			for i, x := range always {
				left[i] += x - got[i]
			}
		}
		return norm(left) / (rounds * norm(always))
	}
	f := feedback(t, n)
	with, without := errorOf(f), errorOf(lookup(t, protocol.CodecDeadzone).NewEncoder(Flat(n)))
	if with > without/3 || with > .27 {
		t.Errorf("error is %.3f of the sum with feedback, %.3f without", with, without)
	}
	if got := norm(f.residual); got > maxResidual*norm(always)*1.001 {
		t.Errorf("residual is %g, the vector %g", got, norm(always))
	}
}

func TestFeedbackIsBounded(t *testing.T) {
	const n = 1000
	f := feedback(t, n)
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(i%7) - 3
	}
	for range 8 { // a vector that shrinks by a thousand each time
		if _, err := f.Append(nil, v, Options{Bits: MinBits}); err != nil {
			t.Fatal(err)
		}
		if got := norm(f.residual); got > maxResidual*norm(v)*1.001 {
			t.Fatalf("residual is %g, the vector %g", got, norm(v))
		}
		for i := range v {
			v[i] /= 1000
		}
	}
	f.Age(3, .5)
	before := norm(f.residual)
	f.Age(1, .5)
	if got := norm(f.residual); math.Abs(got-before/2) > 1e-6*before {
		t.Errorf("residual is %g, want half of %g", got, before)
	}
	f.Age(100, .5)
	if len(f.residual) != 0 {
		t.Error("an old residual is kept")
	}
}

func TestFeedbackState(t *testing.T) {
	const n = 3000
	f := feedback(t, n)
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(math.Sin(float64(i)))
	}
	o := Options{Bits: .2}
	empty := f.AppendState(nil)
	if _, err := f.Append(nil, v, o); err != nil {
		t.Fatal(err)
	}
	state := f.AppendState([]byte("head"))[4:]
	again := feedback(t, n)
	if err := again.RestoreState(state, n); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(again.residual, f.residual) {
		t.Error("another residual comes back")
	}
	want, err := f.Append(nil, v, o)
	if err != nil {
		t.Fatal(err)
	}
	got, err := again.Append(nil, v, o)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("restored, it packs something else: %v", err)
	}
	for name, bad := range map[string][]byte{"empty": nil, "version": {9, 0}, "short": state[:len(state)-1], "long": append(slices.Clone(state), 0)} {
		if err := again.RestoreState(bad, n); !errors.Is(err, ErrBlock) || len(again.residual) != 0 {
			t.Errorf("%s: got %v, %d values", name, err, len(again.residual))
		}
	}
	if err := again.RestoreState(state, n-1); !errors.Is(err, ErrBlock) {
		t.Errorf("another length: got %v", err)
	}
	if err := again.RestoreState(empty, n); err != nil || len(again.residual) != 0 {
		t.Errorf("nothing: got %v", err)
	}
	if _, err := f.Append(nil, v[:10], o); !errors.Is(err, ErrLayout) {
		t.Errorf("got %v", err)
	}
}
