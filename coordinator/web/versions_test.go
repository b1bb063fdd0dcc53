package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"fedtab/api"
	"fedtab/coordinator/task"
	"fedtab/learn"
	"fedtab/run"
)

func TestVersions(t *testing.T) {
	st, s := studyOf(t, "anes96")
	versions := func() (all []int) {
		t.Helper()
		r, b := get(t, s.URL+"/api/tasks/anes96/versions")
		var v api.Versions
		if err := json.Unmarshal(b, &v); err != nil || r.StatusCode != 200 || v.Run != st.Run() {
			t.Fatalf("%s, %v: %s", r.Status, err, b)
		}
		file := "none"
		if len(v.Versions) > 0 {
			file = fmt.Sprintf("%s-%d.onnx", st.Run(), v.Versions[0].Version)
		}
		loads := func(s api.Snippet) bool { return strings.Contains(s.Code, file) }
		if slices.ContainsFunc(v.Snippets, loads) != (len(v.Versions) > 0) {
			t.Errorf("code that loads %s: %+v", file, v.Snippets)
		}
		for _, x := range v.Versions {
			if x.Version == 50 && (x.TestAccuracy == nil || *x.TestAccuracy != .5) {
				t.Errorf("accuracy of version 50: %v, want .5", deref(x.TestAccuracy))
			}
			all = append(all, x.Version)
		}
		return all
	}
	var kept []uint64
	st.Kept = func(string) ([]uint64, error) { return kept, nil }
	if got := versions(); len(got) != 0 {
		t.Errorf("before the first: %v", got)
	}
	st.Feed.mu.Lock()
	for i := range 10_000 {
		r := run.RoundRecord{Round: uint64(i + 1)}
		if r.Round == 50 {
			r.Test = &learn.Figures{Accuracy: .5}
		}
		st.Feed.rounds = append(st.Feed.rounds, r)
	}
	st.Feed.mu.Unlock()
	kept = []uint64{50, 98, 99, 100, 10_001} // the last is not shown yet
	if got, want := versions(), []int{100, 99, 98, 50}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	kept = nil
	for v := uint64(50); v <= 10_000; v += 50 {
		kept = append(kept, v)
	}
	if got := versions(); len(got) != api.MaxVersions || got[0] != 10_000 || got[len(got)-1] != 50 || !slices.IsSortedFunc(got, func(a, b int) int { return b - a }) {
		t.Errorf("of 200 there are %d: %v", len(got), got)
	}
	st.Kept = func(string) ([]uint64, error) { return nil, errors.New("disk is gone") }
	if r, b := get(t, s.URL+"/api/tasks/anes96/versions"); r.StatusCode != 500 || !strings.Contains(string(b), "disk is gone") {
		t.Errorf("%s: %s", r.Status, b)
	}
}

// A task with download: false hands nothing out, and says so.
func TestWithheld(t *testing.T) {
	tk, err := task.Find("anes96", []string{"download=false"})
	if err != nil {
		t.Fatal(err)
	}
	st, s := serveStudy(t, tk)
	st.Version = func(string, uint64) ([]float32, [32]byte, error) {
		t.Error("the parameters are read")
		return nil, [32]byte{}, nil
	}
	st.Kept = func(string) ([]uint64, error) { t.Error("the versions are read"); return nil, nil }
	for _, path := range []string{"/models/newest.onnx", "/models/1.json?run=anes96-1", "/versions"} {
		r, b := get(t, s.URL+"/api/tasks/anes96"+path)
		if r.StatusCode != 403 || !strings.Contains(string(b), `"code":"download"`) || !strings.Contains(string(b), "does not hand out its model") {
			t.Errorf("%s: %s %s", path, r.Status, b)
		}
	}
	if cards(t, s.URL)[0].Download {
		t.Error("the card says that the model is handed out")
	}
	if _, b := get(t, s.URL+"/api/tasks/anes96"); strings.Contains(string(b), `"download"`) {
		t.Errorf("the task says that the model is handed out: %.200s", b)
	}
}
