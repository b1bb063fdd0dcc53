package access

import (
	"math"
	"net/http"
	"strconv"
	"time"

	"fedtab/coordinator/quota"
)

// Refusal is a request that is not let in.
type Refusal struct {
	Status int           // of HTTP
	Text   string        // what was wrong and what would be right, in one sentence
	Retry  time.Duration // when to try again; 0: any time
	Who    Who           // who was refused, where that is known
}

// Error implements error.
func (r *Refusal) Error() string { return r.Text }

// SetHeaders sets the headers that belong to the status.
func (r *Refusal) SetHeaders(h http.Header) {
	if r.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer")
	}
	if r.Retry > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(r.Retry.Seconds()))))
	}
}

func crossOrigin(who Who) *Refusal {
	return &Refusal{Status: http.StatusForbidden, Who: who, Text: "the request does not come from this coordinator's own page, want an Origin that is the Host, or a token in Authorization"}
}

func tooLow(who Who) *Refusal {
	return &Refusal{Status: http.StatusForbidden, Who: who, Text: "the viewer's token may not change anything, want the organiser's"}
}

// Wrong tokens and cookies a second, and at once: of one address, and of all together.
const (
	wrongRate, wrongBurst       = 1. / 6, 10
	allWrongRate, allWrongBurst = 1., 100
)

// everyAddress is the name of all addresses together.
const everyAddress = "all"

// wrong bounds how often wrong tokens and cookies are answered as such.
type wrong struct {
	each, all *quota.Pace
}

func newWrong() wrong {
	return wrong{quota.NewPace(wrongRate, wrongBurst), quota.NewPace(allWrongRate, allWrongBurst)}
}

// unknown refuses a request that has shown nothing, or nothing that is good. What was
// wrong with it stays untold. A request that has shown nothing is no attempt: a page that
// is not signed in makes many.
func (g *Gate) unknown(r *http.Request, shown bool) *Refusal {
	if shown {
		if address := g.address(r); !g.wrong.each.Allow(address) {
			return tooOften("your address", g.wrong.each)
		}
		if !g.wrong.all.Allow(everyAddress) {
			return tooOften("all addresses", g.wrong.all)
		}
	}
	return &Refusal{Status: http.StatusUnauthorized, Text: "a valid token is missing: sign in with the organiser's or the viewer's token"}
}

func tooOften(of string, p *quota.Pace) *Refusal {
	return &Refusal{
		Status: http.StatusTooManyRequests, Retry: time.Duration(float64(time.Second) / p.Rate()),
		Text: "too many wrong tokens of " + of + ": try again later; a valid token is taken at once",
	}
}
