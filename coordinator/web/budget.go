package web

import (
	"context"
	"log/slog"
	"net"
	"net/http"

	"fedtab/coordinator/quota"
	"fedtab/protocol"

	"golang.org/x/time/rate"
)

// Limits are what the site allows the peers of one address.
type Limits struct {
	Addresses    quota.Addresses
	Participants int // at a time from one address, and what as many ask for; 0 sets no bound
}

// budgets bound what an address makes the site do, over all its connections.
type budgets struct {
	addresses quota.Addresses
	log       *slog.Logger
	requests  *quota.Pace  // requests
	downloads *quota.Pace  // bytes of answers
	streams   *quota.Quota // event streams at a time
	answers   *quota.Quota // answers that are made for one request, at a time
	told      *quota.Pace  // lines of the log
}

func newBudgets(l Limits, log *slog.Logger) *budgets {
	share := float64(l.Participants) / protocol.MaxPerAddress
	return &budgets{
		addresses: l.Addresses, log: log,
		requests:  quota.NewPace(rate.Limit(share*protocol.MaxRequestRate), quota.Scaled(protocol.RequestBurst, share)),
		downloads: quota.NewPace(rate.Limit(share*protocol.MaxDownloadRate), quota.Scaled(protocol.DownloadBurst, share)),
		streams:   quota.New(protocol.MaxSessions, l.Participants),
		answers:   quota.New(protocol.MaxAnswers, l.Participants),
		told:      quota.NewPace(1./60, 1),
	}
}

// admit counts a request of an address, or answers that there are too many of them.
func (b *budgets) admit(w http.ResponseWriter, r *http.Request, from string) bool {
	switch {
	case !b.requests.Allow(from):
		b.refuse(w, r, http.StatusTooManyRequests, "requests from your address: more than %g a second", b.requests.Rate())
	case !b.downloads.Rested(from):
		b.refuse(w, r, http.StatusTooManyRequests, "downloads of your address: more than %g bytes a second", b.downloads.Rate())
	default:
		return true
	}
	return false
}

// hold counts what a request holds while it is answered. The caller calls release,
// unless it is nil: then the request has been answered.
func (b *budgets) hold(w http.ResponseWriter, r *http.Request, q *quota.Quota) (release func()) {
	from := b.addresses.Of(r)
	if err := q.Acquire(from); err != nil {
		b.refuse(w, r, quota.Status(err), "%v", err)
		return nil
	}
	return func() { q.Release(from) }
}

// refuse answers that a budget is used up, and tells the log once a minute for each
// address.
func (b *budgets) refuse(w http.ResponseWriter, r *http.Request, status int, format string, args ...any) {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	level := slog.LevelDebug
	if b.told.Allow(host) {
		level = slog.LevelInfo
	}
	b.log.Log(context.Background(), level, "request refused", "remote", r.RemoteAddr, "for", b.addresses.Of(r), "path", r.URL.Path, "status", status)
	w.Header().Set("Retry-After", "30")
	w.Header().Set("Connection", "close") // what is pipelined behind it costs nothing
	fail(w, status, format, args...)
}
