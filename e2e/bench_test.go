package e2e

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"fedtab/e2e/bench"
)

var browserBench = flag.String("browser-bench", "", "write what TestBenchSpeed measures to this JSON `file`")

// fedtab's part of the browser benchmark learns what learn does natively, and the report
// has what its readers want.
func TestBench(t *testing.T) {
	s := newBenchSite(t)
	p := s.inChromium(blank(t, browser(t), s.url))
	if absent := p.start("fedtab wasm"); absent != "" {
		t.Fatal(absent)
	}
	var training []*benchWork
	for _, j := range []*benchJob{s.job("2nn", "mnist", 10, 60, 20), s.job("2nn", "dense", 32, 18, 6), s.job("cnn", "mnist", 10, 9, 3)} {
		w := p.prepare("fedtab wasm", j, 0, 1)
		p.measure(w)
		training = append(training, w)
	}
	loops, products := p.peaks(1000, 0, 1), p.products(0, 1, 64)
	for _, w := range loops {
		p.measure(w)
	}
	for _, w := range products {
		p.measure(w)
	}
	report := bench.Report{Session: p.session(training, loops, products)}
	for _, r := range report.Results {
		if rate := r.Rate; !(rate.Min > 0 && rate.Min <= rate.Median && rate.Median <= rate.Max && rate.CPU >= 0) || runtime.GOOS == "linux" && rate.CPU == 0 {
			t.Errorf("%v: %+v samples/s", r, rate)
		}
	}
	for _, f := range []bench.Flops{report.Peak["mul_add"], report.Peak["relaxed_madd"], report.GEMM[0].Flops} {
		if !(f.Median > 0) {
			t.Errorf("%+v GFLOP/s", f)
		}
	}
	if report.Find("2nn", "dense", 32, "fedtab", "wasm") == nil || len(report.Results) != 3 || report.Kernel == "" || report.Browser == "" {
		t.Errorf("the report is %+v", report)
	}
}

// benchRepeats is how often everything is measured; what takes minutes, 3 times.
const benchRepeats = 5

