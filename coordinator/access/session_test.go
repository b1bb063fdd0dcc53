package access

import (
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func TestSignIn(t *testing.T) {
	g, _ := open(t)
	for _, secure := range []bool{false, true} {
		r := request("POST")
		name := "fedtab-session"
		if secure {
			overTLS(r)
			name = "__Host-fedtab-session"
		}
		w := httptest.NewRecorder()
		who, err := g.SignIn(w, r, g.Token(Organiser))
		must(t, err)
		if who.Role != Organiser || who.Way != WaySession || who.Session == "" || who.Address != "127.0.0.1" {
			t.Errorf("signed in as %+v", who)
		}
		c := w.Result().Cookies()[0]
		if c.Name != name || !c.HttpOnly || c.Secure != secure || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" || c.MaxAge != 12*60*60 {
			t.Errorf("with TLS %v: %s", secure, c)
		}
		next := request("POST")
		if secure {
			overTLS(next)
		}
		answer, again := ask(g, withCookie(next, c))
		if again != who || len(answer.Cookies()) != 0 || answer.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("with TLS %v: the session is of %+v, want %+v; headers %v", secure, again, who, answer.Header)
		}
	}
	w := httptest.NewRecorder()
	for _, token := range []string{"", "wrong"} {
		if who, err := g.SignIn(w, request("POST"), token); err == nil || err.(*Refusal).Status != http.StatusUnauthorized || who != (Who{}) || len(w.Result().Cookies()) != 0 {
			t.Errorf("with the token %q: %+v, %v", token, who, err)
		}
	}
}

// A session goes on as long as it is used, up to maxSession.
func TestRenewal(t *testing.T) {
	g, clock := open(t)
	c := signIn(t, g, Viewer)
	_, first := ask(g, withCookie(request("GET"), c))
	clock.add(sessionLife/2 - time.Second)
	if answer, _ := ask(g, withCookie(request("GET"), c)); len(answer.Cookies()) != 0 {
		t.Error("a session is renewed in the first half of its life")
	}
	if answer, _ := ask(g, withCookie(request("POST"), c)); answer.StatusCode != http.StatusForbidden || len(answer.Cookies()) != 0 {
		t.Error("a session is renewed by a request that is refused")
	}
	last := c
	renewals := 0
	for clock.Now().Before(start.Add(2 * maxSession)) {
		clock.add(time.Hour)
		answer, who := ask(g, withCookie(request("GET"), last))
		if answer.StatusCode != http.StatusOK {
			break
		}
		if who != first {
			t.Fatalf("the session is of %+v, want %+v", who, first)
		}
		if all := answer.Cookies(); len(all) > 0 {
			renewals++
			last = all[0]
			if left := time.Duration(last.MaxAge) * time.Second; left > sessionLife || left <= 0 {
				t.Fatalf("renewed for %v, want at most %v", left, sessionLife)
			}
		}
	}
	if lasted := clock.Now().Sub(start); lasted < maxSession || lasted > maxSession+time.Hour || renewals < 20 || renewals > 40 {
		t.Errorf("the session has lasted %v with %d renewals, want %v", lasted, renewals, maxSession)
	}
	if got := status(g, withCookie(request("GET"), c)); got != http.StatusUnauthorized {
		t.Errorf("the first cookie, long afterwards: %d", got)
	}
}

func TestSignOut(t *testing.T) {
	g, clock := open(t)
	c, other := signIn(t, g, Organiser), signIn(t, g, Organiser)
	clock.add(sessionLife/2 + time.Minute)
	answer, _ := ask(g, withCookie(request("GET"), c))
	renewed := answer.Cookies()[0]
	w := httptest.NewRecorder()
	must(t, g.SignOut(w, withCookie(request("POST"), c)))
	if gone := w.Result().Cookies()[0]; gone.Name != c.Name || gone.MaxAge >= 0 || gone.Value != "" || gone.Path != "/" || !gone.HttpOnly {
		t.Errorf("the cookie is replaced by %s, want none", gone)
	}
	for range 3 { // until the last of its cookies has expired
		for name, c := range map[string]*http.Cookie{"its cookie": c, "the renewed one": renewed} {
			if got := status(g, withCookie(request("GET"), c)); got == http.StatusOK {
				t.Errorf("%s lets in %v after the sign-out", name, clock.Now().Sub(start))
			}
		}
		clock.add(5 * time.Hour)
	}
	clock.add(-15 * time.Hour)
	if got := status(g, withCookie(request("GET"), other)); got != http.StatusOK {
		t.Errorf("another session of the same token: %d", got)
	}
	if err := g.SignOut(httptest.NewRecorder(), request("POST")); err != nil {
		t.Errorf("without a session: %v", err)
	}
}

