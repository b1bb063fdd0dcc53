package web

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"fedtab/coordinator/task"
	"fedtab/learn/workload"
	"fedtab/ui"
	"fedtab/words"
)

// The recorded file has a figure of fedtab for each job that the page measures, says where
// it is from, and the jobs are those that the worker knows.
func TestRecorded(t *testing.T) {
	var r ui.Recorded
	if err := json.Unmarshal(recordedFile, &r); err != nil {
		t.Fatal(err)
	}
	if r.Browser == "" || r.CPU == "" || !strings.HasPrefix(r.Kernel, "wasm-") {
		t.Errorf("browser %q, processor %q, kernel %q, want all three", r.Browser, r.CPU, r.Kernel)
	}
	var jobs []string
	for _, f := range r.Results {
		if f.Engine != "fedtab" {
			continue
		}
		if _, err := workload.NewJob(f.Model, f.Input, f.Batch); err != nil || workload.Whole%f.Batch != 0 || !(f.Rate > 0) {
			t.Errorf("%+v: %v, want a job in mini-batches that divide %d, and its rate", f, err, workload.Whole)
		}
		jobs = append(jobs, fmt.Sprint(f.Model, " ", f.Input, " ", f.Batch))
	}
	for _, want := range []string{"2nn mnist 10", "2nn dense 32", "cnn mnist 10"} {
		if !slices.Contains(jobs, want) {
			t.Errorf("no figure of fedtab for %s, only %q", want, jobs)
		}
	}
}

// The table has the recorded figures of all engines, written as the language does, and
// those of this device empty, without JavaScript.
func TestBenchTable(t *testing.T) {
	table := func(language string) [][]string {
		p := &ui.Page{Lang: words.Get(language), Kind: ui.BenchKind}
		var b strings.Builder
		err := ui.WriteBench(&b, &ui.Bench{Page: p, Recorded: &ui.Recorded{Browser: "Browser 1", CPU: "Processor", Kernel: "wasm-relaxed", Results: []ui.RecordedRate{
			{Model: "2nn", Input: "dense", Batch: 10, Engine: "fedtab", Backend: "wasm", Rate: 40340},
			{Model: "2nn", Input: "dense", Batch: 10, Engine: "jax-js", Backend: "wasm", Rate: 5426},
			{Model: "cnn", Input: "mnist", Batch: 10, Engine: "fedtab", Backend: "wasm", Rate: 538.4},
			{Model: "cnn", Input: "mnist", Batch: 10, Engine: "tfjs", Backend: "cpu", Rate: .6113},
			{Model: "cnn", Input: "mnist", Batch: 10, Engine: "tfjs", Backend: "webgl", Rate: 10.16},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		page := b.String()
		for _, want := range []string{"Browser 1", "Processor", "relaxed SIMD", `max="1"`} {
			if !strings.Contains(page, want) {
				t.Errorf("%s: the page lacks %s", language, want)
			}
		}
		if n := strings.Count(page, "data-measured="); n != 1 {
			t.Errorf("%s: %d jobs are measured without MNIST, want the dense one", language, n)
		}
		_, body, _ := strings.Cut(page, `<tbody id="bench-rows">`)
		var rows [][]string
		for row := range strings.SplitSeq(strings.TrimSuffix(body[:strings.Index(body, "</tbody>")], "</tr>"), "</tr>") {
			var cells []string
			for _, m := range regexp.MustCompile(`<t[hd][^>]*>([^<]*)<`).FindAllStringSubmatch(row, -1) {
				cells = append(cells, m[1])
			}
			rows = append(rows, cells)
		}
		return rows
	}
	for language, want := range map[string][][]string{
		"en": {{"2NN", "dense", "10", "–", "–", "40,340", "5,426", "–"}, {"CNN", "MNIST", "10", "–", "–", "538.4", "–", "10.16 (webgl)"}},
		"de": {{"2NN", "dicht", "10", "–", "–", "40.340", "5.426", "–"}, {"CNN", "MNIST", "10", "–", "–", "538,4", "–", "10,16 (webgl)"}},
	} {
		if got := table(language); !slices.EqualFunc(got, want, slices.Equal) {
			t.Errorf("%s: got %q, want %q", language, got, want)
		}
	}
}

// Without a task that has MNIST, the page says that only dense inputs are measured.
func TestBenchWithoutImages(t *testing.T) {
	votes, _ := studyOf(t, "anes96")
	_, body := visit(t, pagesOf(t, votes).URL+"/bench")
	if !strings.Contains(body, "No task here has MNIST") || !strings.Contains(body, `data-images=""`) {
		t.Error("the page does not say that there are no images")
	}
	if strings.Contains(body, `data-measured="data-measured" data-model="cnn"`) {
		t.Error("the CNN, which has MNIST alone, is measured")
	}
}

// The models of the jobs are those of the tasks that ship.
func TestBenchModels(t *testing.T) {
	for model, name := range map[string]string{"2nn": "mnist-2nn", "cnn": "mnist-cnn"} {
		tk, err := task.Find(name, nil)
		if err != nil {
			t.Fatal(err)
		}
		j, err := workload.NewJob(model, "mnist", 10)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := j.Spec.String(), tk.Model.Spec([]int{28, 28}, 10, workload.Seed).String(); got != want {
			t.Errorf("%s is %s, want that of %s: %s", model, got, name, want)
		}
	}
}
