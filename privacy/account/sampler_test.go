package account

import (
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"testing"
	"testing/iotest"

	"gonum.org/v1/gonum/stat/distuv"
)

// seeded returns a Source whose draws repeat.
func seeded(seed byte) *Source { return NewSource(rand.NewChaCha8([32]byte{seed})) }

// everyByte reads all bytes in turn.
type everyByte struct{ next byte }

func (r *everyByte) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = r.next
		r.next++
	}
	return len(b), nil
}

// When all bytes come equally often, so do all integers below any bound.
func TestBelow(t *testing.T) {
	for n := uint64(2); n <= 256; n++ {
		s := NewSource(io.LimitReader(new(everyByte), 4096))
		counts := make([]int, n)
		var end error
		func() {
			defer catch(&end)
			for {
				counts[s.below(n)]++
			}
		}()
		if !errors.Is(end, io.EOF) {
			t.Fatal(end)
		}
		for x, c := range counts {
			if c != counts[0] {
				t.Fatalf("below %d: %d comes %d times, 0 %d times", n, x, c, counts[0])
			}
		}
	}
	// Larger bounds, just above and below powers of two, by the halves of their range.
	s := seeded(1)
	for _, n := range []uint64{257, 1<<16 - 1, 1<<33 + 1, 1<<63 + 1, math.MaxUint64} {
		const draws = 100_000
		upper := 0
		for range draws {
			x := s.below(n)
			if x >= n {
				t.Fatalf("below %d: %d", n, x)
			}
			if x >= n/2+n%2 {
				upper++
			}
		}
		p := float64(n/2) / float64(n)
		if d := math.Abs(float64(upper) - draws*p); d > 5*math.Sqrt(draws/4) {
			t.Errorf("below %d: %d of %d in the upper half", n, upper, draws)
		}
	}
}

// chiSquare compares counts with the probabilities of integers from first on. Rare integers
// are joined. The chance that a right sampler fails is 1e-6.
func chiSquare(t *testing.T, name string, draws []int64, probability func(x int64) float64) {
	t.Helper()
	counts := map[int64]float64{}
	low, high := int64(math.MaxInt64), int64(math.MinInt64)
	for _, x := range draws {
		counts[x]++
		low, high = min(low, x), max(high, x)
	}
	n := float64(len(draws))
	statistic, cells, seen, expected, covered := 0.0, 0, 0.0, 0.0, 0.0
	for x := low; x <= high; x++ {
		seen += counts[x]
		expected += n * probability(x)
		if expected >= 20 {
			statistic += (seen - expected) * (seen - expected) / expected
			cells, covered, seen, expected = cells+1, covered+expected, 0, 0
		}
	}
	// What no cell has is one more, beyond the draws included.
	if rest := n - covered; rest >= 5 {
		statistic += (seen - rest) * (seen - rest) / rest
		cells++
	}
	if cells < 2 {
		t.Fatalf("%s: %d cells, want at least 2", name, cells)
	}
	if limit := (distuv.ChiSquared{K: float64(cells - 1)}).Quantile(1 - 1e-6); statistic > limit {
		t.Errorf("%s: chi-square is %.1f over %d cells, want at most %.1f", name, statistic, cells, limit)
	}
}

// compareMoments compares mean, variance and fourth moment.
func compareMoments(t *testing.T, name string, draws []int64, variance, kurtosis float64) {
	t.Helper()
	var first, second, fourth sum
	for _, d := range draws {
		x := float64(d) / math.Sqrt(variance)
		first.add(x)
		second.add(x * x)
		fourth.add(x * x * x * x)
	}
	n := float64(len(draws))
	for _, c := range []struct {
		what      string
		got, want float64
		deviation float64 // of one draw, about that of a normal variable
	}{
		{"mean", first.value() / n, 0, 1},
		{"variance", second.value() / n, 1, math.Sqrt(kurtosis - 1)},
		{"fourth moment", fourth.value() / n, kurtosis, 12 * kurtosis / 3},
	} {
		if math.Abs(c.got-c.want) > 5*c.deviation/math.Sqrt(n) {
			t.Errorf("%s: %s is %g, want %g", name, c.what, c.got, c.want)
		}
	}
}

// draws is how many a test takes.
func draws() int {
	if testing.Short() {
		return 100_000
	}
	return 1_000_000
}

func TestDiscreteGaussian(t *testing.T) {
	for i, v := range []Variance{{1, 16}, {1, 4}, {1, 1}, {37, 10}, {100, 1}, {12345, 7}} {
		g, err := NewDiscreteGaussian(v)
		if err != nil {
			t.Fatal(err)
		}
		xs := make([]int64, draws())
		if err := g.Sample(xs, seeded(byte(i))); err != nil {
			t.Fatal(err)
		}
		weight := func(x int64) float64 { return math.Exp(-float64(x) * float64(x) / (2 * v.Float())) }
		var total, second, fourth float64
		for x := int64(-2000); x <= 2000; x++ {
			w, y := weight(x), float64(x)
			total, second, fourth = total+w, second+w*y*y, fourth+w*y*y*y*y
		}
		name := fmt.Sprintf("variance %d/%d", v.Num, v.Den)
		chiSquare(t, name, xs, func(x int64) float64 { return weight(x) / total })
		if v.Num > v.Den {
			compareMoments(t, name, xs, second/total, fourth*total/(second*second))
		}
	}
}

