package web

import (
	"fmt"
	"net/http"
	"net/http/pprof"

	"fedtab/coordinator/quota"
)

// NewAdmin returns the handler of the admin address addr: metrics, and profiles of the
// process. It has no password: the address is the protection. The Host header keeps out
// pages of strangers whose names come to mean that address (DNS rebinding); it must be
// an IP address, the host in addr, or a name that no stranger can hold.
func NewAdmin(studies []*Study, sockets Sockets, proxies *quota.Proxies, addr string) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics(studies, sockets, proxies))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	own := quota.HostOf(addr)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if host := quota.HostOf(r.Host); host != own && !local(host) {
			http.Error(w, fmt.Sprintf("host: %.100q, want an IP address, or the name in --admin-addr", host), http.StatusForbidden)
			return
		}
		mux.ServeHTTP(w, r)
	})
}
