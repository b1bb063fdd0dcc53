package e2e

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/systeminfo"
	"github.com/chromedp/chromedp"

	"fedtab/e2e/bench"
)

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
	words := strings.Fields(string(out)) // which may end with who has built it
	for i, word := range words {
		if word[0] >= '0' && word[0] <= '9' {
			return strings.Join(words[:i+1], " ")
		}
	}
	t.Fatalf("%s --version says %q, want a name and a version", program, out)
	return ""
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

	first    bench.Measurement // of a job, with all that is compiled then
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
	w.first, w.measured, w.message["ms"] = w.measured[0], nil, ms
	return w
}

// tooLong is how many seconds of processor time two steps may take, or the job is left out.
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
		w := p.prepare(worker, j, 1000, 3)
		works = append(works, w)
		seconds = cmp.Or(w.first.CPU, w.first.Seconds) / w.first.Work
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
		count := max(1, 1<<30/(side*side*side)) // beside which a check takes about 1%
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
