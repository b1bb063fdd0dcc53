package web

import (
	"net/http"
	"path"
	"slices"

	"fedtab/tasks"
)

// sample serves a file that a participant can try a task with.
func sample(w http.ResponseWriter, r *http.Request, st *Study) {
	file := r.PathValue("file")
	if !slices.Contains(st.fixedData.Samples, file) {
		fail(w, http.StatusNotFound, "there is no sample %q of this task", file)
		return
	}
	b, err := tasks.Files.ReadFile(path.Join("samples", st.Task.Name, file))
	if err != nil {
		fail(w, http.StatusInternalServerError, "%v", err)
		return
	}
	kind := "text/csv"
	if path.Ext(file) == ".zip" {
		kind = "application/zip"
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Cache-Control", "no-cache")
	w.Write(b)
}
