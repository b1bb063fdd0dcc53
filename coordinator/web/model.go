package web

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"fedtab/coordinator/export"
	"fedtab/coordinator/quota"
	"fedtab/coordinator/store"
)

// model serves a version as a safetensors file: newest, best, or a number.
func (s *server) model(w http.ResponseWriter, r *http.Request, st *Study) {
	want, ok := strings.CutSuffix(r.PathValue("file"), ".safetensors")
	if !ok {
		fail(w, http.StatusNotFound, "there is no %s, want NAME.safetensors with newest, best or the number of a version as NAME", r.PathValue("file"))
		return
	}
	version, err := st.Feed.Pick(want)
	if err != nil {
		fail(w, http.StatusNotFound, "%v", err)
		return
	}
	control := http.NewResponseController(w)
	cut := func() { control.SetWriteDeadline(time.Now()) } // an error means that there are no deadlines, as in tests
	f, err := s.files.get(fileName{st.Run, version}, int64(4*st.Model.Layout().Size)+headerSpace, cut, func() ([]byte, string, error) { return modelFile(st, version) })
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
	h.Set("Content-Type", export.ContentType)
	h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", fmt.Sprintf("%s-%d.safetensors", st.Run, version)))
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", f.etag)
	w.Write(f.content)
}

// headerSpace is about what a file has beside the parameters, bytes.
const headerSpace = 16 << 10

// modelFile makes the file of a version, and its entity tag.
func modelFile(st *Study, version uint64) ([]byte, string, error) {
	params, hash, err := st.Version(version)
	if err != nil {
		return nil, "", err
	}
	content, err := export.File(st.Model.Layout(), params, export.Metadata(st.Task.Name, st.Run, version, hash))
	if err != nil {
		return nil, "", err
	}
	sum := sha256.Sum256(content) // the names of run and version are in the file too
	return content, fmt.Sprintf(`"%x"`, sum[:8]), nil
}
