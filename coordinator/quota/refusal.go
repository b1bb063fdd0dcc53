package quota

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"
)

// Why a request is refused, beside the errors of Acquire.
var (
	ErrPace     = errors.New("too many new connections from one address")
	ErrStopping = errors.New("the coordinator is stopping")
)

// Refusal is a refused request, and what to do about it.
type Refusal struct {
	Code   string // for programs, and for the words of the page
	Text   string // what was wrong and what the participant can do, in one sentence
	Flag   string // of the coordinator, which its organiser can change; empty where Text says it, or nothing can be changed
	Status int    // of HTTP
	Retry  time.Duration
}

// Error implements error.
func (r *Refusal) Error() string { return r.Text }

// SetRetry sets the header Retry-After.
func (r *Refusal) SetRetry(h http.Header) {
	if r.Retry > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(r.Retry.Seconds()))))
	}
}

// Reason is Text with what the organiser can change, for the log.
func (r *Refusal) Reason() string {
	if r.Flag == "" {
		return r.Text
	}
	return r.Text + "; if it is the address of many participants, start the coordinator with a larger " + r.Flag
}

// PerAddress is the flag of the limits of one address.
const PerAddress = "--per-address"

// Why the participants of a proxy count as one address.
const (
	untrustedText  = "the participants behind a proxy count as one address: start the coordinator with --trusted-proxies and the proxy's address"
	unnamedText    = "the participants behind a proxy count as one address: have the proxy set X-Forwarded-For"
	unreadableText = "the participants behind a proxy count as one address: have the proxy set X-Forwarded-For, and drop Forwarded and X-Real-IP"
)

// Refuse turns an error of a limit into the refusal of a request; nil of nil.
func (a Addresses) Refuse(err error, r *http.Request) *Refusal {
	if errors.Is(err, ErrAddress) || errors.Is(err, ErrPace) {
		if shared := a.shared(r); shared != "" {
			return &Refusal{"proxy", shared, "", http.StatusTooManyRequests, 30 * time.Second}
		}
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrAddress):
		return &Refusal{"address", "too many connections from your address: close some of them, or try again later", PerAddress, http.StatusTooManyRequests, 30 * time.Second}
	case errors.Is(err, ErrPace):
		return &Refusal{"pace", "too many new connections from your address: wait for a few seconds", PerAddress, http.StatusTooManyRequests, 10 * time.Second}
	case errors.Is(err, ErrStopping):
		return &Refusal{"stopping", "the coordinator is stopping: try again in a minute", "", http.StatusServiceUnavailable, time.Minute}
	}
	return &Refusal{"full", "the coordinator has as many connections as it can take: try again later", "", http.StatusServiceUnavailable, 30 * time.Second}
}
