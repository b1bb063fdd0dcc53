package web

import (
	"fmt"
	"net/http"
	"net/http/pprof"

	"fedtab/coordinator/access"
	"fedtab/coordinator/quota"
)

// Admin is what is served at the admin address, beside metrics and profiles.
type Admin struct {
	Gate *access.Gate // lets organisers pass to the profiles
	API  http.Handler // of organisers, /api/v1/; it has the gate before it
	Page http.Handler // of organisers
}

// NewAdmin returns the handler of the admin address addr. Metrics are for whoever reaches
// it; profiles, which show what is in memory, are for organisers. The Host header keeps out
// pages of strangers whose names come to mean that address (DNS rebinding); it must be an IP
// address, the host in addr, or a name that no stranger can hold.
func NewAdmin(studies *Studies, sockets Sockets, proxies *quota.Proxies, addr string, a Admin) http.Handler {
	profiles := http.NewServeMux()
	profiles.HandleFunc("GET /debug/pprof/", pprof.Index)
	profiles.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	profiles.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	profiles.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	profiles.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics(studies, sockets, proxies))
	mux.Handle("/debug/pprof/", a.Gate.Guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if who, _ := access.From(r.Context()); who.Role != access.Organiser {
			http.Error(w, "profiles are for the organiser, whose token is another one", http.StatusForbidden)
			return
		}
		profiles.ServeHTTP(w, r)
	})))
	mux.Handle("/api/", a.API)
	mux.Handle("/", a.Page)
	own := quota.HostOf(addr)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if host := quota.HostOf(r.Host); host != own && !local(host) {
			http.Error(w, fmt.Sprintf("host: %.100q, want an IP address, or the name in --admin-addr", host), http.StatusForbidden)
			return
		}
		mux.ServeHTTP(w, r)
	})
}