// The sessions that have ended are bounded. Those that have expired are forgotten first.
func TestEnded(t *testing.T) {
	var e ended
	id := func(i int) (id [idBytes]byte) {
		binary.BigEndian.PutUint64(id[:], uint64(i))
		return id
	}
	for i := range maxEnded {
		e.add(id(i), start, start.Add(time.Hour+time.Duration(i)*time.Second))
	}
	e.add(id(maxEnded), start, start.Add(24*time.Hour))
	if e.has(id(0)) || !e.has(id(1)) || !e.has(id(maxEnded)) || len(e.all) != maxEnded {
		t.Errorf("%d sessions, want %d without the one that expires first", len(e.all), maxEnded)
	}
	e.add(id(maxEnded+1), start.Add(time.Hour+100*time.Second), start.Add(24*time.Hour))
	if e.has(id(100)) || !e.has(id(101)) || !e.has(id(maxEnded+1)) || len(e.all) != maxEnded-100+1 {
		t.Errorf("%d sessions, want those that have not expired", len(e.all))
	}
}

// A clock that is set locks no person out, and no session outlives its life by more than
// the clock was set back.
func TestClock(t *testing.T) {
	for _, test := range []struct {
		name string
		jump time.Duration // after an hour
		then time.Duration // of the session's life, by a right clock, before its request
		want int
	}{
		{"no jump", 0, sessionLife - 2*time.Hour, 200},
		{"no jump, expired", 0, sessionLife - time.Hour, 401},
		{"forward within its life", 5 * time.Hour, 0, 200},
		{"forward beyond its life", sessionLife, 0, 401},
		{"years forward", 5 * 365 * 24 * time.Hour, 0, 401},
		{"back by minutes: longer by them", -10 * time.Minute, sessionLife - time.Hour + 9*time.Minute, 200},
		{"back by minutes: no longer than by them", -10 * time.Minute, sessionLife - time.Hour + 10*time.Minute, 401},
		{"back to just before the sign-in", -time.Hour - clockLeeway, 0, 200},
		{"back to long before the sign-in", -2 * time.Hour, 0, 401},
		{"years back", -5 * 365 * 24 * time.Hour, 0, 401},
	} {
		t.Run(test.name, func(t *testing.T) {
			g, clock := open(t)
			c, out := signIn(t, g, Organiser), signIn(t, g, Organiser)
			must(t, g.SignOut(httptest.NewRecorder(), withCookie(request("POST"), out)))
			clock.add(time.Hour + test.jump)
			clock.add(test.then)
			if got := status(g, withCookie(request("GET"), c)); got != test.want {
				t.Errorf("%v after the jump: %d, want %d", test.then, got, test.want)
			}
			if got := status(g, withToken(request("POST"), g.Token(Organiser))); got != 200 {
				t.Errorf("the token: %d", got)
			}
			if got := status(g, withCookie(request("POST"), signIn(t, g, Organiser))); got != 200 {
				t.Errorf("a new session: %d", got)
			}
			// Other sign-outs, whatever the clock says now, bring no session back.
			must(t, g.SignOut(httptest.NewRecorder(), withCookie(request("POST"), signIn(t, g, Organiser))))
			clock.add(-test.then - test.jump)
			if got := status(g, withCookie(request("GET"), out)); got != 401 {
				t.Errorf("a session that was signed out, once the clock is right: %d", got)
			}
		})
	}
}

// Every bit of a cookie counts.
func TestForged(t *testing.T) {
	g, _ := open(t)
	c := signIn(t, g, Viewer)
	b, err := base64.RawURLEncoding.DecodeString(c.Value)
	must(t, err)
	for i := range b {
		for bit := range 8 {
			b[i] ^= 1 << bit
			forged := *c
			forged.Value = base64.RawURLEncoding.EncodeToString(b)
			if _, k, shown := g.sessionOf(withCookie(request("GET"), &forged)); k != nil || !shown {
				t.Errorf("bit %d of byte %d: lets in", bit, i)
			}
			b[i] ^= 1 << bit
		}
	}
	if _, k, _ := g.sessionOf(withCookie(request("GET"), c)); k == nil {
		t.Error("the cookie itself does not let in")
	}
}

// A cookie that lets in is the one that the gate makes of what it says, and a text that
// is read is what is written of it.
func FuzzCookie(f *testing.F) {
	g, _ := open(f)
	f.Add(signIn(f, g, Organiser).Value)
	f.Add(signIn(f, g, Viewer).Value)
	f.Add(session{letter: 'o', signed: -1 << 63, expires: 1<<63 - 1}.cookie(nil))
	f.Add("")
	f.Add("AQ")
	f.Fuzz(func(t *testing.T, text string) {
		s, mac, ok := parseSession(text)
		if ok && coding.EncodeToString(append(s.head(), mac...)) != text {
			t.Fatalf("%q is read as %+v, of which another text is written", text, s)
		}
		s.good(start)
		s.renewed(start)
		r := request("GET")
		r.Header["Cookie"] = []string{"fedtab-session=" + text}
		if s, k, _ := g.sessionOf(r); k != nil && s.cookie(k.key) != text {
			t.Fatalf("%q lets in, want %q only", text, s.cookie(k.key))
		}
	})
}
