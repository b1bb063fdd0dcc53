package web

import (
	"net/http"
	"strconv"

	"fedtab/learn/data"
)

// shards serves a study's public examples, a shard at a time.
func shards(st *Study) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.ParseUint(r.PathValue("shard"), 10, 32)
		if err != nil || n >= uint64(len(st.Data.Shards)) {
			fail(w, http.StatusNotFound, "there is no shard %q, want 0 to %d", r.PathValue("shard"), len(st.Data.Shards)-1)
			return
		}
		h := w.Header()
		h.Set("Content-Type", "application/octet-stream")
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
		w.Write(data.AppendShard(nil, st.Data.Train, st.Data.Shards[n]))
	})
}
