package web

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"fedtab/ui"
)

// recordedFile is what make bench-browser has written (docs/performance.md).
//
//go:embed recorded.json
var recordedFile []byte

// benchOf returns the page that measures how fast a device trains. It takes images from
// the shards of a task with MNIST, if there is one.
func benchOf(studies []*Study) ui.Bench {
	c := ui.Bench{Recorded: new(ui.Recorded)}
	if err := json.Unmarshal(recordedFile, c.Recorded); err != nil {
		panic(fmt.Sprintf("coordinator/web/recorded.json: %v, want what make bench-browser writes", err)) // a test reads it
	}
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
