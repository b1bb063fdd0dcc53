package integers

import (
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"fedtab/privacy/account"

	"gonum.org/v1/gonum/stat/distuv"
	"pgregory.net/rapid"
)

// noisy is a format with noise: sums of 5 to 8.
func noisy(parameters int) Format {
	return Format{Parameters: parameters, Clients: 8, Bits: 16, Subset: 1, Examples: 1, Noise: 1, Fewest: 5}
}

// value returns an integer of a sum modulo 2^16.
func value(x uint32) float64 { return float64(int16(x)) }

// The shares of exactly Fewest clients add up to noise of at least the claimed variance, without
// bias, and the variance is the sum of the shares'.
func TestShares(t *testing.T) {
	f := noisy(40_000)
	random := rand.NewChaCha8([32]byte{1})
	for _, clients := range []int{5, 8} {
		var vectors [][]uint32
		for range clients {
			v := make([]uint32, f.Length())
			if err := f.AddNoise(v, random); err != nil {
				t.Fatal(err)
			}
			vectors = append(vectors, v)
		}
		var first, second float64
		for _, x := range sum(vectors, f.Bits) {
			first += value(x)
			second += value(x) * value(x)
		}
		n := float64(f.Length())
		want := f.Sensitivity().L2 * f.Sensitivity().L2 * float64(clients) / 5 // Noise is 1
		// A sum of squares of normal variables; Skellam tails are heavier by 1 in a variance.
		chi := distuv.ChiSquared{K: n}
		if got := second / want; got < chi.Quantile(1e-6) || got > chi.Quantile(1-1e-6) {
			t.Errorf("%d clients: a variance of %g, want %g", clients, second/n, want)
		}
		if mean := first / n; math.Abs(mean) > 5*math.Sqrt(want/n) {
			t.Errorf("%d clients: a mean of %g, want 0", clients, mean)
		}
	}
	share, err := f.Share()
	claimed := f.Noise * f.Sensitivity().L2
	if err != nil || share.Float()*float64(f.Fewest) < claimed*claimed {
		t.Errorf("shares of a variance of %g, %v: want a fifth of %g at least", share.Float(), err, claimed*claimed)
	}
}

// Without noise, sums of neighbouring cohorts differ by no more than the sensitivity, whatever
// one of the clients has to send, and whatever it has not sent before. The neighbour sends 0.
func TestNoisySensitivity(t *testing.T) {
	odd := []float32{float32(math.NaN()), float32(math.Inf(1)), math.MaxFloat32, -1e30, 0}
	rapid.Check(t, func(t *rapid.T) {
		f := noisy(rapid.IntRange(1, 60).Draw(t, "parameters"))
		f.Bits = rapid.IntRange(12, 20).Draw(t, "bits")
		f.Subset = rapid.SampledFrom([]float64{1, .5, .1}).Draw(t, "subset")
		f.Noise = rapid.Float64Range(.1, 3).Draw(t, "noise")
		if f.Validate() != nil {
			t.Skip("no room")
		}
		numbers := rapid.SliceOfN(rapid.OneOf(rapid.Float32Range(-5, 5), rapid.SampledFrom(odd)), f.Parameters, f.Parameters)
		u := Update{Values: numbers.Draw(t, "values"), Residual: numbers.Draw(t, "residual"), Examples: 1}
		turn := Turn{Seed: 1, Round: rapid.Uint64Range(1, 30).Draw(t, "round"), Bound: rapid.Float64Range(1e-4, 10).Draw(t, "bound")}
		var one, two float64
		for _, x := range f.Encode(&u, turn, rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 2))) {
			one += math.Abs(float64(int32(x)))
			two += float64(int32(x)) * float64(int32(x))
		}
		if s := f.Sensitivity(); math.Sqrt(two) > s.L2 || one > s.L1 {
			t.Fatalf("norms of %g and %g, want at most %g and %g", one, math.Sqrt(two), s.L1, s.L2)
		}
	})
}

