package e2e

import (
	endian "encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/systeminfo"
	"github.com/chromedp/chromedp"

	"fedtab/coordinator/dataset"
	"fedtab/coordinator/task"
	"fedtab/e2e/bench"
	"fedtab/learn"
	"fedtab/learn/data"
)

var browserBench = flag.String("browser-bench", "", "write what TestBenchSpeed measures to this JSON `file`")

// benchExamples is how many examples an input has: whole mini-batches of 10, 32 and 128.
const benchExamples = 6400

// benchSeed is of the parameters, the dense inputs and the order of the examples.
const benchSeed = 1

// benchSite serves the benchmark's page, the engines, and what jobs need.
type benchSite struct {
	t      *testing.T
	url    string
	files  map[string][]byte // of data/
	models map[string]learn.Model
	params map[string][]float32
	inputs map[string]*data.Set
}

func newBenchSite(t *testing.T) *benchSite {
	t.Helper()
	s := &benchSite{t: t, files: map[string][]byte{}, models: map[string]learn.Model{}, params: map[string][]float32{}, inputs: map[string]*data.Set{}}
	for name, shipped := range map[string]string{"2nn": "mnist-2nn", "cnn": "mnist-cnn"} {
		tk, err := task.Find(shipped, nil)
		if err != nil {
			t.Fatal(err)
		}
		if s.inputs["mnist"] == nil {
			d, err := dataset.Open(tk)
			if err != nil {
				t.Fatal(err)
			}
			if s.inputs["mnist"], err = bench.Take(d.Train, benchExamples); err != nil {
				t.Fatal(err)
			}
		}
		images := s.inputs["mnist"]
		m, err := learn.New(tk.Model.Spec(images.Shape, images.Classes(), benchSeed))
		if err != nil {
			t.Fatal(err)
		}
		params := make([]float32, m.Layout().Size)
		m.Init(params, benchSeed)
		s.models[name], s.params[name] = m, params
		s.files[name+".params"] = littleEndian(params)
	}
	var err error
	if s.inputs["dense"], err = bench.Dense(s.inputs["mnist"].Shape, benchExamples, benchSeed); err != nil {
		t.Fatal(err)
	}
	s.files["mnist.x"], s.files["mnist.y"] = s.inputs["mnist"].X, s.inputs["mnist"].Y
	s.files["dense.x"], s.files["dense.y"] = littleEndian(s.inputs["dense"].Values), s.inputs["dense"].Y

	program := filepath.Join(t.TempDir(), "program.wasm")
	build := exec.Command("go", "build", "-o", program, "./bench/program")
	build.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", http.FileServerFS(os.DirFS("bench")))
	mux.Handle("/npm/", http.StripPrefix("/npm/", http.FileServerFS(os.DirFS("bench/node_modules"))))
	for path, file := range map[string]string{
		"/program.wasm": program,
		"/wasm_exec.js": filepath.Join(strings.TrimSpace(string(root)), "lib", "wasm", "wasm_exec.js"),
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, file) })
	}
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Write([]byte(`<!doctype html><title>benchmark</title><link rel="icon" href="data:,"><script src="page.js"></script>`))
	})
	mux.HandleFunc("/data/{name}", func(w http.ResponseWriter, r *http.Request) {
		content, ok := s.files[r.PathValue("name")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Write(content)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	s.url = server.URL + "/"
	return s
}

func littleEndian[T float32 | int32](values []T) []byte {
	b := make([]byte, 0, 4*len(values))
	b, err := endian.Append(b, endian.LittleEndian, values)
	if err != nil {
		panic(err) // numbers have a size
	}
	return b
}

// benchJob is a job, as the engines' scripts take it.
type benchJob struct {
	Key     string        `json:"key"`
	Model   string        `json:"model"`
	Input   string        `json:"input"`
	Pixels  bool          `json:"pixels"` // the input is bytes, of 255 for 1
	Shape   []int         `json:"shape"`
	Classes int           `json:"classes"`
	Batch   int           `json:"batch"`
	LR      float32       `json:"lr"`
	Steps   int           `json:"steps"`
	Every   int           `json:"every"`
	Layers  []bench.Layer `json:"layers"`
	Fedtab  string        `json:"fedtab"` // bench.Job

	samples   int
	reference []float64
}

// job makes a job, and computes its learning curve natively.
func (s *benchSite) job(model, input string, batch, steps, every int) *benchJob {
	s.t.Helper()
	m, set := s.models[model], s.inputs[input]
	layers, err := bench.Layers(m)
	if err != nil {
		s.t.Fatal(err)
	}
	j := bench.Job{Spec: m.Spec(), Batch: batch, LR: .1, Steps: steps, Every: every, Seed: benchSeed}
	if model == "cnn" || input == "dense" {
		j.LR = .05 // of .1 the first steps are so large that rounding decides where they lead
	}
	curve, order, err := bench.Reference(j, s.params[model], set)
	if err != nil {
		s.t.Fatal(err)
	}
	if n := len(curve); steps > 2 && curve[n-1] >= curve[0] { // mini-batches differ more than two steps change
		s.t.Fatalf("the learning curve of %+v does not fall: %.4f", j, curve)
	}
	text, err := json.Marshal(j)
	if err != nil {
		s.t.Fatal(err)
	}
	key := fmt.Sprintf("%s-%s-%d-%d", model, input, batch, steps)
	s.files[key+".order"] = littleEndian(order)
	return &benchJob{
		Key: key, Model: model, Input: input, Pixels: set.X != nil, Shape: set.Shape, Classes: set.Classes(),
		Batch: batch, LR: j.LR, Steps: steps, Every: every, Layers: layers, Fedtab: string(text),
		samples: j.Samples(), reference: curve,
	}
}

// benchPage is the benchmark's page in a browser.
type benchPage struct {
	t       *testing.T
	promise func(expression string) string // what the promise of a string gives
	pids    func() []int                   // the processes that may work for the page
	browser string
	kernel  string
}

// inChromium shows the benchmark's page in a tab.
func (s *benchSite) inChromium(b *tab) *benchPage {
	s.t.Helper()
	b.to(s.url)
	return &benchPage{
		t: s.t, browser: versionOf(s.t, chromiumPath),
		promise: func(expression string) string {
			b.t.Helper()
			v, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](expression, chromedp.EvalAwaitPromise))
			if err != nil {
				b.t.Fatalf("%s: %v", expression, err)
			}
			return v
		},
		pids: func() (pids []int) {
			info, err := cdp.Call(b.ctx, chromedp.FromContext(b.ctx).Browser, systeminfo.GetProcessInfo, cdp.Empty{})
			if err != nil {
				b.t.Fatal(err)
			}
			for _, p := range info.ProcessInfo {
				if p.Type == "renderer" || p.Type == "GPU" {
					pids = append(pids, int(p.ID))
				}
			}
			return pids
		},
	}
}

