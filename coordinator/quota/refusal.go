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
	Text   string // what was wrong and what to do, in one sentence
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

// untrustedText is what keeps participants of a proxy out that count as one address.
const untrustedText = "the participants behind a proxy count as one address: start the coordinator with --trusted-proxies and the proxy's address"

// Refuse turns an error of a limit into a refusal; nil of nil. untrusted says that the
// request names a client, and its sender is not trusted to (Addresses.Untrusted).
func Refuse(err error, untrusted bool) *Refusal {
	switch {
	case err == nil:
		return nil
	case untrusted && (errors.Is(err, ErrAddress) || errors.Is(err, ErrPace)):
		return &Refusal{"proxy", untrustedText, http.StatusTooManyRequests, 30 * time.Second}
	case errors.Is(err, ErrAddress):
		return &Refusal{"address", "too many connections from your address: close some of them, or have the coordinator started with a larger --per-address", http.StatusTooManyRequests, 30 * time.Second}
	case errors.Is(err, ErrPace):
		return &Refusal{"pace", "too many new connections from your address: wait for a few seconds", http.StatusTooManyRequests, 10 * time.Second}
	case errors.Is(err, ErrStopping):
		return &Refusal{"stopping", "the coordinator is stopping: try again in a minute", http.StatusServiceUnavailable, time.Minute}
	}
	return &Refusal{"full", "the coordinator has as many connections as it can take: try again later", http.StatusServiceUnavailable, 30 * time.Second}
}
