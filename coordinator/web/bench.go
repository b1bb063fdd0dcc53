package web

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"fedtab/learn"
	"fedtab/learn/workload"
	"fedtab/ui"
)

// recordedFile is what make bench-browser has written (docs/performance.md).
//
//go:embed recorded.json
var recordedFile []byte

// recorded are the speeds that make bench-browser has measured.
var recorded = sync.OnceValue(func() *ui.Recorded {
	r := new(ui.Recorded)
	if err := json.Unmarshal(recordedFile, r); err != nil {
		panic(fmt.Sprintf("coordinator/web/recorded.json: %v, want what make bench-browser writes", err)) // a test reads it
	}
	return r
})

// TrainingSeconds estimates how long the recorded browser trains a model on a number of
// examples in mini-batches of a size (0: all): as many operations a second as with the
// recorded model that is like it, convolutional or not, in the largest recorded mini-batches
// that are not larger. The inputs of the other model have no zeros, which would be skipped.
func TrainingSeconds(m learn.Model, batch int, examples int64) float64 {
	like, input := "2nn", "dense"
	if slices.ContainsFunc(m.Spec().Layers, func(l learn.Layer) bool { return l.Kind == learn.Conv }) {
		like, input = "cnn", "mnist"
	}
	var nearest *ui.RecordedRate
	for i, r := range recorded().Results {
		if r.Engine == "fedtab" && r.Model == like && r.Input == input && (nearest == nil || batch == 0 || batch >= r.Batch) {
			nearest = &recorded().Results[i]
		}
	}
	job, err := workload.NewJob(like, input, nearest.Batch)
	if err != nil {
		panic(err) // it was recorded
	}
	of, err := learn.New(job.Spec)
	if err != nil {
		panic(err) // it was trained
	}
	times := float64(m.Cost().Training) / float64(of.Cost().Training)
	return float64(examples) * times / nearest.Rate
}

// benchOf returns the page that measures how fast a device trains. It takes images from
// the shards of a task with MNIST, if there is one.
func benchOf(studies []*Study) ui.Bench {
	c := ui.Bench{Recorded: recorded()}
	for _, st := range studies {
		if st.Task.Data.Source == "mnist" && st.Data.Public {
			c.Images, c.Shards = strings.TrimPrefix(DataPath(st.Task, st.Data), "/"), st.Data.Packed.Len()
			break
		}
	}
	return c
}

// bench shows the page that measures how fast a device trains.
func (s *server) bench(w http.ResponseWriter, r *http.Request) {
	s.show(w, r, http.StatusOK, ui.View{Kind: ui.BenchKind}, nil)
}