// Wide noise is normal in all but its grid.
func TestDiscreteGaussianWide(t *testing.T) {
	v := Variance{1 << 40, 1}
	g, err := NewDiscreteGaussian(v)
	if err != nil {
		t.Fatal(err)
	}
	xs := make([]int64, draws())
	if err := g.Sample(xs, seeded(9)); err != nil {
		t.Fatal(err)
	}
	compareMoments(t, "variance 2^40", xs, v.Float(), 3)
}

func TestSkellam(t *testing.T) {
	for i, v := range []Variance{{1, 256}, {1, 2}, {2, 1}, {19, 3}, {400, 1}} {
		k, err := NewSkellam(v)
		if err != nil {
			t.Fatal(err)
		}
		if d := k.Distance(); !(d < 0x1p-70) {
			t.Errorf("variance %g: distance %g", v.Float(), d)
		}
		xs := make([]int64, draws())
		if err := k.Sample(xs, seeded(byte(20+i))); err != nil {
			t.Fatal(err)
		}
		mean := v.Float() / 2
		poisson := func(x int64) float64 {
			if x < 0 {
				return 0
			}
			l, _ := math.Lgamma(float64(x) + 1)
			return math.Exp(float64(x)*math.Log(mean) - mean - l)
		}
		name := fmt.Sprintf("variance %d/%d", v.Num, v.Den)
		chiSquare(t, name, xs, func(x int64) float64 {
			p := 0.0
			for y := int64(0); y < 600; y++ {
				p += poisson(y) * poisson(y+x)
			}
			return p
		})
		if v.Float() > 1 {
			compareMoments(t, name, xs, v.Float(), 3+1/v.Float())
		}
	}
}

func TestSkellamWide(t *testing.T) {
	v := Variance{maxSkellam, 1}
	k, err := NewSkellam(v)
	if err != nil {
		t.Fatal(err)
	}
	if d := k.Distance(); !(d < 0x1p-70) {
		t.Errorf("distance %g", d)
	}
	xs := make([]int64, draws())
	if err := k.Sample(xs, seeded(30)); err != nil {
		t.Fatal(err)
	}
	compareMoments(t, "variance 2^26", xs, v.Float(), 3)
}

// Without random bytes there is no noise, and that is told.
func TestSourceFails(t *testing.T) {
	broken := errors.New("no entropy")
	g, _ := NewDiscreteGaussian(Variance{10, 1})
	k, _ := NewSkellam(Variance{10, 1})
	for name, sample := range map[string]func([]int64, *Source) error{"discrete Gaussian": g.Sample, "Skellam": k.Sample} {
		if err := sample(make([]int64, 10), NewSource(iotest.ErrReader(broken))); !errors.Is(err, broken) {
			t.Errorf("%s: %v, want %v", name, err, broken)
		}
		limited := NewSource(io.LimitReader(rand.NewChaCha8([32]byte{}), 10_000))
		if err := sample(make([]int64, 100_000), limited); !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v, want the end of the random bytes", name, err)
		}
	}
}

func TestVariance(t *testing.T) {
	for _, c := range []struct {
		variance float64
		want     Variance
	}{{1, Variance{256, 256}}, {1e-9, Variance{1, 256}}, {3.0001, Variance{769, 256}}} {
		if got, err := NewVariance(c.variance); err != nil || got != c.want {
			t.Errorf("%g: %v, %v; want %v", c.variance, got, err, c.want)
		}
	}
	for _, v := range []float64{0, -1, math.NaN(), math.Inf(1), 2e12} {
		if _, err := NewVariance(v); err == nil {
			t.Errorf("variance %g is accepted", v)
		}
	}
	for _, v := range []Variance{{}, {1, 0}, {1, 257}, {maxGaussian + 1, 1}} {
		if _, err := NewDiscreteGaussian(v); err == nil {
			t.Errorf("variance %v is accepted", v)
		}
	}
	if _, err := NewSkellam(Variance{maxSkellam + 1, 1}); err == nil {
		t.Error("a variance above 2^26 is accepted for Skellam noise")
	}
}

func BenchmarkSample(b *testing.B) {
	for _, variance := range []uint64{10, 10_000, maxSkellam} {
		g, _ := NewDiscreteGaussian(Variance{variance, 1})
		k, _ := NewSkellam(Variance{variance, 1})
		for name, sample := range map[string]func([]int64, *Source) error{"gaussian": g.Sample, "skellam": k.Sample} {
			b.Run(fmt.Sprintf("%s/variance=%d", name, variance), func(b *testing.B) {
				xs, s := make([]int64, 1000), seeded(1)
				for b.Loop() {
					if err := sample(xs, s); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/draw")
			})
		}
	}
}