// A sum of the largest number of clients, each at every limit, does not wrap with its noise, and
// says what they have sent.
func TestNoisySumsDoNotWrap(t *testing.T) {
	f := noisy(20_000)
	random := rand.NewChaCha8([32]byte{2})
	turn := Turn{Round: 1, Bound: 1}
	var vectors [][]uint32
	want, levels := make([]float64, f.Length()), uint32(f.Levels())
	for range f.Clients {
		v := make([]uint32, f.Length())
		if err := f.AddNoise(v, random); err != nil {
			t.Fatal(err)
		}
		for i := range v {
			v[i] = (v[i] + levels) & (1<<f.Bits - 1)
			want[i] += value(v[i])
		}
		vectors = append(vectors, v)
	}
	total, err := f.Decode(sum(vectors, f.Bits), turn)
	if err != nil || total.Weight != float64(f.Clients) {
		t.Fatalf("%+v, %v", total, err)
	}
	for i, x := range want {
		if got := float64(total.Mean[i]) * total.Weight / f.step(turn.Bound); math.Abs(got-x) > 1e-6*math.Abs(x)+1e-3 {
			t.Fatalf("parameter %d: %g, want %g", i, got, x)
		}
	}
}

// The levels leave room for the noise's tail, and no more: one level more would not. The tail is
// that of a normal variable, and a little heavier.
func TestNoisyLevels(t *testing.T) {
	for _, f := range []Format{noisy(10), noisy(199_210), {Parameters: 199_210, Clients: 250, Bits: 16, Subset: .5, Examples: 1, Noise: 2, Fewest: 150}} {
		if err := f.Validate(); err != nil {
			t.Fatal(err)
		}
		room := func(levels int) float64 {
			return float64(int(1)<<(f.Bits-1)-1) - float64(f.Clients*levels) - f.tail(f.variance(levels)*float64(f.Clients))
		}
		if n := f.Levels(); room(n) < 0 || room(n+1) >= 0 {
			t.Errorf("%+v: %d levels leave %g, and one more %g", f, n, room(n), room(n+1))
		}
		v := f.variance(f.Levels()) * float64(f.Clients)
		chance := 2 * float64(f.Sent()) * distuv.UnitNormal.Survival(f.tail(v)/math.Sqrt(v))
		if chance > math.Exp2(-wrapLog2) || chance < math.Exp2(-wrapLog2)/100 {
			t.Errorf("%+v: a parameter wraps with a chance of %g, want about 2^-%d", f, chance, wrapLog2)
		}
	}
}

// A vector whose rounding is always too long is rounded towards zero.
func TestRoundWithin(t *testing.T) {
	f := noisy(4)
	steps := make([]float64, 4)
	for i := range steps {
		steps[i] = f.Sensitivity().L2/2 + .9 // the norm itself is beyond what a clipped vector has
	}
	out := make([]uint32, 4)
	f.roundWithin(out, steps, rand.New(rand.NewPCG(1, 1)))
	for i, x := range out {
		if float64(x) != math.Trunc(steps[i]) {
			t.Errorf("%d of %g", x, steps[i])
		}
	}
}

