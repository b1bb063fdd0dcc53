package web

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"net/http"
	"time"

	"fedtab/coordinator/models"
	"fedtab/coordinator/quota"
	"fedtab/coordinator/store"
)

// model serves a version as a file: newest, best, or a number.
func (s *server) model(w http.ResponseWriter, r *http.Request, st *Study) {
	if s.withheld(w, r, st) {
		return
	}
	want, format, ok := models.Split(r.PathValue("file"))
	if !ok {
		fail(w, http.StatusNotFound, "there is no %s, want NAME.safetensors, NAME.onnx or NAME.json with newest, best or the number of a version as NAME", r.PathValue("file"))
		return
	}
	named, id := r.URL.Query().Get("run"), st.Run()
	if named != "" && named != id {
		fail(w, http.StatusNotFound, "run: %q, want %s, the one that this task has now", quoted(named), id)
		return
	}
	version, err := st.Feed.Pick(want)
	if err != nil {
		fail(w, http.StatusNotFound, "%v", err)
		return
	}
	control := http.NewResponseController(w)
	cut := func() { control.SetWriteDeadline(time.Now()) } // an error means that there are no deadlines, as in tests
	f, err := s.files.get(fileName{id, version, format}, st.fileSize(), cut, func() ([]byte, string, error) { return modelFile(st, id, version, format) })
	switch {
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrNotKept):
		fail(w, http.StatusNotFound, "%v", err)
		return
	case errors.Is(err, errFilesFull):
		s.budgets.refuse(w, r, &quota.Refusal{Code: "busy", Text: err.Error(), Status: http.StatusServiceUnavailable, Retry: retryBudget})
		return
	case err != nil:
		fail(w, http.StatusInternalServerError, "%v", err)
		return
	}
	defer s.files.put(f)
	h := w.Header()
	h.Set("Content-Type", models.ContentType(format))
	h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", models.Name(id, version)+"."+format))
	h.Set("Cache-Control", "no-cache")
	if named != "" && want != "newest" && want != "best" {
		h.Set("Cache-Control", immutable)
	}
	h.Set("ETag", f.etag)
	w.Write(f.content)
}

// modelSize returns about the size of the largest file of a version, bytes.
func modelSize(st *Study) int64 {
	return models.Of(st.Task, st.Data, st.Model.Spec(), st.Run(), math.MaxUint64, nil, [32]byte{}).Bytes()
}

// modelFile makes the file of a version of a run, and its entity tag.
func modelFile(st *Study, run string, version uint64, format string) ([]byte, string, error) {
	params, hash, err := st.Version(run, version)
	if err != nil {
		return nil, "", err
	}
	content, err := models.File(models.Of(st.Task, st.Data, st.Model.Spec(), run, version, params, hash), format)
	if err != nil {
		return nil, "", err
	}
	sum := sha256.Sum256(content) // the names of run and version are in the file too
	return content, fmt.Sprintf(`"%x"`, sum[:8]), nil
}