// How many samples a second fedtab, TensorFlow.js and jax-js train in Chromium and Firefox,
// by the clock and per second of processor time (docs/performance.md). It fails if an engine
// learns something else, if jax-js is slower than it was seen to be, or if Firefox is much
// slower than Chromium.
func TestBenchSpeed(t *testing.T) {
	if testing.Short() {
		t.Skip("it measures: make bench-browser")
	}
	if _, err := os.Stat("bench/node_modules/@jax-js"); err != nil {
		t.Fatal("no jax-js: run make peers")
	}
	s := newBenchSite(t)
	// Where there is no GPU, WebGL is imitated by the processor.
	in, stop, err := launch(chromedp.Flag("enable-unsafe-swiftshader", true), chromedp.Flag("enable-unsafe-webgpu", true))
	t.Cleanup(stop)
	if err != nil {
		t.Fatal(err)
	}
	chromium := s.inChromium(lasting(t, in, 2*time.Hour, s.url))
	firefox := s.inFirefox(startFirefox(t))

	var jobs, convolutions, samples []*benchJob
	for _, input := range []string{"mnist", "dense"} {
		for _, batch := range []int{10, 32, 128} {
			steps := 200
			if batch == 128 {
				steps = 100
			}
			jobs = append(jobs, s.job("2nn", input, batch, steps, 50))
		}
	}
	for _, size := range [][2]int{{10, 20}, {32, 12}, {128, 4}} {
		convolutions = append(convolutions, s.job("cnn", "mnist", size[0], size[1], size[1]/4))
		samples = append(samples, s.job("cnn", "mnist", size[0], 2, 2))
	}

	type measured struct {
		page     *benchPage
		training []*benchWork
		loops    map[string]*benchWork
		products map[int]*benchWork
	}
	var sessions []*measured
	for _, p := range []*benchPage{chromium, firefox} {
		m := &measured{page: p}
		sessions = append(sessions, m)
		there := func(worker string) bool {
			absent := p.start(worker)
			if absent != "" {
				t.Logf("%s, %s: %s", p.browser, worker, absent)
			}
			return absent == ""
		}
		fast := slices.DeleteFunc([]string{"fedtab wasm", "jax-js wasm", "jax-js webgpu", "tfjs wasm"}, func(worker string) bool { return !there(worker) })
		for _, j := range jobs {
			for _, worker := range fast {
				m.training = append(m.training, p.prepare(worker, j, 1000, benchRepeats))
			}
		}
		for _, j := range convolutions {
			m.training = append(m.training, p.prepare("fedtab wasm", j, 1000, benchRepeats))
		}
		if p == chromium {
			for _, worker := range []string{"jax-js wasm", "jax-js webgpu", "tfjs cpu", "tfjs webgl"} {
				m.training = append(m.training, p.samples(there, worker, samples)...)
			}
		}
		m.loops, m.products = p.peaks(1<<20, 300, benchRepeats), p.products(300, benchRepeats, 256, 512)
	}
	for k := range benchRepeats {
		for _, m := range sessions {
			for _, w := range m.loops {
				m.page.measure(w)
			}
			for _, w := range m.products {
				m.page.measure(w)
			}
		}
		for i := range max(len(sessions[0].training), len(sessions[1].training)) {
			for _, m := range sessions {
				if i < len(m.training) && k < m.training[i].repeats {
					m.page.measure(m.training[i])
				}
			}
		}
		t.Logf("measured %d of %d times", k+1, benchRepeats)
	}

	report := bench.Report{CPU: processor()}
	for i, m := range sessions {
		session := m.page.session(m.training, m.loops, m.products)
		logSession(t, session)
		if i == 0 {
			report.Session = session
		} else {
			report.Firefox = &session
		}
	}
	if *browserBench != "" {
		text, err := json.MarshalIndent(report, "", "\t")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(*browserBench, append(text, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := report.CheckPeer(s.models["2nn"].Cost().Training); err != nil {
		t.Error(err)
	}
	if err := report.CheckFirefox(); err != nil {
		t.Error(err)
	}
}

// processor returns the name of the processor, as Linux has it.
func processor() string {
	text, _ := os.ReadFile("/proc/cpuinfo") // without it the architecture is known
	for line := range strings.Lines(string(text)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

// logSession logs what was measured in a browser, as a table.
func logSession(t *testing.T, s bench.Session) {
	text := "\n" + s.Browser + ", kernel " + s.Kernel + "\n| model, input, batch | engine | samples/s | min to max | per CPU second | min to max |\n|---|---|---|---|---|---|"
	row := func(what, engine string, r bench.Rate, format string) {
		number := func(v float64) string {
			if v == 0 {
				return "unknown"
			}
			return fmt.Sprintf(format, v)
		}
		text += fmt.Sprintf("\n| %s | %s | %s | %s to %s | %s | %s to %s |", what, engine, number(r.Median), number(r.Min), number(r.Max), number(r.CPU), number(r.CPUMin), number(r.CPUMax))
	}
	for _, r := range s.Results {
		format := "%.0f"
		if r.Median < 100 {
			format = "%.1f"
		}
		row(fmt.Sprintf("%s, %s, %d", r.Model, r.Input, r.Batch), r.Engine+" "+r.Backend, r.Rate, format)
	}
	text += "\n| GFLOP/s | | | | | |"
	for _, p := range s.GEMM {
		row(fmt.Sprintf("product, %d^3", p.N), "fedtab", bench.Rate(p.Flops), "%.1f")
	}
	for _, name := range slices.Sorted(maps.Keys(s.Peak)) {
		row("registers, "+name, "", bench.Rate(s.Peak[name]), "%.1f")
	}
	t.Log(text)
}
