package web

import (
	"io"
	"net/http"
	"path"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzip"
)

// immutable lets browsers and proxies keep an answer that never changes.
const immutable = "public, max-age=31536000, immutable"

// shard serves a shard of public data as it was packed, or unpacked for the rare client
// that does not take gzip. It never changes, so that a browser may keep it.
func shard(w http.ResponseWriter, r *http.Request, st *Study) {
	if !st.Data.Public || path.Dir(r.URL.Path) != DataPath(st.Task, st.Data) { // of other data, which the task had
		noPath(w, r)
		return
	}
	n, err := strconv.ParseUint(r.PathValue("shard"), 10, 32)
	if err != nil || n >= uint64(st.Data.Packed.Len()) {
		fail(w, http.StatusNotFound, "there is no shard %q, want 0 to %d", r.PathValue("shard"), st.Data.Packed.Len()-1)
		return
	}
	packed := st.Data.Packed.Open(int(n))
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Cache-Control", immutable)
	h.Set("Vary", "Accept-Encoding")
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		h.Set("Content-Length", strconv.FormatInt(st.Data.Packed.Size(int(n)), 10))
		io.Copy(w, packed)
		return
	}
	z, err := gzip.NewReader(packed)
	if err != nil {
		fail(w, http.StatusInternalServerError, "shard %d: %v", n, err)
		return
	}
	io.Copy(w, z)
}
