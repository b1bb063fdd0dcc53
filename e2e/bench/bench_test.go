package bench

import (
	"encoding/json"
	"strings"
	"testing"

	"fedtab/learn"
)

func TestCompare(t *testing.T) {
	for _, test := range []struct {
		name      string
		curve     []float64
		want      []float64
		complaint string
	}{
		{"equal", []float64{2.3, 1.1}, []float64{2.3, 1.1}, ""},
		{"rounded", []float64{2.3, 1.1}, []float64{2.33, 1.09}, ""},
		{"one point off", []float64{2.3, 1.1}, []float64{2.3, 1.2}, "point 1"},
		{"NaN", []float64{2.3, nan()}, []float64{2.3, 1.2}, "point 1"},
		{"short", []float64{2.3}, []float64{2.3, 1.2}, "1 points, want 2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := Compare(test.curve, test.want)
			if (err == nil) != (test.complaint == "") || err != nil && !strings.Contains(err.Error(), test.complaint) {
				t.Errorf("got %v, want %q", err, test.complaint)
			}
		})
	}
}

func nan() float64 { zero := 0.; return zero / zero }

func TestCheckPeer(t *testing.T) {
	const flop = 1_000_000 // for a sample
	session := func(rates ...float64) *Session {
		s := &Session{Peak: map[string]Flops{"relaxed_madd": {Median: 10, CPU: 50}}}
		for i, batch := range []int{10, 32, 128}[:len(rates)] {
			s.Results = append(s.Results, Result{"2nn", "dense", batch, "jax-js", "wasm", Rate{Median: 1, CPU: rates[i]}})
		}
		return s
	}
	for _, test := range []struct {
		name      string
		session   *Session
		complaint string
	}{
		{"as seen", session(4000, 8500, 17000), ""},
		{"slow at 32", session(4000, 6900, 17000), "13.8% of the relaxed peak on the 2NN with dense inputs in batches of 32"},
		{"one is missing", session(4000, 8500), "no result"},
		{"no relaxed SIMD", &Session{Browser: "Old 1"}, "Old 1 has no relaxed SIMD"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := test.session.CheckPeer(flop)
			if (err == nil) != (test.complaint == "") || err != nil && !strings.Contains(err.Error(), test.complaint) {
				t.Errorf("got %v, want %q", err, test.complaint)
			}
		})
	}
}

func TestCheckFirefox(t *testing.T) {
	session := func(name string, mnist, dense float64) *Session {
		return &Session{Browser: name, Results: []Result{
			{"2nn", "mnist", 32, "fedtab", "wasm", Rate{Median: mnist}},
			{"2nn", "dense", 32, "fedtab", "wasm", Rate{Median: dense}},
		}}
	}
	chromium := session("Chromium 1", 100, 50)
	for _, test := range []struct {
		name      string
		firefox   *Session
		complaint string
	}{
		{"fast", session("Firefox 1", 61, 70), ""},
		{"slow on dense inputs", session("Firefox 1", 61, 29), "with dense inputs in batches of 32 fedtab reaches 58% in Firefox 1 of its speed in Chromium 1, want at least 60%"},
		{"not measured", &Session{}, "no result of fedtab"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := (&Report{Session: *chromium, Firefox: test.firefox}).CheckFirefox()
			if (err == nil) != (test.complaint == "") || err != nil && !strings.Contains(err.Error(), test.complaint) {
				t.Errorf("got %v, want %q", err, test.complaint)
			}
		})
	}
}

// The file has the fields that its readers know.
func TestReportJSON(t *testing.T) {
	rate := RateOf([]Measurement{{100, 2, 1}, {100, 1, 1}, {100, 4, 2}})
	report := Report{Session: Session{
		Results: []Result{{"2nn", "mnist", 10, "fedtab", "wasm", rate}, {"cnn", "mnist", 10, "tfjs", "webgl", Rate{Median: 1234567, Min: 1, Max: 2}}},
		Peak:    map[string]Flops{"mul_add": Flops(rate)},
		GEMM:    []Product{{256, Flops(rate)}},
		Browser: "Browser 1", Kernel: "simd128",
	}, CPU: "Processor"}
	got, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"results":[{"model":"2nn","input":"mnist","batch":10,"engine":"fedtab","backend":"wasm","samples_per_s":50,"samples_per_cpu_s":100,"min":25,"max":100,"cpu_min":50,"cpu_max":100},` +
		`{"model":"cnn","input":"mnist","batch":10,"engine":"tfjs","backend":"webgl","samples_per_s":1235000,"samples_per_cpu_s":null,"min":1,"max":2,"cpu_min":null,"cpu_max":null}],` +
		`"peak":{"mul_add":{"gflop_per_s":50,"gflop_per_cpu_s":100,"min":25,"max":100,"cpu_min":50,"cpu_max":100}},` +
		`"gemm":[{"n":256,"gflop_per_s":50,"gflop_per_cpu_s":100,"min":25,"max":100,"cpu_min":50,"cpu_max":100}],` +
		`"browser":"Browser 1","kernel":"simd128","cpu":"Processor","firefox":null}`
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestLayers(t *testing.T) {
	spec := learn.Spec{Input: []int{4, 4}, Layers: []learn.Layer{
		{Kind: learn.Conv, Units: 2, Size: 3, Same: true, Activation: learn.ReLU}, {Kind: learn.MaxPool, Size: 2}, {Kind: learn.Dense, Units: 3},
	}}
	describe := func(s learn.Spec) ([]Layer, error) {
		m, err := learn.New(s)
		if err != nil {
			t.Fatal(err)
		}
		return Layers(m)
	}
	layers, err := describe(spec)
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(layers)
	if err != nil {
		t.Fatal(err)
	}
	const want = `[{"kind":"conv","size":3,"relu":true,"weight":{"offset":0,"shape":[3,3,1,2]},"bias":{"offset":18,"shape":[2]}},` +
		`{"kind":"maxpool","size":2},{"kind":"dense","weight":{"offset":20,"shape":[8,3]},"bias":{"offset":44,"shape":[3]}}]`
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	spec.Layers[0].Activation = learn.Tanh
	if _, err := describe(spec); err == nil || !strings.Contains(err.Error(), "layer 0") {
		t.Errorf("tanh: %v, want an error about layer 0", err)
	}
}
