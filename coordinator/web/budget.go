package web

import (
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"fedtab/coordinator/quota"
	"fedtab/protocol"

	"golang.org/x/time/rate"
)

// Limits are what the site allows the peers of one address.
type Limits struct {
	Participants int          // at a time from one address, and what as many ask for; 0 sets no bound
	Connections  *quota.Conns // of the server, for the door; nil: without bound
}

// budgets bound what an address makes the site do, over all its connections.
type budgets struct {
	addresses quota.Addresses
	log       *slog.Logger
	requests  *quota.Pace  // requests
	probes    *quota.Pace  // requests of /healthz and /readyz
	downloads *quota.Pace  // bytes of answers
	flight    *quota.Quota // requests that are answered at a time
	streams   *quota.Quota // event streams at a time
	answers   *quota.Quota // answers that are made for one request, at a time
	conns     *quota.Conns // of the server; nil: without bound
	notices   quota.Notices
}

func newBudgets(addresses quota.Addresses, l Limits, log *slog.Logger) *budgets {
	share := float64(l.Participants) / protocol.MaxPerAddress
	return &budgets{
		addresses: addresses, log: log, conns: l.Connections,
		requests:  quota.NewPace(rate.Limit(share*protocol.MaxRequestRate), quota.Scaled(protocol.RequestBurst, share)),
		probes:    quota.NewPace(rate.Limit(share*protocol.MaxProbeRate), quota.Scaled(protocol.ProbeBurst, share)),
		downloads: quota.NewPace(rate.Limit(share*protocol.MaxDownloadRate), quota.Scaled(protocol.DownloadBurst, share)),
		flight:    quota.New(protocol.MaxRequests, protocol.ConnectionsPerParticipant*l.Participants),
		streams:   quota.New(protocol.MaxStreams, l.Participants),
		answers:   quota.New(protocol.MaxAnswers, l.Participants),
	}
}

// request counts a request of an address. If there are too many it answers with the
// refusal that it returns.
func (b *budgets) request(w http.ResponseWriter, r *http.Request, pace *quota.Pace, from string) *quota.Refusal {
	if pace.Allow(from) {
		return nil
	}
	refusal := b.exceeded(r, "requests", fmt.Sprintf("requests from your address: more than %.3g a second", pace.Rate()))
	b.refuse(w, r, refusal)
	return refusal
}

// download reports whether an address may download now, or answers that it may not.
func (b *budgets) download(w http.ResponseWriter, r *http.Request, from string) bool {
	if b.downloads.Rested(from) {
		return true
	}
	b.refuse(w, r, b.exceeded(r, "downloads", fmt.Sprintf("downloads of your address: more than %.3g MB a second", b.downloads.Rate()/1e6)))
	return false
}

// retryBudget is when a budget that is used up has some room again.
const retryBudget = time.Minute

// exceeded returns the refusal of a request beyond a budget of its address.
func (b *budgets) exceeded(r *http.Request, code, text string) *quota.Refusal {
	if refusal := b.addresses.Refuse(quota.ErrPace, r); refusal.Code == "proxy" {
		return refusal
	}
	return &quota.Refusal{Code: code, Text: text + ": wait for a minute", Flag: quota.PerAddress, Status: http.StatusTooManyRequests, Retry: retryBudget}
}

// hold counts what a request holds while it is answered. The caller calls release,
// unless it is nil: then the request has been answered.
func (b *budgets) hold(w http.ResponseWriter, r *http.Request, q *quota.Quota) (release func()) {
	from := b.addresses.Of(r)
	if refusal := b.addresses.Refuse(q.Acquire(from), r); refusal != nil {
		b.refuse(w, r, refusal)
		return nil
	}
	return func() { q.Release(from) }
}

// refuse answers that a budget is used up, and tells the log once a minute for each
// address and code.
func (b *budgets) refuse(w http.ResponseWriter, r *http.Request, refusal *quota.Refusal) {
	b.notices.Refused(b.log, r, b.addresses.Of(r), refusal)
	w.Header().Set("Connection", "close") // what is pipelined behind it costs nothing
	refuse(w, r, refusal)
}