func (s *benchSite) inFirefox(f *firefox) *benchPage {
	s.t.Helper()
	f.to(s.url)
	return &benchPage{
		t: s.t, browser: versionOf(s.t, func() (string, error) { return exec.LookPath("firefox-esr") }),
		promise: f.promise,
		pids:    func() []int { return processGroup(f.group) },
	}
}

// versionOf returns a browser's name and version.
func versionOf(t *testing.T, path func() (string, error)) string {
	t.Helper()
	program, err := path()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(program, "--version").Output()
	if err != nil {
		t.Fatalf("%s --version: %v", program, err)
	}
	return strings.TrimSpace(string(out))
}

// processGroup returns the processes of a group; none where there is no /proc.
func processGroup(group int) (pids []int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is valid
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		// The name, in parentheses, may have spaces. State, parent and group follow.
		f := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		if len(f) > 2 && f[2] == strconv.Itoa(group) {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			if err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// ask sends one of the page's workers a message and reads its answer.
func (p *benchPage) ask(worker string, message map[string]any, answer any) {
	p.t.Helper()
	text, err := json.Marshal(message)
	if err != nil {
		p.t.Fatal(err)
	}
	got := p.promise(fmt.Sprintf("ask(%q, %s)", worker, text))
	if answer == nil {
		return
	}
	if err := json.Unmarshal([]byte(got), answer); err != nil {
		p.t.Fatalf("%s answers %s: %v", worker, got, err)
	}
}

// start starts an engine and returns why it is not there, or "".
func (p *benchPage) start(worker string) (absent string) {
	p.t.Helper()
	var about struct{ Absent, Kernel string }
	p.ask(worker, map[string]any{"type": "start"}, &about)
	if about.Kernel != "" {
		p.kernel = about.Kernel
	}
	return about.Absent
}

// busy returns the nanoseconds that each thread of the browser's processes has run, by
// process and thread; none where there is no /proc.
func (p *benchPage) busy() map[string]int64 {
	times := map[string]int64{}
	for _, pid := range p.pids() {
		threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid)) // the pattern is valid
		for _, path := range threads {
			text, err := os.ReadFile(path)
			if err != nil {
				continue // it has ended
			}
			// Documentation/scheduler/sched-stats.rst: the first number is the time on a processor.
			if f := strings.Fields(string(text)); len(f) > 0 {
				if ns, err := strconv.ParseInt(f[0], 10, 64); err == nil {
					times[path] = ns
				}
			}
		}
	}
	return times
}

