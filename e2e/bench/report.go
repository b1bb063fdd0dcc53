package bench

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
)

// Rate is what something achieved each second, in several measurements.
type Rate struct {
	Median float64 // by the clock
	Min    float64
	Max    float64
	CPU    float64 // median of that per second of processor time; 0: unknown
	CPUMin float64
	CPUMax float64
}

// Measurement is work that was measured once.
type Measurement struct {
	Work    float64 // samples, or billions of floating-point operations
	Seconds float64
	CPU     float64 // seconds of processor time; 0: unknown
}

// RateOf summarises measurements, of which there is at least one.
func RateOf(measured []Measurement) (r Rate) {
	var clock, cpu []float64
	for _, m := range measured {
		clock = append(clock, m.Work/m.Seconds)
		if m.CPU > 0 {
			cpu = append(cpu, m.Work/m.CPU)
		}
	}
	r.Median, r.Min, r.Max = spread(clock)
	if len(cpu) == len(clock) {
		r.CPU, r.CPUMin, r.CPUMax = spread(cpu)
	}
	return r
}

func spread(values []float64) (median, least, most float64) {
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2, values[0], values[n-1]
}

// over returns r as a multiple of s, per second of processor time where that is known of
// both.
func (r Rate) over(s Rate) float64 {
	if r.CPU > 0 && s.CPU > 0 {
		return r.CPU / s.CPU
	}
	return r.Median / s.Median
}

// Result is the speed of an engine on a job.
type Result struct {
	Model   string // 2nn or cnn
	Input   string // mnist or dense
	Batch   int
	Engine  string // fedtab, jax-js or tfjs
	Backend string // wasm, cpu, webgl or webgpu
	Rate           // samples
}

func (r Result) String() string {
	return fmt.Sprintf("%s %s batch %d %s %s", r.Model, r.Input, r.Batch, r.Engine, r.Backend)
}

// MarshalJSON has rates as samples_per_s (the median), min, max, and the same per second of
// processor time, which is null if unknown.
func (r Result) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Model   string   `json:"model"`
		Input   string   `json:"input"`
		Batch   int      `json:"batch"`
		Engine  string   `json:"engine"`
		Backend string   `json:"backend"`
		Clock   float64  `json:"samples_per_s"`
		CPU     *float64 `json:"samples_per_cpu_s"`
		Min     float64  `json:"min"`
		Max     float64  `json:"max"`
		CPUMin  *float64 `json:"cpu_min"`
		CPUMax  *float64 `json:"cpu_max"`
	}{r.Model, r.Input, r.Batch, r.Engine, r.Backend, round(r.Median), known(r.CPU), round(r.Min), round(r.Max), known(r.CPUMin), known(r.CPUMax)})
}

// Flops is a Rate of billions of floating-point operations.
type Flops Rate

type flops struct {
	Clock  float64  `json:"gflop_per_s"`
	CPU    *float64 `json:"gflop_per_cpu_s"`
	Min    float64  `json:"min"`
	Max    float64  `json:"max"`
	CPUMin *float64 `json:"cpu_min"`
	CPUMax *float64 `json:"cpu_max"`
}

func (f Flops) json() flops {
	return flops{round(f.Median), known(f.CPU), round(f.Min), round(f.Max), known(f.CPUMin), known(f.CPUMax)}
}

func (f Flops) MarshalJSON() ([]byte, error) { return json.Marshal(f.json()) }

// Product is the speed of the product of two square matrices.
type Product struct {
	N int // side
	Flops
}

func (p Product) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		N int `json:"n"`
		flops
	}{p.N, p.json()})
}

// round keeps four digits, more than any measurement has.
func round(v float64) float64 {
	if v == 0 {
		return 0
	}
	scale := math.Pow(10, 3-math.Floor(math.Log10(math.Abs(v))))
	return math.Round(v*scale) / scale
}

func known(v float64) *float64 {
	if v == 0 {
		return nil
	}
	v = round(v)
	return &v
}

