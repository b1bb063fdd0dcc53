package data

import (
	"errors"
	"math"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// complete fails unless every one of n examples is in exactly one part and no part
// is empty.
func complete(t *rapid.T, parts [][]int32, n int) {
	t.Helper()
	seen := make([]bool, n)
	for k, p := range parts {
		if len(p) == 0 {
			t.Fatalf("part %d is empty", k)
		}
		for _, i := range p {
			if seen[i] {
				t.Fatalf("example %d is there twice", i)
			}
			seen[i] = true
		}
	}
	if i := slices.Index(seen, false); i >= 0 {
		t.Fatalf("example %d is missing", i)
	}
}

// drawLabels draws labels from 0 to 9.
func drawLabels(t *rapid.T) []uint8 {
	return rapid.SliceOfN(rapid.Uint8Range(0, 9), 1, 300).Draw(t, "labels")
}

// again fails unless the partition is complete and a second call gives the same.
func again(t *rapid.T, make func(seed uint64) ([][]int32, error), n int) [][]int32 {
	t.Helper()
	seed := rapid.Uint64().Draw(t, "seed")
	parts, err := make(seed)
	if err != nil {
		t.Fatal(err)
	}
	complete(t, parts, n)
	if same, _ := make(seed); !reflect.DeepEqual(parts, same) {
		t.Fatal("a second call gives other parts")
	}
	return parts
}

func sizes(parts [][]int32) (smallest, largest int) {
	smallest = len(parts[0])
	for _, p := range parts {
		smallest, largest = min(smallest, len(p)), max(largest, len(p))
	}
	return smallest, largest
}

func TestIID(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 500).Draw(t, "n")
		clients := rapid.IntRange(1, n).Draw(t, "clients")
		parts := again(t, func(seed uint64) ([][]int32, error) { return IID(n, clients, seed) }, n)
		if smallest, largest := sizes(parts); largest-smallest > 1 {
			t.Fatalf("sizes from %d to %d", smallest, largest)
		}
	})
	a, _ := IID(100, 4, 1)
	b, _ := IID(100, 4, 2)
	if reflect.DeepEqual(a, b) {
		t.Error("two seeds give the same parts")
	}
}

func TestLabelShards(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		labels := drawLabels(t)
		n := len(labels)
		clients := rapid.IntRange(1, n).Draw(t, "clients")
		per := rapid.IntRange(1, n/clients).Draw(t, "shards per client")
		parts := again(t, func(seed uint64) ([][]int32, error) { return LabelShards(labels, clients, per, seed) }, n)
		if smallest, largest := sizes(parts); largest-smallest > per {
			t.Fatalf("sizes from %d to %d with %d shards each", smallest, largest, per)
		}
		// A shard that spans two labels has one label more.
		borders := 0
		for k, counts := range Statistics(parts, labels, 10) {
			distinct := 0
			for _, c := range counts {
				if c > 0 {
					distinct++
				}
			}
			borders += max(distinct-per, 0)
			if distinct > per+9 {
				t.Fatalf("client %d has %d labels with %d shards", k, distinct, per)
			}
		}
		if borders > 9 {
			t.Fatalf("%d labels more than shards, want at most 9", borders)
		}
	})
}

// The federated averaging paper's partition: 200 shards of 300 examples, two for
// each client.
func TestLabelShardsOfThePaper(t *testing.T) {
	labels := make([]uint8, 60000)
	for i := range labels {
		labels[i] = uint8(i * 7 % 10)
	}
	parts, err := LabelShards(labels, 100, 2, 1)
	if err != nil {
		t.Fatal(err)
	}
	for k, counts := range Statistics(parts, labels, 10) {
		distinct := 0
		for _, c := range counts {
			if c%300 != 0 {
				t.Errorf("client %d has %d of a label, want whole shards", k, c)
			}
			if c > 0 {
				distinct++
			}
		}
		if len(parts[k]) != 600 || distinct > 2 {
			t.Errorf("client %d has %d examples of %d labels, want 600 of at most 2", k, len(parts[k]), distinct)
		}
	}
}

func TestClasses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// Every class that occurs has at least 40 examples.
		present := rapid.SliceOfNDistinct(rapid.Uint8Range(0, 9), 1, 10, rapid.ID).Draw(t, "present")
		var labels []uint8
		for _, c := range present {
			for range rapid.IntRange(40, 60).Draw(t, "examples") {
				labels = append(labels, c)
			}
		}
		per := rapid.IntRange(1, len(present)).Draw(t, "classes per client")
		minClients := (len(present) + per - 1) / per
		clients := rapid.IntRange(minClients, max(minClients, 40)).Draw(t, "clients")
		parts := again(t, func(seed uint64) ([][]int32, error) { return Classes(labels, clients, per, seed) }, len(labels))
		holders := make([]int, 10)
		for k, counts := range Statistics(parts, labels, 10) {
			distinct := 0
			for c, n := range counts {
				if n > 0 {
					distinct++
					holders[c]++
				}
			}
			if distinct != per {
				t.Fatalf("client %d has %d classes, want %d", k, distinct, per)
			}
		}
		fewest, largest := clients, 0
		for _, c := range present {
			fewest, largest = min(fewest, holders[c]), max(largest, holders[c])
		}
		if largest-fewest > 1 {
			t.Fatalf("classes have %d to %d clients, want at most one more", fewest, largest)
		}
	})
}

