//go:build readers

package main

import (
	"errors"
	"fmt"
	"slices"
	"syscall/js"
	"time"

	"fedtab/learn/data"
	"fedtab/learn/kernel"
	"fedtab/learn/workload"
)

// bencher is the worker of the page /bench: it trains the jobs of the recorded table one
// after the other, and says how fast. The page stops it by ending the worker.
type bencher struct {
	queue  *queue
	waker  *waker
	hidden bool
	hides  int // counts the times that the page was hidden

	images string // address of the shards of MNIST, without a slash at its end
	shards int
	inputs map[string]*data.Set
}

type (
	benchCommand struct{ message js.Value }
	hideCommand  struct{ hidden bool }
)

// benchExamples is how many examples an input has.
const benchExamples = 2 * workload.Whole

// errImages says that MNIST could not be had.
var errImages = errors.New("wasm: no images")

// bench runs the worker that measures. It does not return.
func bench() {
	wake := newWaker()
	b := &bencher{queue: newQueue(wake), waker: wake, inputs: map[string]*data.Set{}}
	js.Global().Set("onmessage", js.FuncOf(func(_ js.Value, args []js.Value) any {
		switch m := args[0].Get("data"); m.Get("type").String() {
		case "measure":
			b.queue.put(benchCommand{m})
		case "hidden":
			b.queue.put(hideCommand{m.Get("hidden").Truthy()})
		}
		return nil
	}))
	js.Global().Call("postMessage", map[string]any{"type": "ready", "kernel": kernel.Name()})
	for {
		if m, ok := b.hear(); ok {
			b.measure(m)
		}
		wake.wait(0)
	}
}

// hear takes what the page has said. It returns the newest wish to measure, if there is one.
func (b *bencher) hear() (wish js.Value, ok bool) {
	for _, e := range b.queue.take() {
		switch e := e.(type) {
		case benchCommand:
			wish, ok = e.message, true
		case hideCommand:
			if e.hidden && !b.hidden {
				b.hides++
			}
			b.hidden = e.hidden
		}
	}
	return wish, ok
}

// pause hands the thread to the browser, and returns once the page can be seen.
func (b *bencher) pause() {
	b.waker.yield()
	for b.hear(); b.hidden; b.hear() {
		b.waker.wait(0)
	}
}

// measure trains the jobs of a message, in passes of at most "steps" mini-batches. Each is
// measured "times" times, for "ms" at least.
func (b *bencher) measure(m js.Value) {
	b.images, b.shards = m.Get("images").String(), whole(m.Get("shards"))
	jobs := m.Get("jobs")
	for i := range jobs.Length() {
		js.Global().Call("postMessage", map[string]any{"type": "begun", "job": i})
		of := jobs.Index(i)
		rate, err := b.rate(of, m)
		if err != nil {
			code := "error"
			if errors.Is(err, errImages) {
				code = "images"
			}
			js.Global().Call("postMessage", map[string]any{"type": "failed", "code": code, "detail": err.Error()})
			return
		}
		times, is := workload.Against(rate, of.Get("recorded").Float())
		js.Global().Call("postMessage", map[string]any{"type": "measured", "job": i, "rate": rate, "times": times, "is": string(is)})
	}
	js.Global().Call("postMessage", map[string]any{"type": "done"})
}

// rate returns how many samples of a job are trained a second: the median of its
// measurements, after a pass that warms up.
func (b *bencher) rate(of, limits js.Value) (float64, error) {
	input := of.Get("input").String()
	j, err := workload.NewJob(of.Get("model").String(), input, whole(of.Get("batch")))
	if err != nil {
		return 0, err
	}
	j.Steps = max(1, min(j.Steps, whole(limits.Get("steps"))))
	j.Every = j.Steps
	set, err := b.input(j, input)
	if err != nil {
		return 0, err
	}
	params, err := j.Params()
	if err != nil {
		return 0, err
	}
	t, err := workload.NewTrainer(j, params, set)
	if err != nil {
		return 0, err
	}
	b.pause()
	if _, err := t.Pass(); err != nil { // what browsers compile meanwhile is not measured
		return 0, err
	}
	long, total := time.Duration(whole(limits.Get("ms")))*time.Millisecond, time.Duration(0)
	var rates []float64 // ascending
	for len(rates) < max(1, whole(limits.Get("times"))) && (len(rates) == 0 || total < maxJobTime) {
		b.pause()
		hides, began, passes, took := b.hides, time.Now(), 0, time.Duration(0)
		for b.hides == hides && (passes == 0 || took < long) {
			if _, err := t.Pass(); err != nil {
				return 0, err
			}
			passes++
			b.pause()
			took = time.Since(began)
		}
		if b.hides == hides { // browsers slow down what is hidden
			total += took
			rate := float64(passes*j.Samples()) / max(took, clockStep).Seconds()
			i, _ := slices.BinarySearch(rates, rate) // sorting would take 18 kB of the program
			rates = slices.Insert(rates, i, rate)
		}
	}
	n := len(rates)
	return (rates[(n-1)/2] + rates[n/2]) / 2, nil
}

// maxJobTime is the time after which a job is measured no more: a slow device has fewer
// measurements.
const maxJobTime = 4 * time.Second

// clockStep is at least the step of a browser's clock.
const clockStep = time.Millisecond

// input returns the examples of an input. Images are fetched once.
func (b *bencher) input(j workload.Job, name string) (set *data.Set, err error) {
	if set = b.inputs[name]; set != nil {
		return set, nil
	}
	if name == "dense" {
		set, err = workload.Dense(j.Spec.Input, benchExamples, j.Seed)
	} else {
		set, err = b.fetch()
	}
	b.inputs[name] = set
	return set, err
}

// fetch fetches shards until they have as many images as are wanted, or there are no more.
func (b *bencher) fetch() (*data.Set, error) {
	var sets []*data.Set
	n := 0
	for k := 0; k < b.shards && n < benchExamples; k++ {
		set, _, err := getShard(fmt.Sprintf("%s/%d", b.images, k))
		if err != nil {
			return nil, fmt.Errorf("%w: shard %d: %v", errImages, k, err)
		}
		sets, n = append(sets, set), n+set.Len()
	}
	if n < workload.Whole {
		return nil, fmt.Errorf("%w: %d in %d shards, want at least %d", errImages, n, b.shards, workload.Whole)
	}
	set, err := workload.Take(min(n/workload.Whole*workload.Whole, benchExamples), sets...)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", errImages, err)
	}
	return set, nil
}