// benchWork is something to measure: what a worker does, and what that was.
type benchWork struct {
	worker  string
	message map[string]any
	amount  float64 // samples or GFLOP, each time
	spread  bool    // it works in other threads than the worker's, as GPU backends do
	job     *benchJob
	repeats int

	measured []bench.Measurement
}

// measure does the work once more.
func (p *benchPage) measure(w *benchWork) {
	p.t.Helper()
	before := p.busy()
	var got struct {
		Times   float64
		Seconds float64
		Results []json.RawMessage
	}
	p.ask(w.worker, w.message, &got)
	var most, all int64
	for thread, ns := range p.busy() {
		ran := ns - before[thread]
		most, all = max(most, ran), all+ran
	}
	if w.spread {
		most = all
	}
	for _, result := range got.Results {
		if w.job == nil {
			continue
		}
		var curve []float64
		if err := json.Unmarshal(result, &curve); err != nil {
			p.t.Fatalf("%s: learning curve %s: %v", w.worker, result, err)
		}
		if err := bench.Compare(curve, w.job.reference); err != nil {
			p.t.Fatalf("%s, %s: %v", w.worker, w.job.Key, err)
		}
	}
	w.measured = append(w.measured, bench.Measurement{Work: w.amount * got.Times, Seconds: got.Seconds, CPU: float64(most) / 1e9})
}

// prepare makes the work of training a job, which has been done once, for what is compiled
// then.
func (p *benchPage) prepare(worker string, j *benchJob, ms, repeats int) *benchWork {
	p.t.Helper()
	p.ask(worker, map[string]any{"type": "prepare", "job": j}, nil)
	w := &benchWork{
		worker: worker, job: j, amount: float64(j.samples), repeats: repeats,
		message: map[string]any{"type": "train", "key": j.Key, "ms": 0},
		spread:  strings.HasSuffix(worker, "webgl") || strings.HasSuffix(worker, "webgpu"),
	}
	p.measure(w)
	p.t.Logf("%s, %s, %s: %.1f samples/s the first time", p.browser, worker, j.Key, bench.RateOf(w.measured).Median)
	w.measured, w.message["ms"] = nil, ms
	return w
}

// tooLong is how many seconds two steps may take, or the job is left out.
const tooLong = 60

// samples makes the work of training jobs of two steps, the larger ones only where they
// do not take too long: a convolution without a kernel of its own takes seconds.
func (p *benchPage) samples(there func(worker string) bool, worker string, jobs []*benchJob) (works []*benchWork) {
	p.t.Helper()
	if !there(worker) {
		return nil
	}
	seconds := 0. // of a sample
	for _, j := range jobs {
		if takes := seconds * float64(j.samples); takes > tooLong {
			p.t.Logf("%s, %s, %s: left out, two steps would take %.0f s", p.browser, worker, j.Key, takes)
			continue
		}
		from := time.Now()
		works = append(works, p.prepare(worker, j, 1000, 3))
		seconds = time.Since(from).Seconds() / float64(j.samples)
	}
	return works
}

