package ui

import "strings"

// Bench says how fast this device trains, beside figures that were recorded on another.
// The coordinator alone draws it, with the recorded figures; static/extra/bench.js has a
// worker measure, and fills in those of this device.
type Bench struct {
	Page     *Page
	Recorded *Recorded
	Images   string // address of shards of MNIST, below the root; empty: there are none
	Shards   int    // how many
}

// Recorded is what make bench-browser writes, as far as the page shows it
// (docs/performance.md).
type Recorded struct {
	Browser, CPU, Kernel string
	Results              []RecordedRate
}

// RecordedRate is how fast an engine trained a job.
type RecordedRate struct {
	Model, Input    string
	Batch           int
	Engine, Backend string
	Rate            float64 `json:"samples_per_s"`
}

// How a job is measured.
const (
	benchMillis = 200 // in which passes are repeated, at least
	benchTimes  = 5   // of which the median counts
	benchSteps  = 200 // mini-batches in a pass, max
)

// Title is that of the browser's tab.
func (c *Bench) Title() string { return c.Page.say("title.state", c.Page.say("bench.title")) }

// Description says what the page is for those who search.
func (c *Bench) Description() string { return c.Page.say("bench.lead") }

// jobs returns the recorded results of fedtab, one for each job.
func (c *Bench) jobs() []RecordedRate {
	var jobs []RecordedRate
	for _, r := range c.Recorded.Results {
		if r.Engine == "fedtab" {
			jobs = append(jobs, r)
		}
	}
	return jobs
}

// measured reports whether a job can be measured here.
func (c *Bench) measured(r RecordedRate) bool { return r.Input != "mnist" || c.Images != "" }

// count returns how many jobs can be measured here.
func (c *Bench) count() (n int) {
	for _, r := range c.jobs() {
		if c.measured(r) {
			n++
		}
	}
	return n
}

func (c *Bench) model(r RecordedRate) string { return strings.ToUpper(r.Model) }

func (c *Bench) input(r RecordedRate) string {
	if r.Input == "mnist" {
		return c.Page.say("bench.input.mnist")
	}
	return c.Page.say("bench.input.dense")
}

// job names a job in words.
func (c *Bench) job(r RecordedRate) string {
	if r.Input == "mnist" {
		return c.Page.say("bench.job.mnist", c.model(r), r.Batch)
	}
	return c.Page.say("bench.job.dense", c.model(r), r.Batch)
}

// peer returns the speed of another engine on a job, by the fastest of its backends. One
// other than WebAssembly is named.
func (c *Bench) peer(r RecordedRate, engine string) string {
	var best RecordedRate
	for _, p := range c.Recorded.Results {
		if p.Engine == engine && p.Model == r.Model && p.Input == r.Input && p.Batch == r.Batch && p.Rate > best.Rate {
			best = p
		}
	}
	switch {
	case best.Rate == 0:
		return dash
	case best.Backend != "wasm":
		return c.Page.say("bench.backend", c.rate(best), best.Backend)
	}
	return c.rate(best)
}

func (c *Bench) rate(r RecordedRate) string { return c.Page.Lang.Amount(r.Rate) }

// images returns the address of the shards, from the page; empty where there are none.
func (c *Bench) images() string {
	if c.Images == "" {
		return ""
	}
	return c.Page.Root + c.Images
}

// advice says what to do for figures that count, and what is not measured here.
func (c *Bench) advice() string {
	missing := ""
	if c.Images == "" {
		missing = c.Page.say("bench.images.none")
	}
	return sentences(c.Page.say("bench.alone"), missing)
}

// notes say where the recorded figures are from, and what the inputs are.
func (c *Bench) notes() string {
	p, r := c.Page, c.Recorded
	return sentences(p.say("bench.recorded", r.Browser, r.CPU, c.kernel(r.Kernel)), p.say("bench.inputs"))
}

// kernel names a version of the kernels.
func (c *Bench) kernel(name string) string {
	return (&Page{Lang: c.Page.Lang, Kernel: name}).KernelWords()
}
