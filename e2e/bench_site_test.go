package e2e

import (
	endian "encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"fedtab/coordinator/dataset"
	"fedtab/coordinator/task"
	"fedtab/e2e/bench"
	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/learn/kernel/module"
	"fedtab/learn/workload"
)

// benchExamples is how many examples an input has: whole mini-batches of 10, 32 and 128.
const benchExamples = 6400

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
			if s.inputs["mnist"], err = workload.Take(benchExamples, d.Train); err != nil {
				t.Fatal(err)
			}
		}
		images := s.inputs["mnist"]
		m, err := learn.New(tk.Model.Spec(images.Shape, images.Classes(), workload.Seed))
		if err != nil {
			t.Fatal(err)
		}
		params := make([]float32, m.Layout().Size)
		m.Init(params, workload.Seed)
		s.models[name], s.params[name] = m, params
		s.files[name+".params"] = littleEndian(params)
	}
	var err error
	if s.inputs["dense"], err = workload.Dense(s.inputs["mnist"].Shape, benchExamples, workload.Seed); err != nil {
		t.Fatal(err)
	}
	s.files["mnist.x"], s.files["mnist.y"] = s.inputs["mnist"].X, s.inputs["mnist"].Y
	s.files["dense.x"], s.files["dense.y"] = littleEndian(s.inputs["dense"].Values), s.inputs["dense"].Y

	program := filepath.Join(t.TempDir(), "program.wasm")
	build := exec.Command("go", "build", "-o", program, "./bench/program")
	build.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm", "GOEXPERIMENT=nosimd")
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
		"/kernel.js":    filepath.Join("..", "static", "kernel.js"),
		"/wasm_exec.js": filepath.Join(strings.TrimSpace(string(root)), "lib", "wasm", "wasm_exec.js"),
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, file) })
	}
	mux.HandleFunc("/kernel.wasm", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/wasm")
		w.Write(module.Bytes(true))
	})
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
	Fedtab  string        `json:"fedtab"` // workload.Job

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
	j, err := workload.NewJob(model, input, batch)
	if err != nil {
		s.t.Fatal(err)
	}
	if !reflect.DeepEqual(j.Spec, m.Spec()) {
		s.t.Fatalf("the job's model is %v, that of the task %v", j.Spec, m.Spec())
	}
	j.Steps, j.Every = steps, every
	curve, order, err := workload.Reference(j, s.params[model], set)
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