// An attacker who knows all others guesses from a sum of exactly Fewest whether a client has
// sent its update or 0. What it shows is below the claim, and within a factor of 2 of it.
func TestSharesAudit(t *testing.T) {
	runs := 40_000
	if !testing.Short() {
		runs = 400_000
	}
	const delta, confidence, threshold = 1e-3, .999, 2
	f := noisy(4)
	claim, err := f.Claim(delta, 0)
	if err != nil {
		t.Fatal(err)
	}
	turn := Turn{Round: 1, Bound: 1}
	random, r := rand.NewChaCha8([32]byte{3}), rand.New(rand.NewPCG(5, 6))
	says := func(there bool) (yes int) {
		vectors := make([][]uint32, f.Fewest) // of all runs
		for i := range vectors {
			vectors[i] = make([]uint32, 4*runs)
			for at := 0; i == 0 && there && at < 4*runs; at += 4 {
				u := Update{Values: []float32{10, 10, 10, 10}, Examples: 1} // far beyond the bound
				copy(vectors[i][at:], f.Encode(&u, turn, r))
			}
			if err := f.AddNoise(vectors[i], random); err != nil {
				t.Fatal(err)
			}
		}
		all, unit := sum(vectors, f.Bits), 2*f.Sensitivity().L2
		for ; len(all) > 0; all = all[4:] {
			if (value(all[0])+value(all[1])+value(all[2])+value(all[3]))/unit > threshold {
				yes++
			}
		}
		return yes
	}
	right, wrong := says(true), says(false)
	low := distuv.Beta{Alpha: float64(right), Beta: float64(runs-right) + 1}.Quantile((1 - confidence) / 2)
	high := distuv.Beta{Alpha: float64(wrong) + 1, Beta: float64(runs - wrong)}.Quantile((1 + confidence) / 2)
	found := math.Log((low - delta) / high)
	claimed, err := claim.Epsilon(1)
	if err != nil {
		t.Fatal(err)
	}
	if told := fmt.Sprintf("%d runs show epsilon >= %.3f, the claim is %.3f", runs, found, claimed); found > claimed || found < claimed/2 {
		t.Errorf("%s: want it below, within a factor of 2", told)
	} else {
		t.Log(told)
	}
}

// The claim is that of Gaussian noise and a little more; less noise, or more releases, cost more.
func TestSharesClaim(t *testing.T) {
	f := Format{Parameters: 199_210, Clients: 200, Bits: 16, Subset: 1, Examples: 1, Noise: 2.14, Fewest: 160}
	c, err := f.Claim(1e-5, 11)
	if err != nil {
		t.Fatal(err)
	}
	epsilon := func(c account.Claim, n int) float64 {
		e, err := c.Epsilon(n)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	exact, err := account.GaussianEpsilon(math.Sqrt(11)/f.Noise, 1e-5)
	if got := epsilon(c, 54); err != nil || got < exact || got > 1.08*exact {
		t.Errorf("epsilon %g, %v: want %g, that of Gaussian noise, and up to 8%% more", got, err, exact)
	}
	if a, b := epsilon(c, 11), epsilon(c, 54); a != b {
		t.Errorf("epsilon %g after 11 releases, and %g after 54 of which one takes part in 11", a, b)
	}
	if a, b := epsilon(c, 3), epsilon(c, 4); a >= b {
		t.Errorf("epsilon %g after 3 releases, and %g after 4", a, b)
	}
	if a, b := epsilon(c, 11), epsilon(c.Colluding(.125), 11); b <= a || b > 1.15*a {
		t.Errorf("epsilon %g, and %g if an eighth of the noise is known", a, b)
	}
	rough := *c.Shares
	rough.Error = 1e-10
	c.Shares = &rough
	if got := epsilon(c, 11); !math.IsInf(got, 1) {
		t.Errorf("epsilon %g of samplers that are too far from Skellam noise, want none", got)
	}
}

func TestNoiseRefused(t *testing.T) {
	for name, change := range map[string]func(*Format){
		"little": func(f *Format) { f.Noise = .001 }, "negative": func(f *Format) { f.Noise = -1 }, "NaN": func(f *Format) { f.Noise = math.NaN() },
		"much": func(f *Format) { f.Noise = 2000 }, "no room": func(f *Format) { f.Bits = 6 },
		"none": func(f *Format) { f.Fewest = 0 }, "fewest": func(f *Format) { f.Fewest = 9 },
	} {
		f := noisy(10)
		change(&f)
		if err := f.Validate(); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v, want ErrFormat", name, err)
		}
	}
	f := noisy(10)
	if err := f.AddNoise(make([]uint32, 10), strings.NewReader("")); !errors.Is(err, io.EOF) {
		t.Errorf("without random bytes: %v, want an error", err)
	}
}
