package access

import (
	"context"
	"net/http"
	"net/url"
	"strings"
)

// contextKey is the key of Who in a context.
type contextKey struct{}

// From returns who has made the request that a context belongs to, and false if it has
// come neither through Guard nor through Socket.
func From(ctx context.Context) (Who, bool) {
	who, ok := ctx.Value(contextKey{}).(Who)
	return who, ok
}

func with(ctx context.Context, who Who) context.Context {
	return context.WithValue(ctx, contextKey{}, who)
}

// Socket marks the requests of the socket in the data directory as the organiser's.
// Guard, behind it, lets them pass.
func Socket(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(with(r.Context(), Who{Role: Organiser, Way: WaySocket})))
	})
}

// admission is how a request is let in.
type admission struct {
	who     Who
	grant   *grant // nil: by the socket
	session session
}

// Who says who has made a request; its Role is empty if that is not known.
func (g *Gate) Who(r *http.Request) Who {
	a, _ := g.identify(r)
	return a.who
}

// Check says who has made a request, and refuses one that nobody may make: the error is a
// *Refusal. Methods other than GET and HEAD are for the organiser. With a session they
// must come from this coordinator's own page.
func (g *Gate) Check(r *http.Request) (Who, error) {
	a, refusal := g.admit(r)
	if refusal != nil {
		return Who{}, refusal
	}
	return a.who, nil
}

func (g *Gate) admit(r *http.Request) (admission, *Refusal) {
	if who, ok := From(r.Context()); ok {
		return admission{who: who}, nil
	}
	a, shown := g.identify(r)
	switch {
	case a.grant == nil:
		return a, g.unknown(r, shown)
	case !changes(r):
		return a, nil
	case a.who.Way == WaySession && !sameOrigin(r):
		return a, crossOrigin(a.who)
	case a.who.Role != Organiser:
		return a, tooLow(a.who)
	}
	return a, nil
}

// identify finds out who has made a request; grant is nil if nobody did whom it knows.
// shown reports whether there is a token or a cookie. A token goes before a cookie.
func (g *Gate) identify(r *http.Request) (a admission, shown bool) {
	if token, ok := bearer(r); ok {
		if a.grant = g.granted(token); a.grant != nil {
			a.who = Who{a.grant.role, WayToken, "", g.address(r)}
		}
		return a, true
	}
	if a.session, a.grant, shown = g.sessionOf(r); a.grant != nil {
		a.who = Who{a.grant.role, WaySession, a.session.name(), g.address(r)}
	}
	return a, shown
}

// bearer returns the token in Authorization. Other schemes are no business of the gate: a
// proxy may ask for a password of its own.
func bearer(r *http.Request) (token string, ok bool) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.TrimSpace(token), strings.EqualFold(scheme, "Bearer")
}

// changes reports whether a request may change something.
func changes(r *http.Request) bool {
	return r.Method != http.MethodGet && r.Method != http.MethodHead
}

// sameOrigin reports whether a browser says that a page of this coordinator makes a
// request. Sec-Fetch-Site is sent over TLS and to localhost only; elsewhere Origin must
// be the Host. A request with neither is refused, as is one that a person makes by a
// bookmark (none): http.CrossOriginProtection lets both pass, for programs without
// tokens.
//
// (Under Referrer-Policy: no-referrer a form has the Origin null, a fetch its own.)
func sameOrigin(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin":
		return true
	case "":
	default:
		return false
	}
	origin, err := url.Parse(r.Header.Get("Origin"))
	if err != nil || origin.Host == "" || !strings.EqualFold(origin.Host, r.Host) {
		return false
	}
	return origin.Scheme == "https" || origin.Scheme == "http" && r.TLS == nil // a proxy may have done TLS
}

// Guard lets the requests pass that Check does, with Who in their contexts, and refuses
// the others. It renews sessions. A context ends when the token that it was let in by is
// replaced, so that streams do too. Answers are not for caches, unless next says so.
func (g *Gate) Guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, refusal := g.admit(r)
		w.Header().Set("Cache-Control", "no-store")
		if refusal != nil {
			g.refuse(w, r, refusal)
			return
		}
		ctx, cancel := context.WithCancel(with(r.Context(), a.who))
		defer cancel()
		if a.grant != nil {
			defer context.AfterFunc(a.grant.during, cancel)()
		}
		if a.who.Way == WaySession {
			if s, ok := a.session.renewed(g.now()); ok {
				g.setCookie(w, r, s, a.grant)
			}
		}
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

func (g *Gate) refuse(w http.ResponseWriter, r *http.Request, refusal *Refusal) {
	refusal.SetHeaders(w.Header())
	if g.Refuse != nil {
		g.Refuse(w, r, refusal)
		return
	}
	http.Error(w, refusal.Text, refusal.Status)
}