// peaks makes the work of the loops in registers that the browser has, by name.
func (p *benchPage) peaks(turns, ms, repeats int) map[string]*benchWork {
	p.t.Helper()
	var about struct {
		Loops []string
		Flop  float64
	}
	p.ask("peak", map[string]any{"type": "start"}, &about)
	loops := map[string]*benchWork{}
	for _, name := range about.Loops {
		loops[name] = &benchWork{
			worker: "peak", amount: about.Flop * float64(turns) / 1e9, repeats: repeats,
			message: map[string]any{"type": "loop", "loop": name, "turns": turns, "ms": ms},
		}
	}
	return loops
}

// products makes the work of multiplying square matrices, by side.
func (p *benchPage) products(ms, repeats int, sides ...int) map[int]*benchWork {
	works := map[int]*benchWork{}
	for _, side := range sides {
		count := max(1, 1<<26/(side*side*side)) // a check is small beside them
		works[side] = &benchWork{
			worker: "fedtab wasm", amount: 2 * math.Pow(float64(side), 3) * float64(count) / 1e9, repeats: repeats,
			message: map[string]any{"type": "multiply", "side": side, "count": count, "ms": ms},
		}
	}
	return works
}

// session summarises what was measured.
func (p *benchPage) session(training []*benchWork, loops map[string]*benchWork, products map[int]*benchWork) bench.Session {
	s := bench.Session{Browser: p.browser, Kernel: p.kernel, Peak: map[string]bench.Flops{}}
	for _, w := range training {
		engine, backend, _ := strings.Cut(w.worker, " ")
		s.Results = append(s.Results, bench.Result{
			Model: w.job.Model, Input: w.job.Input, Batch: w.job.Batch, Engine: engine, Backend: backend, Rate: bench.RateOf(w.measured),
		})
	}
	for name, w := range loops {
		s.Peak[name] = bench.Flops(bench.RateOf(w.measured))
	}
	for side, w := range products {
		s.GEMM = append(s.GEMM, bench.Product{N: side, Flops: bench.Flops(bench.RateOf(w.measured))})
	}
	slices.SortFunc(s.GEMM, func(a, b bench.Product) int { return a.N - b.N })
	return s
}

// promise waits for the string that an expression promises.
func (f *firefox) promise(expression string) string {
	f.t.Helper()
	params, err := json.Marshal(map[string]any{"expression": expression, "target": map[string]any{"context": f.page}, "awaitPromise": true})
	if err != nil {
		f.t.Fatal(err)
	}
	var r struct {
		Type             string
		Result           struct{ Value string }
		ExceptionDetails struct{ Text string }
	}
	f.call("script.evaluate", string(params), &r)
	if r.Type != "success" {
		f.t.Fatalf("%s: %s %s", expression, r.Type, r.ExceptionDetails.Text)
	}
	return r.Result.Value
}

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
	// A curve that is another one's is refused.
	wrong := *training[0].job
	wrong.reference = slices.Clone(wrong.reference)
	wrong.reference[1] *= 1.03
	if err := bench.Compare(training[0].job.reference, wrong.reference); err == nil {
		t.Error("a learning curve that is 3% off is taken")
	}
}

// benchRepeats is how often everything is measured; what takes minutes, 3 times.
const benchRepeats = 5

// How many samples a second fedtab, TensorFlow.js and jax-js train in Chromium and Firefox,
// by the clock and per second of processor time (docs/performance.md). It fails if an engine
// learns something else, or if jax-js is slower than it was seen to be.
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
	for _, input := range []string{"mnist", "dense"} {
		here, there := report.Find("2nn", input, 32, "fedtab", "wasm"), report.Firefox.Find("2nn", input, 32, "fedtab", "wasm")
		share := there.Median / here.Median
		if here.CPU > 0 && there.CPU > 0 {
			share = there.CPU / here.CPU
		}
		t.Logf("Firefox trains the 2NN on %s inputs in batches of 32 at %.0f%% of Chromium's speed; the goal is 60%%", input, 100*share)
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