func TestPowerLaw(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 2000).Draw(t, "n")
		clients := rapid.IntRange(1, n).Draw(t, "clients")
		exponent := rapid.SampledFrom([]float64{0, 0.5, 1, 3, 1000}).Draw(t, "exponent")
		parts := again(t, func(seed uint64) ([][]int32, error) { return PowerLaw(n, clients, exponent, seed) }, n)
		got := make([]int, clients)
		for k, p := range parts {
			got[k] = len(p)
		}
		slices.Sort(got)
		slices.Reverse(got)
		sum := 0.0
		for i := range got {
			sum += math.Pow(float64(i+1), -exponent)
		}
		for i, size := range got {
			want := 1 + float64(n-clients)*math.Pow(float64(i+1), -exponent)/sum
			if math.Abs(float64(size)-want) > 1.001 {
				t.Fatalf("the client at rank %d has %d examples, want %.1f", i+1, size, want)
			}
		}
	})
}

func TestMeasureSkew(t *testing.T) {
	labels := []uint8{0, 0, 0, 1, 1, 1, 2, 2}
	parts := [][]int32{{0, 1, 3}, {6}, {2, 4, 5, 7}}
	got := MeasureSkew(parts, Statistics(parts, labels, 3))
	// All examples: 3/8, 3/8, 2/8. Client 0: 2/3, 1/3, 0, so (7/24 + 1/24 +
	// 6/24) / 2; client 1: 0, 0, 1, so 6/8; client 2: 1/4, 2/4, 1/4, so 1/8.
	want := Skew{
		Clients: 3, SmallestSize: 1, LargestSize: 4, MedianSize: 3, FewestClasses: 1, MostClasses: 3, MeanClasses: 2,
		MeanVariation: (7.0/24 + 18.0/24 + 3.0/24) / 3, LargestVariation: 0.75, EffectiveClients: 64.0 / 26,
	}
	if math.Abs(got.MeanVariation-want.MeanVariation) > 1e-15 {
		t.Errorf("mean variation is %v, want %v", got.MeanVariation, want.MeanVariation)
	}
	got.MeanVariation = want.MeanVariation
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got := MeasureSkew(parts[:2], nil); got.MeanClasses != 0 || got.MedianSize != 2 {
		t.Errorf("without labels: %+v", got)
	}
}

func TestPartitionsRefuse(t *testing.T) {
	labels := []uint8{0, 1, 2, 0}
	for name, err := range map[string]error{
		"no clients":       second(IID(4, 0, 1)),
		"too many clients": second(IID(4, 5, 1)),
		"no examples":      second(IID(0, 1, 1)),
		"no shards":        second(LabelShards(labels, 2, 0, 1)),
		"too many shards":  second(LabelShards(labels, 2, 3, 1)),
		"shards overflow":  second(LabelShards(labels, 2, math.MaxInt, 1)),
		"label beyond":     second(Dirichlet(labels, 2, 2, 1, 1)),
		"alpha zero":       second(Dirichlet(labels, 3, 2, 0, 1)),
		"alpha NaN":        second(Dirichlet(labels, 3, 2, math.NaN(), 1)),
		"classes":          second(Dirichlet(labels, 257, 2, 1, 1)),
		"clients' alpha":   second(DirichletClients(labels, 3, 2, 0, 1)),
		"clients' label":   second(DirichletClients(labels, 2, 2, 1, 1)),
		"clients' clients": second(DirichletClients(labels, 3, 5, 1, 1)),
		"no classes":       second(Classes(labels, 2, 0, 1)),
		"too many classes": second(Classes(labels, 2, 4, 1)),
		"classes left":     second(Classes(labels, 2, 1, 1)),
		"class too small":  second(Classes(labels, 4, 2, 1)),
		"sizes alpha":      second(DirichletSizes(4, 2, math.NaN(), 1)),
		"exponent":         second(PowerLaw(4, 2, -1, 1)),
		"exponent NaN":     second(PowerLaw(4, 2, math.NaN(), 1)),
		"alpha infinite":   second(Dirichlet(labels, 3, 2, math.Inf(1), 1)),
	} {
		if !errors.Is(err, ErrSettings) {
			t.Errorf("%s: got %v, want ErrSettings", name, err)
		}
	}
}

func second(_ [][]int32, err error) error { return err }

func TestBalancedWeights(t *testing.T) {
	got := BalancedWeights([]uint8{0, 0, 0, 2, 0, 0, 0, 0}, 4)
	if want := []float32{8. / 14, 1, 4, 1}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v: seven and one of eight examples, and two classes without any", got, want)
	}
}
