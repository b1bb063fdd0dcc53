package access

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"net/http"
	"strings"
	"time"
)

// session is what a cookie says. Nothing is stored for one that is good, so that sessions
// outlive a restart.
//
// The cookie is base64url of: the format's version (1 byte); the letter of the role (1
// byte); when its person signed in, and when the cookie expires (seconds since 1970,
// big-endian, 8 bytes each); the session's random identity (16 bytes); the HMAC-SHA256 of
// all that. The HMAC's key is derived from the role's token: who replaces the token ends
// its sessions.
//
// Times are those of the machine's clock, which may be set:
//
//   - If it is set forward, sessions expire earlier, and their people sign in again.
//   - If it is set back, a session lasts longer by as much. One that would then last for
//     more than sessionLife (and clockLeeway, for clocks that are corrected by a little)
//     ends, so that a clock that was years ahead leaves no session for years behind.
//
// Signing in needs a token and no clock: no clock locks a person out.
type session struct {
	letter  byte // of the role
	signed  int64
	expires int64
	id      [idBytes]byte
}

const (
	sessionVersion = 1
	idBytes        = 16
	sessionHead    = 1 + 1 + 8 + 8 + idBytes

	sessionLife = 12 * time.Hour
	maxSession  = 7 * 24 * time.Hour // since the sign-in, however often the session is renewed
	clockLeeway = 5 * time.Minute
)

// sessionKey derives the key that signs the sessions of a token.
func sessionKey(token string) []byte { return sum([]byte(token), []byte("fedtab session")) }

func sum(key, b []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(b)
	return mac.Sum(nil)
}

// newSession begins a session of a role.
func newSession(k kind, now time.Time) session {
	s := session{letter: k.letter, signed: now.Unix(), expires: now.Add(sessionLife).Unix()}
	rand.Read(s.id[:]) // it never fails
	return s
}

// name identifies a session to people. Its cookie cannot be made of it.
func (s session) name() string { return hex.EncodeToString(s.id[:]) }

// head returns the bytes that are signed.
func (s session) head() []byte {
	b := []byte{sessionVersion, s.letter}
	b = binary.BigEndian.AppendUint64(b, uint64(s.signed))
	b = binary.BigEndian.AppendUint64(b, uint64(s.expires))
	return append(b, s.id[:]...)
}

// cookie returns the text of a session's cookie.
func (s session) cookie(key []byte) string {
	head := s.head()
	return coding.EncodeToString(append(head, sum(key, head)...))
}

// parseSession reads what cookie returns, without checking who signed it.
func parseSession(text string) (s session, mac []byte, ok bool) {
	if len(text) != coding.EncodedLen(sessionHead+sha256.Size) || strings.ContainsAny(text, "\r\n") {
		return s, nil, false
	}
	b, err := coding.DecodeString(text)
	if err != nil || b[0] != sessionVersion {
		return s, nil, false
	}
	s = session{letter: b[1], signed: int64(binary.BigEndian.Uint64(b[2:])), expires: int64(binary.BigEndian.Uint64(b[10:])), id: [idBytes]byte(b[18:])}
	return s, b[sessionHead:], true
}

// good reports whether a session that a token has signed lasts.
func (s session) good(now time.Time) bool {
	return now.Unix() < s.expires && s.expires <= now.Add(sessionLife+clockLeeway).Unix()
}

// renewed returns the session as it goes on from now, and whether that is of use: its
// second half has begun, and it has not reached maxSession.
func (s session) renewed(now time.Time) (session, bool) {
	if s.expires-now.Unix() > int64(sessionLife/2/time.Second) {
		return s, false
	}
	before := s.expires
	s.expires = min(now.Add(sessionLife).Unix(), s.signed+int64(maxSession/time.Second))
	return s, s.expires > before
}

// sessionOf returns the session of a request's cookie, and what it grants; nil if the
// request has none that is good. shown reports whether it has a cookie at all.
func (g *Gate) sessionOf(r *http.Request) (s session, k *grant, shown bool) {
	c, err := r.Cookie(cookieName(r))
	if err != nil {
		return s, nil, false
	}
	s, mac, ok := parseSession(c.Value)
	if !ok {
		return s, nil, true
	}
	for _, k := range g.all() {
		if k.letter == s.letter && hmac.Equal(mac, sum(k.key, s.head())) && s.good(g.now()) && !g.ended.has(s.id) {
			return s, k, true
		}
	}
	return s, nil, true
}

// cookieName is the name of the session's cookie. Over TLS browsers take one with
// __Host- only from this very host, over TLS.
func cookieName(r *http.Request) string {
	if r.TLS != nil {
		return "__Host-fedtab-session"
	}
	return "fedtab-session"
}

// setCookie has the browser keep a session.
func (g *Gate) setCookie(w http.ResponseWriter, r *http.Request, s session, k *grant) {
	http.SetCookie(w, cookie(r, s.cookie(k.key), int(s.expires-g.now().Unix())))
}

// cookie returns a session's cookie with what keeps it in: no script reads it, and no
// request that the page of another site makes has it.
func cookie(r *http.Request, value string, maxAge int) *http.Cookie {
	return &http.Cookie{
		Name: cookieName(r), Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode,
	}
}

// SignIn begins a session with a token and sets its cookie. The request must be of this
// coordinator's own page, or else a page could sign its visitor in as somebody else. The
// error is a *Refusal.
func (g *Gate) SignIn(w http.ResponseWriter, r *http.Request, token string) (Who, error) {
	if !sameOrigin(r) {
		return Who{}, crossOrigin(Who{})
	}
	k := g.granted(token)
	if k == nil {
		return Who{}, g.unknown(r, token != "")
	}
	s := newSession(k.kind, g.now())
	g.setCookie(w, r, s, k)
	return Who{k.role, WaySession, s.name(), g.address(r)}, nil
}

// SignOut ends the session of a request, for whoever has its cookie, and removes the
// cookie. A request without a session is none the worse for it. The error is a *Refusal.
//
// That a session has ended is kept in memory: after a restart a copy of its cookie is
// good again until it expires. A token that is replaced ends its sessions for good.
func (g *Gate) SignOut(w http.ResponseWriter, r *http.Request) error {
	if !sameOrigin(r) {
		return crossOrigin(Who{})
	}
	if s, k, _ := g.sessionOf(r); k != nil {
		now := g.now()
		// A request at this very moment may have renewed it.
		g.ended.add(s.id, now, now.Add(sessionLife+clockLeeway))
	}
	http.SetCookie(w, cookie(r, "", -1))
	return nil
}