// Session is what was measured in one browser.
type Session struct {
	Results []Result         `json:"results"`
	Peak    map[string]Flops `json:"peak"` // mul_add and, where there is relaxed SIMD, relaxed_madd
	GEMM    []Product        `json:"gemm"`
	Browser string           `json:"browser"`
	Kernel  string           `json:"kernel"` // of fedtab/learn/kernel
}

// Report is the file that the benchmark writes.
type Report struct {
	Session
	CPU     string   `json:"cpu"`
	Firefox *Session `json:"firefox"`
}

// Find returns the result of an engine on a job, nil if there is none.
func (s *Session) Find(model, input string, batch int, engine, backend string) *Result {
	for i, r := range s.Results {
		if r.Model == model && r.Input == input && r.Batch == batch && r.Engine == engine && r.Backend == backend {
			return &s.Results[i]
		}
	}
	return nil
}

// Tolerance is how much a point of a learning curve may differ from the reference's,
// relatively: engines round differently.
const Tolerance = .02

// Compare returns an error unless a learning curve is the reference's.
func Compare(curve, reference []float64) error {
	if len(curve) != len(reference) {
		return fmt.Errorf("bench: learning curve of %d points, want %d", len(curve), len(reference))
	}
	for i, want := range reference {
		if d := math.Abs(curve[i] - want); !(d <= Tolerance*want) {
			return fmt.Errorf("bench: point %d of the learning curve is %.4f, want %.4f within %v%%: %.4f", i, curve[i], want, 100*Tolerance, curve)
		}
	}
	return nil
}

// shares are what jax-js reaches of the relaxed peak on the dense 2NN, at least; it was seen
// to reach 8, 17 and 34%. Less means that it is not run as it should be.
var shares = []struct {
	batch int
	least float64
}{{10, .07}, {32, .14}, {128, .28}}

// CheckPeer returns an error unless jax-js is as fast as it was seen to be, given the
// floating-point operations that the 2NN takes for a sample.
func (s *Session) CheckPeer(flopPerSample int) error {
	peak, ok := s.Peak["relaxed_madd"]
	if !ok {
		return fmt.Errorf("bench: %s has no relaxed SIMD, with whose peak jax-js is compared", s.Browser)
	}
	for _, want := range shares {
		r := s.Find("2nn", "dense", want.batch, "jax-js", "wasm")
		if r == nil {
			return fmt.Errorf("bench: no result of jax-js for the 2NN on dense inputs in batches of %d", want.batch)
		}
		got := r.over(Rate(peak)) * float64(flopPerSample) / 1e9
		if !(got >= want.least) {
			return fmt.Errorf("bench: jax-js reaches %.1f%% of the relaxed peak on the 2NN with dense inputs in batches of %d, want at least %.0f%%: it is not run as it should be", 100*got, want.batch, 100*want.least)
		}
	}
	return nil
}

// firefoxShare is what fedtab reaches in Firefox, of its speed in Chromium, at least.
const firefoxShare = .6

// CheckFirefox returns an error unless fedtab trains the 2NN in batches of 32 in Firefox
// nearly as fast as in Chromium.
func (r *Report) CheckFirefox() error {
	for _, input := range []string{"mnist", "dense"} {
		here, there := r.Find("2nn", input, 32, "fedtab", "wasm"), r.Firefox.Find("2nn", input, 32, "fedtab", "wasm")
		if here == nil || there == nil {
			return fmt.Errorf("bench: no result of fedtab for the 2NN on %s inputs in batches of 32 in both browsers", input)
		}
		if got := there.over(here.Rate); !(got >= firefoxShare) {
			return fmt.Errorf("bench: on the 2NN with %s inputs in batches of 32 fedtab reaches %.0f%% in %s of its speed in %s, want at least %.0f%%", input, 100*got, r.Firefox.Browser, r.Browser, 100*firefoxShare)
		}
	}
	return nil
}
