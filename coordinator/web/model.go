package web

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"fedtab/coordinator/export"
	"fedtab/coordinator/store"
)

// model serves a version as a safetensors file: newest, best, or a number.
func model(w http.ResponseWriter, r *http.Request, st *Study) {
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
	params, hash, err := st.Version(version)
	switch {
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrNotKept):
		fail(w, http.StatusNotFound, "%v", err)
		return
	case err != nil:
		fail(w, http.StatusInternalServerError, "%v", err)
		return
	}
	var file bytes.Buffer
	if err := export.Safetensors(&file, st.Model.Layout(), params, export.Metadata(st.Task.Name, st.Run, version, hash)); err != nil {
		fail(w, http.StatusInternalServerError, "%v", err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", export.ContentType)
	h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", fmt.Sprintf("%s-%d.safetensors", st.Run, version)))
	h.Set("Cache-Control", "no-cache")
	content := sha256.Sum256(file.Bytes()) // the names of run and version are in the file too
	h.Set("ETag", fmt.Sprintf(`"%x"`, content[:8]))
	w.Write(file.Bytes())
}
